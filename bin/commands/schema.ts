import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { importAuthorPlugin } from '../../core/config/author-plugin.js'
import type { AuthoredSchema } from '../../core/config/json-schema.js'
import { ConfigError } from '../../core/errors.js'
import { runCommand } from '../command.js'
import { defaultEnvironment, environmentOf } from '../config-options.js'
import { EXIT } from '../exit-codes.js'
import { visible, type Terminal } from '../terminal.js'

/** What `sluice schema` is told. */
export interface SchemaOptions {
  /** Where it is written; null = to standard output. */
  out: string | null
  /** A configuration whose own plugins are to be in it; null = none. */
  file: string | null
  environment: string | null
  json: boolean
}

/** Adds `sluice schema`. */
export function addSchema (program: Command, terminal: Terminal): void {
  program.command('schema')
    .description('print the JSON Schema of configurations, for editors')
    .option('-o, --out <file>', 'write it to a file')
    .option('-f, --file <file>', 'a configuration whose own plugins (use: ./mine.ts) are to be in it')
    .option('-e, --env <name>', 'environment overlay of that configuration (SLUICE_ENV)', defaultEnvironment(terminal))
    .option('--json', 'with --out: one JSON object: ok, file (the schema is JSON anyway)')
    .addHelpText('after', `
An editor with a YAML language server completes and explains a configuration that begins with
  # yaml-language-server: $schema=gateway.schema.json

Examples:
  sluice schema --out gateway.schema.json
  sluice schema -f gateway.config.yaml --out gateway.schema.json      with the keys of its own plugins

Exit codes: 0 done · 1 the configuration or one of its plugins can not be read, or the file not be written · 2 called wrongly`)
    .action(async ({ out, file, env, json }: { out?: string, file?: string, env?: string, json?: boolean }) => {
      process.exitCode = await schema({ out: out ?? null, file: file ?? null, environment: environmentOf(env), json: json === true }, terminal)
    })
}

/** Prints or writes the schema, and gives the exit code. */
export function schema ({ out, file, environment, json }: SchemaOptions, terminal: Terminal): Promise<number> {
  return runCommand(terminal, json, async () => {
    const authored = file === null ? [] : await loadAuthored(file, environment, terminal.env)
    // Not before it is needed: `start` shares the program, and has no use for what parses and validates.
    const { buildJsonSchema } = await import('../../core/config/json-schema.js')
    const { buildRegistry } = await import('../../core/config/registry.js')
    const { plugins } = await import('../../plugins/index.js')
    const text = JSON.stringify(buildJsonSchema(buildRegistry(plugins), authored), null, 2)
    if (out === null) {
      terminal.print(text)
      return EXIT.ok
    }
    await writeFile(out, `${text}\n`)
    terminal.print(json ? JSON.stringify({ ok: true, file: path.resolve(out) }) : `${terminal.colors.dim('wrote')} ${visible(out)}`)
    return EXIT.ok
  })
}

async function loadAuthored (file: string, environment: string | null, env: Terminal['env']): Promise<AuthoredSchema[]> {
  const { loadForCommand } = await import('../compile-config.js')
  const { findings, authorPlugins } = await loadForCommand(file, environment, env)
  // What else is wrong does not matter here: the schema is what helps to mend it.
  const fatal = findings.filter(({ path: at, position }) => at.length === 0 || at.at(-1) === 'use' || position === null)
  if (fatal.length > 0) throw new ConfigError(fatal)
  const folder = path.dirname(path.resolve(file))
  return Promise.all([...authorPlugins.values()].map(async (bundle) => ({ file: path.relative(folder, bundle.file).split(path.sep).join('/'), plugin: await importAuthorPlugin(bundle) })))
}

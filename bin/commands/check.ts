import type { Command } from 'commander'
import { ConfigError } from '../../core/errors.js'
import { findingLine, runCommand } from '../command.js'
import { defaultEnvironment, defaultFile, environmentOf } from '../config-options.js'
import { EXIT } from '../exit-codes.js'
import { SILENT } from '../silent-log.js'
import { visible, type Terminal } from '../terminal.js'

/** What `sluice check` is told. */
export interface CheckOptions {
  file: string
  environment: string | null
  json: boolean
}

/** Adds `sluice check`. */
export function addCheck (program: Command, terminal: Terminal): void {
  program.command('check')
    .description('tell everything that is wrong with a configuration, without serving it')
    .argument('[file]', 'configuration file', defaultFile(terminal))
    .option('-e, --env <name>', 'environment overlay (SLUICE_ENV)', defaultEnvironment(terminal))
    .option('--json', 'one JSON object: ok, file, environment, projects and routes (null with findings), findings')
    .addHelpText('after', `
Loads and compiles it as start does (schemas, references, routes, the order of plugins, their own checks, certificates), opens no port.
A finding is one line: file:line:column path: what is wrong (what to do)

Examples:
  sluice check                            gateway.config.yaml
  sluice check gateway.yaml --env staging
  sluice check --json | jq '.findings[].message'

Exit codes: 0 nothing was found · 1 something was · 2 called wrongly`)
    .action(async (file: string, { env, json }: { env?: string, json?: boolean }) => {
      process.exitCode = await check({ file, environment: environmentOf(env), json: json === true }, terminal)
    })
}

/** Checks a configuration, prints what is found, and gives the exit code. */
export function check ({ file, environment, json }: CheckOptions, terminal: Terminal): Promise<number> {
  return runCommand(terminal, json, async () => {
    // Not before it is needed: `start` shares the program, and has no use for what parses and validates.
    const { compileConfig } = await import('../compile-config.js')
    try {
      const { loaded, close } = await compileConfig({ file, environment, env: terminal.env, log: SILENT, startBuiltins: false, operatorToken: null })
      await close()
      const routes = [...loaded.projects.values()].reduce((sum, { config }) => sum + config.routes.length, 0)
      if (json) terminal.print(JSON.stringify({ ok: true, file, environment, projects: loaded.projects.size, routes, findings: [] }))
      else terminal.print(`${visible(file)}: ${count(loaded.projects.size, 'project')}, ${count(routes, 'route')}: ${terminal.colors.green('no findings')}`)
      return EXIT.ok
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      const { findings } = error
      if (json) terminal.print(JSON.stringify({ ok: false, file, environment, projects: null, routes: null, findings }))
      else {
        for (const finding of findings) terminal.print(findingLine(finding, terminal.colors))
        terminal.print(`${visible(file)}: ${terminal.colors.red(count(findings.length, 'finding'))}`)
      }
      return EXIT.refused
    }
  })
}

function count (number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

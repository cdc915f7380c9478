import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { writePluginTemplate } from '../plugin-new.js'
import { visible, type Terminal } from '../terminal.js'

// What authors install to have types and tests. No registry has it: the name belongs to somebody else there.
const PACKAGE = fileURLToPath(new URL('../../../', import.meta.url)).replace(/\/$/, '')

/** Adds `sluice plugin`, which has `new`. */
export function addPlugin (program: Command, terminal: Terminal): void {
  const plugin = program.command('plugin').description('work on plugins of your own')
  plugin.command('new')
    .description('write a plugin that works: code with its schema, README and test')
    .argument('<name>', 'its name, in kebab-case')
    .option('-d, --dir <folder>', 'where the folder plugins/<name>/ is made', '.')
    .option('--json', 'one JSON object: ok, name, files')
    .addHelpText('after', `
Nothing is overwritten.

Examples:
  sluice plugin new tea-time              plugins/tea-time/{index.ts,README.md,tea-time.test.ts}
  sluice plugin new tea-time --dir ../gateway

Exit codes: 0 written · 1 not a name, or there is something already · 2 called wrongly`)
    .action(async (name: string, { dir, json }: { dir: string, json?: boolean }) => {
      process.exitCode = await newPlugin({ name, directory: dir, json: json === true }, terminal)
    })
}

/** Writes a new plugin, says what to do next, and gives the exit code. */
function newPlugin ({ name, directory, json }: { name: string, directory: string, json: boolean }, terminal: Terminal): Promise<number> {
  return runCommand(terminal, json, async () => {
    const files = await writePluginTemplate({ name, directory })
    if (json) {
      terminal.print(JSON.stringify({ ok: true, name, files }))
      return EXIT.ok
    }
    const { bold, dim } = terminal.colors
    for (const file of files) terminal.print(`${dim('wrote')} ${visible(path.relative('.', file))}`)
    terminal.print(`
Next:
  1. use it, in a plugins list of the configuration (the path is relative to that file):
       ${bold(`- use: ./plugins/${name}/index.ts`)}
  2. sluice check                           is everything in place?
  3. sluice explain GET /path --run         what does it decide?
  4. its test: ${visible(path.relative('.', path.join(path.resolve(directory), 'plugins', name, 'README.md')))} says how to run it (it imports "sluice": npm install ${visible(PACKAGE)})`)
    return EXIT.ok
  })
}

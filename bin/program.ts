import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { closest } from '../core/lib/closest.js'
import { addBackup } from './commands/backup.js'
import { addCheck } from './commands/check.js'
import { addCompletion } from './commands/completion.js'
import { addEcho } from './commands/echo.js'
import { addExplain } from './commands/explain.js'
import { addInit } from './commands/init.js'
import { addKeyring } from './commands/keyring.js'
import { addMigrate } from './commands/migrate.js'
import { addPlan } from './commands/plan.js'
import { addPlugin } from './commands/plugin.js'
import { addResources } from './commands/resource.js'
import { addSchema } from './commands/schema.js'
import { addStart } from './commands/start.js'
import { addVersions } from './commands/versions.js'
import type { Terminal } from './terminal.js'

/** The whole command line, for running and for tests of its help. Parsing throws CommanderError where the command was called wrongly, and for help. */
export function createProgram (terminal: Terminal): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const program = new Command('sluice')
    .description('A plugin-based, programmable, multi-tenant API gateway.')
    .version(version)
    .showHelpAfterError('(add --help to see how it is used)')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeOut: (text) => { terminal.print(text.trimEnd()) }, writeErr: (text) => { terminal.complain(text.trimEnd()) } })
    .addHelpText('after', `
Examples:
  sluice init && sluice start                       a configuration that runs, and running it
  sluice check gateway.config.yaml                  everything that is wrong with it, at once
  sluice explain GET http://127.0.0.1:8080/echo/x   which route serves a request, and why

Exit codes: 0 done · 1 refused: the configuration can not be used, or what was asked for can not be done · 2 called wrongly · 3 requests were cut off`)
  for (const add of [addBackup, addCheck, addCompletion, addEcho, addExplain, addInit, addKeyring, addMigrate, addPlugin, addSchema]) add(program, terminal)
  addResources(program, terminal)
  addPlan(program, terminal)
  addVersions(program, terminal)
  addStart(program)
  tellUnknown(program)
  return program
}

/** Commander only suggests; whoever guesses wants to see what there is. */
function tellUnknown (program: Command): void {
  const named = (command: Command): string => command === program ? 'sluice' : `sluice ${command.name()}`
  for (const group of [program, ...program.commands.filter(({ commands }) => commands.length > 0)]) {
    group.on('command:*', ([word = '']: string[]) => {
      const known = group.commands.map((command) => command.name())
      const near = closest(word, known)
      group.error(`error: unknown command '${word}'${near === null ? '' : ` (did you mean "${near}"?)`}\nCommands of ${named(group)}: ${known.join(', ')}`, { code: 'commander.unknownCommand', exitCode: 1 })
    })
  }
}

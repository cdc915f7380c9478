#!/usr/bin/env node
/** The command line: the one place, with its commands, that reads process.argv and process.env. */
import { readFileSync } from 'node:fs'
import { Command, CommanderError } from 'commander'
import { addStart } from './commands/start.js'
import { EXIT } from './exit-codes.js'

/** The whole command line, for running and for tests of its help. */
export function createProgram (): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  const program = new Command('sluice')
    .description('A plugin-based, programmable, multi-tenant API gateway.')
    .version(version)
    .showHelpAfterError('(sluice --help tells what there is)')
    .exitOverride()
  addStart(program)
  return program
}

try {
  await createProgram().parseAsync(process.argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = error.exitCode === 0 ? EXIT.ok : EXIT.usage
}

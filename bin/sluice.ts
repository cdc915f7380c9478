#!/usr/bin/env node
/** The command line's entry: what reads process.argv and, with its commands, process.env. */
import { CommanderError } from 'commander'
import { exitCodeOf } from './command.js'
import { createProgram } from './program.js'
import { createTerminal } from './terminal.js'

try {
  await createProgram(createTerminal(process)).parseAsync(process.argv)
} catch (error) {
  if (!(error instanceof CommanderError)) throw error
  process.exitCode = exitCodeOf(error)
}
// A command that is done says so with its code. An author's plugin may have left a timer behind, which must not keep the process.
if (process.exitCode !== undefined) {
  process.stdout.write('', () => { process.stderr.write('', () => { process.exit() }) })
}

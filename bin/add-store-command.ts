import type { Command } from 'commander'
import { defaultEnvironment, defaultFile } from './config-options.js'
import type { Terminal } from './terminal.js'

/** What is told of a command that opens the store itself. */
export interface StoreCommandTexts {
  readonly name: string
  readonly description: string
  /** What `--json` prints. */
  readonly json: string
  /** What `--help` says below: examples, exit codes. */
  readonly more: string
}

/** Adds a command that opens the store which a configuration names: with the flags that all of those have (`StoreCommandFlags`). */
export function addStoreCommand (parent: Command, terminal: Terminal, { name, description, json, more }: StoreCommandTexts, names = 'the store'): Command {
  return parent.command(name)
    .description(description)
    .option('-c, --config <file>', `configuration file, which names ${names}`, defaultFile(terminal))
    .option('-e, --env <name>', 'environment overlay (SLUICE_ENV)', defaultEnvironment(terminal))
    .option('--json', json)
    .addHelpText('after', more)
}

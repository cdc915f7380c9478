import type { Command } from 'commander'
import { runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import type { Terminal } from '../terminal.js'
import { addConnectionFlags } from './connection-flags.js'
import { findConnection, type Connection, type ConnectionFlags } from './connection.js'

/** The flags of every command about records. */
export interface AdminFlags extends ConnectionFlags {
  readonly json?: boolean
  readonly account?: string
}

/** Adds the flags of every command about records (`AdminFlags`). */
export function addAdminFlags (command: Command): Command {
  return addConnectionFlags(command)
    .option('--account <id>', 'the account that it is about, where the token may see several')
    .option('--json', "the API's answer as it is")
}

/** Runs a command over the admin API; the process ends with the exit code that it gives, or 0. */
export async function runAdminCommand (terminal: Terminal, options: AdminFlags, act: (connection: Connection) => Promise<number | void>): Promise<void> {
  process.exitCode = await runCommand(terminal, options.json === true, async () => await act(await findConnection(options, terminal.env)) ?? EXIT.ok)
}

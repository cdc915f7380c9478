import type { Command } from 'commander'
import { backup as backUp, restore as putBack, type BackupProgress } from '../../core/state/backup.js'
import { verifyBackup, type VerifiedBackup } from '../../core/state/backup-format.js'
import { addStoreCommand } from '../add-store-command.js'
import { EXIT } from '../exit-codes.js'
import { storeRing } from '../keyring/store-ring.js'
import { runStoreCommand, type StoreCommandFlags } from '../store-command.js'
import { visible, type Terminal } from '../terminal.js'

/** What `sluice restore` is told beside. */
export interface RestoreFlags extends StoreCommandFlags {
  readonly merge?: boolean
}

/** Adds `sluice backup` and `sluice restore`. */
export function addBackup (program: Command, terminal: Terminal): void {
  const command = (name: string, description: string, json: string, more: string): Command => addStoreCommand(program, terminal, { name, description, json, more }).argument('<file>', 'the backup')
  command('backup', 'write all that the store keeps into one file', 'one JSON object: ok, engine, file, records, usage', `
Gateways may be running. The file is gzip of JSON lines with a checksum, mode 0600, the same for every kind of store. The key ring is not in it: keep a
copy of that elsewhere, for secrets can not be read without it.

Examples:
  sluice backup monday.backup
  sluice backup monday.backup --config gateway.yaml --env production

Exit codes: 0 written · 1 the store can not be read, or the file not written · 2 called wrongly`)
    .action(async (file: string, flags: StoreCommandFlags) => { process.exitCode = await backup(file, flags, terminal) })
  command('restore', 'write what a backup holds into an empty store', 'one JSON object: ok, engine, file, records, usage, skipped', `
The file is read to its end before anything is written: one that is torn or was changed is refused. Stop gateways that use the store.

Examples:
  sluice restore monday.backup
  sluice restore monday.backup --merge           what is not there yet; goes on after an interruption

Exit codes: 0 restored · 1 refused · 2 called wrongly`)
    .option('--merge', 'into a store that is not empty: adds the records whose ids are not there, and no usage')
    .action(async (file: string, flags: RestoreFlags) => { process.exitCode = await restore(file, flags, terminal) })
}

/** Writes a backup, and gives the exit code. */
export function backup (file: string, flags: StoreCommandFlags, terminal: Terminal): Promise<number> {
  return runStoreCommand(terminal, flags, false, async ({ engine: kind }, place, _state, engine) => {
    const { records, usage } = await backUp(engine, file, { onProgress: progress(terminal, flags) })
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, engine: kind, file, records, usage }))
    else terminal.print(`${visible(file)}: ${records} records and ${usage} days of usage of the ${kind} store (${visible(place)})`)
    return EXIT.ok
  })
}

/** Restores a backup, and gives the exit code. */
export function restore (file: string, flags: RestoreFlags, terminal: Terminal): Promise<number> {
  let verified: VerifiedBackup | undefined
  return runStoreCommand(terminal, flags, true, async ({ engine: kind }, place, state, engine) => {
    const { records, usage, skipped } = await putBack(engine, file, { ...verified === undefined ? {} : { verified }, merge: flags.merge === true, onProgress: progress(terminal, flags), ring: storeRing(state, terminal.env) })
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, engine: kind, file, records, usage, skipped }))
    else terminal.print(`${kind} store (${visible(place)}): ${records} records and ${usage} days of usage restored${skipped === 0 ? '' : `, ${skipped} records were there already`}`)
    return EXIT.ok
  }, async () => {
    // Before a store is made, or opened.
    verified = await verifyBackup(file)
  })
}

function progress (terminal: Terminal, { json }: StoreCommandFlags): BackupProgress {
  return (done, total) => { if (json !== true) terminal.complain(`sluice: ${done}${total === null ? '' : ` of ${total}`}`) }
}

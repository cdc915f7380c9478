import type { Command } from 'commander'
import { migrate, migrationStatus } from '../../core/state/migrate.js'
import { addStoreCommand } from '../add-store-command.js'
import { EXIT } from '../exit-codes.js'
import { storeRing } from '../keyring/store-ring.js'
import { runStoreCommand, type StoreCommandFlags } from '../store-command.js'
import { visible, type Terminal } from '../terminal.js'

/** Adds `sluice migrate`, which has `status` and `up`. */
export function addMigrate (program: Command, terminal: Terminal): void {
  const group = program.command('migrate').description('bring the store up to this version')
  const command = (name: string, description: string, json: string, more: string): Command => addStoreCommand(group, terminal, { name, description, json, more })
  command('status', 'tell which format the store has, and what is due', 'one JSON object: ok, engine, version, known, applied, pending', `
Nothing is changed. A gateway may be running.

Exit codes: 0 told · 1 the store can not be read, or a newer version wrote it · 2 called wrongly`)
    .action(async (flags: StoreCommandFlags) => { process.exitCode = await status(flags, terminal) })
  command('up', 'apply what is due', 'one JSON object: ok, engine, version, applied', `
A gateway does this itself when it starts. Run before, it is done at a time of your choosing. One process at a time migrates; others wait. It may be
interrupted: run again, it goes on. There is no way back but a backup.

Exit codes: 0 applied, or nothing was due · 1 the store can not be used, or a newer version wrote it · 2 called wrongly`)
    .action(async (flags: StoreCommandFlags) => { process.exitCode = await up(flags, terminal) })
}

/** Tells how far the store is, and gives the exit code. */
export function status (flags: StoreCommandFlags, terminal: Terminal): Promise<number> {
  return runStoreCommand(terminal, flags, false, async ({ engine, system }, place) => {
    const { version, known, applied, pending } = await migrationStatus(system)
    if (flags.json === true) {
      terminal.print(JSON.stringify({ ok: true, engine, version, known, applied, pending: pending.map(({ version: number, name }) => ({ version: number, name })) }))
      return EXIT.ok
    }
    const { green, yellow } = terminal.colors
    terminal.print(`${engine} store (${visible(place)}): format ${version}, this version has ${known}`)
    for (const { version: number, name, applied_at: at } of applied) terminal.print(`  ${number} ${visible(name)} ${green('applied')} ${visible(at)}`)
    for (const { version: number, name } of pending) terminal.print(`  ${number} ${name} ${yellow('due')}`)
    return EXIT.ok
  })
}

/** Applies what is due, and gives the exit code. */
export function up (flags: StoreCommandFlags, terminal: Terminal): Promise<number> {
  return runStoreCommand(terminal, flags, true, async (open, place, state) => {
    const json = flags.json === true
    const applied = await migrate(open, {
      ring: storeRing(state, terminal.env),
      onProgress ({ version, name }, records) {
        if (!json) terminal.complain(`sluice: ${version} ${name}: ${records === 0 ? 'begun' : `${records} records`}`)
      }
    })
    const { version } = await migrationStatus(open.system)
    if (json) terminal.print(JSON.stringify({ ok: true, engine: open.engine, version, applied: applied.map(({ version: number, name }) => ({ version: number, name })) }))
    else terminal.print(`${open.engine} store (${visible(place)}): format ${version}, ${applied.length === 0 ? 'nothing was due' : `applied ${applied.map(({ name }) => name).join(', ')}`}`)
    return EXIT.ok
  })
}

import type { Command } from 'commander'
import { addStoreCommand } from '../add-store-command.js'
import { listKeyRing } from '../keyring/list.js'
import { makeKeyRing, type NewFlags } from '../keyring/make.js'
import type { KeyringFlags } from '../keyring/places.js'
import { retireKey, type RetireFlags } from '../keyring/retire.js'
import { rotateKeyRing, type RotateFlags } from '../keyring/rotate.js'
import type { Terminal } from '../terminal.js'

/** Adds `sluice keyring`, which has `new`, `list`, `rotate` and `retire`. */
export function addKeyring (program: Command, terminal: Terminal): void {
  const group = program.command('keyring').description('work on the keys that secrets of the store are encrypted with')
  const command = (name: string, description: string, json: string, more: string): Command => addStoreCommand(group, terminal, { name, description, json, more }, 'the store and the ring')
  command('new', 'make a key ring', 'one JSON object: ok, file, encryption, pepper; with --print ok, keys', `
The gateway makes one itself beside an embedded store. A store that several nodes share needs one that every node gets. No file is overwritten.

Examples:
  sluice keyring new                                the file that the configuration names
  sluice keyring new --file keys.json
  SLUICE_KEYS="$(sluice keyring new --print)"       shows the keys: only into a place that keeps secrets

Exit codes: 0 made · 1 there is one, or it can not be kept there · 2 called wrongly`)
    .option('--file <file>', 'another file than the configuration names')
    .option('--print', 'print the ring, keys and all, on one line, and write nothing')
    .option('--next', 'with --print: the ring of SLUICE_KEYS with a key more that is not used yet; where it has such a key, with that in use')
    .option('--peppers', 'with --next: a pepper instead of a key')
    .action(async (flags: NewFlags) => { process.exitCode = await makeKeyRing(flags, terminal) })
  command('list', 'list the keys of the ring', 'one JSON object: ok, source, keys', `
Tells ids, kinds and ages; never the keys.

Exit codes: 0 listed · 1 there is no ring, or it can not be used · 2 called wrongly`)
    .action(async (flags: KeyringFlags) => { process.exitCode = await listKeyRing(flags, terminal) })
  command('rotate', 'put a new key in use and seal with it what others sealed', 'one JSON object: ok, source, encryption, pepper, records, resealed, unopened; with --prepare ok, source, prepared', `
Gateways may run: they take the new key from the file, and go on reading what the older ones sealed. It may be interrupted: --resume goes on.
A store that several nodes share needs steps, so that every node knows the key before one uses it. With SLUICE_KEYS the key that is in use
there is put in use in the store: \`sluice keyring new --print --next\` prints the ring with another.

Examples:
  sluice keyring rotate                   one node
  sluice keyring rotate --prepare         several nodes: then give the file to each, rotate on one, and give its file to each again

Exit codes: 0 done · 1 the store or the ring can not be used, or a value can not be opened and stays as it was · 2 called wrongly`)
    .option('--prepare', 'only add the key to the file; the next rotate puts it in use')
    .option('--resume', 'add no key: go on with what was interrupted')
    .option('--peppers', 'a new pepper too: for the digests of keys and tokens that are made from now on')
    .action(async (flags: RotateFlags) => { process.exitCode = await rotateKeyRing(flags, terminal) })
  command('retire', 'take a key out of the ring that nothing needs any more', 'one JSON object: ok, source, id, removed', `
Refused while anything in the store is sealed with it, or while a key or token that is not revoked was made with it (a pepper). What backups from
before hold is not looked at: keep a copy of the ring with them.

Exit codes: 0 it is gone · 1 something needs it, or there is no such key · 2 called wrongly`)
    .argument('<id>', 'the key, as `sluice keyring list` tells it')
    .option('-y, --yes', 'do not ask')
    .action(async (id: string, flags: RetireFlags) => { process.exitCode = await retireKey(id, flags, terminal) })
}

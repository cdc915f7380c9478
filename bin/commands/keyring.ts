import type { Command } from 'commander'
import { defaultEnvironment, defaultFile } from '../config-options.js'
import { listKeyRing } from '../keyring/list.js'
import { makeKeyRing, type NewFlags } from '../keyring/make.js'
import type { KeyringFlags } from '../keyring/flags.js'
import type { Terminal } from '../terminal.js'

/** Adds `sluice keyring`, which has `new` and `list`. */
export function addKeyring (program: Command, terminal: Terminal): void {
  const group = program.command('keyring').description('work on the keys that secrets of the store are encrypted with')
  const command = (name: string, description: string, json: string, more: string): Command => group.command(name)
    .description(description)
    .option('-c, --config <file>', 'configuration file, which names the store and the ring', defaultFile(terminal))
    .option('-e, --env <name>', 'environment overlay (SLUICE_ENV)', defaultEnvironment(terminal))
    .option('--json', json)
    .addHelpText('after', more)
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
}

import path from 'node:path'
import { withNewestActive, withPreparedKey } from '../../core/state/key-ring-edit.js'
import { KEYS_VARIABLE, makeKeyRingFile } from '../../core/state/key-ring-source.js'
import { formatKeyRing, newRingContent, parseKeyRing, type KeyKind } from '../../core/state/key-ring-text.js'
import type { RingContent } from '../../core/state/key-ring.js'
import { CommandError, runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { visible, type Terminal } from '../terminal.js'
import { loadState, withRingRefusals, type KeyringFlags } from './places.js'

/** What `sluice keyring new` is told. */
export interface NewFlags extends KeyringFlags {
  readonly file?: string
  readonly print?: boolean
  readonly next?: boolean
  readonly peppers?: boolean
}

/** Makes a ring, into a file or onto standard output, and gives the exit code. */
export function makeKeyRing (flags: NewFlags, terminal: Terminal): Promise<number> {
  return runCommand(terminal, flags.json === true, () => withRingRefusals(async () => {
    if (flags.next === true && flags.print !== true) throw new CommandError(`--next is for a ring in ${KEYS_VARIABLE}, which can only be printed`, 'add --print; for a ring in a file there is `sluice keyring rotate`', EXIT.usage)
    if (flags.peppers === true && flags.next !== true) throw new CommandError('--peppers says of what kind the key of --next is', 'add --next: a new ring has a pepper anyway', EXIT.usage)
    if (flags.print === true) {
      const content = flags.next === true ? nextOf(terminal, flags.peppers === true ? 'peppers' : 'encryption') : newRingContent()
      // On one line, as a variable holds it.
      const text = JSON.stringify(JSON.parse(formatKeyRing(content)))
      terminal.print(flags.json === true ? JSON.stringify({ ok: true, keys: text }) : text)
      return EXIT.ok
    }
    const file = flags.file === undefined ? (await loadState(flags, terminal)).keyRing : path.resolve(flags.file)
    if (file === null) throw new CommandError('the configuration names no file for the key ring', 'name one in state.keyRing or with --file')
    const content = newRingContent()
    if (!makeKeyRingFile(file, content)) throw new CommandError(`${file} is there already`, 'what was sealed with it needs it; `sluice keyring rotate` gives it a new key')
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, file, encryption: content.encryption.active, pepper: content.peppers.active }))
    else terminal.print(`made ${visible(file)}: keep a copy of it apart from the backups of the store, which nobody can use without it`)
    return EXIT.ok
  }))
}

/** The ring of SLUICE_KEYS one step on: with a key that is prepared, or with that in use. */
function nextOf ({ env }: Terminal, kind: KeyKind): RingContent {
  const content = parseKeyRing(env[KEYS_VARIABLE] ?? '', KEYS_VARIABLE)
  return content[kind].keys.at(-1)?.id === content[kind].active ? withPreparedKey(content, kind) : withNewestActive(content, kind)
}

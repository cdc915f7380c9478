import { rememberKeyRing } from '../../core/state/key-ring-check.js'
import { withNewestActive, withPreparedKey } from '../../core/state/key-ring-edit.js'
import { replaceKeyRingFile } from '../../core/state/key-ring-source.js'
import type { KeyKind } from '../../core/state/key-ring-text.js'
import type { RingContent } from '../../core/state/key-ring.js'
import { resealStore } from '../../core/state/reseal.js'
import { CommandError, runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { visible, type Terminal } from '../terminal.js'
import { loadExistingRing, loadState, withRingRefusals, type KeyringFlags } from './places.js'
import { withKeyringStore } from './with-store.js'

/** What `sluice keyring rotate` is told. */
export interface RotateFlags extends KeyringFlags {
  readonly prepare?: boolean
  readonly peppers?: boolean
  readonly resume?: boolean
}

const PROGRESS_MS = 1_000

/** Puts a new key in use and seals with it all that another one sealed, while gateways run; gives the exit code. */
export function rotateKeyRing (flags: RotateFlags, terminal: Terminal): Promise<number> {
  if (flags.prepare === true) return prepare(flags, terminal)
  return withKeyringStore(flags, terminal, 'keyring.rotate', async ({ open, ring, file, state, keepLease }) => {
    const kinds = kindsOf(flags)
    const shared = state.kind === 'mongodb'
    // With SLUICE_KEYS whoever sets it has put the key in use.
    if (file !== null && flags.resume !== true) replaceKeyRingFile(file, kinds.reduce((content, kind) => advanceRing(content, kind, shared), ring.content()))
    const { encryption: { active }, peppers: { active: pepper } } = ring.content()
    let told = Date.now()
    const { seen, resealed, unopened } = await resealStore(open, ring, async (progress) => {
      if (Date.now() - told < PROGRESS_MS) return
      told = Date.now()
      await keepLease()
      if (flags.json !== true) terminal.complain(`sluice: ${progress.seen} records, ${progress.resealed} values sealed anew`)
    })
    await rememberKeyRing(open.system, ring)
    if (flags.json === true) terminal.print(JSON.stringify({ ok: unopened.length === 0, source: file ?? 'environment', encryption: active, pepper, records: seen, resealed, unopened }))
    else {
      terminal.print(`${active} is in use: ${resealed} values sealed anew${kinds.includes('peppers') ? `; ${pepper} is the pepper of new keys and tokens` : ''}`)
      for (const { collection, id, field, message } of unopened) terminal.complain(`sluice: ${collection} ${visible(id)} ${field}: ${visible(message)}`)
    }
    return unopened.length === 0 ? EXIT.ok : EXIT.refused
  })
}

/**
 * The ring with the newest key in use, which is made where none was prepared. Throws CommandError where other nodes share the store: what a key
 * seals that only this one knew would be closed to them.
 */
export function advanceRing (content: RingContent, kind: KeyKind, shared: boolean): RingContent {
  if (shared && content[kind].keys.at(-1)?.id === content[kind].active) {
    throw new CommandError(`no ${kind === 'peppers' ? 'pepper' : 'key'} is prepared, and other nodes of the store would not know a new one`, `run \`sluice keyring rotate --prepare${kind === 'peppers' ? ' --peppers' : ''}\`, give the file to every node, then run this again`)
  }
  return withNewestActive(content, kind)
}

function prepare (flags: RotateFlags, terminal: Terminal): Promise<number> {
  return runCommand(terminal, flags.json === true, () => withRingRefusals(async () => {
    const { ring, source } = loadExistingRing(await loadState(flags, terminal), terminal.env)
    if (source === 'environment') throw new CommandError('the ring is in SLUICE_KEYS, which can not be changed from here', '`sluice keyring new --print --next` prints the one to set')
    const next = kindsOf(flags).reduce((content, kind) => withPreparedKey(content, kind), ring.content())
    replaceKeyRingFile(source, next)
    const ids = kindsOf(flags).map((kind) => next[kind].keys.at(-1)?.id ?? '')
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, source, prepared: ids }))
    else terminal.print(`prepared ${ids.join(' and ')} in ${visible(source)}: give the file to every node, then run \`sluice keyring rotate\``)
    return EXIT.ok
  }))
}

function kindsOf ({ peppers }: RotateFlags): KeyKind[] {
  return peppers === true ? ['encryption', 'peppers'] : ['encryption']
}

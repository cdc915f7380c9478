import type { RingContent, RingKeys } from '../../core/state/key-ring.js'
import { printTable } from '../admin-client/show.js'
import { runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { visible, type Terminal } from '../terminal.js'
import { loadExistingRing, loadState, withRingRefusals, type KeyringFlags } from './places.js'

/** A key as it is listed. */
interface Listed {
  readonly id: string
  readonly kind: 'encryption' | 'pepper'
  /** `prepared`: it is not used for new values yet. */
  readonly use: 'active' | 'older' | 'prepared'
  readonly created_at: string
}

/** Lists the keys of the ring, and gives the exit code. */
export function listKeyRing (flags: KeyringFlags, terminal: Terminal): Promise<number> {
  return runCommand(terminal, flags.json === true, () => withRingRefusals(async () => {
    const { ring, source } = loadExistingRing(await loadState(flags, terminal), terminal.env)
    const keys = listOf(ring.content())
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, source, keys }))
    else {
      terminal.print(terminal.colors.dim(`in ${source === 'environment' ? 'SLUICE_KEYS' : visible(source)}`))
      printTable(keys.map((key) => ({ ...key })), ['id', 'kind', 'use', 'created_at'], terminal)
    }
    return EXIT.ok
  }))
}

function listOf ({ encryption, peppers }: RingContent): Listed[] {
  return [...keysOf(encryption, 'encryption'), ...keysOf(peppers, 'pepper')]
}

function keysOf ({ active, keys }: RingKeys, kind: Listed['kind']): Listed[] {
  const at = keys.findIndex(({ id }) => id === active)
  return keys.map(({ id, createdAt }, index) => ({ id, kind, use: index === at ? 'active' : index < at ? 'older' : 'prepared', created_at: createdAt }))
}

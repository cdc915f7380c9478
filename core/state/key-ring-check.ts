import { KeyRingError, type Digest, type KeyRing } from './key-ring.js'
import type { Sealed } from './records.js'
import type { SystemStore } from './store.js'

/** The ring is not the one that the store was written with. */
export class WrongKeyRingError extends Error {
  readonly remedy = 'bring that ring back from its backup, or name another store: every node of a store needs the same ring'

  constructor (reason: string) {
    super(`the key ring does not belong to this store: ${reason}`)
    this.name = 'WrongKeyRingError'
  }
}

const META_KEY = 'key_ring'
const SYSTEM = 'system'
const PLACE = { collection: 'meta', field: META_KEY }
const TEXT = 'sluice'

/**
 * Makes sure that what a store holds can be read with this ring, before anything is served: a store that was never used remembers the ring; else
 * what it remembers, and the newest key and token, have to fit. Rejects with WrongKeyRingError, and as the store does.
 */
export async function checkKeyRing (system: SystemStore, ring: KeyRing): Promise<void> {
  const remembered = await system.getMeta(META_KEY)
  if (remembered === null) {
    await checkRecords(system, ring)
    if (await system.setMeta(META_KEY, memoryOf(ring), null)) return
    return checkKeyRing(system, ring) // another node was first
  }
  const { digest, pepper_id: pepper } = openMemory(ring, remembered)
  if (!ring.verify(TEXT, { digest, pepper_id: pepper })) throw new WrongKeyRingError(`it has no pepper ${pepper}, or another of that name`)
}

/** Lets a store remember the active key and pepper in the place of those before. The ring has to fit. */
export async function rememberKeyRing (system: SystemStore, ring: KeyRing): Promise<void> {
  for (;;) {
    const remembered = await system.getMeta(META_KEY)
    if (remembered !== null) openMemory(ring, remembered)
    if (await system.setMeta(META_KEY, memoryOf(ring), remembered)) return
  }
}

function memoryOf (ring: KeyRing): Sealed {
  return ring.seal(SYSTEM, PLACE, JSON.stringify(ring.digest(TEXT)))
}

function openMemory (ring: KeyRing, remembered: string): Digest {
  try {
    return JSON.parse(ring.open(SYSTEM, PLACE, remembered as Sealed)) as Digest
  } catch (error) {
    throw new WrongKeyRingError(error instanceof KeyRingError ? error.message : 'what it remembers is no digest')
  }
}

/** A store that was restored remembers no ring, but its records name theirs. */
async function checkRecords (system: SystemStore, ring: KeyRing): Promise<void> {
  const { peppers } = ring.content()
  const newest = { filter: { status: { eq: 'active' } }, sort: [{ field: 'created_at', descending: true }], limit: 1 } as const
  for (const { pepper_id: pepper } of [...await system.list('credentials', newest), ...await system.list('admin_tokens', newest)]) {
    if (!peppers.keys.some(({ id }) => id === pepper)) throw new WrongKeyRingError(`keys in it were made with the pepper ${pepper}, which is not in the ring`)
  }
}

import { KeyRingError, keyIdOf, type KeyRing } from './key-ring.js'
import type { CollectionName, RecordBase, Sealed } from './records.js'
import { ID_FIELDS } from './records.js'
import { PEPPERED_COLLECTIONS, SEALED_FIELDS } from './sealed-fields.js'
import { StaleRevisionError } from './store-errors.js'
import type { OpenStore, SystemStore } from './store.js'

/** A record whose sealed field can not be opened. */
export interface Unopened {
  readonly collection: string
  readonly id: string
  readonly field: string
  readonly message: string
}

/** How far the sealing anew has come. */
export interface ResealProgress {
  /** Records looked at since the store was last begun with. */
  readonly seen: number
  /** Fields that were sealed anew. */
  readonly resealed: number
}

/** What came of it. */
export interface Resealed extends ResealProgress {
  /** What stays as it was. */
  readonly unopened: readonly Unopened[]
}

type SealedCollection = keyof typeof SEALED_FIELDS
type AnyRecord = RecordBase & Readonly<Record<string, unknown>>

/**
 * Seals with the active key every field that another one sealed, while others read and write the store: each record is replaced on its revision,
 * and one that changed meanwhile is read again. Goes over the store until nothing is left, because others may seal with the key before until
 * they have seen the new one. What can not be opened is told and stays. Rejects as the store does; it can then be run again.
 */
export async function resealStore (open: Pick<OpenStore, 'store' | 'system'>, ring: KeyRing, onProgress: (progress: ResealProgress) => void | Promise<void> = () => {}): Promise<Resealed> {
  let resealed = 0
  for (;;) {
    let seen = 0
    const before = resealed
    const unopened: Unopened[] = []
    for (const collection of Object.keys(SEALED_FIELDS) as SealedCollection[]) {
      for await (const batch of open.system.readAll(collection)) {
        for (const record of batch) {
          seen++
          resealed += await resealRecord(open, ring, collection, record as unknown as AnyRecord, unopened)
        }
        await onProgress({ seen, resealed })
      }
    }
    if (resealed === before) return { seen, resealed, unopened }
  }
}

/** Gives how many fields of a record were sealed anew. */
async function resealRecord ({ store }: Pick<OpenStore, 'store'>, ring: KeyRing, collection: SealedCollection, record: AnyRecord, unopened: Unopened[]): Promise<number> {
  const id = record[ID_FIELDS[collection]] as string
  for (let current: AnyRecord | null = record; current !== null;) {
    const changes: Record<string, Sealed> = {}
    for (const [field, place] of Object.entries(SEALED_FIELDS[collection])) {
      const sealed = current[field] as Sealed | null
      if (sealed === null) continue
      try {
        if (!ring.needsRotation(sealed)) continue
        changes[field] = ring.seal(current.customer_id, place, ring.open(current.customer_id, place, sealed))
      } catch (error) {
        if (!(error instanceof KeyRingError)) throw error
        unopened.push({ collection, id, field, message: error.message })
      }
    }
    const count = Object.keys(changes).length
    if (count === 0) return 0
    try {
      await store[collection].replace(current.customer_id, { ...current, ...changes } as never)
      return count
    } catch (error) {
      if (!(error instanceof StaleRevisionError)) throw error
      current = await store[collection].get(current.customer_id, id) as AnyRecord | null
    }
  }
  return 0
}

/**
 * How many records need each key and pepper of a ring, by its id; ids that nothing needs are left out. Keys and tokens that were revoked do
 * not need their pepper: nothing they could show would be taken.
 */
export async function countKeyUse (system: SystemStore): Promise<Map<string, number>> {
  const uses = new Map<string, number>()
  const add = (id: string): void => { uses.set(id, (uses.get(id) ?? 0) + 1) }
  const collections = new Set([...Object.keys(SEALED_FIELDS), ...Object.keys(PEPPERED_COLLECTIONS)] as CollectionName[])
  for (const collection of collections) {
    const sealedFields = collection in SEALED_FIELDS ? Object.keys(SEALED_FIELDS[collection as SealedCollection]) : []
    for await (const batch of system.readAll(collection)) {
      for (const record of batch as unknown as readonly AnyRecord[]) {
        if (collection in PEPPERED_COLLECTIONS && record['status'] !== 'revoked') add(record['pepper_id'] as string)
        for (const field of sealedFields) {
          const sealed = record[field] as Sealed | null
          if (sealed !== null) add(keyIdOf(sealed))
        }
      }
    }
  }
  return uses
}

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { KeyRing } from './key-ring.js'
import { changeRecord, checksumOf, hasPlain, MIGRATIONS, type Migration, type RecordChange } from './migrations.js'
import { ID_FIELDS, type RecordBase, type Records } from './records.js'
import type { Collection, OpenStore, SystemStore } from './store.js'
import { MigrationChangedError, StaleRevisionError, StoreTooNewError, StoreUnavailableError } from './store-errors.js'

/** A migration that was applied to a store. */
export interface AppliedMigration {
  readonly version: number
  readonly name: string
  readonly checksum: string
  readonly applied_at: string
}

/** How far a store is. */
export interface MigrationStatus {
  /** The format that it has; 0 = it is new. */
  readonly version: number
  /** The format that this version of the gateway has. */
  readonly known: number
  readonly applied: readonly AppliedMigration[]
  readonly pending: readonly Migration[]
}

/** How to migrate. */
export interface MigrateOptions {
  readonly migrations?: readonly Migration[]
  /** Told before a migration begins, and of records as they are done. */
  readonly onProgress?: (migration: Migration, records: number) => void
  /** How long another node that migrates is waited for. Default 60 000. */
  readonly waitMs?: number
  /** Gives the ring that belongs to the store, and rejects where there is none. Asked once, where something was kept plain that is to be sealed; left out, that is an error. */
  readonly ring?: (system: SystemStore) => Promise<Pick<KeyRing, 'seal'>>
  readonly now?: () => number
}

const META_KEY = 'migrations'
const LEASE = 'migrations'
// A node that dies is waited for this long; one that works prolongs it with each piece of records.
const LEASE_MS = 15_000
const RETRY_MS = 100

/** Tells how far a store is. Rejects with StoreTooNewError when a newer version wrote it, and MigrationChangedError where what was applied is not what is known. */
export async function migrationStatus (system: SystemStore, migrations: readonly Migration[] = MIGRATIONS): Promise<MigrationStatus> {
  const applied = appliedOf(await system.getMeta(META_KEY))
  const version = applied.at(-1)?.version ?? 0
  const known = migrations.at(-1)?.version ?? 0
  if (version > known) throw new StoreTooNewError(version, known)
  for (const [index, { version: number, checksum }] of applied.entries()) {
    const migration = migrations[index]
    if (migration?.version !== number || checksumOf(migration) !== checksum) throw new MigrationChangedError(number)
  }
  return { version, known, applied, pending: migrations.slice(applied.length) }
}

/**
 * Applies what is due, one node at a time, and gives what this one applied. It may end at any moment: what is done twice is done once. Nodes
 * of the version before may go on: they see records of the new form, but for what they do not know to be sealed.
 */
export async function migrate ({ store, system }: Pick<OpenStore, 'store' | 'system'>, options: MigrateOptions = {}): Promise<readonly Migration[]> {
  const { migrations = MIGRATIONS, onProgress = () => {}, waitMs = 60_000, now = Date.now } = options
  let ring: Promise<Pick<KeyRing, 'seal'>> | null = null
  const ringOf: RingOf = () => ring ??= options.ring?.(system) ?? Promise.reject(new Error('what the store keeps plain is to be sealed, and there is no key ring'))
  const holder = randomUUID()
  const deadline = performance.now() + waitMs
  const keepLease = async (): Promise<boolean> => await system.takeLease(LEASE, holder, LEASE_MS) !== null
  for (;;) {
    if ((await migrationStatus(system, migrations)).pending.length === 0) return []
    if (await keepLease()) break
    if (performance.now() > deadline) throw new StoreUnavailableError(`another node has been migrating the store for ${waitMs / 1000} s`)
    await sleep(RETRY_MS)
  }
  try {
    // Who had the lease before may have done it all.
    const { pending, version } = await migrationStatus(system, migrations)
    for (const migration of pending) {
      let records = 0
      onProgress(migration, records)
      for (const change of migration.changes) {
        for await (const done of changeCollection(store[change.collection] as unknown as Collection<RecordBase>, system, change, ringOf)) {
          if (!await keepLease()) throw new StoreUnavailableError('another node has taken over migrating the store')
          records += done
          onProgress(migration, records)
        }
      }
      // Before it counts as applied, so that it is made up for after an interruption. What is new never held anything plain.
      if (version > 0 && migration.changes.some(({ seal = [] }) => seal.length > 0)) await system.scrub()
      await markApplied(system, migration, migrations, now)
    }
    return pending
  } finally {
    await system.releaseLease(LEASE, holder).catch(() => {})
  }
}

type RingOf = () => Promise<Pick<KeyRing, 'seal'>>

/** Changes the records of a collection, and tells how many after each piece. */
async function * changeCollection (collection: Collection<RecordBase>, system: SystemStore, change: RecordChange, ringOf: RingOf): AsyncGenerator<number> {
  for await (const piece of system.readAll(change.collection)) {
    let changed = 0
    for (const record of piece as readonly Records[typeof change.collection][]) if (await changeOne(collection, record, change, ringOf)) changed += 1
    yield changed
  }
}

async function changeOne (collection: Collection<RecordBase>, found: RecordBase, change: RecordChange, ringOf: RingOf): Promise<boolean> {
  const id = String((found as unknown as Record<string, unknown>)[ID_FIELDS[change.collection]])
  for (let record: RecordBase | null = found; record !== null; record = await collection.get(found.customer_id, id)) {
    const ring = hasPlain(record, change) ? await ringOf() : null
    const next = changeRecord(record, change, ring === null ? null : (place, text) => ring.seal(found.customer_id, place, text))
    if (next === null) return false
    try {
      await collection.replace(found.customer_id, next)
      return true
    } catch (error) {
      if (!(error instanceof StaleRevisionError)) throw error
    }
  }
  return false
}

async function markApplied (system: SystemStore, migration: Migration, migrations: readonly Migration[], now: () => number): Promise<void> {
  const before = await system.getMeta(META_KEY)
  const entry: AppliedMigration = { version: migration.version, name: migration.name, checksum: checksumOf(migration), applied_at: new Date(now()).toISOString() }
  const kept = await system.setMeta(META_KEY, JSON.stringify([...appliedOf(before), entry]), before)
  // A node that was taken for dead may have been quicker, with the same result.
  if (!kept && (await migrationStatus(system, migrations)).version < migration.version) throw new StoreUnavailableError('another node migrates the store')
}

function appliedOf (meta: string | null): AppliedMigration[] {
  return meta === null ? [] : JSON.parse(meta) as AppliedMigration[]
}

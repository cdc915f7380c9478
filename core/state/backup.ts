import { setTimeout as sleep } from 'node:timers/promises'
import type { CollectedDocument, DocumentEngine } from './document-engine.js'
import { openDocumentStore } from './document-store.js'
import { keyOfLine, readBackup, verifyBackup, writeBackup, type BackupLine, type RecordLine, type VerifiedBackup } from './backup-format.js'
import { migrate, migrationStatus, type MigrateOptions } from './migrate.js'
import { LOCAL_ACCOUNT, type Records } from './records.js'
import type { TenantUsageDay } from './store.js'
import { BackupError, StoreTooNewError } from './store-errors.js'
import { uniqueEntries } from './unique-fields.js'

/** What was written into a backup, or out of it. */
export interface BackupCounts {
  readonly records: number
  readonly usage: number
}

/** What a restore did. */
export interface RestoreCounts extends BackupCounts {
  /** Records that were not written (`merge`): their id was there, or what only one may have was another's. */
  readonly skipped: number
}

/** Told as records are done; `total` is null where it is not known. */
export type BackupProgress = (records: number, total: number | null) => void

/** How to make a backup. */
export interface BackupOptions {
  readonly onProgress?: BackupProgress
  readonly now?: () => number
  /** How many records are read at once. Default 1 000. */
  readonly piece?: number
}

/** How to restore a backup. */
export interface RestoreOptions extends Pick<MigrateOptions, 'ring'> {
  readonly merge?: boolean
  readonly onProgress?: BackupProgress
  /** The file as it was read to its end already, so that it is not read for that again. */
  readonly verified?: VerifiedBackup
}

const PIECE = 1_000
// What is written at once, in lines and characters. In a file the pages of indexes that ids are spread over are written once for all of it; to a server
// no batch may take longer than a call.
const BATCHES = { embedded: { lines: 5_000, characters: 10_000_000 }, mongodb: { lines: 500, characters: 1_000_000 } } as const
// What belongs to records: the migrations that formed them, and by which ring their secrets can be read.
const SETTINGS = ['migrations', 'key_ring']
const EVER = ['0000-01-01', '9999-12-31'] as const

// A record that is being written to MongoDB shows in no change until that is settled: at the latest after twice the time limit of a call.
const SETTLE_MS = { embedded: 0, mongodb: 2_000 }

/**
 * Writes all that a store keeps into a file, while it is used: records as they are at one moment, the end of the backup (what was changed
 * since its beginning is in it a second time), removed ids, usage. Not in it: leases, answers for repeated requests, and the key ring, without which
 * its secrets can not be read.
 */
export async function backup (engine: DocumentEngine, path: string, { onProgress = () => {}, now = Date.now, piece: size = PIECE }: BackupOptions = {}): Promise<BackupCounts> {
  const { version } = await migrationStatus(openDocumentStore(engine).system)
  const start = await engine.latestSeq()
  const settings: Record<string, string> = {}
  for (const key of SETTINGS) {
    const value = await engine.getMeta(key)
    if (value !== null) settings[key] = value
  }
  const counts = { records: 0, usage: 0 }
  async function * lines (): AsyncGenerator<BackupLine> {
    const tenants = new Set<string>([LOCAL_ACCOUNT])
    let seq = 0
    let settled = SETTLE_MS[engine.name] === 0
    for (let more = true; more;) {
      const piece = await engine.changesSince(seq, size)
      for (const { seq: at, collection, id, customerId, rev, record } of piece) {
        tenants.add(customerId)
        seq = at
        counts.records += 1
        yield { seq: at, collection, id, customer_id: customerId, rev, record }
      }
      onProgress(counts.records, null)
      // A piece that is not full reaches the newest change: everything before it is in its newest form.
      more = piece.length === size
      if (!more && !settled) {
        settled = more = true
        await sleep(SETTLE_MS[engine.name])
      }
    }
    for (const customerId of tenants) {
      for (const usage of await engine.usageDays(customerId, {}, ...EVER)) {
        counts.usage += 1
        yield { usage, customer_id: customerId }
      }
    }
  }
  await writeBackup(path, { sluice_backup: 1, format: version, created_at: new Date(now()).toISOString(), engine: engine.name, seq: start, settings }, lines())
  return counts
}

/**
 * Writes what a backup holds into a store, of whichever engine, and brings it up to this version. The file is read to its end before anything is
 * written. The store has to be empty; `merge` adds to one that is not what is not there, which also goes on with a restore that was
 * interrupted (usage is added only to an empty store). Rejects with BackupError, and StoreTooNewError for a backup of a newer version.
 */
export async function restore (engine: DocumentEngine, path: string, { merge = false, onProgress = () => {}, ring, verified }: RestoreOptions = {}): Promise<RestoreCounts> {
  const { header, lines: total, newest } = verified ?? await verifyBackup(path)
  const open = openDocumentStore(engine)
  const { version, known } = await migrationStatus(open.system)
  if (header.format > known) throw new StoreTooNewError(header.format, known)
  const empty = await engine.latestSeq() === 0
  if (!empty && !merge) throw new BackupError(path, 'it is restored into an empty store, and this one has records already')
  if (!empty && version !== header.format) throw new BackupError(path, `its records have format ${header.format}, and those of the store format ${version}`)
  if (empty) for (const [key, value] of Object.entries(header.settings)) await engine.setMeta(key, value, undefined)
  const counts = { records: 0, usage: 0, skipped: 0 }
  let done = 0
  for await (const batch of batches(readBackup(path), BATCHES[engine.name])) {
    const documents = batch.flatMap((line) => 'usage' in line || (newest.get(keyOfLine(line)) ?? line.seq) !== line.seq ? [] : [documentOf(line)])
    for (const [index, taken] of (await engine.insertAll(documents)).entries()) {
      if (taken === null) counts.records += 1
      else if (merge) counts.skipped += 1
      else throw new BackupError(path, `${documents[index]?.collection}: ${documents[index]?.id} was taken meanwhile: something else writes to the store`)
    }
    if (empty) counts.usage += await addUsage(engine, batch)
    const before = done
    done += batch.length
    if (Math.floor(done / PIECE) > Math.floor(before / PIECE) || done === total) onProgress(done, total)
  }
  await migrate(open, ring === undefined ? {} : { ring })
  return counts
}

async function * batches (lines: AsyncIterable<{ readonly line: BackupLine, readonly length: number }>, most: { readonly lines: number, readonly characters: number }): AsyncGenerator<readonly BackupLine[]> {
  let batch: BackupLine[] = []
  let characters = 0
  for await (const { line, length } of lines) {
    batch.push(line)
    characters += length
    if (batch.length < most.lines && characters < most.characters) continue
    yield batch
    batch = []
    characters = 0
  }
  if (batch.length > 0) yield batch
}

/** Adds the usage that is among these lines; gives how much there is. */
async function addUsage (engine: DocumentEngine, lines: readonly BackupLine[]): Promise<number> {
  const days = lines.flatMap((line): TenantUsageDay[] => 'usage' in line ? [{ ...line.usage, customer_id: line.customer_id }] : [])
  if (days.length > 0) await engine.addUsage(days)
  return days.length
}

function documentOf ({ collection, id, customer_id: customerId, rev, record }: RecordLine): CollectedDocument {
  return { collection, id, customerId, rev, unique: record === null ? [] : uniqueEntries(collection, record as unknown as Records[typeof collection]), record }
}

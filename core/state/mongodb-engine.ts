import type { DocumentEngine } from './document-engine.js'
import { createChangeSignal, pause } from './mongodb-changes.js'
import { MAJORITY, openMongoConnection, PATIENTLY, SEQUENCE_ID, type MongoConnection, type MongoCollections, type MongoOptions } from './mongodb-connection.js'
import { isDuplicate, isUnsupported } from './mongodb-errors.js'
import { createFeed, createRecords } from './mongodb-records.js'
import { createChangeSequence, type SequenceDocument } from './mongodb-sequence.js'
import { StoreUnavailableError } from './store-errors.js'
import { mongoUsage } from './mongodb-usage.js'

export type { MongoOptions } from './mongodb-connection.js'

// How long a write that was made waits until the changes behind it can be read here.
const SETTLE_MS = 150
// A server answers when there is a change or `maxAwaitTimeMS` is over; one that answers at once is asked no more often than this.
const LEAST_WAIT_MS = 20
const REMOVED = 'the sequence of the store is gone: its database was removed while it was open'

/**
 * Opens a store in MongoDB 4.4 or later, which other nodes may have open too; collections and indexes are made where they are missing. Rejects with
 * StoreUnavailableError where it can not be reached, and with Error for a connection string that is none.
 *
 * A write is acknowledged once the majority has it. The changes are read from what the majority has, decisions from the primary.
 */
export async function openMongoEngine (options: MongoOptions): Promise<DocumentEngine> {
  const connection = openMongoConnection(options)
  const { collections, bounded, timeoutMs } = connection
  const sequence = createChangeSequence(sequenceDocument(collections), { abandonedMs: 2 * timeoutMs, settleMs: SETTLE_MS })
  const changes = createChangeSignal({
    stream: (callback, signal) => followSequence(collections, Math.min(1_000, timeoutMs / 2), 20 * timeoutMs, callback, signal),
    look: () => bounded(() => sequence.settled(), PATIENTLY)
  }, options.pollMs ?? 500)
  connection.onBack(changes.changed)
  const engine: DocumentEngine = {
    name: 'mongodb',
    ...createRecords(connection, sequence, changes),
    ...createFeed(connection, sequence),
    ...mongoUsage(connection),
    ...createLeasesAndSettings(connection),
    onChange: changes.onChange,
    ping: () => connection.ping(),
    pool: () => connection.pool(),
    async close () {
      changes.close()
      sequence.close()
      await connection.close()
    }
  }
  try {
    await connection.setUp()
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

function sequenceDocument ({ sequence }: MongoCollections): SequenceDocument {
  return {
    async enter (token, floor, count) {
      // The value before: servers are known that hand out `after` as it is when they write the answer.
      const before = await sequence.findOneAndUpdate({ _id: SEQUENCE_ID }, { $inc: { value: count }, $set: { [`pending.${token}`]: floor } }, { returnDocument: 'before', projection: { value: 1 } })
      if (before === null) throw new StoreUnavailableError(REMOVED)
      return before.value
    },
    async leave (token) {
      const entry = `pending.${token}`
      // Readers may see it late: the write itself is with the majority already.
      const { matchedCount } = await sequence.updateOne({ _id: SEQUENCE_ID, [entry]: { $exists: true } }, { $unset: { [entry]: '' } }, { writeConcern: { w: 1 } })
      return matchedCount > 0
    },
    async read () {
      const found = await sequence.findOne({ _id: SEQUENCE_ID }, MAJORITY)
      // Nothing is in its place that could be served: the last view goes on.
      if (found === null) throw new StoreUnavailableError(REMOVED)
      return found
    }
  }
}

/** Follows the sequence: each write changes it when it begins and, which counts, when it is made. Calls back when it is open too: what came before may have been missed. */
async function followSequence ({ sequence }: MongoCollections, maxAwaitTimeMS: number, longestMs: number, callback: () => void, signal: AbortSignal): Promise<'unsupported' | 'ended'> {
  const stream = sequence.watch([], { ...MAJORITY, maxAwaitTimeMS })
  const end = (): void => { stream.close().catch(() => {}) }
  signal.addEventListener('abort', end)
  let open = false
  try {
    while (!signal.aborted) {
      const asked = performance.now()
      const change = await inTime(stream.tryNext(), longestMs) as { readonly updateDescription?: { readonly removedFields?: readonly string[] } } | null
      if (!open) callback()
      open = true
      if (change === null) await pause(Math.max(0, asked + LEAST_WAIT_MS - performance.now()), signal)
      else if (change.updateDescription?.removedFields?.length !== 0) callback()
    }
    return 'ended'
  } catch (error) {
    return isUnsupported(error) ? 'unsupported' : 'ended'
  } finally {
    signal.removeEventListener('abort', end)
    end()
  }
}

/** Rejects where it takes longer: the driver may have lost it (`mongodb-heartbeats.ts`). */
async function inTime<T> (answer: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => { reject(new StoreUnavailableError('the changes of MongoDB can not be followed')) }, ms).unref() })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

function createLeasesAndSettings ({ collections: { leases, settings }, bounded }: MongoConnection): Pick<DocumentEngine, 'takeLease' | 'releaseLease' | 'getMeta' | 'setMeta' | 'removeMeta'> {
  const made = async (act: () => Promise<boolean>): Promise<boolean> => {
    try {
      return await act()
    } catch (error) {
      if (isDuplicate(error)) return false
      throw error
    }
  }
  return {
    takeLease: (name, holder, nowMs, ttlMs) => bounded(async () => {
      const expiresAt = nowMs + ttlMs
      // Where somebody else has it, nothing matches and the upsert meets the `_id` that is there.
      const taken = await made(async () => {
        await leases.updateOne({ _id: name, $or: [{ holder: { $eq: holder } }, { expires_at: { $lte: nowMs } }] }, { $set: { holder, expires_at: expiresAt } }, { upsert: true })
        return true
      })
      return taken ? { holder, expiresAt } : null
    }),
    releaseLease: (name, holder) => bounded(async () => { await leases.deleteOne({ _id: name, holder: { $eq: holder } }) }),
    getMeta: (key) => bounded(async () => {
      const found = await settings.findOne({ _id: key })
      return found?.value ?? null
    }),
    setMeta: (key, value, expected) => bounded(() => made(async () => {
      const kept = { _id: key, value }
      if (expected === null) return (await settings.insertOne(kept)).acknowledged
      if (expected === undefined) return (await settings.updateOne({ _id: kept._id }, { $set: { value: kept.value } }, { upsert: true })).acknowledged
      return (await settings.updateOne({ _id: kept._id, value: expected }, { $set: { value: kept.value } })).matchedCount > 0
    })),
    removeMeta: (fromKey, toKey) => bounded(async () => { await settings.deleteMany({ _id: { $gte: fromKey, $lt: toKey } }) })
  }
}

import { MongoClient, type Collection, type Document, type IndexDescription, type ReadPreferenceMode } from 'mongodb'
import { RECORD_INDEXES, USAGE_INDEXES, type RecordDocument } from './mongodb-documents.js'
import { isDuplicate, isMissing, toStoreError } from './mongodb-errors.js'
import { StoreUnavailableError } from './store-errors.js'
import type { UsageDay } from './store.js'

export type { Filter } from 'mongodb'

/** Where MongoDB is, and how long it may take. */
export interface MongoOptions {
  /** Connection string. What it says of pool, timeouts, concerns and read preference does not hold: the rest here does. */
  readonly url: string
  /** Default: the one in the connection string, else `sluice`. */
  readonly database?: string
  /** The most connections to each server. Default 20. */
  readonly poolSize?: number
  /** How long a call may take before it rejects with StoreUnavailableError; reading a whole collection has ten times that for each piece. Default 800. */
  readonly timeoutMs?: number
  /** Where counts and usage are read; everything else, from the primary. Default `primary`. */
  readonly reportsFrom?: ReadPreferenceMode
  /** How often changes are looked for where the server has no change streams. Default 500. */
  readonly pollMs?: number
}

/** What one key was used for in one day. */
export interface UsageDocument extends UsageDay {
  readonly _id: string
  readonly customer_id: string
}

/** The collections of a store. */
export interface MongoCollections {
  readonly records: Collection<RecordDocument>
  /** One document: see `createChangeSequence`. */
  readonly sequence: Collection<{ _id: string, value: number, pending: Record<string, number> }>
  readonly usage: Collection<UsageDocument>
  readonly leases: Collection<{ _id: string, holder: string, expires_at: number }>
  readonly settings: Collection<{ _id: string, value: string }>
}

/** A connection to a store. */
export interface MongoConnection {
  readonly collections: MongoCollections
  readonly timeoutMs: number
  readonly reportsFrom: ReadPreferenceMode
  /**
   * Runs a call once the store is set up, for `ms` at most (default `timeoutMs`); what the driver rejects with becomes an error of the stores. `inTime`
   * throws when that time is over: a call of several steps asks before it writes.
   */
  bounded<T> (act: (inTime: () => void) => Promise<T>, ms?: number): Promise<T>
  /** Connects, and makes collections and indexes that are missing, which may take longer than a call. */
  setUp (): Promise<void>
  ping (): Promise<void>
  /** The connections that are open, less those that watch over the servers, and those of them in use. */
  pool (): { readonly open: number, readonly used: number }
  close (): Promise<void>
}

/** The `_id` of the one document of the sequence. */
export const SEQUENCE_ID = 'changes'

/** What the majority has, which no failover takes back. */
export const MAJORITY = { readConcern: { level: 'majority' } } as const

// How long making indexes may take.
const SET_UP_MS = 60_000

/** Makes a connection, which reaches for the server with the first call. Throws Error for a connection string that is none. */
export function openMongoConnection (options: MongoOptions): MongoConnection {
  const { url, timeoutMs = 800, reportsFrom = 'primary' } = options
  const client = connect(url, timeoutMs, options.poolSize ?? 20)
  const pool = { open: 0, used: 0 }
  client.on('connectionCreated', () => { pool.open++ })
  client.on('connectionClosed', () => { pool.open-- })
  client.on('connectionCheckedOut', () => { pool.used++ })
  client.on('connectionCheckedIn', () => { pool.used-- })
  const db = client.db(options.database ?? (/^mongodb(?:\+srv)?:\/\/[^/]+\/[^?]/.test(url) ? undefined : 'sluice'))
  const collections: MongoCollections = {
    records: db.collection('records'), sequence: db.collection('sequence'), usage: db.collection('usage'), leases: db.collection('leases'), settings: db.collection('settings')
  }
  let closed = false
  let ready: Promise<void> | null = null
  const setUpOnce = (): Promise<void> => {
    ready ??= setUp(client, collections, () => connect(url, SET_UP_MS, 2)).catch((error: unknown) => {
      ready = null
      throw error
    })
    return ready
  }
  const bounded: MongoConnection['bounded'] = async (act, ms = timeoutMs) => {
    if (closed) throw new StoreUnavailableError('the store is closed')
    let timer: NodeJS.Timeout | undefined
    let late: StoreUnavailableError | null = null
    const inTime = (): void => { if (late !== null) throw late }
    const tooLate = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        late = new StoreUnavailableError(`MongoDB did not answer within ${ms} ms`)
        reject(late)
      }, ms)
    })
    try {
      return await Promise.race([setUpOnce().then(() => {
        inTime()
        return act(inTime)
      }), tooLate])
    } catch (error) {
      throw toStoreError(error)
    } finally {
      clearTimeout(timer)
    }
  }
  return {
    collections,
    timeoutMs,
    reportsFrom,
    bounded,
    setUp: () => bounded(async () => {}, SET_UP_MS),
    ping: () => bounded(async () => { await db.command({ ping: 1 }) }),
    pool: () => ({ ...pool }),
    async close () {
      closed = true
      await client.close()
    }
  }
}

function connect (url: string, timeoutMs: number, maxPoolSize: number): MongoClient {
  try {
    return new MongoClient(url, {
      appName: 'sluice',
      maxPoolSize,
      serverSelectionTimeoutMS: timeoutMs,
      waitQueueTimeoutMS: timeoutMs,
      socketTimeoutMS: timeoutMs,
      // A server that went silent is found out by a heartbeat, and tried again, within a few of these.
      connectTimeoutMS: 2_000,
      heartbeatFrequencyMS: 2_000,
      readPreference: 'primary',
      readConcern: { level: 'local' },
      writeConcern: { w: 'majority', journal: true, wtimeoutMS: timeoutMs }
    })
  } catch (error) {
    throw new Error(`the connection string of MongoDB is not right: ${(error as Error).message.replace(/\/\/[^/]*@/g, '//[redacted]@')}`)
  }
}

/** Makes what is missing. Several nodes may do so at once, each any number of times. `patient` makes a client whose calls may take long. */
async function setUp (client: MongoClient, { records, sequence, usage }: MongoCollections, patient: () => MongoClient): Promise<void> {
  // By name: a driver whose first connection failed does not try again by itself.
  await client.connect()
  await makeIndexes(records, RECORD_INDEXES, patient)
  await makeIndexes(usage, USAGE_INDEXES, patient)
  await sequence.updateOne({ _id: SEQUENCE_ID }, { $setOnInsert: { value: 0, pending: {} } }, { upsert: true }).catch((error: unknown) => {
    if (!isDuplicate(error)) throw error
  })
}

async function makeIndexes<T extends Document> (collection: Collection<T>, wanted: readonly IndexDescription[], patient: () => MongoClient): Promise<void> {
  const there = await collection.indexes().catch((error: unknown) => {
    if (isMissing(error)) return []
    throw error
  })
  if (wanted.every(({ name }) => there.some((index) => index.name === name))) return
  // Over what there is of data, and until the majority has them: that takes longer than a call may.
  const client = patient()
  try {
    await client.db(collection.dbName).collection(collection.collectionName).createIndexes(wanted.map((index) => ({ ...index })))
  } finally {
    await client.close()
  }
}

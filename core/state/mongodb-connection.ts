import { setTimeout as sleep } from 'node:timers/promises'
import { MongoClient, type Collection, type Document, type IndexDescription, type ReadPreferenceMode } from 'mongodb'
import { RECORD_INDEXES, USAGE_INDEXES, type RecordDocument } from './mongodb-documents.js'
import { isAway, isDuplicate, isMissing, toStoreError } from './mongodb-errors.js'
import { watchHeartbeats } from './mongodb-heartbeats.js'
import { createSilence, type Silence } from './silence.js'
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
  /**
   * How long the server may be silent before a call rejects with StoreUnavailableError. While it answers others a step of a call may take five times that, and
   * what follows the store waits for ten times that. Default 700.
   */
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
  /** How long the server may work on a question. */
  readonly maxTimeMS: number
  readonly reportsFrom: ReadPreferenceMode
  /** Runs a call, once the store is set up, as `Silence` does; what the driver rejects with becomes an error of the stores. */
  bounded: Silence['bounded']
  /** Calls back when the server is there again; one callback for all. */
  onBack (callback: () => void): void
  /** Connects, and makes collections and indexes that are missing, which may take longer than a call. */
  setUp (): Promise<void>
  ping (): Promise<void>
  /** The connections that are open, less those that watch over the servers, and those of them in use. */
  pool (): { readonly open: number, readonly used: number }
  close (): Promise<void>
}

/** The `_id` of the one document of the sequence. */
export const SEQUENCE_ID = 'changes'

/** As what follows the store calls it. */
export const PATIENTLY = { patient: true } as const

/** What the majority has, which no failover takes back. */
export const MAJORITY = { readConcern: { level: 'majority' } } as const

// How long making indexes may take.
const SET_UP_MS = 60_000
// How much longer than a silence a step may take while the server answers others, and what follows the store waits.
const SLOW = 5
const PATIENT = 10
/** A server that is there is heard more often than the shortest silence that is taken for its end, by default. */
const HEARTBEAT_MS = 500
/** A server that went silent is found out within this time, and tried again. A handshake has it too, on however busy a machine. */
const CONNECT_MS = 2_500
const CLOSE_MS = 2_000
/** How soon behind a failure a server is tried again. */
const LEAST_HEARTBEAT_MS = 250

/** Makes a connection, which reaches for the server with the first call. Throws Error for a connection string that is none. */
export function openMongoConnection (options: MongoOptions): MongoConnection {
  const { url, timeoutMs = 700, reportsFrom = 'primary' } = options
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
  const heartbeats = watchHeartbeats(HEARTBEAT_MS + CONNECT_MS)
  client.on('serverHeartbeatStarted', ({ connectionId }) => { heartbeats.heard(connectionId) })
  client.on('serverHeartbeatSucceeded', ({ connectionId }) => { heartbeats.heard(connectionId) })
  client.on('serverHeartbeatFailed', ({ connectionId }) => { heartbeats.heard(connectionId) })
  client.on('serverClosed', ({ address }) => { heartbeats.left(address) })
  let closed = false
  let broken = false
  let ready: Promise<void> | null = null
  let back: () => void = () => {}
  const silence = createSilence({
    name: 'MongoDB', limitMs: () => timeoutMs, longestMs: SLOW * timeoutMs, patientMs: PATIENT * timeoutMs,
    isAnswer: (error) => !(toStoreError(error) instanceof StoreUnavailableError), onBack: () => { back() }, onLost: () => { broken = true }
  })
  // Of the one that writes go to: of a set the others may answer while that one is gone.
  client.on('serverHeartbeatSucceeded', ({ reply, duration }) => { if (reply['isWritablePrimary'] === true || reply['ismaster'] === true) silence.heard(duration) })
  // Behind each failure of a connection: what follows the store need not wait for its next try.
  client.on('connectionPoolReady', () => { back() })
  const setUpOnce = (): Promise<void> => {
    ready ??= setUp(client, collections, () => connect(url, SET_UP_MS, 2)).catch((error: unknown) => {
      ready = null
      throw error
    })
    return ready
  }
  const bounded: MongoConnection['bounded'] = async (act, patience) => {
    if (closed) throw new StoreUnavailableError('the store is closed')
    if (broken || heartbeats.ended) throw new StoreUnavailableError('the driver of MongoDB waits for what does not come', { reopen: true })
    try {
      return await silence.bounded(async (inTime) => {
        await setUpOnce()
        inTime()
        return await act(inTime)
      }, patience)
    } catch (error) {
      if (isAway(error)) silence.lost()
      throw toStoreError(error)
    }
  }
  return {
    collections,
    timeoutMs,
    maxTimeMS: SLOW * timeoutMs,
    reportsFrom,
    bounded,
    onBack (callback) { back = callback },
    setUp: () => bounded(async () => {}, { patient: true, longestMs: SET_UP_MS }),
    ping: () => bounded(async () => { await db.command({ ping: 1 }) }, PATIENTLY),
    pool: () => ({ ...pool }),
    async close () {
      closed = true
      heartbeats.close()
      // One that waits for what does not come may do so here, too.
      await Promise.race([client.close(), sleep(CLOSE_MS, undefined, { ref: false })])
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
      // A late answer does not cost the connection: calls have limits of their own, and heartbeats find out who went silent.
      socketTimeoutMS: PATIENT * timeoutMs,
      connectTimeoutMS: CONNECT_MS,
      heartbeatFrequencyMS: HEARTBEAT_MS,
      minHeartbeatFrequencyMS: LEAST_HEARTBEAT_MS,
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

import type { CollectedDocument, DocumentEngine } from './document-engine.js'
import type { ChangeSignal } from './mongodb-changes.js'
import { MAJORITY, PATIENTLY, type Filter, type MongoConnection } from './mongodb-connection.js'
import { fromRecordDocument, keyOf, orderOf, queryOf, toRecordDocument, uniqueKeyOf, type RecordDocument } from './mongodb-documents.js'
import { duplicatesOf, isBroken, isDuplicate } from './mongodb-errors.js'
import type { ChangeSequence } from './mongodb-sequence.js'
import type { CollectionName } from './records.js'
import { StoreUnavailableError } from './store-errors.js'

const REMOVED_AT_ONCE = 250
// How often a piece of a collection is asked for, each time half as much, before the reading fails: the next one would begin anew.
const PIECE_TRIES = 4

/** The part of an engine that keeps records and finds them. */
export function createRecords ({ collections: { records }, bounded, maxTimeMS, reportsFrom }: MongoConnection, sequence: ChangeSequence, changes: ChangeSignal): Pick<DocumentEngine, 'insert' | 'get' | 'find' | 'count' | 'replace' | 'insertAll' | 'removeAll'> {
  const write = <T>(act: (seq: number, inTime: () => void) => Promise<T>, count = 1): Promise<T> => bounded(async (inTime) => {
    const written = await sequence.write((seq) => act(seq, inTime), async (from, to) => { await records.updateOne({ seq: from }, { $set: { seq: to } }) }, count)
    changes.changed()
    return written
  })
  const seqOf = async (key: string): Promise<number | null> => (await records.findOne({ _id: key }, { projection: { seq: 1 }, maxTimeMS }))?.seq ?? null
  const takenOf = async (collection: CollectionName, key: string, unique: readonly string[]): Promise<string | null> => {
    const wanted = unique.map((entry) => uniqueKeyOf(collection, entry))
    const holder = await records.findOne({ unique: { $in: wanted }, _id: { $ne: key } }, { projection: { unique: 1 }, maxTimeMS })
    return holder === null ? null : unique.find((_, index) => holder.unique.includes(wanted[index] as string)) ?? null
  }
  const insert = async (document: CollectedDocument, seq: number, inTime: () => void): Promise<string | null> => {
    const { collection, id, unique } = document
    const key = keyOf(collection, id)
    for (;;) {
      try {
        await twice(inTime, () => records.insertOne(toRecordDocument(collection, document, seq)))
        return null
      } catch (error) {
        if (!isDuplicate(error)) throw error
        const there = await seqOf(key)
        // Its own: the answer to the first try was lost.
        if (there === seq) return null
        const taken = there === null ? await takenOf(collection, key, unique) : 'id'
        if (taken !== null) return taken
        // The holder let go of it meanwhile.
      }
    }
  }
  /** Removes these where they are still as they were seen; each has a number of its own. */
  const removeSeen = (seen: readonly Pick<RecordDocument, '_id' | 'rev'>[]): Promise<number> => write(async (first, inTime) => {
    const { modifiedCount } = await twice(inTime, () => records.bulkWrite(seen.map(({ _id, rev }, index) => ({
      updateOne: { filter: { _id, rev, removed: false }, update: { $set: { rev: rev + 1, seq: first + index, unique: [_id], fields: {}, record: null, removed: true } } }
    })), { ordered: false }))
    return modifiedCount
  }, seen.length)
  return {
    insert: (collection, document) => write((seq, inTime) => insert({ ...document, collection }, seq, inTime)),

    insertAll: async (documents) => documents.length === 0 ? [] : await write(async (first, inTime) => {
      const taken = documents.map((): string | null => null)
      try {
        await twice(inTime, () => records.insertMany(documents.map((document, index) => toRecordDocument(document.collection, document, first + index)), { ordered: false }))
      } catch (error) {
        const again = duplicatesOf(error)
        if (again === null) throw error
        for (const index of again) taken[index] = await insert(documents[index] as CollectedDocument, first + index, inTime)
      }
      return taken
    }, documents.length),

    async removeAll (collection, customerId, filter) {
      const query = queryOf(collection, customerId, filter)
      let removed = 0
      for (let behind = `${collection}/`; ;) {
        const seen = await bounded(() => records.find({ ...query, _id: { $gt: behind } } as Filter<RecordDocument>, { maxTimeMS, sort: { _id: 1 }, limit: REMOVED_AT_ONCE, projection: { rev: 1 } }).toArray())
        if (seen.length > 0) removed += await removeSeen(seen)
        if (seen.length < REMOVED_AT_ONCE) return removed
        behind = seen.at(-1)?._id ?? ''
      }
    },

    replace: (collection, rev, document) => write(async (seq, inTime) => {
      const { _id: key, ...replacement } = toRecordDocument(collection, document, seq)
      for (;;) {
        try {
          const { matchedCount } = await twice(inTime, () => records.replaceOne({ _id: key, customer_id: replacement.customer_id, rev, removed: false }, replacement))
          return matchedCount > 0 || await seqOf(key) === seq ? null : 'stale'
        } catch (error) {
          if (!isDuplicate(error)) throw error
          const taken = await takenOf(collection, key, document.unique)
          if (taken !== null) return { taken }
        }
      }
    }),

    get: (collection, customerId, id) => bounded(async () => {
      const found = await records.findOne({ _id: keyOf(collection, id), removed: false, ...(customerId === null ? {} : { customer_id: customerId }) }, { maxTimeMS })
      return found === null ? null : fromRecordDocument(found)
    }),

    find: (collection, { customerId, filter, sort, limit, offset }) => bounded(async () => {
      const found = await records.find(queryOf(collection, customerId, filter) as Filter<RecordDocument>, { maxTimeMS, sort: orderOf(sort), limit, skip: offset }).toArray()
      return found.map(fromRecordDocument)
    }),

    count: (collection, customerId, filter, most) => bounded(() =>
      records.countDocuments(queryOf(collection, customerId, filter) as Filter<RecordDocument>, { maxTimeMS, readPreference: reportsFrom, ...(most === undefined ? {} : { limit: most }) }))
  }
}

/** Makes a write once more when the connection broke: its revision and number tell whether the first was made. */
async function twice<T> (inTime: () => void, act: () => Promise<T>): Promise<T> {
  inTime()
  try {
    return await act()
  } catch (error) {
    if (!isBroken(error)) throw error
    inTime()
    return await act()
  }
}

/** The part of an engine by which its records and their changes are followed. */
export function createFeed ({ collections: { records }, bounded }: MongoConnection, sequence: ChangeSequence): Pick<DocumentEngine, 'readAll' | 'latestSeq' | 'changesSince'> {
  const piece = async (collection: CollectionName, behind: string, limit: number, tries = 1): Promise<RecordDocument[]> => {
    try {
      // '0' is what follows '/'.
      return await bounded(() => records.find({ _id: { $gt: behind, $lt: `${collection}0` }, removed: false }, { ...MAJORITY, sort: { _id: 1 }, limit, batchSize: limit }).toArray(), PATIENTLY)
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) || tries === PIECE_TRIES) throw error
      return await piece(collection, behind, Math.ceil(limit / 2), tries + 1)
    }
  }
  return {
    async * readAll (collection, batch) {
      for (let last = `${collection}/`; ;) {
        const found = await piece(collection, last, batch)
        const end = found.at(-1)
        if (end === undefined) return
        last = end._id
        yield found.map(fromRecordDocument)
      }
    },
    // Not the number itself: that of a write that failed is nobody's, and who follows the changes would wait for it.
    latestSeq: () => bounded(async (inTime) => {
      const settled = await sequence.settled()
      inTime()
      const newest = await records.findOne({ seq: { $lte: settled } }, { ...MAJORITY, sort: { seq: -1 }, projection: { seq: 1 } })
      return newest?.seq ?? 0
    }, PATIENTLY),
    changesSince: (seq, limit) => bounded(async (inTime) => {
      const settled = await sequence.settled()
      inTime()
      if (settled <= seq) return []
      const found = await records.find({ seq: { $gt: seq, $lte: settled } }, { ...MAJORITY, sort: { seq: 1 }, limit, batchSize: limit }).toArray()
      return found.map(fromRecordDocument)
    }, PATIENTLY)
  }
}

import { createAuditTrail } from './audit.js'
import type { DocumentEngine, Refusal, StoredDocument, Write } from './document-engine.js'
import { findOf } from './find-of.js'
import { isPlainId, plainRecord } from './record-values.js'
import { ID_FIELDS, type CollectionName, type RecordBase, type Records } from './records.js'
import type { Change, Collection, NewRecord, OpenStore, PlannedWrite, Query, Store, SystemStore, TenantUsageDay } from './store.js'
import { DuplicateError, InvalidValueError, StaleRevisionError } from './store-errors.js'
import { fieldOfEntry, uniqueEntries } from './unique-fields.js'
import { makeWrite } from './write-in-turn.js'

// Prefixes are chance: hardly two keys have the same.
const MOST_OF_PREFIX = 1_000
const BATCH = 1_000

/** Opens a store over an engine. Closing it closes the engine. `now` gives milliseconds since 1970. */
export function openDocumentStore (engine: DocumentEngine, now: () => number = Date.now): OpenStore {
  const collections = Object.fromEntries(
    (Object.keys(ID_FIELDS) as CollectionName[]).map((name) => [name, createCollection(engine, name, now)])
  ) as unknown as { [C in CollectionName]: Collection<Records[C]> }
  const store: Store = {
    ...collections,
    usage: {
      add: (customerId, counts) => addUsage(engine, counts.map((count) => ({ ...count, customer_id: customerId }))),
      async days (customerId, of, fromDay, toDay) {
        const ids = [customerId, fromDay, toDay, ...Object.values(of).filter((id) => id !== undefined)]
        return ids.every(isPlainId) ? engine.usageDays(customerId, of, fromDay, toDay) : []
      },
      async lastUses (customerId, credentialIds) {
        return new Map(isPlainId(customerId) ? await engine.lastUses(customerId, credentialIds.filter(isPlainId)) : [])
      },
      async removeAll (customerId) {
        if (isPlainId(customerId)) await engine.removeUsage(customerId)
      }
    }
  }
  return { engine: engine.name, store, system: createSystemStore(engine, now), audit: createAuditTrail(engine, now), close: () => engine.close() }
}

async function addUsage (engine: DocumentEngine, counts: readonly TenantUsageDay[]): Promise<void> {
  for (const { customer_id: customer, project_id: project, credential_id: credential, day } of counts) {
    for (const id of [customer, project, credential, day]) if (!isPlainId(id)) throw new InvalidValueError('usage', [], 'has something that is no id')
  }
  await engine.addUsage(counts)
}

function createCollection<C extends CollectionName> (engine: DocumentEngine, name: C, now: () => number): Collection<Records[C]> {
  type T = Records[C]
  const idField = ID_FIELDS[name] as keyof T & string
  const idOf = (record: NewRecord<T> | T): string => (record as Record<string, unknown>)[idField] as string
  const documentOf = (record: T): StoredDocument => {
    const { customer_id: customerId, rev } = record as RecordBase
    return { id: idOf(record), customerId, rev, unique: uniqueEntries(name, record), record: record as unknown as StoredDocument['record'] }
  }
  const planned = (write: Write, made: T): PlannedWrite<T> => {
    const refusal = (_write: Write, why: Refusal): Error =>
      why === 'stale' ? new StaleRevisionError(name, idOf(made)) : new DuplicateError(name, why.taken === 'id' ? idField : fieldOfEntry(why.taken))
    return {
      writes: [write],
      made,
      refusal,
      async make () {
        const why = await makeWrite(engine, write)
        if (why !== null) throw refusal(write, why)
        return made
      }
    }
  }
  const planInsert = (customerId: string, fresh: NewRecord<T>): PlannedWrite<T> => {
    const at = new Date(now()).toISOString()
    const record = plainRecord(name, { ...fresh, customer_id: customerId, rev: 1, created_at: at, updated_at: at } as unknown as T)
    for (const [field, id] of [['customer_id', customerId], [idField, idOf(record)]] as const) if (!isPlainId(id)) throw new InvalidValueError(name, [field], 'is no id')
    return planned({ kind: 'insert', collection: name, document: documentOf(record) }, record)
  }
  const planReplace = (customerId: string, record: T): PlannedWrite<T> => {
    const { rev } = record as RecordBase
    const next = plainRecord(name, { ...record, customer_id: customerId, rev: rev + 1, updated_at: new Date(now()).toISOString() } as T)
    if (!isPlainId(customerId) || !isPlainId(idOf(next)) || !Number.isInteger(rev)) throw new StaleRevisionError(name, String(idOf(next)))
    return planned({ kind: 'replace', collection: name, rev, document: documentOf(next) }, next)
  }
  return {
    planInsert,
    planReplace,
    insert: async (customerId, fresh) => await planInsert(customerId, fresh).make(),
    async get (customerId, id) {
      if (!isPlainId(customerId) || !isPlainId(id)) return null
      return ((await engine.get(name, customerId, id))?.record ?? null) as T | null
    },
    async list (customerId, query) {
      const find = findOf(name, query)
      if (!isPlainId(customerId)) return []
      const found = await engine.find(name, { customerId, ...find })
      return found.map(({ record }) => record as unknown as T)
    },
    async count (customerId, filter) {
      const find = findOf(name, { filter, limit: 1 })
      return isPlainId(customerId) ? engine.count(name, customerId, find.filter) : 0
    },
    replace: async (customerId, record) => await planReplace(customerId, record).make(),
    async remove (customerId, id, rev) {
      for (;;) {
        const there = isPlainId(customerId) && isPlainId(id) ? await engine.get(name, customerId, id) : null
        if (there === null) {
          if (rev !== undefined) throw new StaleRevisionError(name, id)
          return false
        }
        if (rev !== undefined && there.rev !== rev) throw new StaleRevisionError(name, id)
        if (await engine.replace(name, there.rev, { id, customerId, rev: there.rev + 1, unique: [], record: null }) === null) return true
      }
    },
    async removeAll (customerId, filter) {
      const find = findOf(name, { filter, limit: 1 })
      return isPlainId(customerId) ? engine.removeAll(name, customerId, find.filter) : 0
    }
  }
}

function createSystemStore (engine: DocumentEngine, now: () => number): SystemStore {
  const byPrefix = async <C extends 'credentials' | 'admin_tokens'>(collection: C, prefix: string): Promise<Records[C][]> => {
    const found = await engine.find(collection, { customerId: null, filter: { prefix: { eq: prefix } }, sort: [], limit: MOST_OF_PREFIX, offset: 0 })
    return found.map(({ record }) => record as unknown as Records[C])
  }
  return {
    async * readAll<C extends CollectionName> (collection: C): AsyncIterable<readonly Records[C][]> {
      for await (const documents of engine.readAll(collection, BATCH)) yield documents.map(({ record }) => record as unknown as Records[C])
    },
    async find<C extends CollectionName> (collection: C, id: string) {
      return isPlainId(id) ? ((await engine.get(collection, null, id))?.record ?? null) as Records[C] | null : null
    },
    async list<C extends CollectionName> (collection: C, query: Query<Records[C]>) {
      const found = await engine.find(collection, { customerId: null, ...findOf(collection, query) })
      return found.map(({ record }) => record as unknown as Records[C])
    },
    count: async (collection, filter, most) => engine.count(collection, null, findOf(collection, { filter, limit: 1 }).filter, most),
    latestSeq: () => engine.latestSeq(),
    async changesSince (seq, limit) {
      const changed = await engine.changesSince(seq, limit)
      return changed.map(({ seq: at, collection, id, customerId, record }): Change => ({ seq: at, collection, id, customerId, record: record as Change['record'] }))
    },
    onChange: (callback) => engine.onChange(callback),
    credentialsByPrefix: (prefix) => byPrefix('credentials', prefix),
    tokensByPrefix: (prefix) => byPrefix('admin_tokens', prefix),
    addUsage: (counts) => addUsage(engine, counts),
    takeLease: (name, holder, ttlMs) => engine.takeLease(name, holder, now(), ttlMs),
    releaseLease: (name, holder) => engine.releaseLease(name, holder),
    getMeta: (key) => engine.getMeta(key),
    setMeta: (key, value, expected) => engine.setMeta(key, value, expected),
    removeMeta: (fromKey, toKey) => engine.removeMeta(fromKey, toKey),
    scrub: async () => { await engine.scrub?.() },
    ping: () => engine.ping(),
    openings: () => engine.openings?.() ?? 1
  }
}

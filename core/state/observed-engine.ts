import type { DocumentEngine, Find, Write } from './document-engine.js'
import type { Condition } from './store.js'
import { StoreUnavailableError } from './store-errors.js'

/** How a call of an engine ended: `unavailable` = it did not answer in time, `failed` = with another error. */
export type EngineOutcome = 'ok' | 'unavailable' | 'failed'

/** What an operator may know of a call: its shape, and no value of it. */
export interface EngineCall {
  readonly operation: string
  /** Null where it is about no collection. */
  readonly collection: string | null
  /** What was asked for: `name:contains status:in(2) sort:created_at limit:20`; empty where there is nothing to tell. */
  readonly shape: string
  readonly outcome: EngineOutcome
  readonly durationMs: number
}

/** Who is told of calls. */
export interface EngineObserver {
  /** Of each, when it has ended. */
  call (call: Pick<EngineCall, 'operation' | 'collection' | 'outcome' | 'durationMs'>): void
  /** Of each that took `slowMs` or longer. */
  slow (call: EngineCall): void
  readonly slowMs: number
}

type Timed = <T>(operation: string, collection: string | null, shape: () => string, act: () => Promise<T>) => Promise<T>

/** An engine whose calls are told. Closing it closes the engine. */
export function observeEngine (engine: DocumentEngine, observer: EngineObserver, now: () => number = () => performance.now()): DocumentEngine {
  const timed: Timed = async (operation, collection, shape, act) => {
    const from = now()
    let outcome: EngineOutcome = 'ok'
    try {
      return await act()
    } catch (error) {
      outcome = error instanceof StoreUnavailableError ? 'unavailable' : 'failed'
      throw error
    } finally {
      const call = { operation, collection, outcome, durationMs: now() - from }
      observer.call(call)
      if (call.durationMs >= observer.slowMs) observer.slow({ ...call, shape: shape() })
    }
  }
  const nothing = (): string => ''
  const { writeAll, scrub } = engine
  return {
    name: engine.name,
    insert: (collection, document) => timed('insert', collection, nothing, () => engine.insert(collection, document)),
    get: (collection, customerId, id) => timed('get', collection, () => across(customerId), () => engine.get(collection, customerId, id)),
    find: (collection, find) => timed('find', collection, () => shapeOf(find), () => engine.find(collection, find)),
    count: (collection, customerId, filter, most) => timed('count', collection, () => joined([across(customerId), filterShape(filter)]), () => engine.count(collection, customerId, filter, most)),
    replace: (collection, rev, document) => timed(document.record === null ? 'remove' : 'replace', collection, nothing, () => engine.replace(collection, rev, document)),
    insertAll: (documents) => timed('insertAll', null, () => `documents:${documents.length}`, () => engine.insertAll(documents)),
    removeAll: (collection, customerId, filter) => timed('removeAll', collection, () => filterShape(filter), () => engine.removeAll(collection, customerId, filter)),
    ...(writeAll === undefined ? {} : { writeAll: (writes: readonly Write[]) => timed('writeAll', null, () => joined(writes.map(({ kind, collection }) => `${kind}:${collection}`)), () => writeAll.call(engine, writes)) }),
    async * readAll (collection, batch) {
      const pieces = engine.readAll(collection, batch)[Symbol.asyncIterator]()
      try {
        for (;;) {
          // Each piece is a call; what is done with it between them is not the store's time.
          const piece = await timed('readAll', collection, () => `limit:${batch}`, () => pieces.next())
          if (piece.done === true) return
          yield piece.value
        }
      } finally {
        await pieces.return?.()
      }
    },
    latestSeq: () => timed('latestSeq', null, nothing, () => engine.latestSeq()),
    changesSince: (seq, limit) => timed('changesSince', null, () => `limit:${limit}`, () => engine.changesSince(seq, limit)),
    onChange: (callback) => engine.onChange(callback),
    addUsage: (counts) => timed('addUsage', 'usage', () => `days:${counts.length}`, () => engine.addUsage(counts)),
    usageDays: (customerId, of, fromDay, toDay) => timed('usageDays', 'usage', () => joined(Object.entries(of).filter(([, id]) => id !== undefined).map(([field]) => `${field}:eq`)), () => engine.usageDays(customerId, of, fromDay, toDay)),
    lastUses: (customerId, credentialIds) => timed('lastUses', 'usage', () => `keys:${credentialIds.length}`, () => engine.lastUses(customerId, credentialIds)),
    removeUsage: (customerId) => timed('removeUsage', 'usage', nothing, () => engine.removeUsage(customerId)),
    takeLease: (name, holder, nowMs, ttlMs) => timed('takeLease', 'leases', nothing, () => engine.takeLease(name, holder, nowMs, ttlMs)),
    releaseLease: (name, holder) => timed('releaseLease', 'leases', nothing, () => engine.releaseLease(name, holder)),
    getMeta: (key) => timed('getMeta', 'settings', nothing, () => engine.getMeta(key)),
    setMeta: (key, value, expected) => timed('setMeta', 'settings', nothing, () => engine.setMeta(key, value, expected)),
    removeMeta: (fromKey, toKey) => timed('removeMeta', 'settings', nothing, () => engine.removeMeta(fromKey, toKey)),
    ...(scrub === undefined ? {} : { scrub: () => timed('scrub', null, nothing, () => scrub.call(engine)) }),
    ping: () => timed('ping', null, nothing, () => engine.ping()),
    ...(engine.pool === undefined ? {} : { pool: engine.pool }),
    ...(engine.openings === undefined ? {} : { openings: engine.openings }),
    close: () => engine.close()
  }
}

function shapeOf ({ customerId, filter, sort, limit, offset }: Find): string {
  return joined([
    across(customerId), filterShape(filter), ...sort.map(({ field, descending }) => `sort:${field}${descending ? ' descending' : ''}`), `limit:${limit}`, offset === 0 ? '' : `offset:${offset}`
  ])
}

function filterShape (filter: Readonly<Record<string, Condition>>): string {
  return joined(Object.entries(filter).map(([field, condition]) => `${field}:${'in' in condition ? `in(${condition.in.length})` : Object.keys(condition).join('+')}`))
}

function across (customerId: string | null): string {
  return customerId === null ? 'all tenants' : ''
}

function joined (pieces: readonly string[]): string {
  return pieces.filter((piece) => piece !== '').join(' ')
}

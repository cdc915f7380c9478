import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createChangeListeners, type ChangeListeners } from './change-listeners.js'
import type { ChangedDocument, CollectedDocument, DocumentEngine, Find, KeptDocument, Refusal, StoredDocument, Write } from './document-engine.js'
import type { CollectionName } from './records.js'
import { openSqliteConnection, type SqliteConnection } from './sqlite-connection.js'
import { containsText, findSql, whereSql } from './sqlite-find.js'
import { layOut } from './sqlite-layout.js'
import { sqliteUsage } from './sqlite-usage.js'

/** Where the embedded store is, and how it is followed. */
export interface SqliteOptions {
  /** The folder; it is made where it is not there. */
  readonly path: string
  /** How often another process's writes are looked for while somebody listens: 4 microseconds each. Default 100. */
  readonly pollMs?: number
  /** Whether a store that is not there is made. Default true. */
  readonly create?: boolean
  /** How long a call waits for other processes that write. Default 5 000: whoever is not waited for himself can wait. */
  readonly limitMs?: number
}

/** The file in the folder of the embedded store. */
export const SQLITE_FILE = 'store.db'

interface Row {
  readonly id: string
  readonly customer_id: string
  readonly rev: number
  readonly doc: string | null
}

const DOCUMENT = 'id, customer_id, rev, doc'
// Removing a key, with its indexes, takes 130 microseconds: other calls wait no longer than for a few writes.
const REMOVED_AT_ONCE = 100
// As much as a change of the admin API with its entries in the audit trail: less may still fit on a disk that is full.
const PROBE = 'x'.repeat(65_536)
const NEXT_SEQ = '(SELECT coalesce(max(seq), 0) + 1 FROM docs)'

/**
 * Opens the embedded store, which other processes of this machine may have open too. Rejects with StoreUnavailableError where the folder or file
 * can not be used, and StoreTooNewError where a newer version wrote it.
 *
 * SQLite works while its caller waits: a call stops the thread for tens of microseconds, a write for as long as the disk takes to keep it.
 */
export async function openSqliteEngine ({ path, pollMs = 100, create = true, limitMs = 5_000 }: SqliteOptions): Promise<DocumentEngine> {
  const connection = openSqliteConnection({ path: join(path, SQLITE_FILE), create, limitMs, functions: { contains_text: containsText }, prepare: layOut })
  const changes = createChangeSignal(connection, pollMs)
  return {
    name: 'embedded',
    ...documents(connection, changes.tell),
    ...sqliteUsage(connection),
    ...leasesAndMeta(connection),
    onChange: changes.onChange,
    scrub: () => connection.rewrite(),
    ping: () => connection.probe(() => { connection.run('INSERT OR REPLACE INTO leases (name, holder, expires_at) VALUES (?, ?, ?)', 'probe', PROBE, Date.now()) }),
    async close () {
      changes.close()
      connection.close()
    }
  }
}

type Documents = Pick<DocumentEngine, 'insert' | 'get' | 'find' | 'count' | 'replace' | 'insertAll' | 'writeAll' | 'removeAll' | 'readAll' | 'latestSeq' | 'changesSince'>

function documents (connection: SqliteConnection, signal: () => void): Documents {
  const taken = (collection: CollectionName, { id, unique }: StoredDocument): string | null =>
    unique.find((entry) => {
      const holder = connection.row<{ id: string }>('SELECT id FROM uniques WHERE collection = ? AND entry = ?', collection, JSON.stringify(entry))
      return holder !== undefined && holder.id !== id
    }) ?? null
  // As JSON: a NUL would end a text.
  const claim = (collection: CollectionName, { id, unique }: StoredDocument): void => {
    for (const entry of unique) connection.run('INSERT OR IGNORE INTO uniques (collection, entry, id) VALUES (?, ?, ?)', collection, JSON.stringify(entry), id)
  }
  const write = async <T>(act: () => T, changed: (result: T) => boolean): Promise<T> => {
    const result = await connection.write(act)
    if (changed(result)) signal()
    return result
  }
  const insert = (document: CollectedDocument): string | null => {
    const { collection, id, customerId, rev, record } = document
    if (connection.row('SELECT 1 FROM docs WHERE collection = ? AND id = ?', collection, id) !== undefined) return 'id'
    const conflict = taken(collection, document)
    if (conflict !== null) return conflict
    connection.run(`INSERT INTO docs (collection, id, customer_id, rev, seq, doc) VALUES (?, ?, ?, ?, ${NEXT_SEQ}, ?)`, collection, id, customerId, rev, textOf(record))
    claim(collection, document)
    return null
  }
  /** Removes the first of what a filter lets through behind an id; gives the ids. */
  const removeFirst = (collection: CollectionName, customerId: string, filter: Find['filter'], behind: string): string[] => {
    const { text, values } = whereSql(collection, customerId, filter)
    const ids = connection.rows<{ id: string }>(`SELECT id FROM ${text} AND id > ? ORDER BY id LIMIT ?`, ...values, behind, REMOVED_AT_ONCE).map(({ id }) => id)
    for (const id of ids) {
      connection.run(`UPDATE docs SET rev = rev + 1, seq = ${NEXT_SEQ}, doc = NULL WHERE collection = ? AND id = ?`, collection, id)
      connection.run('DELETE FROM uniques WHERE collection = ? AND id = ?', collection, id)
    }
    return ids
  }
  const replace = (collection: CollectionName, rev: number, document: StoredDocument): Refusal | null => {
    const { id, customerId, record } = document
    const there = connection.row('SELECT 1 FROM docs WHERE collection = ? AND id = ? AND customer_id = ? AND rev = ? AND doc IS NOT NULL', collection, id, customerId, rev)
    if (there === undefined) return 'stale'
    const conflict = taken(collection, document)
    if (conflict !== null) return { taken: conflict }
    connection.run(`UPDATE docs SET rev = ?, seq = ${NEXT_SEQ}, doc = ? WHERE collection = ? AND id = ?`, document.rev, textOf(record), collection, id)
    connection.run('DELETE FROM uniques WHERE collection = ? AND id = ?', collection, id)
    claim(collection, document)
    return null
  }
  const make = (one: Write): Refusal | null => {
    if (one.kind === 'replace') return replace(one.collection, one.rev, one.document)
    const conflict = insert({ ...one.document, collection: one.collection })
    return conflict === null ? null : { taken: conflict }
  }
  return {
    insert: (collection, document) => write(() => insert({ ...document, collection }), (conflict) => conflict === null),

    insertAll: (documents) => write(() => documents.map(insert), (conflicts) => conflicts.includes(null)),

    async removeAll (collection, customerId, filter) {
      let removed = 0
      for (let behind = ''; ;) {
        const ids = await write(() => removeFirst(collection, customerId, filter, behind), ({ length }) => length > 0)
        removed += ids.length
        if (ids.length < REMOVED_AT_ONCE) return removed
        behind = ids.at(-1) ?? ''
        // Other calls have their turn between the pieces.
        await nextTurn()
      }
    },

    replace: (collection, rev, document) => write(() => replace(collection, rev, document), (outcome) => outcome === null),

    writeAll: (writes) => write(() => {
      const outcomes: (Refusal | null)[] = []
      for (const one of writes) {
        const outcome = make(one)
        outcomes.push(outcome)
        if (outcome !== null) break
      }
      return outcomes
    }, ([first]) => first === null),

    get: (collection, customerId, id) => connection.read(() => {
      const row = connection.row<Row>(`SELECT ${DOCUMENT} FROM docs WHERE collection = ? AND id = ? AND customer_id = coalesce(?, customer_id) AND doc IS NOT NULL`, collection, id, customerId)
      return row === undefined ? null : documentOf(row)
    }),

    find: (collection, find) => connection.read(() => {
      const { text, values } = findSql(collection, find)
      return connection.rows<Row>(`SELECT ${DOCUMENT} FROM ${text}`, ...values).map(documentOf)
    }),

    count: (collection, customerId, filter, most) => connection.read(() => {
      const { text, values } = whereSql(collection, customerId, filter)
      const counted = most === undefined ? { text, values } : { text: `(SELECT 1 FROM ${text} LIMIT ?)`, values: [...values, most] }
      return connection.row<{ count: number }>(`SELECT count(*) AS count FROM ${counted.text}`, ...counted.values)?.count ?? 0
    }),

    async * readAll (collection, batch) {
      for (let last = ''; ;) {
        const rows = await connection.read(() => connection.rows<Row>(`SELECT ${DOCUMENT} FROM docs WHERE collection = ? AND id > ? AND doc IS NOT NULL ORDER BY id LIMIT ?`, collection, last, batch))
        const end = rows.at(-1)
        if (end === undefined) return
        last = end.id
        yield rows.map(documentOf)
        // Traffic has its turn between the pieces.
        await nextTurn()
      }
    },

    latestSeq: () => connection.read(() => connection.row<{ seq: number }>('SELECT coalesce(max(seq), 0) AS seq FROM docs')?.seq ?? 0),

    changesSince: (seq, limit) => connection.read(() => {
      const rows = connection.rows<Row & { collection: CollectionName, seq: number }>(`SELECT collection, seq, ${DOCUMENT} FROM docs WHERE seq > ? ORDER BY seq LIMIT ?`, seq, limit)
      return rows.map((row): ChangedDocument => ({ ...documentOf(row), collection: row.collection, seq: row.seq }))
    })
  }
}

function documentOf ({ id, customer_id: customerId, rev, doc }: Row): KeptDocument {
  return { id, customerId, rev, record: doc === null ? null : JSON.parse(doc) as StoredDocument['record'] }
}

function textOf (record: StoredDocument['record']): string | null {
  return record === null ? null : JSON.stringify(record)
}

function leasesAndMeta (connection: SqliteConnection): Pick<DocumentEngine, 'takeLease' | 'releaseLease' | 'getMeta' | 'setMeta' | 'removeMeta'> {
  return {
    takeLease: (name, holder, nowMs, ttlMs) => connection.write(() => {
      const taken = connection.run(`INSERT INTO leases (name, holder, expires_at) VALUES (?, ?, ?)
        ON CONFLICT DO UPDATE SET holder = excluded.holder, expires_at = excluded.expires_at WHERE leases.holder = excluded.holder OR leases.expires_at <= ?`, name, holder, nowMs + ttlMs, nowMs)
      return taken === 0 ? null : { holder, expiresAt: nowMs + ttlMs }
    }),
    releaseLease: (name, holder) => connection.write(() => { connection.run('DELETE FROM leases WHERE name = ? AND holder = ?', name, holder) }),
    getMeta: (key) => connection.read(() => connection.row<{ value: string }>('SELECT value FROM meta WHERE key = ?', key)?.value ?? null),
    setMeta: (key, value, expected) => connection.write(() => {
      if (expected === undefined) return connection.run('INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value', key, value) > 0
      if (expected === null) return connection.run('INSERT OR IGNORE INTO meta (key, value) VALUES (?, ?)', key, value) > 0
      return connection.run('UPDATE meta SET value = ? WHERE key = ? AND value = ?', value, key, expected) > 0
    }),
    removeMeta: (fromKey, toKey) => connection.write(() => { connection.run('DELETE FROM meta WHERE key >= ? AND key < ?', fromKey, toKey) })
  }
}

/** Tells listeners of own writes in the next turn, and of those of other connections by `data_version`, which changes when one of them commits. */
function createChangeSignal (connection: SqliteConnection, pollMs: number): ChangeListeners {
  const version = (): number => connection.row<{ data_version: number }>('PRAGMA data_version')?.data_version ?? 0
  let seen = version()
  const changes = createChangeListeners(() => {
    const timer = setInterval(poll, pollMs).unref()
    return () => { clearInterval(timer) }
  })
  const poll = (): void => {
    try {
      const now = version()
      if (now === seen) return
      seen = now
    } catch {
      // What the matter is, whoever reads the changes is told.
    }
    changes.tell()
  }
  return changes
}

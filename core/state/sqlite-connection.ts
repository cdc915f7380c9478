import { closeSync, mkdirSync, openSync } from 'node:fs'
import { dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { DatabaseSync } from '@photostructure/sqlite'
import { watchSqliteFiles, type SqliteFiles } from './sqlite-files.js'
import { StoreUnavailableError } from './store-errors.js'

type Database = InstanceType<typeof DatabaseSync>
type Statement = ReturnType<Database['prepare']>

/** What a statement can be given. */
export type SqlValue = string | number | boolean | null

/** One connection to a database file. Rows are given as they are selected. */
export interface SqliteConnection {
  rows<T> (sql: string, ...values: SqlValue[]): T[]
  row<T> (sql: string, ...values: SqlValue[]): T | undefined
  /** Gives how many rows were changed. */
  run (sql: string, ...values: SqlValue[]): number
  /**
   * Runs `act` now, and again while another connection is in the way; rejects with StoreUnavailableError when that takes too long, or the file can not be used. Once
   * it took too long nobody else waits until one was not in the way.
   */
  read<T> (act: () => T): Promise<T>
  /** Like `read`, in a transaction that nobody else writes beside: all of it is on the disk when the promise resolves, or nothing. */
  write<T> (act: () => T): Promise<T>
  /** Writes the file anew, and empties the log of writes: what was replaced or removed is in neither any more. */
  rewrite (): Promise<void>
  /** Resolves when something could be written. Where the last write failed it writes, for there is no other way to know. */
  probe (write: () => void): Promise<void>
  close (): void
}

// Before it, a checkpoint beside a writer of another process could corrupt the database.
const OLDEST = [3, 51, 3] as const
// SQLite waits with the thread, and all its traffic, stopped: so it waits hardly at all, and the rest is waited for here.
const BUSY_WAIT_MS = 10
const BUSY = 5
// How long other processes may take that are in the way when it is opened: one of them may make indexes.
const OPEN_MS = 5_000
/** SQLITE_PERM, BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOTADB: the file is the matter, not the statement. */
const FILE_TROUBLE = new Set([3, BUSY, 6, 8, 10, 11, 13, 14, 15, 26])

/** Which file to open, and how. */
export interface SqliteConnectionOptions {
  readonly path: string
  /** Whether the file, and its folder, are made where they are not there. */
  readonly create: boolean
  /** How long a call waits for other connections. */
  readonly limitMs: number
  /** What statements can call. */
  readonly functions: Readonly<Record<string, (...values: unknown[]) => SqlValue>>
  /** Runs in a transaction before anything else can. */
  readonly prepare: (connection: SqliteConnection) => void
}

/**
 * Opens a database file for this process and others, readable by the user alone. What is written is on the disk before it is acknowledged.
 * Throws StoreUnavailableError where the file can not be used.
 */
export function openSqliteConnection ({ path, create, limitMs, functions, prepare }: SqliteConnectionOptions): SqliteConnection {
  try {
    if (create) mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    // SQLite gives the files beside it (-wal, -shm) the mode of this one.
    closeSync(openSync(path, create ? 'a' : 'r+', 0o600))
    const database = new DatabaseSync(path, { timeout: Math.max(OPEN_MS, limitMs) })
    let files: SqliteFiles | null = null
    const connection = createConnection(database, limitMs, () => files)
    try {
      assertVersion(connection)
      for (const pragma of ['journal_mode = WAL', 'synchronous = FULL', 'journal_size_limit = 67108864', 'trusted_schema = OFF']) database.exec(`PRAGMA ${pragma}`)
      for (const [name, callback] of Object.entries(functions)) database.function(name, { deterministic: true, varargs: true }, (...values: unknown[]) => bound(callback(...values)))
      transact(database, () => { prepare(connection) })
      database.exec(`PRAGMA busy_timeout = ${BUSY_WAIT_MS}`)
      files = watchSqliteFiles(path)
    } catch (error) {
      database.close()
      throw error
    }
    return connection
  } catch (error) {
    throw unavailable(error, path) ?? error
  }
}

function assertVersion (connection: SqliteConnection): void {
  const version = connection.row<{ version: string }>('SELECT sqlite_version() AS version')?.version ?? ''
  const parts = version.split('.').map(Number)
  const at = OLDEST.findIndex((least, place) => parts[place] !== least)
  if (at !== -1 && !((parts[at] ?? 0) > (OLDEST[at] ?? 0))) {
    throw new StoreUnavailableError(`SQLite ${version} can corrupt a database that several processes write: ${OLDEST.join('.')} or a newer one is needed`)
  }
}

function createConnection (database: Database, limitMs: number, files: () => SqliteFiles | null): SqliteConnection {
  const statements = new Map<string, Statement>()
  let blocked = false
  let failed = false
  const statement = (sql: string): Statement => {
    const known = statements.get(sql)
    if (known !== undefined) return known
    const prepared = database.prepare(sql)
    statements.set(sql, prepared)
    return prepared
  }
  const attempt = async <T>(act: () => T): Promise<T> => {
    const deadline = performance.now() + (blocked ? 0 : limitMs)
    for (;;) {
      if (!database.isOpen) throw new StoreUnavailableError('the store is closed')
      try {
        assertThere(database, files())
        return act()
      } catch (error) {
        const busy = resultCode(error) === BUSY
        if (!busy || performance.now() >= deadline) {
          blocked ||= busy
          throw unavailable(error, 'the store') ?? error
        }
      }
      await sleep(2 + Math.random() * 18)
    }
  }
  const write = async <T>(act: () => T): Promise<T> => {
    try {
      const result = await attempt(() => transact(database, act))
      blocked = false
      failed = false
      return result
    } catch (error) {
      failed ||= error instanceof StoreUnavailableError
      throw error
    }
  }
  return {
    rows: <T>(sql: string, ...values: SqlValue[]) => statement(sql).all(...values.map(bound)) as T[],
    row: <T>(sql: string, ...values: SqlValue[]) => statement(sql).get(...values.map(bound)) as T | undefined,
    run: (sql, ...values) => statement(sql).run(...values.map(bound)).changes,
    read: attempt,
    write,
    rewrite: () => attempt(() => {
      database.exec('VACUUM')
      // Another connection that reads just now keeps its part of the log: it goes with the next checkpoint.
      database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
    }),
    // Without a change nothing waits for the disk.
    probe: (act) => write(() => { if (failed) act() }),
    close () {
      if (!database.isOpen) return
      // The statements, and with them the file, are let go only when their memory is: all that is in -wal goes into the one file before.
      if (files()?.look() !== 'moved') database.exec('PRAGMA wal_checkpoint(TRUNCATE)')
      statements.clear()
      database.close()
    }
  }
}

/** Throws StoreUnavailableError where the files are not those that were opened: what is written to a file that was removed is acknowledged, and gone. */
function assertThere (database: Database, files: SqliteFiles | null): void {
  const found = files?.look() ?? 'there'
  if (found === 'there') return
  if (found === 'gone') throw new StoreUnavailableError('the file of the store is gone')
  if (found === 'moved') throw new StoreUnavailableError('another file is in the place of the store', { reopen: true })
  // The log beside it was removed, and only who has it open can still read that. Behind this all of it is in the database itself.
  const { busy } = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get() as { readonly busy: number }
  throw new StoreUnavailableError('the log beside the file of the store was removed', { reopen: busy === 0 })
}

function transact<T> (database: Database, act: () => T): T {
  // Not a deferred one: that fails at its first write when another connection wrote meanwhile.
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = act()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

/**
 * An object as the first value would be taken for named parameters, and each of them stored as NULL; a text with NUL would end there, and be another
 * one's.
 */
function bound (value: SqlValue): string | number | null {
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value === null || (typeof value === 'string' && !value.includes('\0')) || (typeof value === 'number' && Number.isFinite(value))) return value
  throw new TypeError(`no value for a statement: ${typeof value}`)
}

/** The primary result code; the extended ones keep it in the lowest byte. */
function resultCode (error: unknown): number | null {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : null
  return typeof code === 'number' ? code & 0xff : null
}

function unavailable (error: unknown, path: string): StoreUnavailableError | null {
  const code = resultCode(error)
  const system = error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string'
  if (!system && (code === null || !FILE_TROUBLE.has(code))) return null
  return new StoreUnavailableError(`${path} can not be used: ${(error as Error).message}`, { cause: error })
}

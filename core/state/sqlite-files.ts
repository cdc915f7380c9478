import { statSync, type Stats } from 'node:fs'

/** Where the files of an open database are. */
export type FilesFound =
  /** In their places. */
  | 'there'
  /** The database is not in its place, and nothing else is. */
  | 'gone'
  /** Something else is in the place of one of them. */
  | 'moved'
  /** The database is there, and what belongs beside it is not. */
  | 'stripped'

/** Watches over the files of a database that is open: who has it open goes on with what was removed, and nobody else ever sees what is written to that. */
export interface SqliteFiles {
  look (): FilesFound
}

// What SQLite keeps beside the database while it is open, and never exchanges then.
const BESIDE = ['-wal', '-shm'] as const

/** Remembers which files a database has that is open now. Looking costs 3 microseconds for each of the three. */
export function watchSqliteFiles (path: string): SqliteFiles {
  const opened = new Map<string, Stats>()
  const isOurs = (file: string, there: Stats): boolean => {
    const before = opened.get(file)
    if (before === undefined) opened.set(file, there)
    return before === undefined || (before.ino === there.ino && before.dev === there.dev)
  }
  const look = (): FilesFound => {
    const database = statSync(path, { throwIfNoEntry: false })
    if (database === undefined) return 'gone'
    if (!isOurs(path, database)) return 'moved'
    let stripped = false
    for (const end of BESIDE) {
      const there = statSync(path + end, { throwIfNoEntry: false })
      if (there === undefined) stripped ||= opened.has(path + end)
      else if (!isOurs(path + end, there)) return 'moved'
    }
    return stripped ? 'stripped' : 'there'
  }
  look()
  return { look }
}

import { randomBytes } from 'node:crypto'
import { closeSync, existsSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync, type BigIntStats } from 'node:fs'
import { dirname } from 'node:path'

/** A file as it was read. */
export interface PrivateFile {
  readonly text: string
  /** Differs when the file was replaced or changed. */
  readonly stamp: string
}

/** A file can be read or written by other users. */
export class NotPrivateError extends Error {
  constructor (path: string, mode: number) {
    super(`${path} is open to others, mode ${(mode & 0o777).toString(8).padStart(4, '0')}`)
    this.name = 'NotPrivateError'
  }
}

/**
 * Makes a file that only this user can read, and the folders above it; false where there is one already, which stays. Linked into place
 * after it is on the disk, so that of several processes one makes it and nobody ever reads half of it. Throws what the file system says.
 */
export function makePrivateFile (path: string, text: string): boolean {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  return withDraft(path, text, (draft) => {
    try {
      linkSync(draft, path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST' && existsSync(path)) return false
      throw error
    }
    syncFolder(path)
    return true
  })
}

/** Puts another file that only this user can read in the place of one: after a crash there is the old or the new one, whole. */
export function replacePrivateFile (path: string, text: string): void {
  withDraft(path, text, (draft) => {
    renameSync(draft, path)
    syncFolder(path)
  })
}

/** Reads a file. Throws NotPrivateError where other users can read or write it, and what the file system says. */
export function readPrivateFile (path: string): PrivateFile {
  const file = openSync(path, 'r')
  try {
    const stats = fstatSync(file, { bigint: true })
    // Windows has no such mode.
    if (process.platform !== 'win32' && (Number(stats.mode) & 0o077) !== 0) throw new NotPrivateError(path, Number(stats.mode))
    return { text: readFileSync(file, 'utf8'), stamp: stamp(stats) }
  } finally {
    closeSync(file)
  }
}

/** The stamp that the file has now. Throws what the file system says. */
export function privateFileStamp (path: string): string {
  return stamp(statSync(path, { bigint: true }))
}

function stamp ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}

function withDraft<T> (path: string, text: string, use: (draft: string) => T): T {
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    const file = openSync(draft, 'wx', 0o600)
    try {
      writeFileSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return use(draft)
  } finally {
    rmSync(draft, { force: true })
  }
}

/** A name is on the disk when its folder is. */
function syncFolder (path: string): void {
  if (process.platform === 'win32') return // it can not open folders, and keeps names by itself
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}

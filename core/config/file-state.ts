/** What a watcher remembers of a file: a cheap stamp that changes with it, and a digest of its content. */
import { createHash } from 'node:crypto'
import { createReadStream, type BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'

/** A file as it was when it was looked at. */
export interface FileState {
  /** Device, inode, size and times of what the path leads to, symlinks followed; `''` where the next look has to read it again. */
  stamp: string
  /** Tells contents apart; null = nothing there. */
  digest: string | null
  /** Whether there is nothing in it or no file at all: what a file looks like in the middle of being written. */
  empty: boolean
  isDirectory: boolean
  /** When it was last changed or replaced, in milliseconds since 1970; 0 where it is not there. */
  changedAt: number
}

/** The stamp of what `path` leads to now, or `missing`. A symlink that is turned elsewhere gives another stamp: the inode differs. */
export async function stampOf (path: string): Promise<string> {
  const stats = await statOrNull(path)
  return stats === null ? 'missing' : stamp(stats)
}

/** The identity of a directory, whatever happens in it, or `missing`. */
export async function identityOf (path: string): Promise<string> {
  const stats = await statOrNull(path)
  return stats === null ? 'missing' : `${stats.dev}:${stats.ino}`
}

/** Reads a file's state. The content of a directory is the names in it; what can not be read has its error code as content. */
export async function readFileState (path: string): Promise<FileState> {
  const stats = await statOrNull(path)
  if (stats === null) return { stamp: 'missing', digest: null, empty: true, isDirectory: false, changedAt: 0 }
  const isDirectory = stats.isDirectory()
  const digest = isDirectory ? await digestOfNames(path) : await digestOfContent(path)
  // Asked again behind the reading: what was written in between is in the digest, and has to be in the time.
  const after = await statOrNull(path) ?? stats
  // Two writes within one tick of the file system's clock (4 ms and more) leave the same stamp: what is that young is read again.
  const young = Math.abs(Date.now() - Number(after.mtimeMs)) < 1_000
  return { stamp: young || stamp(after) !== stamp(stats) ? '' : stamp(after), digest, empty: digest === null || (after.size === 0n && !isDirectory), isDirectory, changedAt: Number(after.ctimeMs) }
}

function stamp ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`
}

async function statOrNull (path: string): Promise<BigIntStats | null> {
  try {
    return await stat(path, { bigint: true })
  } catch {
    return null
  }
}

async function digestOfContent (path: string): Promise<string | null> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer)
  } catch (error) {
    return unreadable(error)
  }
  return hash.digest('base64')
}

/** What editors leave beside a file while they save it. */
const PASSING_NAME = /^\.|~$|\.(swp|swx|tmp)$/

async function digestOfNames (path: string): Promise<string | null> {
  try {
    const names = (await readdir(path)).filter((name) => !PASSING_NAME.test(name))
    return createHash('sha256').update(names.sort().join('\0')).digest('base64')
  } catch (error) {
    return unreadable(error)
  }
}

function unreadable (error: unknown): string | null {
  const { code = 'unknown' } = error as NodeJS.ErrnoException
  return code === 'ENOENT' ? null : `unreadable: ${code}`
}

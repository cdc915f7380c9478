import cluster from 'node:cluster'
import { constants, fstatSync, openSync, type Stats } from 'node:fs'

/** A descriptor that log lines are written to. */
export interface LogTarget {
  readonly fd: number
  /** Whether it was opened here, and has to be closed. */
  readonly owned: boolean
  /** Whether a write to it may wait for somebody who reads. */
  readonly mayBlock: boolean
  /** The most that stays in one piece where several processes write to one pipe; 0 = any size does. */
  readonly pieceBytes: number
}

// pipe(7): a write of at most PIPE_BUF bytes is never mixed with another process's.
const PIPE_BUF = 4096

/** Opens a log file to append to, with mode 0640 where it is made. Throws Error with the remedy. */
export function openLogFile (file: string): LogTarget {
  try {
    return describeTarget(openSync(file, 'a', 0o640), true)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(`the log file ${file} can not be opened: ${code} (make its directory, and let this user write to it)`, { cause: error })
  }
}

/**
 * The target behind a descriptor that we were given. A pipe is opened again, not blocking, where the system can: a write to a pipe
 * that nobody reads holds a thread, and a process with such a thread can not even exit.
 */
export function givenTarget (fd: number): LogTarget {
  const given = describeTarget(fd, false)
  if (!given.mayBlock || process.platform !== 'linux') return given
  try {
    return { ...given, fd: openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK), owned: true, mayBlock: false }
  } catch {
    return given // a socket, or a pipe whose reader is gone
  }
}

/** What is to be known of a descriptor. */
export function describeTarget (fd: number, owned: boolean): LogTarget {
  let stats: Stats
  try {
    stats = fstatSync(fd)
  } catch {
    return { fd, owned, mayBlock: true, pieceBytes: 0 } // closed: the first write says so
  }
  const pieceBytes = cluster.isWorker && stats.isFIFO() ? PIPE_BUF : 0
  return { fd, owned, mayBlock: stats.isFIFO() || stats.isSocket(), pieceBytes }
}

/**
 * Where log lines go. Not sonic-boom: it costs 2 us a line (it measures its whole buffer again for each) and its flush at
 * exit never ends on a full disk. This one costs 0.1 us and gives up.
 */
import cluster from 'node:cluster'
import { close, fstatSync, open, openSync, write, writeSync, type Stats } from 'node:fs'

/** Takes whole lines, writes them later, and never throws, waits or grows without bound. */
export interface LineWriter {
  /** Takes one line, its line feed included. Counts it as dropped where it can not be kept. */
  write (line: string): void
  /** Resolves when everything taken so far is written or given up. */
  flush (): Promise<void>
  /** Opens the file anew (after a rotation renamed it); the old one serves until then. Nothing for a descriptor. */
  reopen (): void
  /** Writes what is left, for at most `deadlineMs`, and closes the file. */
  close (deadlineMs?: number): Promise<void>
  /** How many lines were given up: the reader is gone, the disk is full, or it is slower than we are. */
  readonly dropped: number
}

/** How a line writer buffers. */
export interface LineWriterOptions {
  /** Appended to, made with mode 0640 where it is missing; null = the descriptor. */
  file: string | null
  /** The descriptor to write to where there is no file; it is not closed. */
  fd?: number
  /** How much is collected before it is written; 0 = every line at once. */
  chunkBytes?: number
  /** The longest that a line waits. */
  flushMs?: number
  /** How much is kept for a slow disk or reader before lines are dropped. */
  maxPendingBytes?: number
  /** Told about each new kind of failure, once until a write succeeds. */
  onFailure?: (error: Error) => void
}

const RETRY_MS = 250
const CLOSE_MS = 2000

// pipe(7): a write of at most PIPE_BUF bytes is never mixed with another process's.
const PIPE_BUF = 4096

const openWriters = new Set<FileLineWriter>()
let exitHooked = false

/** Opens a line writer. Throws Error with the remedy where the file can not be opened. */
export function createLineWriter (options: LineWriterOptions): LineWriter {
  return new FileLineWriter(options)
}

class FileLineWriter implements LineWriter {
  dropped = 0
  #fd: number
  readonly #file: string | null
  readonly #chunk: number
  readonly #maxPending: number
  readonly #onFailure: ((error: Error) => void) | undefined
  readonly #timer: NodeJS.Timeout
  #target: Target
  #pending = ''
  #writing: Buffer | null = null
  #rest = ''
  #retry: NodeJS.Timeout | null = null
  #broken = false
  #closed = false
  #reopens = 0
  #failure = ''
  /** Characters taken and settled (written or given up) since the start, and who waits for a mark to be reached. */
  #taken = 0
  #settled = 0
  #writingLength = 0
  #waiters: { mark: number, reached: () => void }[] = []

  constructor (options: LineWriterOptions) {
    this.#file = options.file
    this.#chunk = options.chunkBytes ?? 4096
    this.#maxPending = options.maxPendingBytes ?? 4 * 1024 * 1024
    this.#onFailure = options.onFailure
    this.#fd = options.file === null ? options.fd ?? 1 : openForAppend(options.file)
    this.#target = describeTarget(this.#fd)
    this.#timer = setInterval(() => this.#start(), options.flushMs ?? 1000).unref()
    openWriters.add(this)
    if (!exitHooked) {
      exitHooked = true
      process.on('exit', () => { for (const writer of openWriters) writer.writeRest() })
    }
  }

  write (line: string): void {
    if (this.#closed || this.#broken || this.#pending.length + line.length > this.#maxPending) {
      this.dropped++
      return
    }
    this.#pending += line
    this.#taken += line.length
    if (this.#writing === null && this.#pending.length >= this.#chunk) this.#start()
  }

  flush (): Promise<void> {
    this.#start()
    if (this.#settled >= this.#taken) return Promise.resolve()
    return new Promise((resolve) => { this.#waiters.push({ mark: this.#taken, reached: resolve }) })
  }

  reopen (): void {
    const file = this.#file
    if (file === null || this.#closed) return
    this.#reopens++
    if (this.#reopens > 1) return
    open(file, 'a', 0o640, (error, fd) => {
      const again = this.#reopens > 1 // asked for meanwhile: the file may have been renamed behind this open
      this.#reopens = 0
      if (again) setImmediate(() => this.reopen())
      if (error !== null) return this.#failed(error)
      if (this.#closed) return close(fd, () => {})
      const old = this.#fd
      this.#fd = fd
      this.#target = describeTarget(fd)
      this.#broken = false
      const closeOld = (): void => { close(old, () => {}) }
      if (this.#writing === null) closeOld()
      else this.#waiters.push({ mark: this.#settled + 1, reached: closeOld }) // a write that is under way still uses it
    })
  }

  async close (deadlineMs = CLOSE_MS): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearInterval(this.#timer)
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, deadlineMs) })
    await Promise.race([this.flush(), deadline])
    clearTimeout(timer)
    openWriters.delete(this)
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#giveUp()
    if (this.#file !== null) await new Promise<void>((resolve) => { close(this.#fd, () => resolve()) })
  }

  /** At exit there is no later: one synchronous attempt, and no waiting for a reader or a disk. */
  writeRest (): void {
    // A pipe whose last write has not ended has a reader that is stuck: writing to it would keep the process from going.
    if (this.#broken || (this.#writing !== null && !this.#target.isFile)) return
    try {
      let rest = Buffer.from(this.#rest + this.#pending)
      this.#rest = this.#pending = ''
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#fd, rest))
    } catch {
      // the process is going; there is nobody left to tell
    }
  }

  #start (): void {
    if (this.#writing !== null || this.#broken) return
    if (this.#rest === '') {
      this.#rest = this.#pending
      this.#pending = ''
    }
    if (this.#rest === '') return
    const piece = this.#target.pieceBytes === 0 ? this.#rest : wholeLines(this.#rest, this.#target.pieceBytes)
    this.#rest = this.#rest.slice(piece.length)
    this.#writingLength = piece.length
    this.#writing = Buffer.from(piece)
    this.#writeOn()
  }

  #writeOn (): void {
    const chunk = this.#writing
    if (chunk === null) return
    write(this.#fd, chunk, 0, chunk.length, null, (error, written) => this.#wrote(error, written))
  }

  #wrote (error: NodeJS.ErrnoException | null, written: number): void {
    const chunk = this.#writing
    if (chunk === null) return
    if (error !== null) {
      if (error.code === 'EINTR') return this.#writeOn()
      if (error.code !== 'EAGAIN') this.#failed(error)
      if (isFinal(error)) {
        this.#broken = true
        this.#giveUp()
        return
      }
      // The rest of a line that is half written has to follow, so the piece is kept; what comes meanwhile is bounded.
      this.#retry = setTimeout(() => { this.#retry = null; this.#writeOn() }, RETRY_MS).unref()
      return
    }
    if (written < chunk.length) {
      this.#writing = chunk.subarray(written)
      return this.#writeOn()
    }
    this.#writing = null
    this.#failure = ''
    this.#settle(this.#settled + this.#writingLength)
    if (this.#rest !== '' || this.#pending.length >= this.#chunk || this.#waiters.length > 0) this.#start()
  }

  #failed (error: NodeJS.ErrnoException): void {
    const kind = error.code ?? error.message
    if (kind === this.#failure) return
    this.#failure = kind
    this.#onFailure?.(error)
  }

  #giveUp (): void {
    this.dropped += countLines(this.#writing?.toString() ?? '') + countLines(this.#rest) + countLines(this.#pending)
    this.#writing = null
    this.#rest = this.#pending = ''
    this.#settle(this.#taken)
  }

  #settle (mark: number): void {
    this.#settled = mark
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    this.#waiters = waiters.filter((waiter) => waiter.mark > mark)
    for (const waiter of waiters) if (waiter.mark <= mark) waiter.reached()
  }
}

/** Whether no later write can succeed: the reader is gone or the descriptor is none. */
function isFinal (error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'EBADF' || error.code === 'EINVAL' || error.code === 'EISDIR' || error.code === 'ECONNRESET'
}

function openForAppend (file: string): number {
  try {
    return openSync(file, 'a', 0o640)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new Error(`the log file ${file} can not be opened: ${code} (make its directory, and let this user write to it)`, { cause: error })
  }
}

interface Target {
  readonly isFile: boolean
  /** The most that stays in one piece where several processes write to one pipe; 0 = any size does. */
  readonly pieceBytes: number
}

function describeTarget (fd: number): Target {
  let stats: Stats
  try {
    stats = fstatSync(fd)
  } catch {
    return { isFile: false, pieceBytes: 0 } // closed: the first write says so
  }
  return { isFile: stats.isFile(), pieceBytes: cluster.isWorker && stats.isFIFO() ? PIPE_BUF : 0 }
}

/** The longest beginning of `text` that is whole lines and not above `maxBytes`; one line at least. */
function wholeLines (text: string, maxBytes: number): string {
  let end = 0
  let bytes = 0
  while (end < text.length) {
    const next = text.indexOf('\n', end) + 1
    if (next === 0) return text
    bytes += Buffer.byteLength(text.slice(end, next))
    if (bytes > maxBytes && end > 0) break
    end = next
  }
  return text.slice(0, end)
}

function countLines (text: string): number {
  let lines = 0
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines++
  return lines
}

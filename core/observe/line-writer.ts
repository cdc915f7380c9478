/**
 * Where log lines go. Not sonic-boom: it costs 2 us a line (it measures its whole buffer again for each) and its flush at
 * exit never ends on a full disk. This one costs 0.1 us and gives up.
 */
import { close, open, write, writeSync } from 'node:fs'
import { ChunkQueue, NOTHING } from './chunk-queue.js'
import { describeTarget, givenTarget, openLogFile, type LogTarget } from './log-target.js'

/** Takes whole lines, writes them later, and never throws, waits or grows without bound. */
export interface LineWriter {
  /** Called before what was taken is written, on time, at `flush` and at the end: whoever composes lines late writes them now. */
  beforeWriting: (() => void) | null
  /** Takes one line, its line feed included, as text or as UTF-8, which is copied. Counts it as dropped where it can not be kept. */
  write (line: string | Uint8Array): void
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
  /** How much is collected before it is written, 256 KiB unless told; 0 = every line at once. */
  chunkBytes?: number
  /** The longest that a line waits. */
  flushMs?: number
  /** How much is kept for a slow disk or reader before lines are dropped. */
  maxPendingBytes?: number
  /** Told about each new kind of failure, once until a write succeeds. */
  onFailure?: (error: Error) => void
}

// A hand-over to a thread of the pool costs about 60 us of CPU, which the lines of a chunk share.
const CHUNK_BYTES = 256 * 1024
const RETRY_MS = 250
const FULL_PIPE_RETRY_MS = 5
const CLOSE_MS = 2000
const EXIT_MS = 200
const LINE_FEED = 0x0a

const openWriters = new Set<FileLineWriter>()
let exitHooked = false

/** Opens a line writer. Throws Error with the remedy where the file can not be opened. */
export function createLineWriter (options: LineWriterOptions): LineWriter {
  return new FileLineWriter(options)
}

class FileLineWriter implements LineWriter {
  dropped = 0
  beforeWriting: (() => void) | null = null
  #target: LogTarget
  readonly #file: string | null
  readonly #chunk: number
  readonly #maxPending: number
  readonly #onFailure: ((error: Error) => void) | undefined
  readonly #timer: NodeJS.Timeout
  readonly #pending: ChunkQueue
  /** What is being written; `#chunkInUse` is the whole buffer that it is a piece of, to be filled again later. */
  #writing: Buffer | null = null
  #rest: Buffer = NOTHING
  #chunkInUse: Buffer = NOTHING
  #retry: NodeJS.Timeout | null = null
  #broken = false
  #closed = false
  #reopens = 0
  #failure = ''
  /** Bytes taken and settled (written or given up) since the start, and who waits for a mark to be reached. */
  #taken = 0
  #settled = 0
  #waiters: { mark: number, reached: () => void }[] = []

  constructor (options: LineWriterOptions) {
    this.#file = options.file
    this.#maxPending = options.maxPendingBytes ?? 4 * 1024 * 1024
    this.#chunk = Math.min(options.chunkBytes ?? CHUNK_BYTES, this.#maxPending >> 1)
    this.#pending = new ChunkQueue(this.#chunk)
    this.#onFailure = options.onFailure
    this.#target = options.file === null ? givenTarget(options.fd ?? 1) : openLogFile(options.file)
    this.#timer = setInterval(() => { this.#pull() }, options.flushMs ?? 1000).unref()
    openWriters.add(this)
    if (!exitHooked) {
      exitHooked = true
      process.on('exit', () => { for (const writer of openWriters) writer.writeRest() })
    }
  }

  write (line: string | Uint8Array): void {
    const pending = this.#pending
    if (this.#closed || this.#broken || pending.bytes + line.length > this.#maxPending) {
      this.dropped++
      return
    }
    this.#taken += pending.add(line)
    if (this.#writing === null && pending.bytes >= this.#chunk) this.#start()
  }

  flush (): Promise<void> {
    this.#pull()
    if (this.#settled >= this.#taken) return Promise.resolve()
    return new Promise((resolve) => { this.#waiters.push({ mark: this.#taken, reached: resolve }) })
  }

  reopen (): void {
    const file = this.#file
    if (file === null || this.#closed) return
    this.#pull()
    this.#reopens++
    if (this.#reopens > 1) return
    open(file, 'a', 0o640, (error, fd) => {
      const again = this.#reopens > 1 // asked for meanwhile: the file may have been renamed behind this open
      this.#reopens = 0
      if (again) setImmediate(() => this.reopen())
      if (error !== null) return this.#failed(error)
      if (this.#closed) return close(fd, () => {})
      const old = this.#target.fd
      this.#target = describeTarget(fd, true)
      this.#broken = false
      const closeOld = (): void => { close(old, () => {}) }
      if (this.#writing === null) closeOld()
      else this.#waiters.push({ mark: this.#settled + 1, reached: closeOld }) // a write that is under way still uses it
    })
  }

  async close (deadlineMs = CLOSE_MS): Promise<void> {
    if (this.#closed) return
    this.beforeWriting?.()
    this.#closed = true
    clearInterval(this.#timer)
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => { timer = setTimeout(resolve, deadlineMs) })
    await Promise.race([this.flush(), deadline])
    clearTimeout(timer)
    openWriters.delete(this)
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#giveUp()
    const { fd, owned } = this.#target
    if (owned) await new Promise<void>((resolve) => { close(fd, () => { resolve() }) })
  }

  /** At exit there is no later: what is left is written synchronously, and a reader or a disk gets a moment at most. */
  writeRest (): void {
    this.beforeWriting?.()
    // A pipe whose last write has not ended has a reader that is stuck: writing to it would keep the process from going.
    if (this.#broken || (this.#writing !== null && this.#target.mayBlock)) return
    let rest = this.#rest
    this.#rest = NOTHING
    const deadline = performance.now() + EXIT_MS
    for (;;) {
      if (rest.length === 0) rest = this.#pending.take()
      if (rest.length === 0) return
      try {
        rest = rest.subarray(writeSync(this.#target.fd, rest))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN' || performance.now() > deadline) return
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_RETRY_MS)
      }
    }
  }

  #pull (): void {
    this.beforeWriting?.()
    this.#start()
  }

  #start (): void {
    if (this.#writing !== null || this.#broken) return
    if (this.#rest.length === 0) this.#rest = this.#chunkInUse = this.#pending.take()
    if (this.#rest.length === 0) return
    const { pieceBytes } = this.#target
    const piece = pieceBytes === 0 ? this.#rest : wholeLines(this.#rest, pieceBytes)
    this.#rest = this.#rest.subarray(piece.length)
    this.#writing = piece
    this.#writeOn()
  }

  #writeOn (): void {
    const chunk = this.#writing
    if (chunk === null) return
    write(this.#target.fd, chunk, 0, chunk.length, null, (error, written) => this.#wrote(error, written))
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
      this.#retry = setTimeout(() => { this.#retry = null; this.#writeOn() }, error.code === 'EAGAIN' ? FULL_PIPE_RETRY_MS : RETRY_MS).unref()
      return
    }
    this.#settled += written
    if (written < chunk.length) {
      this.#writing = chunk.subarray(written)
      return this.#writeOn()
    }
    this.#writing = null
    this.#failure = ''
    if (this.#rest.length === 0) this.#pending.give(this.#chunkInUse)
    this.#tellWaiters()
    if (this.#rest.length > 0 || this.#pending.bytes >= this.#chunk || this.#waiters.length > 0) this.#start()
  }

  #failed (error: NodeJS.ErrnoException): void {
    const kind = error.code ?? error.message
    if (kind === this.#failure) return
    this.#failure = kind
    this.#onFailure?.(error)
  }

  #giveUp (): void {
    if (this.#writing !== null) this.dropped += countLines(this.#writing)
    this.#writing = null
    for (let left = this.#rest; left.length > 0; left = this.#pending.take()) this.dropped += countLines(left)
    for (let left = this.#pending.take(); left.length > 0; left = this.#pending.take()) this.dropped += countLines(left)
    this.#rest = NOTHING
    this.#settled = this.#taken
    this.#tellWaiters()
  }

  #tellWaiters (): void {
    if (this.#waiters.length === 0) return
    const waiters = this.#waiters
    const mark = this.#settled
    this.#waiters = waiters.filter((waiter) => waiter.mark > mark)
    for (const waiter of waiters) if (waiter.mark <= mark) waiter.reached()
  }
}

/** Whether no later write can succeed: the reader is gone or the descriptor is none. */
function isFinal (error: NodeJS.ErrnoException): boolean {
  return error.code === 'EPIPE' || error.code === 'EBADF' || error.code === 'EINVAL' || error.code === 'EISDIR' || error.code === 'ECONNRESET'
}

/** The longest beginning of `bytes` that is whole lines and not above `maxBytes`; one line at least. */
function wholeLines (bytes: Buffer, maxBytes: number): Buffer {
  if (bytes.length <= maxBytes) return bytes
  let end = bytes.lastIndexOf(LINE_FEED, maxBytes - 1)
  if (end === -1) end = bytes.indexOf(LINE_FEED, maxBytes)
  return end === -1 ? bytes : bytes.subarray(0, end + 1)
}

function countLines (bytes: Buffer): number {
  let lines = 0
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1)) lines++
  return lines
}

import { copyChunk } from '../lib/chunk-buffers.js'
import { ChunkDecoder } from '../lib/chunk-decoder.js'
import { latin1 } from '../lib/latin1.js'
import { type AnswerHead, CHUNKED, parseHead, parseTrailers, UNTIL_CLOSE } from './answer-head.js'
import { UpstreamFault } from './upstream-fault.js'

/** Who hears what an answer consists of. Any of the calls may stop the parser. */
export interface AnswerEvents {
  /** The first byte is there. */
  answerStarted (): void
  /** Status 100 to 199: others follow. */
  answerInform (head: AnswerHead): void
  /** Returns false to get no body before `resume`. */
  answerHead (head: AnswerHead): boolean
  answerData (chunk: Buffer): void
  /** The last call. `clean`: nothing came behind the answer, and nothing about it makes what comes next on this connection doubtful. */
  answerEnd (trailers: string[] | null, clean: boolean): void
}

const IDLE = 0
const HEAD = 1
const SIZED = 2
const CHUNKS = 3
const TRAILERS = 4
const TO_THE_END = 5

/** The most that a head, or the trailers, may take. */
const MAX_HEAD_BYTES = 64 * 1024
/** What is looked at first: most heads are shorter, and no more of the body than this is read as text in vain. */
const USUAL_HEAD_BYTES = 2 * 1024

/** Parses the answers of one connection (RFC 9112), one exchange after the other. */
export class AnswerParser {
  private readonly events: AnswerEvents
  private state = IDLE
  private headOnly = false
  private started = false
  private left = 0
  private decoder: ChunkDecoder | null = null
  private clean = true
  /** The beginning of a head or of trailers. */
  private partial: Buffer | null = null
  /** What came behind a head before anybody took it. */
  private held: Buffer | null = null
  private pausedAtHead = false

  constructor (events: AnswerEvents) {
    this.events = events
  }

  /** Whether bytes wait for `resume`. */
  get holds (): boolean { return this.held !== null }

  /** The next answer is that to a new request. `headOnly`: to HEAD, which has no body whatever its fields say. */
  begin (headOnly: boolean): void {
    this.state = HEAD
    this.headOnly = headOnly
    this.started = false
    this.clean = true
  }

  /** Nothing more is parsed. */
  stop (): void {
    this.state = IDLE
    this.partial = null
    this.held = null
    this.pausedAtHead = false
  }

  /** Takes the first `length` bytes, which the caller may write over afterwards. Throws UpstreamFault for what is no answer. */
  feed (bytes: Buffer, length: number): void {
    if (this.pausedAtHead) {
      const more = bytes.subarray(0, length)
      this.held = this.held === null ? Buffer.from(more) : Buffer.concat([this.held, more])
      return
    }
    if (!this.started) {
      this.started = true
      this.events.answerStarted()
    }
    let at = 0
    while (at < length) {
      switch (this.state) {
        case HEAD: at = this.head(bytes, at, length); break
        case SIZED: at = this.sized(bytes, at, length); break
        case CHUNKS: at = this.chunks(bytes, at, length); break
        case TRAILERS: at = this.trailers(bytes, at, length); break
        case TO_THE_END:
          this.events.answerData(copyChunk(bytes, at, length))
          return
        default:
          return
      }
      if (this.pausedAtHead) {
        if (at < length) this.held = copyChunk(bytes, at, length)
        return
      }
    }
  }

  /** The body is taken from now on. Throws UpstreamFault. */
  resume (): void {
    if (!this.pausedAtHead) return
    this.pausedAtHead = false
    const { held } = this
    this.held = null
    if (held !== null) this.feed(held, held.length)
  }

  /** The connection has ended in order. Throws UpstreamFault where that is in the middle of an answer. */
  finish (): void {
    if (this.state === TO_THE_END) this.end(null)
    else if (this.state !== IDLE) throw new UpstreamFault({ kind: 'lost', reason: 'connection_lost', message: 'the upstream closed the connection' })
  }

  private head (bytes: Buffer, from: number, to: number): number {
    const before = this.partial?.length ?? 0
    const whole = this.partial === null ? bytes : Buffer.concat([this.partial, bytes.subarray(from, to)])
    const start = this.partial === null ? from : 0
    const stop = this.partial === null ? to : whole.length
    this.partial = null
    let text = latin1(whole, start, Math.min(stop, start + USUAL_HEAD_BYTES))
    let end = text.indexOf('\r\n\r\n')
    if (end === -1 && stop - start > USUAL_HEAD_BYTES) {
      text = latin1(whole, start, Math.min(stop, start + MAX_HEAD_BYTES))
      end = text.indexOf('\r\n\r\n')
    }
    if (end === -1) {
      if (stop - start >= MAX_HEAD_BYTES) throw new UpstreamFault({ kind: 'invalid', reason: 'headers_too_large' })
      checkBeginning(text, before)
      this.partial = copyChunk(whole, start, stop)
      return to
    }
    const at = from + end + 4 - before
    this.deliver(parseHead(text.slice(0, end + 2)), at < to)
    return at
  }

  private deliver (head: AnswerHead, more: boolean): void {
    const { status } = head
    if (status < 200) {
      // 101 would hand the connection over, which nobody asked for.
      if (status === 101) throw new UpstreamFault({ kind: 'invalid', reason: 'invalid_http', message: 'the upstream switched protocols unasked' })
      this.events.answerInform(head)
      return
    }
    let state = head.length === CHUNKED ? CHUNKS : head.length === UNTIL_CLOSE ? TO_THE_END : SIZED
    this.left = head.length
    if (this.headOnly || status === 204 || status === 304) {
      // Servers that send a body all the same are known: what came of it later would be the answer to somebody else's request.
      this.clean = !this.headOnly && (head.length === UNTIL_CLOSE || head.length === 0)
      state = SIZED
      this.left = 0
    }
    this.state = state
    if (state === CHUNKS) this.decoder = new ChunkDecoder()
    const flowing = this.events.answerHead(head)
    // The answer may have been given up meanwhile.
    if (this.state !== state) return
    if (state === SIZED && this.left === 0) {
      if (more) this.clean = false
      this.end(null)
    } else this.pausedAtHead = !flowing
  }

  private sized (bytes: Buffer, from: number, to: number): number {
    const end = Math.min(to, from + this.left)
    this.left -= end - from
    this.events.answerData(copyChunk(bytes, from, end))
    if (this.left === 0 && this.state === SIZED) {
      if (end < to) this.clean = false
      this.end(null)
    }
    return end
  }

  private chunks (bytes: Buffer, from: number, to: number): number {
    const decoder = this.decoder as ChunkDecoder
    let data: Buffer | null
    try {
      data = decoder.decode(bytes, from, to)
    } catch {
      this.state = IDLE
      throw new UpstreamFault({ kind: 'invalid', reason: 'invalid_http', message: 'a chunk of the answer is not HTTP/1.1' })
    }
    if (decoder.over && this.state === CHUNKS) {
      this.state = TRAILERS
      this.decoder = null
    }
    if (data !== null) this.events.answerData(data)
    return decoder.at
  }

  private trailers (bytes: Buffer, from: number, to: number): number {
    const before = this.partial?.length ?? 0
    const whole = this.partial === null ? bytes.subarray(from, to) : Buffer.concat([this.partial, bytes.subarray(from, to)])
    const text = latin1(whole, 0, Math.min(whole.length, MAX_HEAD_BYTES))
    const end = text.startsWith('\r\n') ? -2 : text.indexOf('\r\n\r\n')
    if (end === -1) {
      if (whole.length >= MAX_HEAD_BYTES) throw new UpstreamFault({ kind: 'invalid', reason: 'headers_too_large' })
      this.partial = Buffer.from(whole)
      return to
    }
    this.partial = null
    const trailers = end === -2 ? null : parseTrailers(text.slice(0, end + 2))
    const at = from + end + 4 - before
    if (at < to) this.clean = false
    this.end(trailers)
    return at
  }

  private end (trailers: string[] | null): void {
    const clean = this.clean && this.state !== TO_THE_END
    this.state = IDLE
    this.events.answerEnd(trailers, clean)
  }
}

/** Something that will never be a head is refused before its sender gets tired of waiting. What is before `checked` was looked at before. */
function checkBeginning (text: string, checked: number): void {
  const start = 'HTTP/1.'
  if (!(text.length < start.length ? start.startsWith(text) : text.startsWith(start)) || /[^\r]\n/.test(text.slice(Math.max(0, checked - 1)))) {
    throw new UpstreamFault({ kind: 'invalid', reason: 'invalid_http', message: 'the answer does not begin as HTTP/1.1 does' })
  }
}

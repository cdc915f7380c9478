import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { GatewayError } from '../errors.js'
import { giveBackChunk } from '../lib/chunk-buffers.js'
import { latin1 } from '../lib/latin1.js'
import { readInto, type SocketReader } from '../lib/shared-reads.js'
import type { AnswerHead } from './answer-head.js'
import { type AnswerEvents, AnswerParser } from './answer-parser.js'
import { BodyWriter } from './body-writer.js'
import { UpstreamFault } from './upstream-fault.js'

/** A request as it is written. */
export interface UpstreamRequest {
  readonly method: string
  /** Request line and fields, latin1, known to be good, without those that delimit the body and without the empty line. */
  readonly head: string
  readonly body: Buffer | Readable | null
  /** Bytes of a body that is a stream; null = sent in chunks. */
  readonly length: number | null
}

/** A connection as the exchange on it sees it. */
export interface Exchange {
  /** The body is taken again, or for the first time. */
  resume (): void
  /** Ends the connection; nothing more is heard of the exchange. */
  abort (): void
}

/** Who asked. Either `onError` or `onEnd` is the last call. */
export interface AnswerHandler {
  /** Whether anybody still waits for the answer; asked up to `onConnect`. */
  readonly wanted: boolean
  /** There is a connection, and the request is about to be written; `fresh` = the first on it. */
  onConnect (exchange: Exchange, fresh: boolean): void
  /** The first byte of an answer is there. */
  onResponseStarted (): void
  onInform (head: AnswerHead): void
  /** Returns false to get no body before `resume`. */
  onHead (head: AnswerHead): boolean
  /** Returns false to get no more before `resume`. */
  onData (chunk: Buffer): boolean
  /** Whether the chunk of the last `onData` is still held by somebody: others are written over. */
  readonly holdsChunk: boolean
  onEnd (trailers: string[] | null): void
  onError (error: Error): void
}

/** Whose the connection is. */
export interface ConnectionOwner {
  /** It is free for another request from the next turn of the event loop. */
  released (connection: UpstreamConnection): void
  /** It is free now, and may be given the next. */
  free (connection: UpstreamConnection): void
  /** It is closed. */
  gone (connection: UpstreamConnection): void
}

/** Methods whose request has a length also where there is no body (RFC 9110 section 8.6). */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])
/** Bodies up to this size leave in one string with their head. */
const ONE_WRITE_BYTES = 4 * 1024
/** An upstream closes an idle connection when it says, and what is written in that moment is lost: it is given up this much earlier. */
const KEEP_ALIVE_MARGIN_S = 2
const MAX_KEEP_ALIVE_S = 60

/** One connection to an upstream: one exchange at a time (RFC 9112). */
export class UpstreamConnection implements Exchange, AnswerEvents, SocketReader {
  /** When it was last released, in `performance.now()` terms. */
  idleSince = 0
  /** How long it may stay idle. */
  idleMs: number
  readonly owner: ConnectionOwner

  private readonly socket: Socket
  private readonly parser = new AnswerParser(this)
  private handler: AnswerHandler | null = null
  private writer: BodyWriter | null = null
  private served = false
  private keepsOpen = true
  private paused = false
  /** Whether the socket reads no more until it is resumed. */
  private stopped = false
  private error: Error | null = null
  /** The upstream has ended the connection, while there was still something that nobody took. */
  private overLater: 'end' | 'close' | null = null

  constructor (socket: Socket, owner: ConnectionOwner, idleMs: number) {
    this.socket = socket
    this.owner = owner
    this.idleMs = idleMs
    readInto(socket, this)
    socket.on('end', () => { this.ended() })
    socket.on('error', (error) => { this.error = error })
    socket.on('close', () => { this.over() })
  }

  /** Whether it can carry a request, as far as is known: its end may be on its way. */
  get usable (): boolean { return !this.socket.destroyed }

  /** Whether an exchange is under way. */
  get busy (): boolean { return this.handler !== null }

  /** Sends a request. Returns false, having done nothing, when nobody wants it any more. */
  send (request: UpstreamRequest, handler: AnswerHandler): boolean {
    if (!handler.wanted) return false
    const { socket } = this
    handler.onConnect(this, !this.served)
    this.served = true
    this.handler = handler
    this.paused = false
    this.parser.begin(request.method === 'HEAD')
    const { head, body, length } = request
    if (body === null) socket.write(EXPECTS_BODY.has(request.method) ? `${head}content-length: 0\r\n\r\n` : `${head}\r\n`, 'latin1')
    else if (Buffer.isBuffer(body)) this.sendBytes(request.method, head, body)
    else this.writer = new BodyWriter(socket, `${head}${length === null ? 'transfer-encoding: chunked' : `content-length: ${length}`}\r\n\r\n`, body, length, (error) => { this.fail(error) })
    return true
  }

  private sendBytes (method: string, head: string, body: Buffer): void {
    const { socket } = this
    const framed = body.length > 0 || EXPECTS_BODY.has(method) ? `${head}content-length: ${body.length}\r\n\r\n` : `${head}\r\n`
    if (body.length <= ONE_WRITE_BYTES) { socket.write(framed + latin1(body), 'latin1'); return }
    socket.cork()
    socket.write(framed, 'latin1')
    socket.write(body)
    socket.uncork()
  }

  resume (): void {
    if (this.handler === null) return
    this.paused = false
    try {
      this.parser.resume()
    } catch (error) {
      this.fail(asFault(error))
    }
    if (this.paused) return
    if (this.overLater === 'end') this.ended()
    else if (this.overLater === 'close') this.over()
    else this.readOn()
  }

  abort (): void {
    this.handler = null
    this.release()
    this.socket.destroy()
  }

  /** Takes what the socket has read, which is overwritten afterwards. Returns false to read no more before `resume`. */
  read (bytes: Buffer, length: number): boolean {
    if (this.handler === null) {
      // Nobody has asked: what it is the beginning of would be the answer to somebody else's request.
      this.socket.destroy()
      return false
    }
    try {
      this.parser.feed(bytes, length)
    } catch (error) {
      this.fail(asFault(error))
    }
    if (!this.paused) return true
    this.stopped = true
    return false
  }

  /** Ends the connection with whatever is under way. */
  destroy (error: Error): void {
    if (this.handler === null) this.socket.destroy()
    else this.fail(error)
  }

  answerStarted (): void { this.handler?.onResponseStarted() }

  answerInform (head: AnswerHead): void { this.handler?.onInform(head) }

  answerHead (head: AnswerHead): boolean {
    this.keepsOpen = head.keepsOpen
    if (head.keepAliveSeconds !== null) {
      const seconds = Math.min(head.keepAliveSeconds - KEEP_ALIVE_MARGIN_S, MAX_KEEP_ALIVE_S)
      if (seconds > 0) this.idleMs = seconds * 1_000
      else this.keepsOpen = false
    }
    const flowing = this.handler?.onHead(head) ?? true
    this.paused = !flowing
    return flowing
  }

  answerData (chunk: Buffer): void {
    const { handler } = this
    if (handler === null) return
    if (!handler.onData(chunk)) this.paused = true
    if (!handler.holdsChunk) giveBackChunk(chunk)
  }

  answerEnd (trailers: string[] | null, clean: boolean): void {
    const { handler, writer } = this
    if (handler === null) return
    this.handler = null
    this.paused = false
    const reusable = clean && this.keepsOpen && (writer === null || writer.done) && this.overLater === null
    try {
      handler.onEnd(trailers)
    } finally {
      this.release()
      if (reusable && this.usable) {
        // TLS goes on to give what it has decrypted already: the end of an answer may be among it.
        if (this.stopped) this.readOn()
        this.owner.released(this)
      } else this.socket.destroy()
    }
  }

  private readOn (): void {
    this.stopped = false
    this.socket.resume()
  }

  private fail (error: Error): void {
    const { handler } = this
    this.handler = null
    this.release()
    this.socket.destroy()
    handler?.onError(error)
  }

  /** Lets go of what belongs to one exchange. */
  private release (): void {
    this.parser.stop()
    const { writer } = this
    this.writer = null
    if (writer !== null && !writer.done) writer.giveUp()
  }

  private ended (): void {
    if (this.handler === null) { this.socket.destroy(); return }
    if (this.parser.holds) { this.overLater = 'end'; return }
    try {
      this.parser.finish()
    } catch (error) {
      this.fail(asFault(error))
    }
  }

  private over (): void {
    this.owner.gone(this)
    if (this.handler === null) return
    // Behind an end in order, somebody may still be to take the rest again before it is told.
    if ((this.parser.holds || this.overLater === 'end') && this.error === null) this.overLater ??= 'close'
    else this.fail(this.error ?? new UpstreamFault({ kind: 'lost', reason: 'connection_lost', message: 'the upstream closed the connection' }))
  }
}

/** Whatever else is thrown while an answer is taken apart is a bug of who takes it. */
function asFault (error: unknown): Error {
  return error instanceof UpstreamFault ? error : new GatewayError('INTERNAL_ERROR', { cause: error })
}

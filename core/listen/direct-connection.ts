import type { Socket } from 'node:net'
import { GatewayError } from '../errors.js'
import type { SocketReader } from '../lib/shared-reads.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import { Refusal } from '../reply.js'
import type { ListenConfig } from '../route.js'
import { connectionOf, type Connection } from './connection.js'
import { DirectBody, type BodyOwner } from './direct-body.js'
import { type DirectHead, DirectHeadReader, INCOMPLETE, LEFT_TO_NODE } from './direct-head.js'
import { type AnswerOwner, DirectSink } from './direct-sink.js'
import { adopt, release } from './direct-socket.js'
import { endGently } from './end-gently.js'
import { type AcceptedRequest, type BodyMaker, readRequest } from './http1-request.js'
import type { ListenPolicy } from './policy.js'
import type { SinkState } from './sink-state.js'

/** Who serves what comes on a direct connection. */
export interface DirectServer {
  readonly policy: ListenPolicy
  readonly state: SinkState
  /** The connection is closed, or no longer this one's. */
  left (connection: DirectConnection): void
  isOwn (request: AcceptedRequest): boolean
  handle (request: AcceptedRequest, sink: DirectSink): void
  /** Node serves the connection from here on, beginning with what was put back into the socket. */
  handOver (socket: Socket): void
  /** The head of a request did not come in time. */
  refuseSlow (socket: Socket, connection: Connection): void
}

/** How much may wait behind the request that is being answered; then the client has to. */
const MOST_HELD = 64 * 1024

/**
 * A client's connection that the gateway reads itself, which costs half of what Node's HTTP server does: one request after the other
 * (RFC 9112 section 9.3.2), for as long as they are of the usual kind. At the first that is not, or that has to be refused, Node takes over for good.
 */
export class DirectConnection implements AnswerOwner, BodyMaker, BodyOwner, SocketReader, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  readonly socket: Socket
  readonly encrypted: boolean

  private readonly server: DirectServer
  private readonly reader = new DirectHeadReader()
  private readonly info: Connection
  private sink: DirectSink | null = null
  private body: DirectBody | null = null
  /** What was read and is not anybody's yet. */
  private held: Buffer | null = null
  private running = false
  private stopped = false
  private handedOver = false
  private ending = false
  private endsGently = false
  /** What came was no body's: whatever else comes is nobody's. */
  private deaf = false
  private limited = false
  private fresh = true
  /** When it was first seen to wait for the head of a request, in `performance.now()` terms; 0 = it does not, or was not looked at since. */
  private waitsSince = 0

  constructor (accepted: Socket, server: DirectServer) {
    this.server = server
    this.socket = adopt(accepted, this)
    this.info = connectionOf(this.socket, server.policy.isTrusted)
    this.encrypted = this.info.encrypted
    const { socket } = this
    socket.on('end', this.ended)
    socket.on('error', this.failed)
    socket.on('close', this.closed)
    socket.on('timeout', this.failed)
    ticker.add(this)
  }

  get state (): SinkState { return this.server.state }
  get limits (): ListenConfig['limits'] { return this.server.policy.limits }
  /** Whether a request is being answered. */
  get answering (): boolean { return this.sink !== null && !this.sink.closed }
  get gone (): boolean { return this.socket.destroyed }
  /** Whether nothing is under way on it. */
  get idle (): boolean { return this.sink === null && this.held === null }

  read (bytes: Buffer, length: number, kept: boolean): boolean {
    if (this.ending || this.deaf) return true
    const { held } = this
    if (held === null) {
      this.run(bytes, length, kept)
      // A head has begun: from now on it is another limit that it has to keep to.
      if (this.held !== null && !this.fresh) this.waitsSince = 0
    } else {
      this.held = null
      const joined = Buffer.concat([held, bytes.subarray(0, length)])
      this.run(joined, joined.length, true)
    }
    return !this.stopped
  }

  /** Takes what can be taken now, and holds the rest. `kept`: nobody writes over the bytes. */
  private run (bytes: Buffer, length: number, kept: boolean): void {
    this.running = true
    let at = 0
    while (at < length && !this.handedOver && !this.ending && !this.deaf) {
      const { body } = this
      if (this.sink === null) {
        const end = this.begin(bytes, at, length)
        if (end === INCOMPLETE) break
        at = end
      } else if (body !== null && !body.received && body.flows) {
        const end = this.feed(body, bytes, at, length)
        if (end === -1) break
        at = end
        if (body.received) {
          // Whoever takes the body may be full; the client has to be heard all the same, or nobody sees it go.
          this.startReading()
          this.next()
        }
      } else break
    }
    this.running = false
    if (at === length || this.handedOver || this.ending || this.deaf) return
    const rest = bytes.subarray(at, length)
    this.held = kept ? rest : Buffer.from(rest)
    if (this.sink !== null && this.held.length >= MOST_HELD) this.stopReading()
  }

  /** Gives a body its bytes. Gives where they end, or -1 where they can not be one's: nothing more is taken of this connection. */
  private feed (body: DirectBody, bytes: Buffer, from: number, to: number): number {
    try {
      return body.take(bytes, from, to)
    } catch (error) {
      this.deaf = true
      // It becomes the answer, unless there is one, or nobody reads the body any more.
      if (!(error instanceof GatewayError) || this.sink?.headSent !== false || !body.breakOff(error)) this.socket.destroy()
      return -1
    }
  }

  /** Begins to serve the request at `from`. Gives where what follows begins, or `INCOMPLETE`. */
  private begin (bytes: Buffer, from: number, to: number): number {
    const { server, reader } = this
    const end = reader.read(bytes, from, to, server.policy.fields)
    if (end === INCOMPLETE && to - from < server.policy.limits.headerBytes) return INCOMPLETE
    if (end === LEFT_TO_NODE || end === INCOMPLETE) { this.handOver(bytes.subarray(from, to)); return to }
    this.waitsSince = 0
    this.fresh = false
    this.body = null
    const request = readRequest(reader.head as DirectHead, this.info, server.policy, this)
    // Thousands of connections wait for their next request; what the last one said need not be kept for that long.
    reader.head = null
    if (request instanceof Refusal || server.isOwn(request)) { this.handOver(bytes.subarray(from, to)); return to }
    this.sink = new DirectSink(this, this.body, request.closes)
    server.handle(request, this.sink)
    return end
  }

  makeBody (length: number | null, awaitsContinue: boolean): DirectBody {
    return this.body = new DirectBody(this, length, awaitsContinue)
  }

  sayContinue (): boolean {
    if (this.sink === null || this.sink.headSent || this.sink.closed) return false
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1')
    return true
  }

  private handOver (rest: Buffer): void {
    const { socket } = this
    this.leave()
    this.handedOver = true
    this.body = null
    socket.off('end', this.ended)
    socket.off('error', this.failed)
    socket.off('close', this.closed)
    socket.off('timeout', this.failed)
    socket.pause()
    // A copy: what was read is overwritten by the next read.
    socket.unshift(Buffer.from(rest))
    release(socket)
    this.server.handOver(socket)
    socket.resume()
  }

  answered (closes: boolean, gently: boolean): void {
    if (this.gone) return
    if (this.limited) {
      this.limited = false
      this.socket.setTimeout(0)
    }
    if (closes || this.endsGently) this.close(gently || this.endsGently)
    else this.next()
  }

  /** The next request's turn, once the answer to this one has left and its body has come. */
  private next (): void {
    const { sink, body } = this
    if (this.ending || sink === null || !sink.closed || (body !== null && !body.received)) return
    this.sink = null
    this.body = null
    if (this.running) return
    // Not from within the answer's last step: whoever gave it has to let go of the upstream first.
    if (this.held !== null || this.stopped) queueMicrotask(this.goOn)
  }

  private readonly goOn = (): void => {
    if (this.sink === null && !this.gone) this.readOn()
  }

  readOn (): void {
    if (this.running) return
    const { held } = this
    if (held !== null) {
      this.held = null
      this.run(held, held.length, true)
    }
    if (!this.handedOver && (this.held === null || this.held.length < MOST_HELD)) this.startReading()
  }

  private startReading (): void {
    if (!this.stopped) return
    this.stopped = false
    this.socket.resume()
  }

  stopReading (): void {
    if (this.stopped) return
    this.stopped = true
    this.socket.pause()
  }

  /** Ends the connection behind the last answer. */
  private close (gently: boolean): void {
    this.ending = true
    this.held = null
    if (gently) endGently.call(this.socket)
    else this.socket.destroySoon()
  }

  endGently (): void {
    if (!this.answering) { this.close(true); return }
    // Closing now would cut the answer off, and reading on would take whatever is sent.
    this.stopReading()
    this.endsGently = true
  }

  cut (): void { this.socket.destroy() }

  tick (nowMs: number): void {
    const { sink, socket } = this
    if (sink !== null) {
      // While an answer comes from its upstream the relay watches a client that takes nothing; here it is what is left behind the last byte.
      if (sink.over && !sink.closed && !this.limited) {
        this.limited = true
        socket.setTimeout(this.state.stallMs())
      }
      return
    }
    if (this.ending) return
    if (this.waitsSince === 0) { this.waitsSince = nowMs; return }
    const waits = this.fresh || this.held !== null
    if (nowMs - this.waitsSince <= (waits ? this.limits.headersMs : this.limits.keepAliveMs)) return
    if (!waits) { socket.destroy(); return }
    this.leave()
    this.ending = true
    this.server.refuseSlow(socket, this.info)
  }

  /** Ends it where nothing is under way on it. */
  closeIdle (): void {
    if (this.idle) this.socket.destroy()
  }

  private leave (): void {
    ticker.remove(this)
    this.server.left(this)
  }

  private readonly ended = (): void => {
    const { sink, socket } = this
    // A client that ends its side has gone, as Node has it, too. What is left of a whole answer is still sent.
    if (sink === null || sink.over) socket.end()
    else socket.destroy()
  }

  private readonly failed = (): void => { this.socket.destroy() }

  private readonly closed = (): void => {
    this.leave()
    const { body, sink } = this
    this.held = null
    if (body !== null && !body.received) body.lost()
    sink?.gone()
  }
}

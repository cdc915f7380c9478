import type { Socket } from 'node:net'
import { ticker, type Ticking } from '../lib/ticker.js'
import type { Connect } from './connector.js'
import { type AnswerHandler, type ConnectionOwner, UpstreamConnection, type UpstreamRequest } from './upstream-connection.js'
import { UpstreamFault } from './upstream-fault.js'

/** What a pool is doing. */
export interface PoolCounts {
  /** Open connections. */
  readonly connected: number
  /** Open connections that wait for a request. */
  readonly free: number
  /** Requests on a connection. */
  readonly running: number
  /** Requests that wait for a connection. */
  readonly pending: number
}

/** How long a connection stays open without a request, where the upstream does not say. */
const IDLE_MS = 10_000
const SWEEP_MS = 1_000

interface Waiting { readonly request: UpstreamRequest, readonly handler: AnswerHandler, next: Waiting | null }

// Connections that were released in this turn of the event loop. In the next one they are free: what an upstream sends behind an answer
// arrives before somebody else's request could take it for its own, and so does an end of the connection that was not announced.
let returning: UpstreamConnection[] = []

function takeBack (): void {
  const connections = returning
  returning = []
  const now = performance.now()
  for (const connection of connections) {
    connection.idleSince = now
    if (connection.usable) connection.owner.free(connection)
  }
}

/**
 * The connections to one target. Each carries one request at a time (with pipelining a slow answer would hold up other clients behind it),
 * the one that was used last is used first, and requests for which there is none wait in the order in which they came.
 */
export class ConnectionPool implements ConnectionOwner, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  private readonly connect: Connect
  private readonly most: number
  private readonly all = new Set<UpstreamConnection>()
  /** By when they were released, the latest last. */
  private readonly idle: UpstreamConnection[] = []
  private connecting = 0
  private first: Waiting | null = null
  private last: Waiting | null = null
  private pending = 0
  private closing = false
  private sweepAt = 0

  /** `connections`: the most that are open at a time; null = as many as needed. */
  constructor (connect: Connect, connections: number | null) {
    this.connect = connect
    this.most = connections ?? Infinity
  }

  /** Sends a request on a free connection, or on the next that there is. What goes wrong comes through `handler.onError`, never as an exception. */
  dispatch (request: UpstreamRequest, handler: AnswerHandler): void {
    if (this.closing) { handler.onError(stopping()); return }
    let connection = this.idle.pop()
    // One that has just been given up is told of when it is closed.
    while (connection !== undefined && !connection.usable) connection = this.idle.pop()
    if (connection !== undefined) {
      if (!connection.send(request, handler)) this.idle.push(connection)
      return
    }
    const waiting: Waiting = { request, handler, next: null }
    if (this.last === null) this.first = waiting
    else this.last.next = waiting
    this.last = waiting
    this.pending++
    this.connectMore()
  }

  /** What it is doing. */
  get stats (): PoolCounts {
    let running = 0
    for (const connection of this.all) if (connection.busy) running++
    return { connected: this.all.size, free: this.idle.length, running, pending: this.pending }
  }

  /** Takes no more requests; connections are closed once they carry none. */
  close (): void {
    this.closing = true
    for (const connection of this.idle.splice(0)) connection.destroy(stopping())
  }

  /** Ends every connection at once, whatever it carries. */
  destroy (): void {
    this.close()
    for (let waiting = this.shift(); waiting !== null; waiting = this.shift()) waiting.handler.onError(stopping())
    for (const connection of [...this.all]) connection.destroy(stopping())
  }

  released (connection: UpstreamConnection): void {
    if (returning.push(connection) === 1) setImmediate(takeBack)
  }

  free (connection: UpstreamConnection): void {
    for (let waiting = this.shift(); waiting !== null; waiting = this.shift()) {
      if (connection.send(waiting.request, waiting.handler)) return
    }
    if (this.closing) connection.destroy(stopping())
    else this.idle.push(connection)
  }

  gone (connection: UpstreamConnection): void {
    // What an exchange held back may end a second time.
    if (!this.all.delete(connection)) return
    const at = this.idle.indexOf(connection)
    if (at !== -1) this.idle.splice(at, 1)
    if (this.all.size === 0) ticker.remove(this)
    this.connectMore()
  }

  /** Closes what has been idle for too long: an upstream that closes first takes with it what is being sent at that moment. */
  tick (nowMs: number): void {
    if (nowMs < this.sweepAt) return
    this.sweepAt = nowMs + SWEEP_MS
    for (const connection of this.idle.filter(({ idleSince, idleMs }) => nowMs - idleSince > idleMs)) connection.destroy(stopping())
  }

  private connectMore (): void {
    while (this.connecting < this.pending && this.all.size + this.connecting < this.most) {
      this.connecting++
      this.connect((error, socket) => {
        this.connecting--
        if (socket === null) this.refuseFirst(error ?? new Error('no connection'))
        else this.opened(socket)
      })
    }
  }

  private opened (socket: Socket): void {
    const connection = new UpstreamConnection(socket, this, IDLE_MS)
    if (this.all.size === 0) ticker.add(this)
    this.all.add(connection)
    connection.idleSince = performance.now()
    this.free(connection)
  }

  /** Each attempt that fails is the failure of one who still waits; the others wait for theirs. */
  private refuseFirst (error: Error): void {
    let waiting = this.shift()
    while (waiting !== null && !waiting.handler.wanted) waiting = this.shift()
    waiting?.handler.onError(error)
    this.connectMore()
  }

  private shift (): Waiting | null {
    const { first } = this
    if (first === null) return null
    this.pending--
    this.first = first.next
    if (first.next === null) this.last = null
    return first
  }
}

function stopping (): UpstreamFault {
  return new UpstreamFault({ kind: 'closed', reason: 'stopping', message: 'the pool is closed' })
}

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { BodyConsumer, BodySource } from '../context.js'
import { GatewayError } from '../errors.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import type { ListenConfig } from '../route.js'
import { endGently } from './end-gently.js'

/** How much of a body that nobody wants is read away, so that the client sees its answer before the connection closes. */
const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2_000

/** The body of an HTTP/1 request. Nothing is read from the client before `start`, nor is its `Expect: 100-continue` answered. */
export class Http1Body implements BodySource, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  readonly length: number | null
  complete = false
  bytesRead = 0
  /** Whether the client waits for our 100 before it sends. */
  awaitsContinue: boolean
  /** The rest will not be read, because of how it comes: the connection ends with the answer. */
  cut = false

  private readonly req: IncomingMessage
  private readonly res: ServerResponse
  private readonly limits: ListenConfig['limits']
  private consumer: BodyConsumer | null = null
  private waitingSince = 0
  private waitedMs = 0
  private waiting = false
  private failure: GatewayError | null = null
  private abandonedAt = 0
  private abandonedBytes = 0
  private ending = false

  constructor (req: IncomingMessage, res: ServerResponse, length: number | null, awaitsContinue: boolean, limits: ListenConfig['limits']) {
    this.req = req
    this.res = res
    this.length = length
    this.awaitsContinue = awaitsContinue
    this.limits = limits
  }

  /** Whether all of it has come, read or not. */
  get received (): boolean { return this.req.complete }

  start (consumer: BodyConsumer): void {
    const { req } = this
    this.consumer = consumer
    if (this.failure !== null) { this.fail(this.failure); return }
    if (req.destroyed && !req.complete) { this.broken(); return }
    this.listen()
    if (this.awaitsContinue && !this.res.headersSent) {
      this.awaitsContinue = false
      this.res.writeContinue()
    }
    this.wait()
    ticker.add(this)
  }

  private listen (): void {
    const { req } = this
    req.on('data', (chunk: Buffer) => {
      this.bytesRead += chunk.length
      if (this.consumer === null) { this.discard(); return }
      if (!this.consumer.data(chunk)) this.pause()
    })
    req.on('end', () => {
      this.complete = true
      ticker.remove(this)
      const { consumer } = this
      this.consumer = null
      consumer?.end()
    })
    req.on('error', () => { this.broken() })
    req.on('close', () => { if (!this.complete) this.broken() })
  }

  private broken (): void {
    this.fail(new GatewayError('VALIDATION_ERROR', { message: 'The request body broke off.', details: { reason: 'body_incomplete' } }))
  }

  /** Fails the body with an error that its own bytes or their pace have brought. False when nobody can be told: it is complete or no longer wanted. */
  breakOff (error: GatewayError): boolean {
    if (this.complete || this.abandonedAt !== 0) return false
    this.cut = true
    this.failure = error
    this.fail(error)
    return true
  }

  private fail (error: GatewayError): void {
    ticker.remove(this)
    const { consumer } = this
    this.consumer = null
    consumer?.error(error)
  }

  pause (): void {
    if (this.waiting) { this.waitedMs += performance.now() - this.waitingSince; this.waiting = false }
    this.req.pause()
  }

  resume (): void {
    this.wait()
    this.req.resume()
  }

  private wait (): void {
    if (this.waiting) return
    this.waiting = true
    this.waitingSince = performance.now()
  }

  abandon (): void {
    if (this.complete || this.abandonedAt !== 0) return
    this.abandonedAt = performance.now()
    this.abandonedBytes = this.bytesRead
    const started = this.consumer !== null
    this.consumer = null
    if (started) ticker.remove(this)
    else this.listen()
    ticker.add(this)
    this.req.resume()
  }

  private discard (): void {
    if (this.ending || this.bytesRead - this.abandonedBytes <= DRAIN_BYTES) return
    this.ending = true
    const { req, res } = this
    const end = (): void => {
      endGently.call(req.socket)
      req.resume()
    }
    if (res.writableFinished) { end(); return }
    // Closing now would cut the answer off, and reading on would take whatever is sent.
    req.pause()
    res.once('finish', end)
  }

  /** Cuts off bodies that come slower than is allowed, and drained ones that do not end. */
  tick (nowMs: number): void {
    if (this.abandonedAt !== 0) {
      if (!this.res.writableFinished) this.abandonedAt = nowMs
      else if (nowMs - this.abandonedAt > DRAIN_MS) { ticker.remove(this); this.req.socket.destroy() }
      return
    }
    if (!this.waiting) return
    const { bodyGraceMs, bodyBytesPerSecond } = this.limits
    const overtimeMs = this.waitedMs + nowMs - this.waitingSince - bodyGraceMs
    if (overtimeMs <= 0 || this.bytesRead >= bodyBytesPerSecond * overtimeMs / 1000) return
    this.breakOff(new GatewayError('REQUEST_TIMEOUT', { message: 'The request body came too slowly.', details: { reason: 'body_too_slow' } }))
  }
}

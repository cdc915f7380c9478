import type { BodyConsumer, BodySource } from '../context.js'
import { GatewayError } from '../errors.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import type { ListenConfig } from '../route.js'

/** How much of a body that nobody wants is read away, so that the client sees its answer before the connection closes. */
const DRAIN_BYTES = 1024 * 1024
const DRAIN_MS = 2_000

/**
 * The body of a client's request, however its bytes come off the wire. Nothing is asked of the client before `start`, nor is its
 * `Expect: 100-continue` answered. It is cut off where it comes slower than is allowed, and, once nobody wants it, where it does not end.
 */
export abstract class ClientBody implements BodySource, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  readonly length: number | null
  complete = false
  bytesRead = 0
  /** Whether the client waits for our 100 before it sends. */
  awaitsContinue: boolean
  /** The rest will not be read, because of how it comes: the connection ends with the answer. */
  cut = false

  private readonly limits: ListenConfig['limits']
  private consumer: BodyConsumer | null = null
  private waitingSince = 0
  private waitedMs = 0
  private waiting = false
  private failure: GatewayError | null = null
  private abandonedAt = 0
  private abandonedBytes = 0
  private ending = false

  constructor (length: number | null, awaitsContinue: boolean, limits: ListenConfig['limits']) {
    this.length = length
    this.awaitsContinue = awaitsContinue
    this.limits = limits
  }

  /** Whether all of it has come, read or not. */
  abstract get received (): boolean
  /** Whether the connection has broken before all of it came. */
  protected abstract get broken (): boolean
  /** Whether the answer to its request has left. */
  protected abstract get answered (): boolean
  /** Bytes are taken from now on. */
  protected abstract open (): void
  protected abstract hold (): void
  protected abstract flow (): void
  /** Asks the client to send; false where it has an answer already. */
  protected abstract sayContinue (): boolean
  /** Ends the connection once the answer has left, in a way that lets the client read it. */
  protected abstract endBehindAnswer (): void
  /** Ends the connection at once. */
  protected abstract cutConnection (): void

  start (consumer: BodyConsumer): void {
    this.consumer = consumer
    if (this.failure !== null) { this.fail(this.failure); return }
    if (this.broken) { this.brokeOff(); return }
    this.wait()
    ticker.add(this)
    if (this.awaitsContinue && this.sayContinue()) this.awaitsContinue = false
    this.open()
  }

  /** More of it has come. */
  protected took (chunk: Buffer): void {
    this.bytesRead += chunk.length
    if (this.consumer === null) this.discard()
    else if (!this.consumer.data(chunk)) this.pause()
  }

  /** All of it has been taken. */
  protected tookAll (): void {
    this.complete = true
    ticker.remove(this)
    const { consumer } = this
    this.consumer = null
    consumer?.end()
  }

  /** The connection has broken. Does nothing for a body that is complete. */
  protected brokeOff (): void {
    if (!this.complete) this.fail(new GatewayError('VALIDATION_ERROR', { message: 'The request body broke off.', details: { reason: 'body_incomplete' } }))
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
    this.hold()
  }

  resume (): void {
    this.wait()
    this.flow()
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
    ticker.add(this)
    if (!started) this.open()
    this.flow()
  }

  private discard (): void {
    if (this.ending || this.bytesRead - this.abandonedBytes <= DRAIN_BYTES) return
    this.ending = true
    this.endBehindAnswer()
  }

  tick (nowMs: number): void {
    if (this.abandonedAt !== 0) {
      if (!this.answered) this.abandonedAt = nowMs
      else if (nowMs - this.abandonedAt > DRAIN_MS) { ticker.remove(this); this.cutConnection() }
      return
    }
    if (!this.waiting) return
    const { bodyGraceMs, bodyBytesPerSecond } = this.limits
    const overtimeMs = this.waitedMs + nowMs - this.waitingSince - bodyGraceMs
    if (overtimeMs <= 0 || this.bytesRead >= bodyBytesPerSecond * overtimeMs / 1000) return
    this.breakOff(new GatewayError('REQUEST_TIMEOUT', { message: 'The request body came too slowly.', details: { reason: 'body_too_slow' } }))
  }
}

/** Whether it is better to end the connection than to read the rest away. */
export function leavesMuch ({ complete, cut, length, awaitsContinue, bytesRead }: ClientBody): boolean {
  return !complete && (cut || awaitsContinue || length === null || length - bytesRead > 64 * 1024)
}

/** Whether the connection ends behind the answer because of the body of its request; null = there is none. */
export function endsConnection (body: ClientBody | null): boolean {
  return body !== null && (body.awaitsContinue || body.cut)
}

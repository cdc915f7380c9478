import type { Readable } from 'node:stream'
import type { BodySource, GatewayRequest } from '../context.js'
import { GatewayError } from '../errors.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import type { AnswerHead } from './answer-head.js'
import { requestHead } from './request-head.js'
import { upstreamHeaders } from './request-headers.js'
import { RequestBodyStream } from './request-body.js'
import type { TransformedBody } from './transformed-body.js'
import { cleanResponseHeaders, cleanTrailers, finalHeaders } from './response-headers.js'
import { isConnectionLoss, upstreamError } from './upstream-errors.js'
import type { Target, Upstream } from './upstream.js'
import type { AnswerHandler, Exchange } from './upstream-connection.js'

/** Who is told what the upstream answers. Either `relayFail` or `relayEnd` is the last call; nothing comes after `abort`. */
export interface RelayOwner {
  relayInform (status: number, headers: string[]): void
  /** Returns false to get no body before `resume`. `bodyless`: nothing follows (HEAD, 204, 304). */
  relayHead (status: number, reason: string, headers: string[], bodyless: boolean): boolean
  /** Returns false to get no more before `resume`. */
  relayData (chunk: Buffer): boolean
  /** Whether the chunk of the last `relayData`, or a part of it, is still held by somebody. */
  readonly holdsChunk: boolean
  relayEnd (trailers: string[] | null): void
  /** After `relayHead` it means that the answer broke off. */
  relayFail (error: GatewayError): void
}

/** An exchange with an upstream under way, as its owner holds it. */
export interface UpstreamCall {
  /** The target of the current attempt. */
  readonly target: Target | null
  /** `performance.now()` of the first dispatch. */
  readonly dispatchedAt: number
  /** `performance.now()` of the upstream's head; 0 before. */
  readonly headAt: number
  /** Begins. What goes wrong comes through `relayFail`, never as an exception. */
  start (nowMs: number): void
  /** The owner takes body again after it returned false. */
  resume (): void
  /** Nobody wants the answer any more: the upstream's connection is cut, the owner hears nothing more. */
  abort (): void
}

/** What is sent, and how long it may take. */
export interface RelayPlan {
  readonly upstream: Upstream
  /** A target that a step chose; null = the upstream's turn. */
  readonly target: Target | null
  readonly method: string
  readonly path: string
  readonly query: string
  /** Flat, lower-case: what goes on of the client's, or what steps made of it. */
  readonly fields: readonly string[]
  readonly requestIdHeader: string | null
  readonly requestId: string
  /** The client's body untouched, bytes, or what transforms make of either. */
  readonly body: BodySource | Buffer | TransformedBody | null
  readonly headersMs: number
  readonly idleMs: number
  /** When the whole exchange has to be over, in `performance.now()` terms; Infinity = never. */
  readonly deadline: number
}

/** In 64 KB there is room for tens of thousands of empty fields, which take the whole process a quarter of a second. */
const MOST_FIELDS = 1_000
/** Interim answers are written whether the client reads or not, so there is a bound. */
export const MOST_INTERIM = 64
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * One request on its way to an upstream: chooses a target, hands itself to the target's pool as the handler, watches the time
 * limits, tries again where nothing can have happened twice, and tells its owner what comes back.
 */
export class Relay implements UpstreamCall, AnswerHandler, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  target: Target | null = null
  dispatchedAt = 0
  headAt = 0

  private readonly owner: RelayOwner
  private readonly request: GatewayRequest
  private readonly plan: RelayPlan
  private exchange: Exchange | null = null
  private body: RequestBodyStream | TransformedBody | null = null
  private tried: Target[] | null = null
  private retried = false
  private fresh = false
  private responseStarted = false
  private interim = 0
  private done = false
  private paused = false
  private activeAt = 0

  constructor (owner: RelayOwner, request: GatewayRequest, plan: RelayPlan) {
    this.owner = owner
    this.request = request
    this.plan = plan
  }

  start (nowMs: number): void {
    this.dispatchedAt = nowMs
    ticker.add(this)
    const target = this.nextTarget()
    if (target === null) this.fail(new GatewayError('SERVICE_UNAVAILABLE', { details: { reason: 'no_target' } }))
    else this.attempt(target, nowMs)
  }

  resume (): void {
    if (!this.paused || this.done) return
    this.paused = false
    this.activeAt = performance.now()
    this.exchange?.resume()
  }

  abort (): void {
    if (this.done) return
    this.finish()
    this.exchange?.abort()
    this.body?.destroy()
  }

  private attempt (target: Target, nowMs: number): void {
    const { plan } = this
    this.target = target
    this.activeAt = nowMs
    this.exchange = null
    this.responseStarted = false
    const { body } = plan
    let head: string
    try {
      head = requestHead(plan.method, targetPath(target, plan), upstreamHeaders(this.request, plan, hostFor(target, plan, this.request)))
    } catch (error) {
      this.fail(new GatewayError('INTERNAL_ERROR', { details: { reason: 'invalid_forward' }, cause: error }))
      return
    }
    let payload: Buffer | Readable | null = null
    let length: number | null = null
    if (body !== null) {
      if (Buffer.isBuffer(body)) payload = body
      else if ('start' in body) {
        payload = this.body = new RequestBodyStream(body, () => { this.touch() })
        length = body.length
      } else {
        payload = this.body = body
        body.progress = () => { this.touch() }
      }
    }
    target.shared.pool.dispatch({ method: plan.method, head, body: payload, length }, this)
  }

  private touch (): void { this.activeAt = performance.now() }

  get wanted (): boolean { return !this.done }

  onConnect (exchange: Exchange, fresh: boolean): void {
    this.exchange = exchange
    this.fresh = fresh
  }

  onResponseStarted (): void { this.responseStarted = true }

  onInform ({ status, fields }: AnswerHead): void {
    this.activeAt = performance.now()
    const headers = fields.length > MOST_FIELDS * 2 ? null : cleanResponseHeaders(fields)
    if (headers === null) this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'headers_too_large' } }))
    else if (++this.interim > MOST_INTERIM) this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'too_many_interim' } }))
    else this.owner.relayInform(status, headers)
  }

  onHead ({ status, reason, fields }: AnswerHead): boolean {
    const now = performance.now()
    this.activeAt = now
    const headers = fields.length > MOST_FIELDS * 2 ? null : finalHeaders(status, fields)
    if (headers === null) {
      this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'headers_too_large' } }))
      return true
    }
    this.headAt = now
    const bodyless = this.plan.method === 'HEAD' || status === 204 || status === 304
    const flowing = this.owner.relayHead(status, reason, headers, bodyless)
    this.paused = !flowing
    return flowing
  }

  onData (chunk: Buffer): boolean {
    this.activeAt = performance.now()
    this.paused = !this.owner.relayData(chunk)
    return !this.paused
  }

  get holdsChunk (): boolean { return this.owner.holdsChunk }

  onEnd (trailers: string[] | null): void {
    this.finish()
    this.owner.relayEnd(cleanTrailers(trailers))
  }

  onError (error: Error): void {
    if (this.done) return
    const connected = this.exchange !== null
    if (connected ? this.mayRepeat(error) : this.mayTryNext(error)) {
      if (connected) this.retried = true
      else (this.tried ??= []).push(this.target as Target)
      const target = this.nextTarget()
      if (target !== null) { this.attempt(target, performance.now()); return }
    }
    this.exchange = null
    this.fail(upstreamError(error, !connected ? 'connecting' : this.headAt !== 0 ? 'answered' : this.responseStarted ? 'answering' : 'sent'))
  }

  /** Where the next attempt goes: the target that a step chose, for as long as that one was not refused, or the next that was not. */
  private nextTarget (): Target | null {
    const { target, upstream } = this.plan
    return target === null ? upstream.next(this.tried) : this.tried === null ? target : null
  }

  /** A connection that was never made has carried no byte: any request may go to another target. */
  private mayTryNext (error: Error): boolean {
    return !(error instanceof GatewayError) && (this.body === null || !this.body.started)
  }

  /** The other side had closed an idle connection as it was being reused: once more is safe for what has no body and no effect of repetition. */
  private mayRepeat (error: Error): boolean {
    return !this.retried && !this.fresh && !this.responseStarted && this.headAt === 0 && this.plan.body === null &&
      IDEMPOTENT.has(this.plan.method) && isConnectionLoss(error)
  }

  /** Looks at the time limits. */
  tick (nowMs: number): void {
    const { plan } = this
    if (nowMs > plan.deadline) {
      this.fail(new GatewayError('UPSTREAM_TIMEOUT', { details: { reason: 'total_timeout' } }))
      return
    }
    const silent = nowMs - this.activeAt
    if (this.headAt === 0) {
      // A client that is slow with its body is not the upstream's fault; the listener watches over that.
      const uploading = this.body !== null && this.body.started && !this.body.readableEnded && !this.body.stalled
      if (!uploading && plan.headersMs > 0 && silent > plan.headersMs) {
        this.fail(new GatewayError('UPSTREAM_TIMEOUT', { details: { reason: 'headers_timeout' } }))
      }
    } else if (plan.idleMs > 0 && silent > plan.idleMs) {
      this.fail(new GatewayError('UPSTREAM_TIMEOUT', { details: { reason: this.paused ? 'client_stalled' : 'idle_timeout' } }))
    }
  }

  private fail (error: GatewayError): void {
    if (this.done) return
    this.finish()
    this.exchange?.abort()
    this.body?.destroy()
    this.owner.relayFail(error)
  }

  private finish (): void {
    this.done = true
    ticker.remove(this)
  }
}

/** The request target that the upstream sees. */
export function targetPath (target: Target, plan: Pick<RelayPlan, 'path' | 'query'>): string {
  const path = target.basePath === '' ? plan.path : target.basePath + plan.path
  return plan.query === '' ? path : `${path}?${plan.query}`
}

/** The Host field that the upstream sees. */
export function hostFor (target: Target, plan: Pick<RelayPlan, 'upstream'>, request: GatewayRequest): string {
  const { host } = plan.upstream.config
  return host === 'target' ? target.authority : host === 'preserve' ? request.authority : host.literal
}

import type { Readable } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { BodySource, GatewayRequest } from '../context.js'
import { GatewayError } from '../errors.js'
import { removeNames } from '../lib/header-names.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import { upstreamHeaders } from './request-headers.js'
import { RequestBodyStream } from './request-body.js'
import type { TransformedBody } from './transformed-body.js'
import { cleanResponseHeaders, cleanTrailers } from './response-headers.js'
import { isConnectionLoss, upstreamError } from './upstream-errors.js'
import type { Target, Upstream } from './upstream.js'

/** Who is told what the upstream answers. Either `relayFail` or `relayEnd` is the last call; nothing comes after `abort`. */
export interface RelayOwner {
  relayInform (status: number, headers: string[]): void
  /** Returns false to get no body before `resume`. `bodyless`: nothing follows (HEAD, 204, 304). */
  relayHead (status: number, reason: string, headers: string[], bodyless: boolean): boolean
  /** Returns false to get no more before `resume`. */
  relayData (chunk: Buffer): boolean
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
const MOST_INTERIM = 64
const LENGTH = ['content-length']
const IDEMPOTENT = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/**
 * One request on its way to an upstream: chooses a target, dispatches through undici with itself as the handler, watches the
 * time limits, tries again where nothing can have happened twice, and tells its owner what comes back.
 */
export class Relay implements UpstreamCall, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  target: Target | null = null
  dispatchedAt = 0
  headAt = 0

  private readonly owner: RelayOwner
  private readonly request: GatewayRequest
  private readonly plan: RelayPlan
  private abortRequest: ((error?: Error) => void) | null = null
  private resumeBody: (() => void) | null = null
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
    this.resumeBody?.()
  }

  abort (): void {
    if (this.done) return
    this.finish()
    this.abortRequest?.(new GatewayError('INTERNAL_ERROR', { message: 'The exchange was abandoned.' }))
    this.body?.destroy()
  }

  private attempt (target: Target, nowMs: number): void {
    const { plan } = this
    this.target = target
    this.activeAt = nowMs
    this.abortRequest = null
    this.responseStarted = false
    const { body } = plan
    let payload: Buffer | Readable | null = null
    let contentLength: number | null = null
    if (body !== null) {
      if (Buffer.isBuffer(body)) {
        payload = body
        contentLength = body.length
      } else if ('start' in body) {
        payload = this.body = new RequestBodyStream(body, () => { this.touch() })
        contentLength = body.length
      } else {
        payload = this.body = body
        body.progress = () => { this.touch() }
      }
    }
    target.shared.pool.dispatch({
      method: plan.method as Dispatcher.HttpMethod,
      path: targetPath(target, plan),
      headers: upstreamHeaders(this.request, plan, plan.upstream.config.host === 'target' ? null : hostFor(target, plan, this.request), contentLength),
      body: payload,
      // Only has to stay the same: left out, undici would take it from the Host field, and reconnect whenever that one changes.
      servername: target.authority
    } as Dispatcher.DispatchOptions, this)
  }

  private touch (): void { this.activeAt = performance.now() }

  /** undici: there is a connection, the request is about to be written. */
  onConnect (abort: (error?: Error) => void): void {
    // Thrown, the request is taken out before a byte of it was sent, and the connection is there for the next.
    if (this.done) throw new GatewayError('INTERNAL_ERROR', { message: 'The exchange was abandoned.' })
    this.abortRequest = abort
    this.fresh = (this.target as Target).shared.isFresh()
  }

  /** undici: the first byte of an answer is there. */
  onResponseStarted (): void { this.responseStarted = true }

  /** undici: a head, interim or final. */
  onHeaders (status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    if (this.done) return true
    const now = performance.now()
    this.activeAt = now
    const headers = raw.length > MOST_FIELDS * 2 ? undefined : cleanResponseHeaders(raw)
    if (headers === undefined || headers === null || status < 100) {
      const reason = headers === undefined ? 'headers_too_large' : headers === null ? 'transfer_coding' : 'status'
      this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason } }))
      return true
    }
    if (status < 200) {
      if (++this.interim > MOST_INTERIM) this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'too_many_interim' } }))
      else this.owner.relayInform(status, headers)
      return true
    }
    this.headAt = now
    this.resumeBody = resume
    // RFC 9110 section 8.6: a 204 has no length, and a client that believed one would wait for a body.
    if (status === 204) removeNames(headers, LENGTH)
    const bodyless = this.plan.method === 'HEAD' || status === 204 || status === 304
    const flowing = this.owner.relayHead(status, reason, headers, bodyless)
    if (bodyless && !this.done) {
      // Complete by definition (RFC 9112 section 6.3). undici takes a Content-Length here for a promise and reports a mismatch later.
      this.finish()
      this.owner.relayEnd(null)
      return true
    }
    this.paused = !flowing
    return flowing
  }

  /** undici: a piece of the body. */
  onData (chunk: Buffer): boolean {
    if (this.done) return true
    this.activeAt = performance.now()
    this.paused = !this.owner.relayData(chunk)
    return !this.paused
  }

  /** undici: the answer is complete. */
  onComplete (trailers: (Buffer | string)[] | null): void {
    if (this.done) return
    this.finish()
    this.owner.relayEnd(cleanTrailers(trailers))
  }

  /** undici: the attempt failed. */
  onError (error: Error): void {
    if (this.done) return
    const connected = this.abortRequest !== null
    if (connected ? this.mayRepeat(error) : this.mayTryNext(error)) {
      if (connected) this.retried = true
      else (this.tried ??= []).push(this.target as Target)
      const target = this.nextTarget()
      if (target !== null) { this.attempt(target, performance.now()); return }
    }
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
    this.abortRequest?.(error)
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

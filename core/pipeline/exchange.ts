import { pipeline as chain, type Duplex, type Readable } from 'node:stream'
import type { GatewayRequest, Outcome, ResponseSink, TunnelEnd } from '../context.js'
import { GatewayError } from '../errors.js'
import { Refusal, type Reply } from '../reply.js'
import { Relay, type RelayPlan, type UpstreamCall } from '../proxy/relay.js'
import { RequestBodyStream } from '../proxy/request-body.js'
import { Tunnel, type TunnelOwner } from '../proxy/tunnel.js'
import { collect, inflateCollected } from './collect.js'
import type { BufferPlan } from './compile.js'
import type { CompiledRoute, ExchangeObserver } from './compiled-route.js'
import { AnswerDraft } from './drafts.js'
import { StepRunner } from './steps.js'

/**
 * One request from birth to its last byte: the context that steps see, the owner of the relay, and the one that writes to the sink.
 */
export class Exchange extends StepRunner implements TunnelOwner {
  readonly observer: ExchangeObserver
  /** The status that was sent; 0 before. */
  status = 0
  errorCode: string | null = null
  errorReason: string | null = null
  relay: UpstreamCall | null = null
  /** What answers instead of the upstream once the steps are through (405 for a preflight that nobody answered). */
  instead: Refusal | null = null
  /** Whatever whoever made the exchange wants to find again when it is over. */
  owner: unknown = null

  private readonly onFinished: (exchange: Exchange, complete: boolean) => void
  private sent = false
  private collected: Buffer[] | null = null
  private collectedBytes = 0
  private relayEnded = false
  private trailers: string[] | null = null
  private entry: Duplex | null = null

  constructor (
    id: string, request: GatewayRequest, sink: ResponseSink, compiled: CompiledRoute, params: Readonly<Record<string, string>> | null,
    observer: ExchangeObserver, onFinished: (exchange: Exchange, complete: boolean) => void, nowMs: number
  ) {
    super(id, request, sink, compiled, params, nowMs)
    this.observer = observer
    this.onFinished = onFinished
  }

  /** Starts. The sink's `onClose` ends the exchange, whatever happens in between. */
  begin (): void {
    this.sink.onClose = this.closed
    this.runRequest(0)
  }

  /** Ends with a reply that no step gave, behind the steps entered so far; for what the engine itself refuses. */
  refuse (reply: Reply): void { this.takeReply(reply, this.compiled.pipeline.steps.length) }

  get outcome (): Outcome {
    const { relay, request, sink } = this
    return {
      status: this.status,
      complete: this.completed,
      durationMs: performance.now() - this.startedAt,
      upstreamMs: relay === null || relay.headAt === 0 ? null : relay.headAt - relay.dispatchedAt,
      target: relay?.target?.origin ?? null,
      bytesIn: request.body?.bytesRead ?? 0,
      bytesOut: sink.bytesWritten,
      errorCode: this.errorCode,
      errorReason: this.errorReason
    }
  }

  private completed = false

  private readonly closed = (complete: boolean): void => {
    this.completed = complete
    this.forget()
    if (!complete) {
      this.relay?.abort()
      this.entry?.destroy()
      this.abortSignal()
    }
    this.runLog()
    this.onFinished(this, complete)
  }

  protected goUpstream (): void {
    if (this.sink.closed) return
    const { compiled, request, forwardDraft: draft } = this
    if (this.instead !== null) { this.refuse(this.instead); return }
    const { upstream } = compiled
    if (upstream === null) { this.refuse(compiled.fallback); return }
    const body = this.forwardBody()
    let target = null
    try {
      if (draft !== null && draft.target !== null) target = compiled.targetFor(draft.target)
    } catch (error) {
      this.failStep(error, compiled.pipeline.steps.length)
      return
    }
    const now = performance.now()
    const plan = {
      upstream,
      target,
      method: draft === null ? request.method : draft.method,
      path: draft !== null ? draft.path : compiled.rewrite === null ? request.path : compiled.rewrite(request.path, this.params),
      query: draft === null ? request.query : draft.query,
      fields: draft === null ? request.headers.flat : draft.headers.flat,
      requestIdHeader: this.observer.requestIdHeader,
      requestId: this.id,
      body,
      headersMs: compiled.headersMs,
      idleMs: compiled.idleMs,
      deadline: compiled.totalMs === 0 ? Infinity : this.startedAt + compiled.totalMs
    }
    this.relay = this.createCall(plan)
    this.relay.start(now)
  }

  /** What carries the request to the upstream. */
  protected createCall (plan: RelayPlan): UpstreamCall {
    const { request, compiled, sink } = this
    const { upgrade } = request
    return upgrade !== null && sink.tunnel !== null && compiled.upgrades.has(upgrade)
      ? new Tunnel(this, request, { ...plan, token: upgrade, upgradeIdleMs: compiled.upgradeIdleMs })
      : new Relay(this, request, plan)
  }

  private forwardBody (): GatewayRequest['body'] | Buffer | Readable {
    const { request, forwardDraft: draft } = this
    const replaced = draft?.body
    let body: GatewayRequest['body'] | Buffer | Readable
    if (replaced !== undefined) body = replaced === null ? null : Buffer.from(replaced as string)
    else body = this.rawBody ?? request.body
    const transforms = draft?.transforms ?? null
    if (transforms === null || body === null) return body
    const head = transforms[0] as Duplex
    // Errors of any link destroy the whole chain with that error; undici reports it, and it becomes the answer.
    const done = (): void => {}
    if (Buffer.isBuffer(body)) { head.end(body); if (transforms.length > 1) chain(transforms as unknown as [Duplex, Duplex], done) } else chain([new RequestBodyStream(body as NonNullable<GatewayRequest['body']>, () => {}), ...transforms] as unknown as [Readable, Duplex], done)
    return transforms[transforms.length - 1] as Duplex
  }

  /** The collected bytes as they came, before inflation. */
  private rawBody: Buffer | null = null

  protected async collectBody (plan: BufferPlan): Promise<Reply | undefined> {
    const { body, headers } = this.request
    if (body === null) return undefined
    const raw = await collect(body, plan.maxBytes)
    if (!Buffer.isBuffer(raw)) return raw
    this.rawBody = raw
    const inflated = plan.inflate ? await inflateCollected(raw, headers.joined('content-encoding'), plan.maxBytes) : raw
    if (!Buffer.isBuffer(inflated)) return inflated
    this.body = inflated
    return undefined
  }

  protected takeReply (reply: Reply, position: number): void {
    this.relay?.abort()
    const headers = reply.headers.slice()
    let body = reply.body === null ? null : typeof reply.body === 'string' ? Buffer.from(reply.body) : Buffer.from(reply.body.buffer, reply.body.byteOffset, reply.body.byteLength)
    if (reply instanceof Refusal) {
      this.errorCode = reply.code
      this.errorReason = typeof reply.details?.['reason'] === 'string' ? reply.details['reason'] : null
      const rendered = this.observer.renderError(reply, this.id, this.request.headers.joined('accept'))
      headers.push('content-type', rendered.contentType)
      body = Buffer.from(rendered.body)
    }
    const bodyless = reply.status === 204 || reply.status === 304 || this.request.method === 'HEAD'
    this.answer = new AnswerDraft(reply instanceof Refusal ? 'error' : 'reply', reply.status, '', headers, body, bodyless)
    this.runResponse(position, 0)
  }

  protected sendAnswer (): void {
    const answer = this.response
    if (this.sink.closed) return
    this.sent = true
    this.status = answer.status
    const { flat } = answer.headers
    answer.headers.set(this.observer.requestIdHeader, this.id)
    const { transforms, body } = answer
    if (transforms !== null && !answer.bodyless && (body !== null || answer.source === 'upstream')) {
      this.sink.head(answer.status, answer.reason, flat, false)
      this.openTransforms(transforms)
      if (body !== null) this.entry?.end(body)
      else if (this.relayEnded) this.entry?.end()
      else this.relay?.resume()
      return
    }
    if (body !== null || answer.source !== 'upstream') {
      if (answer.status !== 204 && answer.status !== 304) answer.headers.set('content-length', String(body === null ? 0 : body.length))
      this.sink.answer(answer.status, flat, body, answer.bodyless)
      return
    }
    this.sink.head(answer.status, answer.reason, flat, answer.bodyless)
    if (this.relayEnded) this.sink.end(this.trailers)
    else {
      this.sink.onDrain = this.drained
      this.relay?.resume()
    }
  }

  private readonly drained = (): void => {
    if (this.entry === null) this.relay?.resume()
    else this.exit?.resume()
  }

  private exit: Duplex | null = null

  private openTransforms (transforms: readonly Duplex[]): void {
    const entry = transforms[0] as Duplex
    const exit = transforms[transforms.length - 1] as Duplex
    this.entry = entry
    this.exit = exit
    this.sink.onDrain = this.drained
    const broken = (error: unknown): void => {
      this.observer.bug(error, this.id, 'response transform')
      this.relay?.abort()
      this.sink.abort()
    }
    if (transforms.length > 1) chain(transforms as unknown as [Duplex, Duplex], (error) => { if (error !== null && error !== undefined && !this.sink.closed) broken(error) })
    else entry.on('error', broken)
    exit.on('data', (chunk: Buffer) => { if (!this.sink.write(chunk)) exit.pause() })
    exit.on('end', () => { this.sink.end(this.trailers) })
    entry.on('drain', () => { this.relay?.resume() })
  }

  relayInform (status: number, headers: string[]): void {
    if (!this.sent) this.sink.inform(status, headers)
  }

  relayHead (status: number, reason: string, headers: string[], bodyless: boolean): boolean {
    const { response, responseBuffer } = this.compiled.pipeline
    this.answer = new AnswerDraft('upstream', status, reason, headers, null, bodyless)
    if (response === null) {
      this.sendAnswer()
      return true
    }
    if (responseBuffer !== null && !bodyless) {
      this.collected = []
      return true
    }
    this.runResponse(this.compiled.pipeline.steps.length, 0)
    return this.sent
  }

  relayData (chunk: Buffer): boolean {
    if (this.collected !== null) {
      this.collectedBytes += chunk.length
      const plan = this.compiled.pipeline.responseBuffer as BufferPlan
      if (this.collectedBytes > plan.maxBytes) {
        this.collected = null
        this.relay?.abort()
        this.failStep(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'response_too_large' } }), this.compiled.pipeline.steps.length)
        return true
      }
      this.collected.push(chunk)
      return true
    }
    return this.entry === null ? this.sink.write(chunk) : this.entry.write(chunk)
  }

  relayEnd (trailers: string[] | null): void {
    this.relayEnded = true
    this.trailers = trailers
    if (this.collected !== null) { void this.answerCollected(Buffer.concat(this.collected)); return }
    if (!this.sent) return
    if (this.entry !== null) this.entry.end()
    else this.sink.end(trailers)
  }

  private async answerCollected (raw: Buffer): Promise<void> {
    this.collected = null
    const answer = this.response
    const plan = this.compiled.pipeline.responseBuffer as BufferPlan
    const encoding = answer.headers.joined('content-encoding')
    if (plan.inflate && encoding !== undefined) {
      const inflated = await inflateCollected(raw, encoding, plan.maxBytes)
      if (this.sink.closed) return
      if (!Buffer.isBuffer(inflated)) {
        this.failStep(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'response_not_inflatable' } }), this.compiled.pipeline.steps.length)
        return
      }
      answer.headers.delete('content-encoding')
      answer.body = inflated
    } else answer.collected(raw)
    this.runResponse(this.compiled.pipeline.steps.length, 0)
  }

  relayFail (error: GatewayError): void {
    if (this.sent) {
      this.errorCode = error.code
      this.errorReason = typeof error.details?.['reason'] === 'string' ? error.details['reason'] : null
      this.observer.upstreamFailed(error, this.id, this.relay?.target?.origin ?? null)
      this.sink.abort()
      return
    }
    this.forget()
    this.collected = null
    if (error.code.startsWith('UPSTREAM')) this.observer.upstreamFailed(error, this.id, this.relay?.target?.origin ?? null)
    this.failStep(error, this.compiled.pipeline.steps.length)
  }

  relayTunnel (reason: string, headers: string[]): TunnelEnd | null {
    if (this.sink.tunnel === null || this.sink.closed) return null
    this.sent = true
    this.status = 101
    headers.push(this.observer.requestIdHeader, this.id)
    return this.sink.tunnel(reason, headers)
  }
}

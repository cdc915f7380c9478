import type { GatewayRequest, Outcome, ResponseSink, TunnelEnd } from '../context.js'
import type { Refusal, Reply } from '../reply.js'
import { Relay, type RelayPlan, type UpstreamCall } from '../proxy/relay.js'
import { TransformedBody } from '../proxy/transformed-body.js'
import { Tunnel, type TunnelOwner } from '../proxy/tunnel.js'
import { handshakeProblem } from '../proxy/web-socket.js'
import { AnswerWriter } from './answer-writer.js'
import { collect, inflateCollected } from './collect.js'
import type { BufferPlan } from './compile.js'
import { prefixedLocation, type TakenPrefix } from './prefixed-location.js'
import type { CompiledRoute, ExchangeObserver } from './compiled-route.js'
import { asBuffer } from './drafts.js'

/**
 * One request from birth to its last byte: the context that steps see, the owner of the relay, and the one that writes to the sink.
 */
export class Exchange extends AnswerWriter implements TunnelOwner {
  readonly observer: ExchangeObserver
  /** What answers instead of the upstream once the steps are through (405 for a preflight that nobody answered). */
  instead: Refusal | null = null
  /** Whatever whoever made the exchange wants to find again when it is over. */
  owner: unknown = null
  /** What was taken off the request's path before it came here. */
  pathPrefix = ''

  private readonly onFinished: (exchange: Exchange, complete: boolean) => void

  constructor (
    id: string | null, request: GatewayRequest, sink: ResponseSink, compiled: CompiledRoute, params: Readonly<Record<string, string>> | null,
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

  /** Whoever made the Location knows nothing of the prefix. */
  protected override sendAnswer (): void {
    if (this.pathPrefix !== '') {
      const { headers } = this.response
      const location = headers.get('location')
      if (location !== undefined) headers.put('location', prefixedLocation(location, this.takenPrefix))
    }
    super.sendAnswer()
  }

  private get takenPrefix (): TakenPrefix {
    const { pathPrefix, request: { headers, host }, response, relay } = this
    // A trusted proxy before this one may have taken off more.
    return { prefix: headers.get('x-forwarded-prefix') ?? pathPrefix, authority: headers.get('host') ?? host, target: response.source === 'upstream' ? relay?.target ?? null : null }
  }

  get outcome (): Outcome {
    const { relay, request, sink } = this
    const spliced = relay instanceof Tunnel ? relay.spliced : null
    return {
      status: this.status,
      complete: this.completed,
      durationMs: performance.now() - this.startedAt,
      upstreamMs: relay === null || relay.headAt === 0 ? null : relay.headAt - relay.dispatchedAt,
      target: relay?.target?.origin ?? null,
      bytesIn: request.body?.bytesRead ?? spliced?.bytesUp ?? 0,
      bytesOut: sink.bytesWritten + (spliced?.bytesDown ?? 0),
      errorCode: this.errorCode,
      errorReason: this.errorReason
    }
  }

  private completed = false

  private readonly closed = (complete: boolean, unwritable: unknown): void => {
    this.completed = complete
    if (unwritable !== null) this.observer.bug(unwritable, this.id, 'response head')
    this.forget()
    if (!complete) {
      this.relay?.abort()
      this.dropTransforms()
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
      requestId: this.observer.requestIdHeader === null ? '' : this.id,
      body: this.forwardBody(),
      headersMs: compiled.headersMs,
      idleMs: compiled.idleMs,
      deadline: compiled.totalMs === 0 ? Infinity : this.startedAt + compiled.totalMs
    }
    if (request.upgrade === 'websocket' && this.tunnels) {
      const problem = handshakeProblem(request)
      if (problem !== null) { this.refuse(problem); return }
    }
    this.relay = this.createCall(plan)
    this.relay.start(now)
  }

  /** Whether the request leaves HTTP where the upstream agrees; one that may not goes on as if it had not asked. */
  private get tunnels (): boolean {
    const { request, compiled, sink } = this
    const { upgrade } = request
    if (upgrade === null || sink.tunnel === null || !compiled.upgrades.has(upgrade)) return false
    return upgrade !== 'websocket' || request.method === 'GET'
  }

  /** What carries the request to the upstream. */
  protected createCall (plan: RelayPlan): UpstreamCall {
    const { request, compiled } = this
    return this.tunnels
      ? new Tunnel(this, request, { ...plan, token: request.upgrade as string, upgradeIdleMs: compiled.upgradeIdleMs, open: this.observer.tunnels })
      : new Relay(this, request, plan)
  }

  private forwardBody (): RelayPlan['body'] {
    const { request, forwardDraft: draft } = this
    const replaced = draft?.body
    const body = replaced === undefined ? this.rawBody ?? request.body : replaced === null ? null : asBuffer(replaced)
    const transforms = draft?.transforms ?? null
    if (transforms === null || body === null) return body
    return new TransformedBody(body, transforms)
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

  relayTunnel (reason: string, headers: string[]): TunnelEnd | null {
    if (this.sink.tunnel === null || this.sink.closed) return null
    this.headSent(101)
    const idHeader = this.observer.requestIdHeader
    if (idHeader !== null) headers.push(idHeader, this.id)
    return this.sink.tunnel(reason, headers)
  }
}

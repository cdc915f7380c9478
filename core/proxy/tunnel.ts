import { type ClientRequest, type IncomingMessage, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Socket } from 'node:net'
import type { GatewayRequest, TunnelEnd } from '../context.js'
import { GatewayError } from '../errors.js'
import { HeaderList } from '../lib/header-list.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import { tlsOptions } from './connector.js'
import { MOST_INTERIM, type RelayOwner, type RelayPlan, type UpstreamCall, hostFor, targetPath } from './relay.js'
import { upstreamHeaders } from './request-headers.js'
import { cleanResponseHeaders, cleanTrailers, finalHeaders } from './response-headers.js'
import { splice, type SpliceCounts } from './splice.js'
import type { Tunnels } from './tunnels.js'
import type { Target } from './upstream.js'
import { upstreamError } from './upstream-errors.js'
import { acceptFor } from './web-socket.js'

/** A relay's owner that can hand over the client's connection. */
export interface TunnelOwner extends RelayOwner {
  /** The upstream switched protocols: sends its 101 on and gives the client's connection, or null when the client has gone. */
  relayTunnel (reason: string, headers: string[]): TunnelEnd | null
}

/** What a tunnel needs beside a relay's plan. */
export interface TunnelPlan extends RelayPlan {
  /** The upgrade token, lower-case. */
  readonly token: string
  readonly upgradeIdleMs: number
  /** Where standing tunnels are kept, for draining. */
  readonly open: Tunnels
}

/**
 * A request that asks to leave HTTP (RFC 9110 section 7.8). It goes through Node's own client, one connection each, which is the
 * tunnel's alone once the upstream switches; any other answer is the client's to see.
 */
export class Tunnel implements UpstreamCall, Ticking {
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  target: Target | null = null
  dispatchedAt = 0
  headAt = 0
  /** What passed, once it stands. */
  spliced: SpliceCounts | null = null

  private readonly owner: TunnelOwner
  private readonly request: GatewayRequest
  private readonly plan: TunnelPlan
  private upstream: ClientRequest | null = null
  private answer: IncomingMessage | null = null
  private tried: Target[] | null = null
  private done = false
  private connected = false
  private interim = 0
  private activeAt = 0

  constructor (owner: TunnelOwner, request: GatewayRequest, plan: TunnelPlan) {
    this.owner = owner
    this.request = request
    this.plan = plan
  }

  start (nowMs: number): void {
    this.dispatchedAt = nowMs
    ticker.add(this)
    const target = this.plan.target ?? this.plan.upstream.next(null)
    if (target === null) this.fail(new GatewayError('SERVICE_UNAVAILABLE', { details: { reason: 'no_target' } }))
    else this.attempt(target, nowMs)
  }

  resume (): void { this.answer?.resume() }

  abort (): void {
    if (this.done) return
    this.finish()
    this.upstream?.destroy()
  }

  private attempt (target: Target, nowMs: number): void {
    const { plan } = this
    this.target = target
    this.activeAt = nowMs
    this.connected = false
    const headers = upstreamHeaders(this.request, plan, hostFor(target, plan, this.request))
    headers.push('connection', 'Upgrade', 'upgrade', plan.token)
    try {
      this.send(target, headers)
    } catch (error) {
      // Node's client refuses what a step made: a path or a field that is no HTTP.
      this.fail(new GatewayError('INTERNAL_ERROR', { details: { reason: 'invalid_forward' }, cause: error }))
    }
  }

  private send (target: Target, headers: string[]): void {
    const { plan } = this
    const url = new URL(target.origin)
    const secure = url.protocol === 'https:'
    const { guard } = target.shared
    const refusal = guard === null ? null : guard.refusal(url.hostname)
    if (refusal !== null) { this.failed(refusal); return }
    const upstream = (secure ? httpsRequest : httpRequest)({
      hostname: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? (secure ? 443 : 80) : url.port,
      method: plan.method, path: targetPath(target, plan), headers: headers as unknown as NodeJS.Dict<string>, agent: false, setHost: false,
      timeout: plan.upstream.config.connectMs, ...(secure ? tlsOptions(plan.upstream.config.tls) : {}), ...(guard === null ? {} : { lookup: guard.lookup })
    })
    this.upstream = upstream
    upstream.on('socket', (socket) => { socket.once(secure ? 'secureConnect' : 'connect', () => { this.connected = true; socket.setTimeout(0) }) })
    upstream.on('timeout', () => { if (!this.connected) upstream.destroy(Object.assign(new Error('connect timeout'), { code: 'ETIMEDOUT' })) })
    upstream.on('information', ({ statusCode, rawHeaders }: { statusCode: number, rawHeaders: string[] }) => {
      const headers = cleanResponseHeaders(rawHeaders)
      if (++this.interim > MOST_INTERIM) this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'too_many_interim' } }))
      else if (headers !== null) this.owner.relayInform(statusCode, headers)
    })
    upstream.on('upgrade', (answer, socket, head) => { this.switched(answer, socket, head, new HeaderList(headers)) })
    upstream.on('response', (answer) => { this.answered(answer) })
    upstream.on('error', (error) => { this.failed(error) })
    upstream.end()
  }

  private switched (answer: IncomingMessage, socket: Socket, head: Buffer, sent: HeaderList): void {
    if (this.done) { socket.destroy(); return }
    const { token, upgradeIdleMs, open } = this.plan
    const isWebSocket = token === 'websocket'
    // Without this a request that the upstream took for another one would get a raw connection to it.
    if (answer.headers.upgrade?.toLowerCase() !== token || (isWebSocket && answer.headers['sec-websocket-accept'] !== acceptFor(sent.get('sec-websocket-key') ?? ''))) {
      socket.destroy()
      this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'invalid_upgrade' } }))
      return
    }
    this.finish()
    this.upstream = null
    this.headAt = performance.now()
    const headers = cleanResponseHeaders(answer.rawHeaders) ?? []
    headers.push('connection', 'Upgrade', 'upgrade', answer.headers.upgrade as string)
    const client = this.owner.relayTunnel(answer.statusMessage ?? '', headers)
    if (client === null) { socket.destroy(); return }
    this.spliced = splice(client, { socket, head }, { idleMs: upgradeIdleMs, frames: isWebSocket, open })
  }

  /** The upstream does not switch: its answer is an ordinary one. */
  private answered (answer: IncomingMessage): void {
    if (this.done) { answer.destroy(); return }
    // A 101 that does not say to what: Node takes it for an ordinary answer, a client would not.
    if (answer.statusCode === 101) { this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'invalid_upgrade' } })); return }
    this.answer = answer
    this.headAt = this.activeAt = performance.now()
    const status = answer.statusCode ?? 502
    const bodyless = status === 204 || status === 304 || this.plan.method === 'HEAD'
    const headers = finalHeaders(status, answer.rawHeaders)
    if (headers === null) { this.fail(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'transfer_coding' } })); return }
    const flowing = this.owner.relayHead(status, answer.statusMessage ?? '', headers, bodyless)
    answer.on('data', (chunk: Buffer) => {
      this.activeAt = performance.now()
      if (!this.done && !this.owner.relayData(chunk)) answer.pause()
    })
    answer.on('end', () => {
      if (this.done) return
      this.finish()
      this.owner.relayEnd(cleanTrailers(answer.rawTrailers))
    })
    answer.on('error', (error) => { this.failed(error) })
    if (!flowing) answer.pause()
  }

  private failed (error: Error): void {
    if (this.done) return
    if (!this.connected && this.headAt === 0 && this.plan.target === null) {
      (this.tried ??= []).push(this.target as Target)
      const target = this.plan.upstream.next(this.tried)
      if (target !== null) { this.attempt(target, performance.now()); return }
    }
    this.fail(upstreamError(error, !this.connected ? 'connecting' : this.headAt === 0 ? 'sent' : 'answered'))
  }

  /** Looks at the time limits; a tunnel that stands has its own. */
  tick (nowMs: number): void {
    const { plan } = this
    const limitMs = this.headAt === 0 ? plan.headersMs : plan.idleMs
    const reason = nowMs > plan.deadline ? 'total_timeout' : limitMs > 0 && nowMs - this.activeAt > limitMs ? (this.headAt === 0 ? 'headers_timeout' : 'idle_timeout') : null
    if (reason !== null) this.fail(new GatewayError('UPSTREAM_TIMEOUT', { details: { reason } }))
  }

  private fail (error: GatewayError): void {
    if (this.done) return
    this.finish()
    this.upstream?.destroy()
    this.owner.relayFail(error)
  }

  private finish (): void {
    this.done = true
    ticker.remove(this)
  }
}

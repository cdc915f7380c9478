import type { GatewayError } from '../errors.js'
import type { Refusal } from '../reply.js'
import type { AccessLogTuning, RouteInfo } from '../route.js'
import type { Tunnels } from '../proxy/tunnels.js'
import type { Target, Upstream } from '../proxy/upstream.js'
import type { CompiledPipeline } from './compile.js'

/** Where the requests of a route are counted. */
export interface RequestStats {
  observe (status: number, durationMs: number, upstreamMs: number | null, bytesIn: number, bytesOut: number): void
}

/** What an exchange needs of its route, decided when the project was compiled. */
export interface CompiledRoute {
  readonly info: RouteInfo | null
  readonly projectName: string | null
  readonly pipeline: CompiledPipeline
  readonly upstream: Upstream | null
  readonly rewrite: ((path: string, params: Readonly<Record<string, string>>) => string) | null
  readonly headersMs: number
  readonly idleMs: number
  /** For the whole exchange, retries and steps included; 0 = none. */
  readonly totalMs: number
  /** Upgrade tokens that may tunnel, `websocket` among them. */
  readonly upgrades: ReadonlySet<string>
  readonly upgradeIdleMs: number
  /** What answers when the steps let a request through and there is no upstream. */
  readonly fallback: Refusal
  readonly stats: RequestStats
  /** What the access log does with its requests. */
  readonly accessLog: AccessLogTuning | false
  /** Whether OPTIONS goes upstream; if not, a preflight that no step answers is 405. */
  readonly allowsOptions: boolean
  readonly allowEncodedSlashes: boolean
  /** A target that a step names by URL, on this route's terms. Throws GatewayError for one that is not a URL. */
  targetFor (url: string): Target
}

/** What the engine is told about the life of exchanges. */
export interface ExchangeObserver {
  /** Lower-case name of the field that carries the request id, in both directions; null = only error answers carry one. */
  readonly requestIdHeader: string | null
  /** The tunnels that stand. */
  readonly tunnels: Tunnels
  /** Renders an error for a client: content type and body. */
  renderError (refusal: Refusal, requestId: string, accept: string | undefined): { contentType: string, body: string }
  /** Something that is nobody's fault but ours or a plugin's. */
  bug (error: unknown, requestId: string, where: string): void
  /** The upstream failed in a way that operators may want to see. */
  upstreamFailed (error: GatewayError, requestId: string, target: string | null): void
}

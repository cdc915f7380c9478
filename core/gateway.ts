import { randomUUID } from 'node:crypto'
import type { CompileServices } from './compile-project.js'
import type { CompiledProject } from './compiled-project.js'
import type { GatewayRequest, ResponseSink } from './context.js'
import { type EarlyRequest, recordEarly } from './early-record.js'
import { renderError } from './error-body.js'
import type { Clock, Directory, Logger, Secrets } from './host.js'
import { stackOf } from './lib/as-error.js'
import { TextTooLongError } from './lib/linear-regex.js'
import { hasEncodedSlash } from './lib/path.js'
import { createSecretMatcher } from './lib/secret-matcher.js'
import { createSlices } from './lib/slices.js'
import type { AcceptedRequest } from './listen/http1-request.js'
import type { EarlyRefusal, ListenerTarget, RenderedRefusal } from './listen/http1-listener.js'
import type { ListenPolicy } from './listen/policy.js'
import type { AccessLog } from './observe/access-log.js'
import type { GatewayMetrics } from './observe/metrics.js'
import type { CompiledRoute, ExchangeObserver } from './pipeline/compiled-route.js'
import { DEFAULT_ID_HEADER } from './pipeline/answer-writer.js'
import { Exchange } from './pipeline/exchange.js'
import type { Plugin } from './plugin.js'
import { systemClock } from './plugin-host.js'
import type { LookupAll } from './proxy/guarded-connector.js'
import { readProjectPath } from './project-paths.js'
import { PoolRegistry } from './proxy/pools.js'
import { Tunnels } from './proxy/tunnels.js'
import { type Refusal, refuse } from './reply.js'
import { buildSnapshot, type Snapshot, type SnapshotInput } from './snapshot.js'
import { sendSubrequest } from './subrequest.js'

/** What a gateway is made of. */
export interface GatewayOptions {
  /** The plugins by name. */
  readonly registry: ReadonlyMap<string, Plugin>
  readonly log: Logger
  readonly accessLog: AccessLog | null
  readonly metrics: GatewayMetrics
  readonly clock?: Clock
  /** The operator's admin token; null = there is none. */
  readonly operatorToken?: string | null
  /** What is known of who calls each project, and the secrets that it can name; null = there is no store. */
  readonly directory?: { forProject (projectId: string): Directory, secretsFor? (projectId: string): Secrets } | null
  /** Counts what keys are used for; null = nothing is kept of it. */
  readonly usage?: { count (projectId: string, credentialId: string, status: number): void } | null
  /** The address of a started `builtin:` upstream. */
  readonly builtinUrl?: (name: string) => string
  /** Resolves the names of targets that tenants name; left out, the system's resolver does. */
  readonly lookup?: LookupAll
  /** The addresses of this machine: what tenants name may not lead to its other ports. */
  readonly ownAddresses?: readonly string[]
}

const AMBIGUOUS = refuse('VALIDATION_ERROR', { message: 'The path can be read in two ways that different routes serve.', details: { reason: 'ambiguous_path' } })
const TOO_LONG = refuse('VALIDATION_ERROR', { message: 'The path, a header or a query parameter is longer than the pattern of a route may be tried on.', details: { reason: 'too_long_for_pattern' } })
const ENCODED_SLASH = refuse('VALIDATION_ERROR', { message: 'An encoded slash or backslash is not allowed in this path.', details: { reason: 'encoded_slash' } })

/** The engine: holds the current snapshot, takes requests, and swaps in what `apply` builds. */
export class Gateway implements ListenerTarget, ExchangeObserver {
  readonly pools: PoolRegistry
  readonly tunnels = new Tunnels()
  private snapshot: Snapshot | null = null
  private readonly options: GatewayOptions
  private readonly services: Omit<CompileServices, 'lookUp' | 'egress'>
  private readonly clock: Clock
  private active = 0
  private idle: (() => void)[] = []
  private applying: Promise<unknown> = Promise.resolve()

  constructor (options: GatewayOptions) {
    this.options = options
    this.pools = new PoolRegistry(options.lookup)
    this.clock = options.clock ?? systemClock
    this.services = {
      registry: options.registry,
      pools: this.pools,
      statsFor: (project, route) => options.metrics.route(project, route),
      releaseStats: (project, route) => { options.metrics.release(project, route) },
      builtinUrl: options.builtinUrl ?? ((name) => { throw new Error(`there is no builtin upstream "${name}"`) }),
      host: {
        log: options.log,
        clock: this.clock,
        metricsFor: (plugin) => options.metrics.forPlugin(plugin),
        directoryFor: (project) => options.directory?.forProject(project) ?? null, secretsFor: (project) => options.directory?.secretsFor?.(project) ?? null,
        isOperatorToken: createSecretMatcher(options.operatorToken ?? ''),
        subrequest: (request, project) => sendSubrequest(this, request, project === null ? null : this.snapshot?.projects.get(project)?.config ?? null)
      }
    }
  }

  /** What is being served; null before the first `apply`. */
  get current (): Snapshot | null { return this.snapshot }

  /** Requests under way. */
  get requests (): number { return this.active }

  get policy (): ListenPolicy { return this.serving().policy }
  get requestIdHeader (): string | null {
    const setting = this.snapshot?.root.requestId
    return setting === undefined || setting === false ? null : setting.header
  }

  /**
   * Builds a snapshot from `input` and swaps it in. Throws ConfigError and changes nothing when that can not be done. One at a time:
   * a second call waits for the first. Returns how many projects were compiled.
   */
  apply (input: SnapshotInput): Promise<{ compiled: number, removed: number }> {
    const next = this.applying.then(() => this.swap(input))
    this.applying = next.catch(() => {})
    return next
  }

  private async swap (input: SnapshotInput): Promise<{ compiled: number, removed: number }> {
    const before = this.snapshot
    const after = await buildSnapshot(input, before, this.services, this.options.ownAddresses)
    this.snapshot = after
    let removed = 0
    let compiled = 0
    for (const project of after.projects.values()) if (before?.projects.get(project.name) !== project) compiled++
    if (before !== null) {
      const slices = createSlices()
      for (const project of before.projects.values()) {
        const successor = after.projects.get(project.name)
        if (successor === project) continue
        if (successor === undefined) removed++
        this.replace(project, successor)
        if (slices.due()) await slices.next()
      }
      before.fallbackPipeline.close().catch((error: unknown) => { this.options.log.error({ error: stackOf(error) }, 'a plugin failed to close') })
    }
    return { compiled, removed }
  }

  private replace (project: CompiledProject, successor: CompiledProject | undefined): void {
    project.retire()
    for (const route of project.statsBeside(successor)) this.options.metrics.release(project.name, route)
  }

  private serving (): Snapshot {
    if (this.snapshot === null) throw new Error('the gateway serves nothing yet: apply a configuration first')
    return this.snapshot
  }

  isOwn (request: GatewayRequest): boolean {
    const { healthPaths } = this.serving()
    return healthPaths.size !== 0 && healthPaths.has(request.path) && (request.method === 'GET' || request.method === 'HEAD')
  }

  /** Serves one request. What happens comes through the sink. */
  handle (request: AcceptedRequest | GatewayRequest, sink: ResponseSink): void {
    this.open(request, sink).begin()
  }

  /** Decides the route of a request and makes its exchange, not yet begun. */
  open (received: GatewayRequest & { readonly givenId?: string | null }, sink: ResponseSink): Exchange {
    const snapshot = this.serving()
    const below = snapshot.root.projectPaths === null ? null : readProjectPath(snapshot, received)
    const request = below === null ? received : below.request
    const project = below === null ? snapshot.hosts.find(request.host, request.path) : below.project
    let compiled: CompiledRoute = project === null ? snapshot.fallback : project.fallback
    let params: Readonly<Record<string, string>> | null = null
    let instead: Refusal | null = null
    if (project !== null) {
      const { method } = request
      const preflight = method === 'OPTIONS' && request.headers.has('origin') ? request.headers.get('access-control-request-method') : undefined
      try {
        const found = project.router.find(request, preflight ?? method)
        if (found === 'ambiguous') instead = AMBIGUOUS
        else if (found === null) instead = this.methodNotAllowed(project, request)
        else {
          compiled = found.value
          params = found.params
          if (!compiled.allowEncodedSlashes && hasEncodedSlash(request.path)) instead = ENCODED_SLASH
          else if (preflight !== undefined && !compiled.allowsOptions) instead = this.methodNotAllowed(project, request)
        }
      } catch (error) {
        if (!(error instanceof TextTooLongError)) throw error
        instead = TOO_LONG
      }
      project.enter()
    }
    if (instead === null && compiled.info === null && hasEncodedSlash(request.path)) instead = ENCODED_SLASH
    this.active++
    const exchange = new Exchange(request.givenId ?? null, request, sink, compiled, params, this, project === null ? this.leaveNone : this.leaveProject, performance.now())
    exchange.owner = project
    exchange.instead = instead
    if (below !== null) exchange.pathPrefix = below.prefix
    return exchange
  }

  /** Lets go of an exchange that was opened only to see what would serve it. */
  discard (exchange: Exchange): void {
    this.ended()
    ;(exchange.owner as CompiledProject | null)?.leave()
  }

  private ended (): void {
    this.active--
    if (this.active === 0 && this.idle.length > 0) for (const tell of this.idle.splice(0)) tell()
  }

  private methodNotAllowed (project: CompiledProject, request: GatewayRequest): Refusal | null {
    const allowed = project.router.allowed(request)
    return allowed.length === 0 ? null : refuse('METHOD_NOT_ALLOWED', { headers: ['allow', allowed.join(', ')] })
  }

  private readonly leaveNone = (exchange: Exchange): void => { this.finished(exchange) }

  private readonly leaveProject = (exchange: Exchange): void => {
    this.finished(exchange)
    ;(exchange.owner as CompiledProject).leave()
  }

  private finished (exchange: Exchange): void {
    this.ended()
    const { outcome, request, compiled } = exchange
    const { metrics, accessLog, usage = null } = this.options
    compiled.stats.observe(outcome.status, outcome.durationMs, outcome.upstreamMs, outcome.bytesIn, outcome.bytesOut)
    if (outcome.errorCode !== null) metrics.refused(outcome.errorCode as Refusal['code'])
    const { projectName } = compiled
    const credential = projectName === null || usage === null ? undefined : exchange.get('credential')
    if (projectName !== null && credential?.kind === 'api_key') usage?.count(projectName, credential.id, outcome.status)
    if (accessLog === null || compiled.accessLog === false) return
    accessLog.record({
      time: this.clock.now(),
      requestId: exchange.id,
      client: request.clientAddress,
      method: request.method,
      scheme: request.scheme,
      host: request.host,
      path: exchange.pathPrefix + request.path,
      query: request.query,
      httpVersion: request.httpVersion,
      status: outcome.status,
      complete: outcome.complete,
      durationMs: outcome.durationMs,
      upstreamMs: outcome.upstreamMs,
      target: outcome.target,
      bytesIn: outcome.bytesIn,
      bytesOut: outcome.bytesOut,
      errorCode: outcome.errorCode,
      errorReason: outcome.errorReason,
      project: compiled.projectName,
      route: compiled.info?.id ?? null,
      consumer: exchange.get('consumer')?.id ?? null,
      userAgent: request.headers.get('user-agent') ?? null,
      fields: exchange.annotations
    }, compiled.accessLog.sample)
  }

  /** Tells standing tunnels to end, and resolves when no request is under way. */
  drained (): Promise<void> {
    this.tunnels.drain()
    if (this.active === 0) return Promise.resolve()
    return new Promise((resolve) => { this.idle.push(resolve) })
  }

  /** Closes every plugin and connection. After it, nothing is served. */
  async close (): Promise<void> {
    await this.applying
    const { snapshot } = this
    this.snapshot = null
    if (snapshot !== null) {
      for (const project of snapshot.projects.values()) project.retire()
      await snapshot.fallbackPipeline.close()
    }
    await this.pools.destroy()
  }

  renderError (refusal: Refusal, requestId: string, accept: string | undefined): { contentType: string, body: string } {
    return renderError(refusal, { requestId, timestamp: this.clock.now(), accept, docs: this.snapshot?.root.errorDocs ?? null })
  }

  refuseEarly (early: EarlyRefusal): RenderedRefusal {
    const { refusal } = early
    const id = randomUUID()
    const { contentType, body } = this.renderError(refusal, id, early.accept)
    this.options.metrics.refused(refusal.code)
    const reason = refusal.details?.['reason']
    recordEarly({ ...this.options, clock: this.clock }, early, { id, status: refusal.status, bytesOut: body.length, errorCode: refusal.code, errorReason: typeof reason === 'string' ? reason : null })
    return { status: refusal.status, headers: [...refusal.headers, 'content-type', contentType, this.requestIdHeader ?? DEFAULT_ID_HEADER, id], body }
  }

  /** Counts and logs an answer without a body that no route gave and that is no error, and gives its header fields: the request id, unless the configuration wants none. */
  answerEarly (request: EarlyRequest, status: number): readonly string[] {
    const id = randomUUID()
    recordEarly({ ...this.options, clock: this.clock }, request, { id, status, bytesOut: 0, errorCode: null, errorReason: null })
    return this.requestIdHeader === null ? [] : [this.requestIdHeader, id]
  }

  bug (error: unknown, requestId: string, where: string): void {
    this.options.log.error({ requestId, where, error: stackOf(error) }, 'a bug ended a request')
  }

  upstreamFailed (error: { code: string, details?: Readonly<Record<string, unknown>> | undefined, cause?: unknown }, requestId: string, target: string | null): void {
    this.options.log.warn({ requestId, target, code: error.code, reason: error.details?.['reason'], cause: error.cause instanceof Error ? error.cause.message : undefined }, 'an upstream failed')
  }
}

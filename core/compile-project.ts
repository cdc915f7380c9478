import { CompiledProject } from './compiled-project.js'
import { endpointRoutes } from './endpoints.js'
import { stackOf } from './lib/as-error.js'
import { ConfigError, GatewayError } from './errors.js'
import type { Host, Logger } from './host.js'
import { createFindingSet } from './finding-set.js'
import { compileAlike, compilePipeline, type CompiledPipeline } from './pipeline/compile.js'
import type { CompiledRoute, RequestStats } from './pipeline/compiled-route.js'
import { CreateError } from './pipeline/instances.js'
import { orderSteps, satisfiedSteps, type PluginLookup, type ResolvedUse } from './pipeline/order.js'
import { compileRewrite } from './pipeline/rewrite.js'
import { compileRouter } from './pipeline/router.js'
import type { Plugin } from './plugin.js'
import { createPluginHost, type HostServices } from './plugin-host.js'
import type { Egress } from './lib/egress.js'
import type { PoolRegistry, Pools } from './proxy/pools.js'
import { createTarget, createUpstream, type Target, type Upstream } from './proxy/upstream.js'
import { refuse } from './reply.js'
import type { GatewayConfig, ProjectConfig, RouteConfig, UpstreamConfig } from './route.js'

/** What compiling needs beside the configuration. */
export interface CompileServices {
  readonly registry: ReadonlyMap<string, Plugin>
  readonly lookUp: PluginLookup
  readonly pools: PoolRegistry
  /** Where the targets that tenants name may lead. */
  readonly egress: Egress
  readonly host: HostServices
  /** Where a route's requests are counted. */
  readonly statsFor: (project: string | null, route: string | null) => RequestStats
  /** Forgets where a route's requests were counted. */
  readonly releaseStats: (project: string, route: string | null) => void
  /** The address of a started `builtin:` upstream. */
  readonly builtinUrl: (name: string) => string
}

/** What answers where nothing is served. */
const NOT_FOUND = refuse('NOT_FOUND')
const NOBODY_ANSWERS = refuse('NOT_FOUND', { details: { reason: 'route_without_answer' } })

/**
 * Compiles one project: its upstreams, and each route's steps into a pipeline. Throws ConfigError with the places of all plugins whose
 * `create` failed; what was made until then is closed.
 */
export async function compileProject (config: ProjectConfig, hash: string, root: GatewayConfig, services: CompileServices): Promise<CompiledProject> {
  const pipelines: CompiledPipeline[] = []
  const upstreams = new Map<string, Upstream>()
  const findings = createFindingSet()
  const pools: Pools = config.origin === 'tenant' ? services.pools.guarded(services.egress) : services.pools
  // What the routes without entries of their own have, and the pipeline of the one before.
  const plain = orderSteps({ gateway: root.plugins, project: config.plugins, route: [] }, services.lookUp, services.registry.values())
  let alike: CompiledPipeline | null = null
  // Null where a plugin could not be created: the others are tried all the same, so that everything wrong is told at once.
  const compileSteps = async (steps: readonly ResolvedUse[], route: string | null, endpoint: string | null): Promise<CompiledPipeline | null> => {
    const hostFor = (step: ResolvedUse): Host => createPluginHost(services.host, step, config.name, route)
    try {
      const made = steps === plain.steps ? compileAlike(steps, hostFor, alike) : compilePipeline(steps, hostFor, endpoint)
      const pipeline = made instanceof Promise ? await made : made
      if (pipeline !== alike) pipelines.push(pipeline)
      if (steps === plain.steps) alike = pipeline
      return pipeline
    } catch (error) {
      if (!(error instanceof CreateError)) throw error
      findings.add(error.findings)
      return null
    }
  }
  try {
    for (const upstream of Object.values(config.upstreams)) upstreams.set(upstream.name, createUpstream(upstream, targetsOf(upstream, services), pools))
    const targets = createNamedTargets(pools)
    const routes: { config: RouteConfig, value: CompiledRoute }[] = []
    for (const route of config.routes) {
      const { steps } = route.plugins.length === 0 ? plain : orderSteps({ gateway: root.plugins, project: config.plugins, route: route.plugins }, services.lookUp, services.registry.values())
      const upstream = route.upstream === null ? null : upstreams.get(route.upstream) ?? null
      const pipeline = await compileSteps(steps, route.id, null)
      if (findings.full) break
      if (pipeline !== null) routes.push({ config: route, value: compileRoute(config, route, pipeline, upstream, targets, services.statsFor(config.name, route.id)) })
    }
    for (const endpoint of endpointRoutes(config, root, services.lookUp, services.registry.values())) {
      const pipeline = await compileSteps(endpoint.steps, endpoint.config.id, endpoint.key)
      if (pipeline !== null) routes.push({ config: endpoint.config, value: compileRoute(config, endpoint.config, pipeline, null, targets, services.statsFor(config.name, endpoint.config.id)) })
    }
    const satisfied = satisfiedSteps(plain.steps)
    const rest = await compileSteps(satisfied.length === plain.steps.length ? plain.steps : satisfied, null, null)
    if (rest === null || findings.items.length > 0) throw new ConfigError(findings.items)
    const fallback = fallbackRoute(config.name, rest, services.statsFor(config.name, null))
    return new CompiledProject({
      config, hash, fallback, statsOf: [null, ...routes.map((route) => route.config.id)], pipelines, upstreams: [...upstreams.values(), targets], router: compileRouter(config.basePath, routes),
      onCloseFailed: closeFailure(services.host.log, config.name)
    })
  } catch (error) {
    for (const upstream of upstreams.values()) upstream.release()
    for (const pipeline of pipelines) void pipeline.close()
    throw error
  }
}

/** A function of its own: one that is made inside `compileProject` would hold all that compiling needed as long as the project lives. */
function closeFailure (log: Logger, project: string): (error: unknown) => void {
  return (error) => { log.error({ project, error: stackOf(error) }, 'a plugin failed to close') }
}

/** A route that serves nothing: its steps run, then 404. */
export function fallbackRoute (project: string | null, pipeline: CompiledPipeline, stats: RequestStats): CompiledRoute {
  return {
    info: null, projectName: project, pipeline, stats, upstream: null, rewrite: null, headersMs: 0, idleMs: 0, totalMs: 0,
    upgrades: NO_UPGRADES, upgradeIdleMs: 0, fallback: NOT_FOUND, accessLog: {}, allowsOptions: false, allowEncodedSlashes: true, targetFor: noTarget
  }
}

const NO_UPGRADES: ReadonlySet<string> = new Set()
const USUAL_UPGRADES: ReadonlySet<string> = new Set(['websocket'])

function noTarget (): Target {
  throw new GatewayError('INTERNAL_ERROR', { details: { reason: 'no_upstream' } })
}

function compileRoute (project: ProjectConfig, route: RouteConfig, pipeline: CompiledPipeline, upstream: Upstream | null, targets: NamedTargets, stats: RequestStats): CompiledRoute {
  const timeouts = upstream?.config.timeouts
  const { methods, path, pathRegex } = route.match
  return {
    info: { id: route.id, project: project.name, path: `${project.basePath}${path ?? pathRegex ?? ''}`, upstream: route.upstream },
    projectName: project.name,
    stats,
    pipeline,
    upstream,
    rewrite: compileRewrite(route.rewrite, path, project.basePath),
    headersMs: route.timeouts.headersMs ?? timeouts?.headersMs ?? 0,
    idleMs: route.timeouts.idleMs ?? timeouts?.idleMs ?? 0,
    totalMs: route.timeouts.totalMs ?? timeouts?.totalMs ?? 0,
    upgrades: route.upgrades.length === 0 ? USUAL_UPGRADES : new Set(['websocket', ...route.upgrades]),
    upgradeIdleMs: route.upgradeIdleMs,
    fallback: NOBODY_ANSWERS,
    accessLog: route.accessLog === false || project.accessLog === false ? false : route.accessLog.sample === undefined ? project.accessLog : route.accessLog,
    allowsOptions: methods === null || methods.includes('OPTIONS'),
    allowEncodedSlashes: route.allowEncodedSlashes,
    targetFor: upstream === null ? noTarget : targets.of(upstream)
  }
}

function targetsOf (upstream: UpstreamConfig, services: CompileServices): readonly { url: string, weight: number }[] {
  return upstream.builtin === null ? upstream.targets : [{ url: services.builtinUrl(upstream.builtin), weight: 1 }]
}

interface NamedTargets {
  /** Finds the targets that steps name in routes to this upstream: one function for all of them. */
  of (upstream: Upstream): (url: string) => Target
  release (): void
}

/** Steps may name a target per request; this many are remembered per project, so that their pools are shared and bounded. */
const MAX_NAMED_TARGETS = 64

function createNamedTargets (pools: Pools): NamedTargets {
  const named = new Map<string, Target>()
  const finders = new Map<Upstream, (url: string) => Target>()
  const finderOf = (upstream: Upstream) => (url: string): Target => {
    const key = `${upstream.config.name} ${url}`
    const known = named.get(key)
    if (known !== undefined) return known
    if (!URL.canParse(url) || !/^https?:/.test(url)) throw new GatewayError('INTERNAL_ERROR', { details: { reason: 'invalid_target' } })
    if (named.size >= MAX_NAMED_TARGETS) {
      const [oldest, target] = named.entries().next().value as [string, Target]
      named.delete(oldest)
      target.shared.release()
    }
    const target = createTarget(url, 1, upstream.config, pools)
    named.set(key, target)
    return target
  }
  return {
    of (upstream) {
      const finder = finders.get(upstream) ?? finderOf(upstream)
      finders.set(upstream, finder)
      return finder
    },
    release () { for (const target of named.values()) target.shared.release() }
  }
}

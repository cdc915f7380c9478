import type { CompiledProject } from '../../core/compiled-project.js'
import type { GatewayRequest } from '../../core/context.js'
import type { ConfigPath } from '../../core/errors.js'
import { MemorySink } from '../../core/memory-exchange.js'
import { editDistance } from '../../core/lib/closest.js'
import { explainProjects } from '../../core/pipeline/explain-projects.js'
import type { Exchange } from '../../core/pipeline/exchange.js'
import { readProjectPath } from '../../core/project-paths.js'
import { Refusal, refuse } from '../../core/reply.js'
import type { RouteConfig } from '../../core/route.js'
import type { CompiledConfig } from '../compile-config.js'
import { byCloseness } from './closeness.js'
import type { ExplainedCandidate, ExplainedRefusal, Explanation } from './explanation.js'

const HOOKS = ['request', 'response', 'error', 'log'] as const

/** Explains what serves a request, without sending it. */
export function explainRequest ({ gateway, loaded }: CompiledConfig, request: GatewayRequest | Refusal): Explanation {
  const unread = { ok: true, request: null, refusal: null, own: false, project: null, route: null, projects: [], routes: [], pipeline: [], removed: [], forward: null, run: null } as const
  if (request instanceof Refusal) return { ...unread, refusal: explainRefusal(request) }
  const { method, host, path, query, clientAddress } = request
  const asked = { method, host, path, query, clientAddress }
  if (gateway.isOwn(request)) return { ...unread, request: asked, own: true }
  const below = gateway.current === null ? null : readProjectPath(gateway.current, request)
  const exchange = gateway.open(request, new MemorySink())
  const project = exchange.owner as CompiledProject | null
  const { locate } = loaded
  const { compiled } = exchange
  const routes = project === null ? [] : project.router.explain(request, matchedMethod(request)).map(({ id, at, outcome, reason }) => ({ name: id, outcome, reason, position: locate(at), at }))
  const winner = compiled.info === null ? undefined : routes.find(({ outcome }) => outcome === 'wins')
  const uses = [...loaded.root.plugins, ...project?.config.plugins ?? [], ...routeOf(project, winner?.at)?.plugins ?? []]
  const explained: Explanation = {
    ...unread,
    request: asked,
    refusal: refusalOf(exchange),
    project: project?.name ?? null,
    route: compiled.info === null ? null : { id: compiled.info.id, path: compiled.info.path, position: winner?.position ?? null, params: exchange.params },
    projects: below === null ? projectsOf(loaded, request, project?.name ?? null) : projectsBesidePaths(loaded),
    routes: ordered(routes, project, path),
    pipeline: compiled.pipeline.steps.map(({ at, replaces, ...step }, i) => ({ ...step, hooks: HOOKS.filter((hook) => compiled.pipeline.instances[i]?.[hook] !== undefined), position: locate(at), replaces: replaces === null ? null : locate(replaces) })),
    removed: uses.filter(({ remove }) => remove).map(({ name, id, at }) => ({ plugin: name, id, position: locate(at) })),
    forward: forwardOf(exchange)
  }
  gateway.discard(exchange)
  return explained
}

/** Below `projectPaths` no project of a file is looked for, on a host that none of them names. */
function projectsBesidePaths ({ root: { projectPaths }, projects, locate }: CompiledConfig['loaded']): ExplainedCandidate[] {
  return [...projects.values()].map(({ config: { name, at } }) => ({ name, at, outcome: 'no match', reason: `path: projects of the store are served below ${projectPaths ?? ''} (projectPaths)`, position: locate(at) }))
}

function projectsOf ({ projects, locate }: CompiledConfig['loaded'], { host, path }: GatewayRequest, winner: string | null): ExplainedCandidate[] {
  const explained = explainProjects([...projects.values()].map(({ config }) => config), host, path, winner).map(({ at, ...rest }) => ({ ...rest, position: locate(at) }))
  if (winner !== null || explained.some(({ outcome }) => outcome === 'loses')) return explained
  return byCloseness(explained, host, ({ name }) => {
    const hosts = projects.get(name)?.config.hosts ?? []
    return [...hosts].sort((a, b) => editDistance(host, a) - editDistance(host, b))[0] ?? ''
  })
}

// A preflight is matched by the method that it asks for.
function matchedMethod ({ method, headers }: GatewayRequest): string {
  return (method === 'OPTIONS' && headers.has('origin') ? headers.get('access-control-request-method') : undefined) ?? method
}

function routeOf (project: CompiledProject | null, at: ConfigPath | undefined): RouteConfig | undefined {
  return project?.config.routes.find((route) => route.at === at)
}

// Where nothing matches, what comes closest is what was meant.
function ordered (routes: readonly (ExplainedCandidate & { at: ConfigPath })[], project: CompiledProject | null, path: string): ExplainedCandidate[] {
  const plain = routes.map(({ at: _, ...candidate }) => candidate)
  if (project === null || routes.some(({ outcome }) => outcome !== 'no match')) return plain
  const paths = new Map(project.config.routes.map(({ at, match }) => [at, match.path]))
  const written = new Map(routes.map(({ at }, i) => [plain[i], `${project.config.basePath}${paths.get(at) ?? ''}`]))
  return byCloseness(plain, path, (candidate) => written.get(candidate) ?? '')
}

function refusalOf ({ compiled, instead }: Exchange): ExplainedRefusal | null {
  if (instead !== null) return explainRefusal(instead)
  return compiled.info === null ? explainRefusal(refuse('NOT_FOUND')) : null
}

function explainRefusal ({ status, code, message, details, headers }: Refusal): ExplainedRefusal {
  const reason = details?.['reason']
  const allow = headers.indexOf('allow')
  return { status, code, message, reason: typeof reason === 'string' ? reason : null, allow: allow === -1 ? null : headers[allow + 1] ?? null }
}

function forwardOf ({ compiled, forward, instead }: Exchange): Explanation['forward'] {
  const { upstream } = compiled
  if (upstream === null || instead !== null) return null
  const { builtin, name } = upstream.config
  const targets = builtin === null ? upstream.targets.map(({ origin, basePath, weight }) => ({ url: `${origin}${basePath}`, weight })) : [{ url: `builtin:${builtin}`, weight: 1 }]
  return { upstream: name, path: forward.path, query: forward.query, targets }
}

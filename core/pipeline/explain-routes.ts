import type { ConfigPath } from '../errors.js'
import { QueryReader } from '../lib/query-reader.js'
import { candidatesOf, compareCandidates, type CompiledRoute } from './candidates.js'
import { matchesHost, unmet, type RouteQuery } from './predicates.js'
import { comparePaths, type RoutePath } from './route-path.js'

/** What became of one route for one request. */
export interface Explanation {
  readonly id: string
  /** Where the configuration has it; for a plugin's endpoint, where it has the plugin. */
  readonly at: ConfigPath
  readonly outcome: 'wins' | 'loses' | 'no match'
  /** Why, without a full stop. */
  readonly reason: string
}

/**
 * One entry per route, in the order of precedence. `below` is the path below basePath, reserved characters decoded; `rival` is what makes
 * the request ambiguous, or null. Goes through all routes: for people who ask, not for requests.
 */
export function explainRoutes<T> (
  routes: readonly CompiledRoute<T>[], below: string, request: RouteQuery, method: string,
  winner: CompiledRoute<T> | null, rival: { readonly reading: string, readonly route: CompiledRoute<T> | null } | null
): Explanation[] {
  const reader = new QueryReader()
  const path = below === '' ? '/' : below
  return [...routes].sort(compareRoutes).map((route) => {
    const { id, at } = route.config
    const mismatch = mismatchOf(route, path, request, method, reader)
    if (mismatch !== null) return { id, at, outcome: 'no match', reason: mismatch }
    if (route !== winner) return { id, at, outcome: 'loses', reason: winner === null ? 'nothing is served' : whyLess(route, winner) }
    if (rival === null) return { id, at, outcome: 'wins', reason: 'the most specific route that matches' }
    return { id, at, outcome: 'loses', reason: `ambiguous: ${rival.reading} would be ${rival.route === null ? 'served by nothing of this project' : `served by ${rival.route.config.id}`}` }
  })
}

function mismatchOf<T> (route: CompiledRoute<T>, path: string, request: RouteQuery, method: string, reader: QueryReader): string | null {
  const { match } = route.config
  if (route.path === null ? route.regex?.test(path) !== true : !matchesPath(route.path, path)) return `path: is not ${match.path ?? `like ${match.pathRegex ?? ''}`}`
  if (route.methods !== null && !route.methods.includes(method)) return `method: takes ${route.methods.join(', ')}`
  if (match.hosts !== null && !candidatesOf(route).some(({ host }) => host !== null && matchesHost(host, request.host))) return `host: is none of ${match.hosts.join(', ')}`
  return unmet(route.predicates, request, reader)
}

function matchesPath ({ literals, wildcard }: RoutePath, path: string): boolean {
  if (literals.length === 1 && literals[0] === '' && !wildcard) return path === '/'
  const segments = path.split('/').slice(1)
  if (wildcard ? segments.length < literals.length : segments.length !== literals.length) return false
  return literals.every((literal, i) => literal === null ? segments[i] !== '' : segments[i] === literal)
}

function whyLess<T> (route: CompiledRoute<T>, winner: CompiledRoute<T>): string {
  const than = `than ${winner.config.id}`
  if (route.path === null) return winner.path === null ? `listed after ${winner.config.id}` : `a regex comes after the path of ${winner.config.id}`
  if (winner.path === null || comparePaths(winner.path, route.path) !== 0) return `path: less specific ${than}`
  if (route.predicates.count !== winner.predicates.count) return `fewer predicates ${than}`
  return route.config.match.hosts !== null && winner.config.match.hosts !== null ? `host: less specific ${than}` : `listed after ${winner.config.id}`
}

function compareRoutes<T> (a: CompiledRoute<T>, b: CompiledRoute<T>): number {
  if (a.path === null || b.path === null) return Number(a.path === null) - Number(b.path === null) || a.listed - b.listed
  const order = comparePaths(a.path, b.path)
  if (order !== 0) return order
  const [first, second] = [candidatesOf(a)[0], candidatesOf(b)[0]]
  return first === undefined || second === undefined ? a.listed - b.listed : compareCandidates(first, second)
}

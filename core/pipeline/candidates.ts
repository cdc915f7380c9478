import { ConfigError } from '../errors.js'
import { normalizeHost } from '../lib/host-name.js'
import { compileRegex, type LinearRegex } from '../lib/linear-regex.js'
import { oncePer } from '../lib/once-per.js'
import type { QueryReader } from '../lib/query-reader.js'
import type { RouteConfig } from '../route.js'
import { compilePredicates, matchesHost, meets, type Predicates, type RouteQuery } from './predicates.js'
import { isProblem, parseRoutePath, type RoutePath } from './route-path.js'

/** The route that serves a request. */
export interface Found<T> {
  readonly value: T
  /** What the route's parameters matched, in normal form (percent-encoded); `*` is what a wildcard matched, without leading slash. */
  readonly params: Readonly<Record<string, string>>
}

/** A route, ready to be matched. */
export interface CompiledRoute<T> {
  readonly config: RouteConfig
  readonly value: T
  /** Its place in the list of the config. */
  readonly listed: number
  /** Null where `regex` is given. */
  readonly path: RoutePath | null
  readonly regex: LinearRegex | null
  /** Null = any. HEAD is among them where GET is. */
  readonly methods: readonly string[] | null
  readonly predicates: Predicates
  /** Made at once where there is nothing to capture. */
  readonly found: Found<T> | null
}

/** A route under one of its hosts: a route with a list of hosts is one candidate for each, so that the most specific host can win. */
export interface Candidate<T> {
  readonly route: CompiledRoute<T>
  readonly host: string | null
}

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

/** Compiles one route. Throws ConfigError for a path or regex that `checkRoutes` would have found. */
export function compileRoute<T> (config: RouteConfig, value: T, listed: number): CompiledRoute<T> {
  const { match } = config
  const fail = (message: string, remedy: string): ConfigError => new ConfigError([{ path: [...config.at, 'match'], message, remedy }])
  let path: RoutePath | null = null
  if (match.path !== null) {
    const parsed = parseRoutePath(match.path)
    if (isProblem(parsed)) throw fail(parsed.message, parsed.remedy)
    path = parsed
  }
  let regex: LinearRegex | null = null
  let predicates: Predicates
  try {
    if (path === null) regex = compileRegex(match.pathRegex ?? '')
    predicates = compilePredicates(match)
  } catch (error) {
    throw fail(error instanceof Error ? error.message : String(error), 'write a regex that RE2 takes')
  }
  const captures = path !== null && (path.wildcard || path.params.length > 0)
  return {
    config,
    value,
    listed,
    path,
    regex,
    methods: match.methods === null ? null : withHead(match.methods),
    predicates,
    found: captures ? null : { value, params: NO_PARAMS }
  }
}

// Most routes share a few lists.
const withHead = oncePer((methods: readonly string[]): readonly string[] => methods.includes('GET') && !methods.includes('HEAD') ? [...methods, 'HEAD'] : methods)

/** A route's candidates. */
export function candidatesOf<T> (route: CompiledRoute<T>): Candidate<T>[] {
  const { hosts } = route.config.match
  return hosts === null ? [{ route, host: null }] : hosts.map((host) => ({ route, host: normalizeHost(host) }))
}

/**
 * Orders candidates of one path: more predicates first, then the more specific host, then who names HEAD itself, then as listed (only where
 * no request can match both, or two regexes on one name would have to be told apart: everything else is a finding of `checkRoutes`).
 */
export function compareCandidates<T> (a: Candidate<T>, b: Candidate<T>): number {
  return b.route.predicates.count - a.route.predicates.count ||
    hostRank(b.host) - hostRank(a.host) ||
    Number(namesHead(b)) - Number(namesHead(a)) ||
    a.route.listed - b.route.listed
}

/** The first of the candidates, in their order, that a request passes, or null. */
export function pick<T> (candidates: readonly Candidate<T>[], request: RouteQuery, method: string, reader: QueryReader): Candidate<T> | null {
  for (let i = 0; i < candidates.length; i++) {
    const candidate = candidates[i] as Candidate<T>
    const { methods } = candidate.route
    if (methods !== null && !methods.includes(method)) continue
    if (passes(candidate, request, reader)) return candidate
  }
  return null
}

/** Whether a request meets everything that a candidate asks for but path and method. */
export function passes<T> (candidate: Candidate<T>, request: RouteQuery, reader: QueryReader): boolean {
  const { host, route: { predicates } } = candidate
  if (predicates.count === 0) return true
  return (host === null || matchesHost(host, request.host)) && meets(predicates, request, reader)
}

// Exact over wildcard, the longer wildcard over the shorter.
function hostRank (host: string | null): number {
  if (host === null) return -1
  return host.startsWith('*') ? host.length : Infinity
}

function namesHead<T> ({ route }: Candidate<T>): boolean {
  return route.config.match.methods?.includes('HEAD') ?? false
}

import { parseDuration } from '../lib/units.js'
import type { ConfigPath } from '../errors.js'
import type { AccessLogTuning, PluginUse, Rewrite, RouteConfig, RouteTimeouts, ValueMatch } from '../route.js'
import { DEFAULTS } from './defaults.js'

/** What routes have that say nothing else: one object for all of them, which nobody changes. */
export const USUAL_ROUTE = {
  rewrite: Object.freeze({ kind: 'none' }) as Rewrite,
  plugins: Object.freeze([]) as readonly PluginUse[],
  timeouts: Object.freeze({}) as Partial<RouteTimeouts>,
  upgrades: Object.freeze([]) as readonly string[],
  upgradeIdleMs: parseDuration(DEFAULTS.upgradeIdle),
  accessLog: Object.freeze({}) as AccessLogTuning
} as const

/** A route's header or query predicates where it has none. */
export const NO_VALUES: Readonly<Record<string, ValueMatch>> = Object.freeze({})

/** A route on its way between threads, without what is usual. What is left out of JSON need not be written, read, and kept 100 000 times. */
export interface PackedRoute extends Partial<Omit<RouteConfig, 'match' | 'at'>> {
  readonly id: string
  readonly match: Partial<RouteConfig['match']>
  /** Its place in the project's list, where that is its place; else the whole of it. */
  readonly at: number | ConfigPath
}

/** Takes from a route of a project what `unpackRoute` puts back. */
export function packRoute (route: RouteConfig, projectAt: ConfigPath): PackedRoute {
  const { id, match: { path, pathRegex, methods, hosts, headers, query }, upstream, rewrite, plugins, timeouts, allowEncodedSlashes, upgrades, upgradeIdleMs, accessLog, at } = route
  const index = at.at(-1)
  const listed = at.length === projectAt.length + 2 && at[projectAt.length] === 'routes' && typeof index === 'number' && projectAt.every((key, n) => at[n] === key)
  return {
    id,
    match: {
      ...path !== null && { path }, ...pathRegex !== null && { pathRegex }, ...methods !== null && { methods }, ...hosts !== null && { hosts },
      ...!isEmpty(headers) && { headers }, ...!isEmpty(query) && { query }
    },
    ...upstream !== null && { upstream },
    ...rewrite.kind !== 'none' && { rewrite },
    ...plugins.length > 0 && { plugins },
    ...!isEmpty(timeouts) && { timeouts },
    ...allowEncodedSlashes && { allowEncodedSlashes },
    ...upgrades.length > 0 && { upgrades },
    ...upgradeIdleMs !== USUAL_ROUTE.upgradeIdleMs && { upgradeIdleMs },
    ...(accessLog === false || !isEmpty(accessLog)) && { accessLog },
    at: listed ? index : at
  }
}

/** The route that was packed. `shared` gives equal lists of methods as one. */
export function unpackRoute (packed: PackedRoute, projectAt: ConfigPath, shared: (methods: readonly string[]) => readonly string[]): RouteConfig {
  const { match, at } = packed
  return {
    id: packed.id,
    match: {
      path: match.path ?? null,
      pathRegex: match.pathRegex ?? null,
      methods: match.methods === undefined || match.methods === null ? null : shared(match.methods),
      hosts: match.hosts ?? null,
      headers: match.headers ?? NO_VALUES,
      query: match.query ?? NO_VALUES
    },
    upstream: packed.upstream ?? null,
    rewrite: packed.rewrite ?? USUAL_ROUTE.rewrite,
    plugins: packed.plugins ?? USUAL_ROUTE.plugins,
    timeouts: packed.timeouts ?? USUAL_ROUTE.timeouts,
    allowEncodedSlashes: packed.allowEncodedSlashes ?? false,
    upgrades: packed.upgrades ?? USUAL_ROUTE.upgrades,
    upgradeIdleMs: packed.upgradeIdleMs ?? USUAL_ROUTE.upgradeIdleMs,
    accessLog: packed.accessLog ?? USUAL_ROUTE.accessLog,
    at: typeof at === 'number' ? [...projectAt, 'routes', at] : at
  }
}

/** Makes a `shared` for `unpackRoute`. */
export function shareMethods (): (methods: readonly string[]) => readonly string[] {
  const known = new Map<string, readonly string[]>()
  return (methods) => {
    const name = methods.join()
    const there = known.get(name)
    if (there !== undefined) return there
    known.set(name, methods)
    return methods
  }
}

function isEmpty (map: object): boolean {
  for (const _ in map) return false
  return true
}

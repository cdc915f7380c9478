import { TextTooLongError } from '../lib/linear-regex.js'
import { decodeReserved } from '../lib/path.js'
import { QueryReader } from '../lib/query-reader.js'
import type { RouteConfig } from '../route.js'
import { aliasesOf, UNUSUAL } from './aliases.js'
import { candidatesOf, compileRoute, passes, type Candidate, type CompiledRoute, type Found } from './candidates.js'
import { explainRoutes, type Explanation } from './explain-routes.js'
import type { RouteQuery } from './predicates.js'
import { comparePaths, type RoutePath } from './route-path.js'
import { addToTrie, createTrie, findInTrie, finishTrie, type TrieNode } from './route-trie.js'

export type { Found } from './candidates.js'
export type { Explanation } from './explain-routes.js'
export type { RouteQuery } from './predicates.js'

/**
 * The routes of one project. All three take the whole path in its normal form, which begins with the project's basePath.
 * Not re-entrant, and need not be: nothing in it waits.
 */
export interface Router<T> {
  /**
   * The route that serves a request; null where none does; `'ambiguous'` where an upstream that reads the path more leniently would serve
   * another route's resource, so that passing it on could get around what protects that route. The object of a route without parameters
   * is always the same one.
   */
  find (request: RouteQuery, method: string): Found<T> | null | 'ambiguous'
  /** The methods that `find` would serve at this address; HEAD with GET, OPTIONS only where a route lists it. Empty = there is nothing here. */
  allowed (request: RouteQuery): string[]
  /** What became of each route, in the order of precedence. */
  explain (request: RouteQuery, method: string): Explanation[]
}

// What makes a request ambiguous: how else it can be read, and the route that would serve it then; null = one outside the project.
interface Rival<T> {
  readonly reading: string
  readonly route: CompiledRoute<T> | null
}

// What a route for any method is said to allow.
const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Compiles the routes of a project. Throws ConfigError for what `checkRoutes` would have found in a path or a regex. */
export function compileRouter<T> (basePath: string, routes: readonly { config: RouteConfig, value: T }[]): Router<T> {
  return new TrieRouter(basePath, routes.map(({ config, value }, listed) => compileRoute(config, value, listed)))
}

class TrieRouter<T> implements Router<T> {
  readonly basePath: string
  readonly routes: readonly CompiledRoute<T>[]
  readonly trie: TrieNode<T> = createTrie()
  readonly regexes: Candidate<T>[] = []
  readonly reader = new QueryReader()
  // Whether a route is declared with a trailing slash: then a path without one has an alias too.
  readonly declaresSlash: boolean

  constructor (basePath: string, routes: readonly CompiledRoute<T>[]) {
    this.basePath = basePath
    this.routes = routes
    this.declaresSlash = routes.some(endsWithSlash)
    for (const route of routes) {
      const { path } = route
      const candidates = candidatesOf(route)
      if (path === null) this.regexes.push(...candidates)
      else addToTrie(this.trie, path, candidates)
      // The root of a project has two spellings: `/shop` and `/shop/`.
      if (basePath !== '' && path !== null && isRoot(path)) addToTrie(this.trie, { ...path, literals: [] }, candidates)
    }
    finishTrie(this.trie)
  }

  find (request: RouteQuery, method: string): Found<T> | null | 'ambiguous' {
    const { reader } = this
    const unusual = this.declaresSlash || UNUSUAL.test(request.path)
    const path = unusual ? decodeReserved(request.path) : request.path
    reader.repeated = false
    const winner = this.lookUp(path, request, method)
    if (winner === null) return null
    if ((unusual || reader.repeated) && this.rival(winner, path, request, method) !== null) return 'ambiguous'
    return winner.found ?? { value: winner.value, params: capture(winner, request.path, this.basePath.length) }
  }

  allowed (request: RouteQuery): string[] {
    const methods = new Set<string>()
    this.lookUp(decodeReserved(request.path), request, '', (candidates) => {
      for (const candidate of candidates) {
        if (passes(candidate, request, this.reader)) for (const method of candidate.route.methods ?? COMMON_METHODS) methods.add(method)
      }
    })
    return [...methods]
  }

  explain (request: RouteQuery, method: string): Explanation[] {
    const path = decodeReserved(request.path)
    const below = path.slice(this.basePath.length)
    this.reader.repeated = false
    try {
      const winner = this.lookUp(path, request, method)
      const rival = winner === null ? null : this.rival(winner, path, request, method)
      return explainRoutes(this.routes, below, request, method, winner, rival)
    } catch (error) {
      if (!(error instanceof TextTooLongError)) throw error
      return this.routes.map(({ config: { id, at } }) => ({ id, at, outcome: 'loses', reason: `the request is refused, because for the pattern of some route ${error.message}` }))
    }
  }

  // With `collect` nothing wins: every list of candidates whose path matches is handed to it.
  private lookUp (path: string, request: RouteQuery, method: string, collect: ((candidates: readonly Candidate<T>[]) => void) | null = null): CompiledRoute<T> | null {
    const { reader } = this
    const found = findInTrie(this.trie, path, this.basePath.length + 1, request, method, reader, collect)
    if (found !== null) return found.route
    if (this.regexes.length === 0) return null
    const below = path.length === this.basePath.length ? '/' : path.slice(this.basePath.length)
    for (const candidate of this.regexes) {
      const { route } = candidate
      if (collect !== null) {
        if (route.regex?.test(below) === true) collect([candidate])
      } else if ((route.methods === null || route.methods.includes(method)) && passes(candidate, request, reader) && route.regex?.test(below) === true) return route
    }
    return null
  }

  // Another reading of the same request that would get another route, or null. Of a repeated query parameter servers take the first or the last.
  private rival (winner: CompiledRoute<T>, path: string, request: RouteQuery, method: string): Rival<T> | null {
    const { reader } = this
    const rival = this.rivalPath(winner, path, request, method)
    if (rival !== null || !reader.repeated) return rival
    reader.last = true
    const route = this.lookUp(path, request, method)
    const other = route === winner ? this.rivalPath(winner, path, request, method) : { reading: `${path} with the last of a repeated query parameter`, route }
    reader.last = false
    return other
  }

  private rivalPath (winner: CompiledRoute<T>, path: string, request: RouteQuery, method: string): Rival<T> | null {
    for (const { path: reading, mild } of [{ path, mild: false }, ...aliasesOf(path, winner.path, this.basePath)]) {
      if (reading === null || !isBelow(reading, this.basePath)) return { reading: reading ?? 'the path above the root', route: null }
      if (reading !== path) {
        const route = this.lookUp(reading, request, method)
        if (route !== null && route !== winner && !(mild && isMoreSpecific(winner, route))) return { reading, route }
      }
      if (!this.declaresSlash || reading.endsWith('/')) continue
      const slashed = this.lookUp(`${reading}/`, request, method)
      if (slashed !== null && slashed !== winner && endsWithSlash(slashed) && !isPair(winner, slashed)) return { reading: `${reading}/`, route: slashed }
    }
    return null
  }
}

function isMoreSpecific<T> (a: CompiledRoute<T>, b: CompiledRoute<T>): boolean {
  return a.path !== null && (b.path === null || comparePaths(a.path, b.path) < 0)
}

function isRoot ({ literals, wildcard }: RoutePath): boolean {
  return !wildcard && literals.length === 1 && literals[0] === ''
}

function isBelow (path: string, basePath: string): boolean {
  return path.startsWith(basePath) && (path.length === basePath.length || path.charCodeAt(basePath.length) === 0x2f)
}

// The root is no case of it: nothing is left without its slash.
function endsWithSlash<T> ({ path }: CompiledRoute<T>): boolean {
  return path !== null && !path.wildcard && path.literals.length > 1 && path.literals.at(-1) === ''
}

// Whether a route is declared without the trailing slash, at least as specifically as another with it: then each has its own.
function isPair<T> (plain: CompiledRoute<T>, slashed: CompiledRoute<T>): boolean {
  const a = plain.path
  const b = slashed.path
  return a !== null && b !== null && !a.wildcard && comparePaths(a, { ...b, literals: b.literals.slice(0, -1) }) <= 0
}

// Reads the parameters from the path as it is forwarded: the one that was matched has reserved characters decoded, but the same segments.
function capture<T> ({ path: shape }: CompiledRoute<T>, path: string, from: number): Readonly<Record<string, string>> {
  const params: Record<string, string> = {}
  if (shape === null) return params
  let start = from + 1
  let segment = 0
  for (const { name, index } of shape.params) {
    for (; segment < index; segment++) start = path.indexOf('/', start) + 1
    const end = path.indexOf('/', start)
    params[name] = end === -1 ? path.slice(start) : path.slice(start, end)
  }
  if (!shape.wildcard) return params
  for (; segment < shape.literals.length; segment++) {
    const slash = path.indexOf('/', start)
    start = slash === -1 ? path.length : slash + 1
  }
  params['*'] = path.slice(start)
  return params
}

import { decodeReserved } from '../lib/path.js'
import { QueryReader } from '../lib/query-reader.js'
import type { RouteConfig } from '../route.js'
import { aliasesOf, mayHaveAliases } from './aliases.js'
import { candidatesOf, compareCandidates, compileRoute, passes, pick, type Candidate, type CompiledRoute, type Found } from './candidates.js'
import { explainRoutes, type Explanation } from './explain-routes.js'
import type { RouteQuery } from './predicates.js'
import { comparePaths } from './route-path.js'
import { addToTrie, createTrie, findInTrie, sortTrie, type TrieNode } from './route-trie.js'

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

// What a route for any method is said to allow.
const COMMON_METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Compiles the routes of a project. Throws ConfigError for what `checkRoutes` would have found in a path or a regex. */
export function compileRouter<T> (basePath: string, routes: readonly { config: RouteConfig, value: T }[]): Router<T> {
  return new TrieRouter(basePath, routes.map(({ config, value }, listed) => compileRoute(config, value, listed)))
}

class TrieRouter<T> implements Router<T> {
  readonly basePath: string
  readonly routes: readonly CompiledRoute<T>[]
  // Paths without parameter and wildcard: nothing is more specific than an equal text.
  readonly literals = new Map<string, Candidate<T>[]>()
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
      else if (path.wildcard || path.params.length > 0) addToTrie(this.trie, path, candidates)
      else {
        const text = path.literals.join('/')
        this.addLiteral(`${basePath}/${text}`, candidates)
        // The root of a project has two spellings: `/shop` and `/shop/`.
        if (text === '' && basePath !== '') this.addLiteral(basePath, candidates)
      }
    }
    for (const candidates of this.literals.values()) candidates.sort(compareCandidates)
    sortTrie(this.trie)
  }

  find (request: RouteQuery, method: string): Found<T> | null | 'ambiguous' {
    const path = decodeReserved(request.path)
    const { reader } = this
    reader.repeated = false
    const winner = this.lookUp(path, request, method)
    if (winner === null) return null
    if ((reader.repeated || this.declaresSlash || mayHaveAliases(path)) && this.rival(winner, path, request, method) !== null) return 'ambiguous'
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
    this.reader.repeated = false
    const winner = this.lookUp(path, request, method)
    const rival = winner === null ? null : this.rival(winner, path, request, method)
    return explainRoutes(this.routes, path.slice(this.basePath.length), request, method, winner, rival)
  }

  private addLiteral (path: string, candidates: readonly Candidate<T>[]): void {
    const there = this.literals.get(path)
    if (there === undefined) this.literals.set(path, [...candidates])
    else there.push(...candidates)
  }

  // With `collect` nothing wins: every list of candidates whose path matches is handed to it.
  private lookUp (path: string, request: RouteQuery, method: string, collect: ((candidates: readonly Candidate<T>[]) => void) | null = null): CompiledRoute<T> | null {
    const { reader } = this
    const literal = this.literals.get(path)
    if (literal !== undefined) {
      if (collect !== null) collect(literal)
      else {
        const found = pick(literal, request, method, reader)
        if (found !== null) return found.route
      }
    }
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

  // The route that another reading of the same request would get: one of the path's aliases, or the last of a repeated parameter.
  private rival (winner: CompiledRoute<T>, path: string, request: RouteQuery, method: string): { reading: string, route: CompiledRoute<T> | null } | null {
    const { basePath, reader } = this
    if (reader.repeated) {
      reader.last = true
      const route = this.lookUp(path, request, method)
      reader.last = false
      if (route !== winner) return { reading: 'with the last of a repeated query parameter', route }
    }
    for (const alias of mayHaveAliases(path) ? aliasesOf(path, winner.path, basePath) : []) {
      if (alias.path === null || !isBelow(alias.path, basePath)) return { reading: alias.path ?? 'above the root', route: null }
      const route = this.lookUp(alias.path, request, method)
      if (route === null || route === winner) continue
      if (alias.mild && winner.path !== null && (route.path === null || comparePaths(winner.path, route.path) < 0)) continue
      return { reading: alias.path, route }
    }
    if (!this.declaresSlash || path.endsWith('/')) return null
    const route = this.lookUp(`${path}/`, request, method)
    if (route === null || route === winner || !endsWithSlash(route) || isPair(winner, route)) return null
    return { reading: `${path}/`, route }
  }
}

function isBelow (path: string, basePath: string): boolean {
  return path.startsWith(basePath) && (path.length === basePath.length || path.charCodeAt(basePath.length) === 0x2f)
}

// The root is no case of it: nothing is left without its slash.
function endsWithSlash<T> ({ path }: CompiledRoute<T>): boolean {
  return path !== null && !path.wildcard && path.literals.length > 1 && path.literals.at(-1) === ''
}

// Whether both are declared, one with and one without the trailing slash: then each has its own.
function isPair<T> (plain: CompiledRoute<T>, slashed: CompiledRoute<T>): boolean {
  const a = plain.path
  const b = slashed.path
  return a !== null && b !== null && !a.wildcard && a.literals.length === b.literals.length - 1 && a.literals.every((literal, i) => (literal === null) === (b.literals[i] === null))
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

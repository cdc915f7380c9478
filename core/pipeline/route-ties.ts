import { normalizeHost } from '../lib/host-name.js'
import { compileRegex, regexProblem, TRIED_ON_ANY, type LinearRegex } from '../lib/linear-regex.js'
import type { RouteConfig, ValueMatch } from '../route.js'

/** A route with the shape of its path (`shapeOf`). */
export interface RouteShape {
  readonly route: RouteConfig
  readonly shape: string
}

/** Two routes that match the same requests, with nothing to order them. */
export interface Tie {
  readonly first: RouteConfig
  readonly second: RouteConfig
}

// A route under one host: what has to be told apart from the others of its path, host and number of predicates.
interface Entry {
  readonly route: RouteConfig
  readonly values: ReadonlyMap<string, ValueMatch>
}

interface Search {
  readonly ties: Map<RouteConfig, Tie>
  readonly regexes: Map<string, LinearRegex | null>
  comparisons: number
}

// Thousands of routes on one path that only differ in regexes could take the square of their number: beyond this they are taken as listed.
const MAX_COMPARISONS = 1_000_000

/** Ties among the routes of a project, at most one for each later route. Hashed by path, host and number of predicates. */
export function findTies (shapes: readonly RouteShape[]): Tie[] {
  const groups = new Map<string, Entry[]>()
  for (const { route, shape } of shapes) {
    const { hosts, headers, query } = route.match
    const values = new Map<string, ValueMatch>()
    for (const [name, value] of Object.entries(headers)) values.set(`header ${name}`, value)
    for (const [name, value] of Object.entries(query)) values.set(`query ${name}`, value)
    const entry = { route, values }
    for (const host of hosts ?? [null]) {
      const key = `${shape}\n${host === null ? '' : normalizeHost(host)}\n${values.size + Number(hosts !== null)}`
      const group = groups.get(key)
      if (group === undefined) groups.set(key, [entry])
      else if (group.at(-1) !== entry) group.push(entry)
    }
  }
  const search: Search = { ties: new Map(), regexes: new Map(), comparisons: 0 }
  for (const group of groups.values()) if (group.length > 1) tieWithin(group, new Set(), search)
  return [...search.ties.values()]
}

function tieWithin (group: readonly Entry[], done: ReadonlySet<string>, search: Search): void {
  // A name on which all want an exact value tells them apart without comparing each with each.
  for (const [name, value] of group[0]?.values ?? []) {
    if (value.kind !== 'exact' || done.has(name) || !group.every((entry) => entry.values.get(name)?.kind === 'exact')) continue
    const parts = new Map<string, Entry[]>()
    for (const entry of group) {
      const match = entry.values.get(name)
      const key = match?.kind === 'exact' ? match.value : ''
      const part = parts.get(key)
      if (part === undefined) parts.set(key, [entry])
      else part.push(entry)
    }
    for (const part of parts.values()) if (part.length > 1) tieWithin(part, new Set([...done, name]), search)
    return
  }
  for (const [index, second] of group.entries()) {
    if (search.ties.has(second.route)) continue
    for (let i = 0; i < index && search.comparisons < MAX_COMPARISONS; i++) {
      const first = group[i] as Entry
      search.comparisons++
      if (!shareMethod(first.route, second.route) || !mayBothHold(first, second, search)) continue
      search.ties.set(second.route, { first: first.route, second: second.route })
      break
    }
  }
}

// HEAD that only follows GET is no conflict with a route that names it: that one goes first.
function shareMethod (a: RouteConfig, b: RouteConfig): boolean {
  const methods = a.match.methods
  return methods === null || b.match.methods === null || methods.some((method) => b.match.methods?.includes(method))
}

function mayBothHold (a: Entry, b: Entry, search: Search): boolean {
  for (const [name, value] of a.values) {
    const other = b.values.get(name)
    if (other !== undefined && excludes(value, other, search)) return false
  }
  return true
}

function excludes (a: ValueMatch, b: ValueMatch, search: Search): boolean {
  if ((a.kind === 'absent') !== (b.kind === 'absent')) return true
  if (a.kind === 'exact' && b.kind === 'exact') return a.value !== b.value
  // Whether two regexes can match one text is not decided here: different ones are taken to be apart, and as listed where they are not.
  if (a.kind === 'regex' && b.kind === 'regex') return a.pattern !== b.pattern
  if (a.kind === 'exact' && b.kind === 'regex') return !matches(b.pattern, a.value, search)
  if (a.kind === 'regex' && b.kind === 'exact') return !matches(a.pattern, b.value, search)
  return false
}

function matches (pattern: string, text: string, { regexes }: Search): boolean {
  let regex = regexes.get(pattern)
  if (regex === undefined) {
    // An invalid pattern is a finding of its own.
    regex = regexProblem(pattern) === null ? compileRegex(pattern) : null
    regexes.set(pattern, regex)
  }
  return regex !== null && text.length <= TRIED_ON_ANY && regex.test(text)
}

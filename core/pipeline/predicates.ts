import { compileRegex } from '../lib/linear-regex.js'
import { queryName, type QueryName, type QueryReader } from '../lib/query-reader.js'
import type { GatewayRequest } from '../context.js'
import type { RouteMatch, ValueMatch } from '../route.js'

/** What of a request decides its route. */
export type RouteQuery = Pick<GatewayRequest, 'path' | 'query' | 'host' | 'headers'>

interface ValueTest {
  readonly name: string
  readonly bytes: QueryName
  readonly wants: string
  test (value: string | undefined): boolean
}

/** The header and query predicates of a route, runnable. */
export interface Predicates {
  readonly headers: readonly ValueTest[]
  readonly query: readonly ValueTest[]
  /** How many there are, a list of hosts among them: more of them win. */
  readonly count: number
}

/** Of most routes. */
const NONE: Predicates = { headers: [], query: [], count: 0 }

/** Compiles a route's predicates. Throws SyntaxError for an invalid regex. */
export function compilePredicates (match: RouteMatch): Predicates {
  if (match.hosts === null && isEmpty(match.headers) && isEmpty(match.query)) return NONE
  const headers = Object.entries(match.headers).map(([name, value]) => compileValue(name, value))
  const query = Object.entries(match.query).map(([name, value]) => compileValue(name, value))
  return { headers, query, count: headers.length + query.length + Number(match.hosts !== null) }
}

/**
 * Whether a request meets them. Header fields of one name count as one value, joined with ", " (RFC 9110 section 5.2); query values are
 * compared decoded, as forms are; of a parameter that comes twice `reader.last` chooses.
 */
export function meets (predicates: Predicates, request: RouteQuery, reader: QueryReader): boolean {
  const { headers, query } = predicates
  for (let i = 0; i < headers.length; i++) {
    const header = headers[i] as ValueTest
    if (!header.test(request.headers.joined(header.name))) return false
  }
  for (let i = 0; i < query.length; i++) {
    const param = query[i] as ValueTest
    if (!param.test(reader.read(request.query, param.bytes))) return false
  }
  return true
}

/** Which predicate a request fails, as a sentence without a full stop, or null. */
export function unmet (predicates: Predicates, request: RouteQuery, reader: QueryReader): string | null {
  for (const header of predicates.headers) {
    if (!header.test(request.headers.joined(header.name))) return `header: ${header.name} must be ${header.wants}`
  }
  for (const param of predicates.query) {
    if (!param.test(reader.read(request.query, param.bytes))) return `query: ${param.name} must be ${param.wants}`
  }
  return null
}

/** Whether a host name (lower-case, no port) is the host of a config: the same name, or below `*.suffix` at any depth. */
export function matchesHost (pattern: string, host: string): boolean {
  return pattern.charCodeAt(0) === 0x2a ? host.length >= pattern.length && host.endsWith(pattern.slice(1)) : host === pattern
}

function isEmpty (values: object): boolean {
  for (const _ in values) return false
  return true
}

function compileValue (name: string, match: ValueMatch): ValueTest {
  const bytes = queryName(name)
  switch (match.kind) {
    case 'present': return { name, bytes, wants: 'present', test: (value) => value !== undefined }
    case 'absent': return { name, bytes, wants: 'absent', test: (value) => value === undefined }
    case 'exact': return { name, bytes, wants: JSON.stringify(match.value), test: (value) => value === match.value }
    case 'regex': {
      const regex = compileRegex(match.pattern)
      return { name, bytes, wants: `like ${match.pattern}`, test: (value) => value !== undefined && regex.test(value) }
    }
  }
}

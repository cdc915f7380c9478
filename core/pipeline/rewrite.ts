import type { Finding } from '../errors.js'
import { normalizePath } from '../lib/path.js'
import type { Rewrite, RouteConfig } from '../route.js'
import { isProblem, normalFormProblem, parseRoutePath } from './route-path.js'

/** Makes the path that is forwarded, in normal form, out of the request's (in normal form) and what the route's parameters matched. */
export type PathRewrite = (path: string, params: Readonly<Record<string, string>>) => string

// Text and names in turn: the odd ones are names.
const PLACEHOLDER = /(:[A-Za-z_][A-Za-z0-9_]*|\*)/

/**
 * Compiles how a route changes the path before it is forwarded; null where it stays. `stripPrefix` takes away the basePath and what the
 * route's path has before its first parameter or wildcard; a regex route (`routePath` null) has only the basePath to lose. In a template
 * `:name` and `*` stand for what was matched, still percent-encoded, so no separator or line break can get in; empty parts and dot
 * segments that come of it are resolved.
 */
export function compileRewrite (rewrite: Rewrite, routePath: string | null, basePath: string): PathRewrite | null {
  if (rewrite.kind === 'none') return null
  if (rewrite.kind === 'stripPrefix') {
    const segments = segmentsOf(basePath) + literalSegments(routePath)
    return segments === 0 ? null : (path) => strip(path, segments)
  }
  const parts = rewrite.template.split(PLACEHOLDER).map((part, i) => i % 2 === 1 && part !== '*' ? part.slice(1) : part)
  return (_path, params) => {
    let text = ''
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i] as string
      text += i % 2 === 0 ? part : params[part] ?? ''
    }
    // Null only where the template itself climbs above the root.
    return normalizePath(text, false) ?? '/'
  }
}

/** What is wrong with a route's rewrite: names that its path does not have, or a template that is no path. */
export function checkRewrite (route: RouteConfig): Finding[] {
  const { rewrite, match } = route
  if (rewrite.kind !== 'template') return []
  const path = [...route.at, 'rewrite']
  const { template } = rewrite
  const parts = template.split(PLACEHOLDER)
  const literal = parts.map((part, i) => i % 2 === 1 ? 'x' : part).join('')
  if (/[?#]/.test(literal)) return [{ path, message: `the template "${template}" holds "?" or "#"`, remedy: 'write a path alone: the query goes on as it came' }]
  if (!template.startsWith('/')) return [{ path, message: `the template "${template}" does not begin with "/"`, remedy: `write "/${template}"` }]
  const problem = normalFormProblem(literal)
  // The normal form of the stand-in would be a strange thing to advise.
  if (problem !== null) return [{ path, message: problem.message.replace(`"${literal}"`, `"${template}"`), remedy: literal === template ? problem.remedy : 'write its literal parts as they stand in a URL' }]
  const parsed = match.path === null ? null : parseRoutePath(match.path)
  if (parsed !== null && isProblem(parsed)) return []
  const known = parsed === null ? [] : [...parsed.params.map(({ name }) => `:${name}`), ...(parsed.wildcard ? ['*'] : [])]
  const unknown = new Set(parts.filter((part, i) => i % 2 === 1 && !known.includes(part)))
  return [...unknown].map((name) => ({
    path,
    message: `the template names "${name}", which the route's path does not have`,
    remedy: known.length === 0 ? 'a literal ":" is written "%3A", a literal "*" "%2A"' : `use ${known.map((one) => `"${one}"`).join(', ')}; a literal ":" is written "%3A"`
  }))
}

// Counted in segments, not characters: a request may spell ":" as "%3A".
function strip (path: string, segments: number): string {
  let at = 0
  for (let i = 0; i < segments; i++) {
    at = path.indexOf('/', at + 1)
    if (at === -1) return '/'
  }
  // Kept repeated slashes: "//host" at the beginning is another thing than a path to some.
  while (path.charCodeAt(at + 1) === 0x2f) at++
  return path.slice(at)
}

function literalSegments (routePath: string | null): number {
  if (routePath === null) return 0
  const variable = routePath.search(/\/(?::|\*$)/)
  return segmentsOf(variable === -1 ? routePath : routePath.slice(0, variable))
}

function segmentsOf (path: string): number {
  return path.split('/').filter((segment) => segment !== '').length
}

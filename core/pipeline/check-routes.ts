import type { ConfigPath, Finding } from '../errors.js'
import { hostProblem } from '../lib/host-name.js'
import { regexProblem } from '../lib/linear-regex.js'
import type { ProjectConfig, RouteConfig, ValueMatch } from '../route.js'
import { checkRewrite } from './rewrite.js'
import { isProblem, parseRoutePath, shapeOf } from './route-path.js'
import { findTies, type RouteShape } from './route-ties.js'

/**
 * Everything that is wrong with the matches and rewrites of a project's routes: paths, regexes, hosts, templates (`checkRewrite` is
 * part of it), and routes that match the same requests with nothing to order them. Does not look at upstreams and plugins.
 */
export function checkRoutes (project: ProjectConfig): Finding[] {
  const findings: Finding[] = []
  const shapes: RouteShape[] = []
  for (const route of project.routes) {
    const shape = checkPath(route, findings)
    if (shape !== null) shapes.push({ route, shape })
    checkPredicates(route, findings)
    findings.push(...checkRewrite(route))
  }
  for (const { first, second } of findTies(shapes)) {
    findings.push({
      path: [...second.at, 'match'],
      message: `routes "${first.id}" and "${second.id}" match the same requests, and nothing orders them`,
      remedy: 'give them methods that do not overlap, different paths, or one of them more predicates',
      related: [{ path: [...first.at, 'match'] }]
    })
  }
  return findings
}

// The shape of a valid path; null for a regex, which its place in the list orders, and for what can not be read.
function checkPath (route: RouteConfig, findings: Finding[]): string | null {
  const { path, pathRegex } = route.match
  const at = (key: string): ConfigPath => [...route.at, 'match', key]
  if (path === null && pathRegex === null) findings.push({ path: [...route.at, 'match'], message: `route "${route.id}" has no path`, remedy: 'give path or pathRegex; "/*" matches everything' })
  if (path !== null && pathRegex !== null) findings.push({ path: at('pathRegex'), message: `route "${route.id}" has both path and pathRegex`, remedy: 'leave one of them out' })
  if (pathRegex !== null) {
    const problem = regexProblem(pathRegex)
    if (problem !== null) findings.push({ path: at('pathRegex'), message: `the regex is not valid: ${problem}`, remedy: 'write RE2 syntax: no back references, no look-ahead' })
  }
  if (path === null) return null
  const parsed = parseRoutePath(path)
  if (!isProblem(parsed)) return shapeOf(parsed)
  findings.push({ path: at('path'), ...parsed })
  return null
}

function checkPredicates (route: RouteConfig, findings: Finding[]): void {
  const { methods, hosts, headers, query } = route.match
  const at = [...route.at, 'match']
  if (methods !== null && methods.length === 0) findings.push({ path: [...at, 'methods'], message: `route "${route.id}" takes no method`, remedy: 'name at least one, or leave methods out for any' })
  if (hosts !== null && hosts.length === 0) findings.push({ path: [...at, 'hosts'], message: `route "${route.id}" takes no host`, remedy: 'name at least one, or leave hosts out for any of the project' })
  for (const [index, host] of (hosts ?? []).entries()) {
    const problem = hostProblem(host)
    if (problem !== null) findings.push({ path: [...at, 'hosts', index], ...problem })
  }
  checkValues(headers, [...at, 'headers'], findings)
  checkValues(query, [...at, 'query'], findings)
}

function checkValues (values: Readonly<Record<string, ValueMatch>>, at: ConfigPath, findings: Finding[]): void {
  for (const [name, value] of Object.entries(values)) {
    const problem = value.kind === 'regex' ? regexProblem(value.pattern) : null
    if (problem !== null) findings.push({ path: [...at, name], message: `the regex is not valid: ${problem}`, remedy: 'write RE2 syntax: no back references, no look-ahead' })
  }
}

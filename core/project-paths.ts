import type { CompiledProject } from './compiled-project.js'
import type { GatewayRequest } from './context.js'
import type { Finding } from './errors.js'
import { HeaderList } from './lib/header-list.js'
import { isPathBelow } from './lib/path-below.js'
import type { ProjectConfig, RouteConfig } from './route.js'
import type { Snapshot } from './snapshot.js'

/** A request below the prefix of projects. */
export interface ProjectPathRequest<R extends GatewayRequest> {
  /** The project of the store that the path names; null where there is none, or the rest of the path is not below its basePath. */
  readonly project: CompiledProject | null
  /** What was taken off the path: `/p/shop`. */
  readonly prefix: string
  /** As the project sees it: upstreams are told what was taken off as X-Forwarded-Prefix. */
  readonly request: R
}

const SLASH = 0x2f
const HEADER = 'x-forwarded-prefix'

/**
 * Whose a request is by its path. Null where paths do not decide that: there is no prefix, the path is not below it, or some project names the
 * host, which then is that project's alone, so that nobody's pages stand under somebody else's host.
 */
export function readProjectPath<R extends GatewayRequest> ({ root, hosts, projects }: Pick<Snapshot, 'root' | 'hosts' | 'projects'>, request: R): ProjectPathRequest<R> | null {
  const { path, headers, host } = request
  const { projectPaths } = root
  if (projectPaths === null || !isPathBelow(path, projectPaths) || hosts.namesHost(host)) return null
  const from = projectPaths.length + 1
  let end = path.indexOf('/', from)
  if (end === -1) end = path.length
  const prefix = path.slice(0, end)
  const named = projects.get(path.slice(from, end))
  // Repeated slashes that are kept: "//host" at the beginning is another thing than a path to some.
  while (path.charCodeAt(end + 1) === SLASH) end++
  const rest = path.slice(end) || '/'
  const told = new HeaderList([...headers.flat])
  told.set(HEADER, `${headers.get(HEADER)?.replace(/\/+$/, '') ?? ''}${prefix}`)
  const project = named === undefined || named.config.origin === 'operator-file' || !isPathBelow(rest, named.config.basePath) ? null : named
  return { project, prefix, request: { ...request, path: rest, headers: told } }
}

/** What of a file's project would never be reached because projects of the store are served there: paths below the prefix of one without hosts. */
export function checkProjectPaths ({ origin, hosts, basePath, routes, at }: ProjectConfig, prefix: string | null): Finding[] {
  if (prefix === null || origin !== 'operator-file' || hosts.length > 0) return []
  const remedy = 'give the project hosts, or another path, or change projectPaths'
  if (isPathBelow(basePath, prefix)) return [{ path: [...at, 'basePath'], message: `below "${prefix}" projects of the store are served (projectPaths): this project would never be reached`, remedy }]
  return routes.filter((route) => isPathBelow(`${basePath}${literalPart(route)}`, prefix)).map((route) => ({
    path: [...route.at, 'match', 'path'], message: `below "${prefix}" projects of the store are served (projectPaths): this route would never be reached`, remedy
  }))
}

/** What every path of a route begins with. */
function literalPart ({ match: { path } }: RouteConfig): string {
  if (path === null) return ''
  const variable = path.search(/\/(?::|\*$)/)
  return variable === -1 ? path : path.slice(0, variable)
}

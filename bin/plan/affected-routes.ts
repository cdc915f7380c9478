import type { ConfigChange } from './config-diff.js'
import { namedEntries } from './named-entries.js'

/** A project's configuration, as far as it matters here. */
export interface RoutedConfig {
  readonly routes?: readonly Route[]
  readonly plugins?: unknown
}

interface Route {
  readonly id?: unknown
  readonly upstream?: unknown
  readonly match?: unknown
  readonly plugins?: unknown
}

/**
 * Which routes of a project serve otherwise after these changes, by id, sorted: those that changed, those of a changed upstream, those that have no use
 * of their own in the place of a changed one of the project, or of the gateway where it is one that the project inherits; all for what is the project's
 * as a whole.
 */
export function affectedRoutes (before: RoutedConfig | null, after: RoutedConfig | null, changes: readonly ConfigChange[]): string[] {
  const affected = new Set<string>()
  for (const route of [...before?.routes ?? [], ...after?.routes ?? []]) {
    if (typeof route.id === 'string' && !affected.has(route.id) && changes.some((change) => touches(change, route, after?.plugins))) affected.add(route.id)
  }
  return [...affected].sort()
}

function touches ({ path: [section, name, ...inside], kind }: ConfigChange, { id, upstream, match, plugins }: Route, ofProject: unknown): boolean {
  if (name === undefined) return true
  switch (section) {
    // One `pathRegex` that comes before another may take its requests.
    case 'routes': return name === id || (kind === 'moved' && inside.length === 0 && typeof match === 'object' && match !== null && 'pathRegex' in match)
    case 'upstreams': return upstream === name
    case 'plugins': return inside.length === 0 || !has(plugins, name)
    // `inherited.plugins.NAME`: what is told of it is below.
    case 'inherited': return inside.length <= 1 || !(has(ofProject, inside[0] as string) || has(plugins, inside[0] as string))
    default: return true
  }
}

/** Whether a list of plugins has one of its own in the place of an outer one. */
function has (plugins: unknown, name: string): boolean {
  return Array.isArray(plugins) && namedEntries(plugins, 'plugins')?.some(([own]) => own === name) === true
}

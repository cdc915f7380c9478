import type { ConfigChange } from './config-diff.js'
import { namedEntries } from './named-entries.js'

/** A project's configuration, as far as it matters here. */
export interface RoutedConfig {
  readonly routes?: readonly Route[]
}

interface Route {
  readonly id?: unknown
  readonly upstream?: unknown
  readonly match?: unknown
  readonly plugins?: unknown
}

/**
 * Which routes of a project serve otherwise after these changes, by id, sorted: those that changed, those of a changed upstream, those that have no use
 * of their own in the place of a changed one of the project; all for what is the project's as a whole.
 */
export function affectedRoutes (before: RoutedConfig | null, after: RoutedConfig | null, changes: readonly ConfigChange[]): string[] {
  const affected = new Set<string>()
  for (const route of [...before?.routes ?? [], ...after?.routes ?? []]) {
    if (typeof route.id === 'string' && !affected.has(route.id) && changes.some((change) => touches(change, route))) affected.add(route.id)
  }
  return [...affected].sort()
}

function touches ({ path: [section, name, ...inside], kind }: ConfigChange, { id, upstream, match, plugins }: Route): boolean {
  if (name === undefined) return true
  switch (section) {
    // One `pathRegex` that comes before another may take its requests.
    case 'routes': return name === id || (kind === 'moved' && inside.length === 0 && typeof match === 'object' && match !== null && 'pathRegex' in match)
    case 'upstreams': return upstream === name
    case 'plugins': return inside.length === 0 || !Array.isArray(plugins) || namedEntries(plugins, 'plugins')?.some(([own]) => own === name) !== true
    default: return true
  }
}

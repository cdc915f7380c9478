import type { ConfigChange } from './config-diff.js'

/** A project's configuration, as far as it matters here. */
export interface RoutedConfig {
  readonly routes?: readonly { readonly id?: unknown, readonly upstream?: unknown }[]
}

/** Which routes of a project serve otherwise after these changes, by id, sorted: those that changed, those of a changed upstream, or all. */
export function affectedRoutes (before: RoutedConfig | null, after: RoutedConfig | null, changes: readonly ConfigChange[]): string[] {
  const routes = [...before?.routes ?? [], ...after?.routes ?? []]
  const affected = new Set<string>()
  for (const { path: [section, name] } of changes) {
    for (const { id, upstream } of routes) {
      if (typeof id !== 'string') continue
      if (section === 'routes' ? name === undefined || name === id : section === 'upstreams' && name !== undefined ? upstream === name : true) affected.add(id)
    }
  }
  return [...affected].sort()
}

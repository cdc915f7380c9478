import { AUTH_PLUGINS, type AuthType } from './auth-plugins.js'
import { isMap, type Raw, type RawMap } from './raw.js'

/** A project as the store keeps it, as far as what is served is made of it. */
export interface StoredProject {
  readonly project_id: string
  readonly target_url: string | null
  readonly auth_type: AuthType
  readonly config: Readonly<Record<string, unknown>> | null
  readonly written_by: 'operator' | 'tenant'
}

/**
 * A stored project in the configuration language, whole: what it wrote, else one route to `target_url`; with the plugin of its `auth_type`
 * at the head of its list where it does not name that itself, so that a config can not open by silence what its owner wanted closed.
 */
export function effectiveProject ({ target_url: url, auth_type: auth, config }: StoredProject): RawMap {
  const written = config === null
    ? url === null ? {} : { upstreams: { target: { targets: [url] } }, routes: [{ id: 'all', match: { path: '/*' }, upstream: 'target' }] }
    : structuredClone(config) as RawMap
  const plugin = AUTH_PLUGINS[auth]
  const { plugins } = written as { plugins?: Raw }
  if (plugin === null || (plugins !== undefined && !Array.isArray(plugins)) || names(plugins ?? [], plugin)) return written
  return { ...written, plugins: [plugin, ...plugins ?? []] }
}

function names (plugins: readonly Raw[], name: string): boolean {
  return plugins.some((entry) => entry === name || (isMap(entry) && Object.hasOwn(entry, name)))
}

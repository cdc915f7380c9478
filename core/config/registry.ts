import type { Plugin } from '../plugin.js'

/** The plugins that a configuration may name without `use:`, by name. */
export type Registry = ReadonlyMap<string, Plugin>

/** Keys of a list entry that are not a plugin's name. */
export const ENTRY_KEYS = ['use', 'config', 'id', 'stage', 'locked', 'timeout'] as const

/** Makes a registry. Throws TypeError for two plugins of one name, and for a name that means something else in a list entry. */
export function buildRegistry (plugins: Iterable<Plugin>): Registry {
  const registry = new Map<string, Plugin>()
  for (const plugin of plugins) {
    if (registry.has(plugin.name)) throw new TypeError(`two plugins are called "${plugin.name}" (rename one)`)
    if ((ENTRY_KEYS as readonly string[]).includes(plugin.name)) throw new TypeError(`a plugin can not be called "${plugin.name}": that is a key of every list entry (rename it)`)
    registry.set(plugin.name, plugin)
  }
  return registry
}

import type { Registry } from './registry.js'
import type { ParsedYaml } from './parse-yaml.js'
import type { BuiltProject } from './build-project.js'
import type { CheckedProjects } from './run-checks.js'

/** What one load leaves for the next: parsed files by their content, and projects by the parsed value that they were built from. */
export interface ConfigCache {
  /** By content hash; only what the last load used is kept. */
  files: Map<string, ParsedYaml>
  projects: WeakMap<object, BuiltProject>
  /** What the projects were built with. */
  registry: Registry | null
  /** Null = nothing was checked yet. */
  checked: CheckedProjects | null
}

/** Makes an empty cache, to be passed to every load of one configuration. */
export function createConfigCache (): ConfigCache {
  return { files: new Map(), projects: new WeakMap(), registry: null, checked: null }
}

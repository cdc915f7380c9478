import type { Finding } from '../errors.js'
import type { Plugin } from '../plugin.js'
import type { GatewayConfig, PluginUse, ProjectConfig } from '../route.js'
import type { AuthorPlugin } from './author-plugin.js'
import type { BuiltProject } from './build-project.js'
import type { FindingList } from './findings.js'

/** Finds the plugin behind a use: the registry's by name, an author's by its file. */
export type PluginLookup = (use: PluginUse) => Plugin | undefined

/** Checks that other engines bring: pure. Each runs over what nothing is wrong with so far, so that it finds nothing that only follows from that. */
export interface ConfigChecks {
  checkGateway? (root: GatewayConfig, lookUp: PluginLookup): readonly Finding[]
  /** Needs nothing but hosts, basePath and routes, and gets those that could be built. */
  checkRoutes? (project: ProjectConfig): readonly Finding[]
  checkProject? (project: ProjectConfig, root: GatewayConfig, lookUp: PluginLookup): readonly Finding[]
  checkProjects? (projects: readonly ProjectConfig[], root: GatewayConfig): readonly Finding[]
}

/** The projects in which nothing was found, and what they were checked with. The same project checked with the same needs no second look. */
export interface CheckedProjects {
  readonly by: ConfigChecks
  /** All that a check of a project is told beside it. */
  readonly with: string
  readonly routes: WeakSet<ProjectConfig>
  readonly projects: WeakSet<ProjectConfig>
}

/** What is to be checked, and with what. */
export interface ChecksInput {
  readonly checks: ConfigChecks
  readonly root: GatewayConfig
  readonly projects: ReadonlyMap<string, BuiltProject>
  readonly lookUp: PluginLookup
  /** Authors' plugins by their file. */
  readonly authored: ReadonlyMap<string, AuthorPlugin>
  /** What the load before left. */
  readonly cache: { checked: CheckedProjects | null }
  readonly findings: FindingList
}

/** Runs the checks over what nothing is wrong with so far. */
export function runChecks ({ checks, root, projects, lookUp, authored, cache, findings }: ChecksInput): void {
  const surroundings = JSON.stringify([root, [...authored].map(([file, { hash }]) => [file, hash])])
  const checked = cache.checked?.by === checks && cache.checked.with === surroundings ? cache.checked : { by: checks, with: surroundings, routes: new WeakSet<ProjectConfig>(), projects: new WeakSet<ProjectConfig>() }
  cache.checked = checked
  const wrong = new Set(findings.items.map(({ path }) => path[0] === 'projects' ? String(path[1]) : path[0] === 'environments' ? null : ''))
  const gatewayIsWhole = !wrong.has('')
  const whole: ProjectConfig[] = []
  for (const { config } of projects.values()) if (!wrong.has(config.name)) whole.push(config)
  const look = (known: WeakSet<ProjectConfig>, config: ProjectConfig, check: () => readonly Finding[] | undefined): void => {
    if (known.has(config)) return
    const found = check()
    if (found === undefined || found.length === 0) known.add(config)
    else found.forEach(findings.add)
  }
  if (gatewayIsWhole) checks.checkGateway?.(root, lookUp).forEach(findings.add)
  for (const { config } of projects.values()) look(checked.routes, config, () => checks.checkRoutes?.(config))
  if (gatewayIsWhole) for (const config of whole) look(checked.projects, config, () => checks.checkProject?.(config, root, lookUp))
  checks.checkProjects?.(whole, root).forEach(findings.add)
}

import type { PluginLookup, ResolvedUse } from './pipeline/order.js'
import { orderSteps } from './pipeline/order.js'
import type { Plugin } from './plugin.js'
import type { GatewayConfig, PluginUse, ProjectConfig, RouteConfig } from './route.js'

/** A path that a plugin serves itself in a project, as a route. */
export interface EndpointRoute {
  readonly config: RouteConfig
  /** The key in the plugin's `endpoints`. */
  readonly key: string
  /** The steps before the plugin, then the plugin. */
  readonly steps: readonly ResolvedUse[]
}

/**
 * The endpoints of all plugins that a project uses. They are routes of the project, ahead of its wildcards by their literal paths, and
 * run behind the steps that come before the plugin: a login callback is behind CORS, not behind the login. A use of the whole project
 * serves its endpoints once; one of a single route serves them for that route's use.
 */
export function endpointRoutes (project: ProjectConfig, root: Pick<GatewayConfig, 'plugins'>, lookUp: PluginLookup, registry: Iterable<Plugin>): EndpointRoute[] {
  const found: EndpointRoute[] = []
  const collect = (uses: readonly PluginUse[], route: readonly PluginUse[]): void => {
    for (const use of uses) {
      const plugin = lookUp(use)
      if (plugin === undefined || use.remove || Object.keys(plugin.endpoints).length === 0) continue
      const { steps } = orderSteps({ gateway: root.plugins, project: project.plugins, route }, lookUp, registry)
      const position = steps.findIndex((step) => step.use === use)
      if (position === -1) continue
      for (const [key, endpoint] of Object.entries(plugin.endpoints)) {
        const path = typeof endpoint.path === 'function' ? (endpoint.path as (config: unknown) => string)(use.config) : endpoint.path
        found.push({ key, steps: steps.slice(0, position + 1), config: endpointConfig(`${use.name}:${use.id}:${key}`, path, endpoint.methods, use) })
      }
    }
  }
  collect([...root.plugins, ...project.plugins], [])
  for (const route of project.routes) collect(route.plugins, route.plugins)
  return found
}

function endpointConfig (id: string, path: string, methods: readonly string[], use: PluginUse): RouteConfig {
  return {
    id,
    match: { path, pathRegex: null, methods, hosts: null, headers: {}, query: {} },
    upstream: null,
    rewrite: { kind: 'none' },
    plugins: [],
    timeouts: {},
    allowEncodedSlashes: false,
    upgrades: [],
    upgradeIdleMs: 0,
    accessLog: {},
    at: use.at
  }
}

import type { Finding } from '../core/errors.js'
import { checkPlace, checkProjects } from '../core/pipeline/host-index.js'
import { orderSteps, type PluginLookup } from '../core/pipeline/order.js'
import { checkRoutes } from '../core/pipeline/check-routes.js'
import { endpointRoutes } from '../core/endpoints.js'
import { checkProjectPaths } from '../core/project-paths.js'
import type { Plugin } from '../core/plugin.js'
import type { GatewayConfig, ProjectConfig } from '../core/route.js'

/** What is checked of a configuration beyond its schema: what only the engines that compile it know. */
export interface ConfigChecks {
  checkRoutes (project: ProjectConfig): Finding[]
  checkProject (project: ProjectConfig, root: GatewayConfig, lookUp: PluginLookup): Finding[]
  checkProjects (projects: Iterable<ProjectConfig>): Finding[]
}

/** The checks of the pipeline and the router, as the config loader runs them for each project and over all of them. */
export function createChecks (registry: ReadonlyMap<string, Plugin>): ConfigChecks {
  return {
    checkRoutes: (project) => unique([...checkPlace(project), ...checkRoutes(project)]),
    checkProject (project, root, lookUp) {
      const findings: Finding[] = checkProjectPaths(project, root.projectPaths)
      const ordered = (route: ProjectConfig['routes'][number]['plugins']): void => {
        findings.push(...orderSteps({ gateway: root.plugins, project: project.plugins, route }, lookUp, registry.values()).findings)
      }
      // Lists without entries of a route's own give the same order for each route.
      let plain = false
      for (const route of project.routes) {
        if (route.plugins.length > 0) ordered(route.plugins)
        else if (!plain) { plain = true; ordered([]) }
      }
      const endpoints = endpointRoutes(project, root, lookUp, registry.values()).map(({ config }) => config)
      if (endpoints.length > 0) findings.push(...checkRoutes({ ...project, routes: [...project.routes, ...endpoints] }))
      return unique(findings)
    },
    checkProjects
  }
}

function unique (findings: readonly Finding[]): Finding[] {
  const seen = new Set<string>()
  return findings.filter((finding) => {
    const key = `${finding.path.join('\0')}\0${finding.message}`
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}

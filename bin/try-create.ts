import { createFindingSet } from '../core/finding-set.js'
import type { Finding } from '../core/errors.js'
import type { Metrics } from '../core/host.js'
import { CreateError, closeInstances, createInstances } from '../core/pipeline/instances.js'
import { orderSteps, type PluginLookup } from '../core/pipeline/order.js'
import type { Plugin } from '../core/plugin.js'
import { createPluginHost, systemClock, type HostServices } from '../core/plugin-host.js'
import type { GatewayConfig, PluginUse, ProjectConfig } from '../core/route.js'
import { SILENT } from './silent-log.js'

const NO_METRICS: Metrics = { counter: () => ({ increment: () => {} }), histogram: () => ({ observe: () => {} }) }

const NOTHING: HostServices = {
  log: SILENT,
  clock: systemClock,
  metricsFor: () => NO_METRICS,
  directoryFor: () => null, secretsFor: () => null,
  isOperatorToken: () => false,
  subrequest: () => Promise.reject(new Error('nothing is served while a configuration is only looked at'))
}

/**
 * What a project could not be served for, because the `create` of a plugin fails with what it and its routes say: each entry is created once, with a
 * host that does nothing, and closed. Plugins of the gateway's own list, and authors', are the operator's and not run here.
 */
export async function tryCreate (config: ProjectConfig, root: GatewayConfig, registry: ReadonlyMap<string, Plugin>): Promise<readonly Finding[]> {
  const lookUp: PluginLookup = (use) => use.use === null ? registry.get(use.name) : undefined
  const findings = createFindingSet()
  const tried = new Set<PluginUse>()
  for (const route of [null, ...config.routes]) {
    if (route !== null && route.plugins.length === 0) continue
    const { steps } = orderSteps({ gateway: root.plugins, project: config.plugins, route: route?.plugins ?? [] }, lookUp, registry.values())
    for (const step of steps) {
      if (step.level === 'gateway' || tried.has(step.use)) continue
      tried.add(step.use)
      try {
        await closeInstances(await createInstances([step], (one) => createPluginHost(NOTHING, one, config.name, route?.id ?? null)))
      } catch (error) {
        if (!(error instanceof CreateError)) throw error
        findings.add(error.findings)
      }
      if (findings.full) return findings.items
    }
  }
  return findings.items
}

import { createSlices } from '../core/lib/slices.js'
import type { PluginLookup } from '../core/pipeline/order.js'
import type { PluginUse, ProjectConfig } from '../core/route.js'

/** A project of files as it serves, in the form of `tryProject`: the JSON of a FileProject. Large ones in slices, because it is made where requests are served. */
export async function packFileProject ({ routes, ...config }: ProjectConfig, lookUp: PluginLookup): Promise<string> {
  const slices = createSlices()
  const texts: string[] = []
  const stages: Record<string, readonly string[]> = {}
  for (const use of config.plugins) noteStages(use)
  for (const route of routes) {
    texts.push(JSON.stringify(route))
    for (const use of route.plugins) noteStages(use)
    if (slices.due()) await slices.next()
  }
  return `{"config":${JSON.stringify(config).slice(0, -1)},"routes":[${texts.join(',')}]},"gateway":null,"stages":${JSON.stringify(stages)},"findings":[]}`

  function noteStages (use: PluginUse): void {
    const known = use.use === null ? undefined : lookUp(use)
    if (use.use !== null && known !== undefined) stages[use.use] = known.stages
  }
}

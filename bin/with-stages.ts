import { Type } from 'typebox'
import type { FileProject } from '../core/config/file-project.js'
import type { Registry } from '../core/config/registry.js'
import { orderSteps, type PluginLookup } from '../core/pipeline/order.js'
import { definePlugin } from '../core/plugin.js'
import { STAGES, type PluginUse, type Stage } from '../core/route.js'

/** What has lists of plugins, as a project does. */
interface WithPlugins {
  readonly plugins: readonly PluginUse[]
  readonly routes: readonly { readonly plugins: readonly PluginUse[] }[]
}

/**
 * A project whose uses of plugins say in which stage they run, also where that is the plugin's first or the one of the use that they stand in the place
 * of, and stand in the order of the stages: only within one does the order of a list count. A use that can not run, and one of a plugin that neither the
 * registry nor `authored` knows, says what it said.
 */
export function withStages<P extends WithPlugins> (config: P, gateway: readonly PluginUse[], registry: Registry, authored: PluginLookup = () => undefined): P {
  const lookUp: PluginLookup = (use) => use.use === null ? registry.get(use.name) : authored(use)
  const stagesOf = (project: readonly PluginUse[], route: readonly PluginUse[]): ReadonlyMap<PluginUse, Stage> =>
    new Map(orderSteps({ gateway, project, route }, lookUp, []).steps.map(({ use, stage }) => [use, stage]))
  const placed = (list: readonly PluginUse[], stages: ReadonlyMap<PluginUse, Stage>): PluginUse[] => list.map((use) => ({ ...use, stage: stages.get(use) ?? use.stage })).sort(compareUses)
  return {
    ...config,
    plugins: config.plugins.length === 0 ? config.plugins : placed(config.plugins, stagesOf(config.plugins, [])),
    routes: config.routes.map((route) => route.plugins.length === 0 ? route : { ...route, plugins: placed(route.plugins, stagesOf(config.plugins, route.plugins)) })
  }
}

/** Knows authors' plugins by their stages alone: what else they are is not at hand, nor wanted. */
export function authoredLookup (stages: FileProject['stages']): PluginLookup {
  const known = new Map(Object.entries(stages).map(([file, [first, ...more]]) => [file, first === undefined ? undefined : definePlugin({ name: 'authored', description: '', stage: [first, ...more], config: Type.Object({}), create: () => ({}) })]))
  return ({ use }) => use === null ? undefined : known.get(use)
}

/** What is taken away comes first, by name. */
function compareUses (left: PluginUse, right: PluginUse): number {
  if (left.remove && right.remove) return `${left.name} ${left.id}` < `${right.name} ${right.id}` ? -1 : 1
  return rank(left) - rank(right)
}

function rank ({ remove, stage }: PluginUse): number {
  return remove || stage === null ? -1 : STAGES.indexOf(stage)
}

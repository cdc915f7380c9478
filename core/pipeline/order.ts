import type { ConfigPath, Finding } from '../errors.js'
import type { Plugin, Requirement } from '../plugin.js'
import { STAGES, type PluginUse, type Stage } from '../route.js'

/** Finds the plugin behind a use: the registry's by name, an author's by its file. */
export type PluginLookup = (use: PluginUse) => Plugin | undefined

/** One step of a route, in its place. */
export interface ResolvedUse {
  readonly use: PluginUse
  readonly plugin: Plugin
  readonly stage: Stage
  /** Which list put it there. */
  readonly level: 'gateway' | 'project' | 'route'
  /** The use of an outer list in whose place it stands, or null. */
  readonly replaces: PluginUse | null
}

/** The `plugins` lists that make up one pipeline, outermost first. */
export interface UseLists {
  readonly gateway: readonly PluginUse[]
  readonly project: readonly PluginUse[]
  readonly route: readonly PluginUse[]
}

/** What a pipeline consists of, or why it can not be. */
export interface Order {
  readonly steps: readonly ResolvedUse[]
  readonly findings: readonly Finding[]
}

interface Placed {
  use: PluginUse
  level: ResolvedUse['level']
  replaces: PluginUse | null
  /** Where an entry that it replaces, directly or through others, put the plugin; part of the place that it takes. */
  inherited: Stage | null
}

/**
 * Puts the steps of a route in order: stage by stage, and within a stage as the lists name them, gateway, project, route.
 * An inner list that names a plugin again (same name, same id) replaces the outer config in its place; `name: false` removes it.
 * Then checks what order can break: slots without a provider before them.
 */
export function orderSteps (lists: UseLists, lookUp: PluginLookup, registry: Iterable<Plugin>): Order {
  const findings: Finding[] = []
  const placed = placeUses(lists, findings)
  const steps: ResolvedUse[] = []
  for (const { use, level, replaces, inherited } of placed) {
    const plugin = lookUp(use)
    // An unknown name is the config schema's finding; here there is nothing to order.
    if (plugin === undefined) continue
    const stage = use.stage ?? (inherited !== null && plugin.stages.includes(inherited) ? inherited : plugin.stages[0] as Stage)
    if (!plugin.stages.includes(stage)) {
      findings.push({
        path: [...use.at, 'stage'],
        message: `plugin "${use.name}" does not run in stage "${stage}"`,
        remedy: `choose ${plugin.stages.map((one) => `"${one}"`).join(' or ')}, or leave stage out`
      })
      continue
    }
    steps.push({ use, plugin, stage, level, replaces })
  }
  const rank = (stage: Stage): number => STAGES.indexOf(stage)
  steps.sort((a, b) => rank(a.stage) - rank(b.stage))
  checkSlots(steps, registry, findings)
  return { steps, findings }
}

/** Those steps whose requirements the others fill: what runs where a route's own providers are missing (404, 405). */
export function satisfiedSteps (steps: readonly ResolvedUse[]): ResolvedUse[] {
  const filled = new Set<string>()
  return steps.filter(({ plugin }) => {
    for (const requirement of plugin.requires) {
      const wanted = wantedSlots(requirement)
      if (wanted !== null && !wanted.some((slot) => filled.has(slot))) return false
    }
    for (const slot of plugin.provides) filled.add(slot)
    return true
  })
}

function placeUses (lists: UseLists, findings: Finding[]): Placed[] {
  const placed: Placed[] = []
  for (const level of ['gateway', 'project', 'route'] as const) {
    const seen = new Map<string, ConfigPath>()
    for (const use of lists[level]) {
      const key = `${use.name} ${use.id}`
      const earlier = seen.get(key)
      if (earlier !== undefined) {
        findings.push({
          path: use.at,
          message: `plugin "${use.name}" stands twice in one list${use.hasId ? ` with the id "${use.id}"` : ''}`,
          remedy: 'give each use its own id, or merge them',
          related: [{ path: earlier }]
        })
        continue
      }
      seen.set(key, use.at)
      const at = placed.findIndex((one) => one.use.name === use.name && one.use.id === use.id)
      const outer = placed[at]
      if (outer?.use.locked === true) {
        findings.push({
          path: use.at,
          message: `plugin "${use.name}" is locked by the ${outer.level}'s list and can not be ${use.remove ? 'removed' : 'changed'} here`,
          remedy: 'take this entry away, or the `locked: true` of the outer one',
          related: [{ path: outer.use.at }]
        })
      } else if (use.remove) {
        if (outer === undefined) {
          findings.push({ path: use.at, message: `there is no plugin "${use.name}"${use.hasId ? ` with the id "${use.id}"` : ''} to remove`, remedy: 'take this entry away' })
        } else placed.splice(at, 1)
      } else if (outer === undefined) placed.push({ use, level, replaces: null, inherited: null })
      else placed[at] = { use, level, replaces: outer.use, inherited: outer.use.stage ?? outer.inherited }
    }
  }
  return placed
}

function checkSlots (steps: readonly ResolvedUse[], registry: Iterable<Plugin>, findings: Finding[]): void {
  const filled = new Set<string>()
  steps.forEach((step, position) => {
    for (const requirement of step.plugin.requires) {
      const wanted = wantedSlots(requirement)
      if (wanted === null || wanted.some((slot) => filled.has(slot))) continue
      const names = wanted.map((slot) => `"${slot}"`).join(' or ')
      const later = steps.slice(position + 1).find((other) => other.plugin.provides.some((slot) => wanted.includes(slot)))
      if (later !== undefined) {
        findings.push({
          path: step.use.at,
          message: `plugin "${step.use.name}" needs ${names}, which "${later.use.name}" fills only after it`,
          remedy: later.stage === step.stage ? `list "${later.use.name}" before "${step.use.name}"` : `move "${step.use.name}" to stage "${later.stage}" or later`,
          related: [{ path: later.use.at }]
        })
        continue
      }
      const providers = [...registry].filter((plugin) => plugin.provides.some((slot) => wanted.includes(slot))).map((plugin) => plugin.name)
      findings.push({
        path: step.use.at,
        message: `plugin "${step.use.name}" needs ${names}, which no plugin before it fills`,
        remedy: providers.length === 0 ? `add a plugin that provides ${names}` : `add ${providers.map((name) => `"${name}"`).join(' or ')} before it`
      })
    }
    for (const slot of step.plugin.provides) filled.add(slot)
  })
}

/** The slots of which one has to be filled; null when the requirement is optional. */
function wantedSlots (requirement: Requirement): readonly string[] | null {
  if (typeof requirement !== 'string') return requirement
  return requirement.endsWith('?') ? null : [requirement]
}

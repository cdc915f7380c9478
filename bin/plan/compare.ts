import { withoutInherited } from '../inherited.js'
import { affectedRoutes, type RoutedConfig } from './affected-routes.js'
import { diffConfig, type ConfigChange } from './config-diff.js'
import { changeLine } from './print-plan.js'

/** What differs between two configurations of a project. */
export interface Comparison {
  readonly changes: readonly ConfigChange[]
  readonly affectedRoutes: readonly string[]
  /** A line for each change. */
  readonly text: string
}

/** Compares two configurations of a project, both as a gateway says they are in effect; what they inherit, which is the same for any at one time, only where that is asked for. */
export function compareConfigs (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>, inherited = false): Comparison {
  const changes = inherited ? diffConfig(before, after) : diffConfig(withoutInherited(before), withoutInherited(after))
  return { changes, affectedRoutes: affectedRoutes(before as RoutedConfig, after as RoutedConfig, changes), text: changes.map(changeLine).join('\n') }
}

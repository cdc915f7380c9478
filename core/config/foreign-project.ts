import type { ConfigOrigin, ProjectConfig } from '../route.js'
import type { Egress } from '../lib/egress.js'
import { buildProject } from './build-project.js'
import { createFindingList, type Draft } from './findings.js'
import { checkOrigin } from './origin.js'
import type { Raw } from './raw.js'
import type { Registry } from './registry.js'
import type { RawScan } from './scan.js'

/** A project that did not come from a file. */
export interface ForeignProject {
  readonly name: string
  readonly origin: Exclude<ConfigOrigin, 'operator-file'>
  readonly registry: Registry
  /** Where targets of tenants may lead; left out: to public addresses. */
  readonly egress?: Egress
  /** The host names that a tenant may write; left out: they are not looked at. */
  readonly hosts?: readonly string[]
}

/** Builds a project from a value and what a scan of it found. Paths of what is wrong begin with `projects` and its name; with findings there is no project. */
export function buildForeignProject (value: Raw, scan: RawScan, { name, origin, registry, egress, hosts }: ForeignProject): { project: { config: ProjectConfig, hash: string } | null, drafts: readonly Draft[] } {
  const list = createFindingList()
  const at = ['projects', name]
  for (const path of scan.notFinite) list.add({ path: [...at, ...path], message: 'a number has to be finite', remedy: 'write one with digits' })
  for (const path of scan.forbidden) list.add({ path: [...at, ...path], onKey: true, message: 'unknown key "__proto__"', remedy: 'remove it' })
  for (const finding of checkOrigin(value, origin, registry, egress, hosts)) list.add({ ...finding, path: [...at, ...finding.path] })
  // What may not be there is not looked at further: it could name files.
  const nowhere = { directory: () => '/', readText: () => ({ problem: 'files are closed here' }) }
  const built = list.items.length > 0 ? null : buildProject(name, value, { origin, registry, authorPlugins: new Map(), originals: new Map(), findings: list, ...nowhere })
  return { project: built === null || list.items.length > 0 ? null : { config: built.config, hash: built.hash }, drafts: list.items }
}

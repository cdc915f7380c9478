import type { Finding } from '../errors.js'
import type { Egress } from '../lib/egress.js'
import type { ConfigOrigin, ProjectConfig } from '../route.js'
import { buildProject } from './build-project.js'
import { createFindingList } from './findings.js'
import { checkOrigin } from './origin.js'
import { parseYaml } from './parse-yaml.js'
import type { Registry } from './registry.js'
import { indexPositions } from './yaml-positions.js'

/** A project that did not come from a file. */
export interface ProjectText {
  /** YAML or JSON. */
  readonly text: string
  readonly name: string
  readonly origin: Exclude<ConfigOrigin, 'operator-file'>
  /** What findings call the text in place of a file. */
  readonly label: string
  readonly registry: Registry
  /** Where targets of tenants may lead; left out: to public addresses. */
  readonly egress?: Egress
}

/** Parses and builds one project from a text that came over an API. Never throws for what it holds; with findings, `project` is null. */
export function parseProject ({ text, name, origin, label, registry, egress }: ProjectText): { project: { config: ProjectConfig, hash: string } | null, findings: readonly Finding[] } {
  const parsed = parseYaml(text)
  if (parsed.problems !== null) return { project: null, findings: parsed.problems.map(({ message, remedy, ...at }) => ({ path: [], message, remedy, position: { file: label, ...at } })) }
  const list = createFindingList()
  const at = ['projects', name]
  for (const path of parsed.scan.notFinite) list.add({ path: [...at, ...path], message: 'a number has to be finite', remedy: 'write one with digits' })
  for (const path of parsed.scan.forbidden) list.add({ path: [...at, ...path], onKey: true, message: 'unknown key "__proto__"', remedy: 'remove it' })
  for (const finding of checkOrigin(parsed.value, origin, registry, egress)) list.add({ ...finding, path: [...at, ...finding.path] })
  // What may not be there is not looked at further: it could name files.
  const nowhere = { directory: () => '/', readText: () => ({ problem: 'files are closed here' }) }
  const built = list.items.length > 0 ? null : buildProject(name, parsed.value, { origin, registry, authorPlugins: new Map(), originals: new Map(), findings: list, ...nowhere })
  if (built !== null && list.items.length === 0) return { project: { config: built.config, hash: built.hash }, findings: [] }
  const index = indexPositions(text)
  const findings = list.items.map(({ onKey, decisive: _, ...finding }) => ({ ...finding, position: { file: label, ...index.locate(finding.path.slice(at.length), onKey === true) } }))
  return { project: null, findings }
}

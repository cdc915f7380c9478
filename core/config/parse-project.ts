import type { Finding } from '../errors.js'
import type { ProjectConfig } from '../route.js'
import { buildForeignProject, type ForeignProject } from './foreign-project.js'
import { valueAt, type Draft } from './findings.js'
import { parseYaml } from './parse-yaml.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { indexPositions } from './yaml-positions.js'

/** A project that did not come from a file. */
export interface ProjectText extends ForeignProject {
  /** YAML or JSON. */
  readonly text: string
  /** What findings call the text in place of a file. */
  readonly label: string
  /** Turns what was written into what is meant, before it is looked at; paths of what is wrong with it begin at the project's keys. */
  readonly restore?: (value: Raw) => { readonly value: Raw, readonly findings: readonly Finding[] }
}

/** A text that was parsed and built; `value` is what it says, where that is a map. With findings, `project` is null. */
export interface ParsedProject {
  readonly project: { readonly config: ProjectConfig, readonly hash: string } | null
  readonly value: RawMap | null
  readonly findings: readonly Finding[]
}

/** Parses and builds one project from a text that came over an API. Never throws for what it holds. */
export function parseProject ({ text, label, restore, ...options }: ProjectText): ParsedProject {
  const parsed = parseYaml(text)
  if (parsed.problems !== null) return { project: null, value: null, findings: parsed.problems.map(({ message, remedy, ...at }) => ({ path: [], message, remedy, position: { file: label, ...at } })) }
  const meant = restore?.(parsed.value) ?? { value: parsed.value, findings: [] }
  // What was taken out has no references any more.
  const references = parsed.scan.references.filter((path) => valueAt(meant.value, path) !== undefined)
  const { project, drafts: built } = buildForeignProject(meant.value, { ...parsed.scan, references }, options)
  const value = isMap(meant.value) ? meant.value : null
  const drafts: readonly Draft[] = [...meant.findings.map((finding) => ({ ...finding, path: ['projects', options.name, ...finding.path] })), ...built]
  if (drafts.length === 0) return { project, value, findings: [] }
  return { project: null, value, findings: placeFindings({ text, label }, drafts) }
}

/** Gives findings about a project the places in its text; their paths begin with `projects` and its name. */
export function placeFindings ({ text, label }: Pick<ProjectText, 'text' | 'label'>, drafts: readonly Draft[]): readonly Finding[] {
  if (drafts.length === 0) return []
  const index = indexPositions(text)
  return drafts.map(({ onKey, decisive: _, ...finding }) => ({ ...finding, position: { file: label, ...index.locate(finding.path.slice(2), onKey === true) } }))
}

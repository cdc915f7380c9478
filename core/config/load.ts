import { createHash } from 'node:crypto'
import type { ConfigPath, Finding, Position } from '../errors.js'
import type { GatewayConfig, ProjectConfig } from '../route.js'
import { assemble, type Assembled } from './assemble.js'
import type { AuthorPluginBundle } from './author-plugin-bundle.js'
import type { AuthorPlugin } from './author-plugin.js'
import type { BuildContext } from './build-context.js'
import { buildGateway } from './build-gateway.js'
import { buildProject, checkName, pluginListsOf, type BuiltProject } from './build-project.js'
import { createConfigCache, type ConfigCache } from './cache.js'
import { tryFileProject, type FileProject } from './file-project.js'
import { createFileReader } from './file-reader.js'
import { createFindingList, valueAt, type Draft } from './findings.js'
import { loadAuthoredPlugins } from './load-authored.js'
import { OverlaySchema } from './overlay-schema.js'
import type { Raw, RawMap } from './raw.js'
import type { Originals } from './references.js'
import type { Registry } from './registry.js'
import { runChecks, type ConfigChecks, type PluginLookup } from './run-checks.js'
import { redact } from './secrets.js'
import { loadSourceFiles } from './source-files.js'
import { validateLanguage } from './validate.js'

export type { ConfigChecks, PluginLookup } from './run-checks.js'

/** What is to be loaded, and with what. */
export interface LoadOptions {
  /** The root file. Findings name files relative to the working directory when this is relative. */
  file: string
  /** The environment whose overlay is laid over the rest; null = none. */
  environment?: string | null
  env: Readonly<Record<string, string | undefined>>
  registry: Registry
  loadAuthorPlugin (file: string): Promise<AuthorPlugin>
  checks?: ConfigChecks
  /** Passed to every load, it makes a reload parse and build only what changed. */
  cache?: ConfigCache
}

/** A loaded configuration. With findings, nothing of it may be used but these, `files` and `locate`. */
export interface LoadedConfig {
  root: GatewayConfig
  /** Of all that the compiled projects depend on beside themselves. */
  rootHash: string
  projects: ReadonlyMap<string, { config: ProjectConfig, hash: string }>
  /** Everything that was read or tried, absolute, with the folders that patterns looked into: what to watch. */
  files: readonly string[]
  /** Authors' plugins by their file. */
  authorPlugins: ReadonlyMap<string, AuthorPluginBundle>
  /** The effective configuration as it is written, environment laid over: references unresolved, secrets masked. */
  readonly source: unknown
  findings: readonly Finding[]
  /** Where a path of the configuration is written. */
  locate (path: ConfigPath): Position | null
  /** A project as it would be if these files said this of it: see `tryFileProject`. */
  tryProject (name: string, text: string): FileProject
}

/** Loads a configuration. Never throws for what files hold: everything that is wrong is a finding, all at once, with its place. */
export async function loadConfig (options: LoadOptions): Promise<LoadedConfig> {
  const { registry, environment = null, checks = {}, cache = createConfigCache() } = options
  const findings = createFindingList()
  const originals: Originals = new Map()
  const reader = createFileReader()
  const { files, complete, parsed } = loadSourceFiles({ file: options.file, environment, env: options.env, reader, known: cache.files }, originals, findings)
  cache.files = parsed
  const assembled = assemble(files, environment, complete, originals, findings)
  const lists = [...pluginListsOf(assembled.gateway, []), ...[...assembled.projects].flatMap(([name, raw]) => pluginListsOf(raw, ['projects', name]))]
  const authored = await loadAuthoredPlugins(lists, options.loadAuthorPlugin, { registry, findings, directory: assembled.directory })
  const context: BuildContext = { origin: 'operator-file', registry, authorPlugins: authored.plugins, originals, findings, directory: assembled.directory, readText: reader.readText }
  const root = buildGateway(assembled.gateway, context)
  const projects = buildProjects(assembled.projects, cache, context)
  checkOtherEnvironments(assembled, context)
  const lookUp: PluginLookup = (use) => use.use === null ? registry.get(use.name) : authored.plugins.get(use.use)?.plugin
  // Half of the files, or more findings than anybody reads: what else there is to say is said when these are mended.
  if (complete && findings.omitted === 0) runChecks({ checks, root, projects, lookUp, authored: authored.plugins, cache, findings })
  return {
    root,
    rootHash: hashRoot(root, authored.plugins),
    projects,
    files: [...new Set([...reader.files, ...authored.files])],
    authorPlugins: new Map([...authored.plugins].map(([file, { plugin: _, ...bundle }]) => [file, bundle])),
    // Made when somebody asks: of 10 000 projects that takes a tenth of the load.
    get source () { return describe(assembled, originals) },
    findings: place(findings.items, findings.omitted, assembled),
    locate: (path) => assembled.position(path, false),
    tryProject: (name, text) => tryFileProject(name, text, { assembled, context, root, checks, lookUp, files: reader.files })
  }
}

function buildProjects (raws: ReadonlyMap<string, Raw>, cache: ConfigCache, context: BuildContext): Map<string, BuiltProject> {
  const { findings, registry } = context
  if (cache.registry !== registry) {
    cache.registry = registry
    cache.projects = new WeakMap()
    cache.checked = null
  }
  const projects = new Map<string, BuiltProject>()
  for (const [name, raw] of raws) {
    const known = typeof raw === 'object' && raw !== null ? cache.projects.get(raw) : undefined
    // One raw value can stand under two names, by an alias.
    if (known !== undefined && known.config.name === name) {
      projects.set(name, known)
      continue
    }
    const before = findings.items.length + findings.omitted
    const project = buildProject(name, raw, context)
    projects.set(name, project)
    if (project.selfContained && typeof raw === 'object' && raw !== null && findings.items.length + findings.omitted === before) cache.projects.set(raw, project)
  }
  return projects
}

/** The overlays that were not chosen: what their schema finds, but for places that only their own variables would fill. */
function checkOtherEnvironments ({ otherEnvironments }: Assembled, context: BuildContext): void {
  for (const { path, value } of otherEnvironments) {
    checkName(String(path[1]), 'an environment', path, context)
    const found = createFindingList()
    validateLanguage(OverlaySchema, value, { at: path, originals: new Map(), findings: found })
    for (const finding of found.items) {
      const text = valueAt(value, finding.path.slice(path.length))
      if (finding.onKey === true || typeof text !== 'string' || !text.includes('${')) context.findings.add(finding)
    }
  }
}

function hashRoot (root: GatewayConfig, authored: ReadonlyMap<string, AuthorPlugin>): string {
  const { plugins, requestId, accessLog, metrics, errorDocs, state, counters, egress, listen: { keepRepeatedSlashes } } = root
  const bundles = plugins.map(({ use }) => use === null ? null : authored.get(use)?.hash)
  return createHash('sha256').update(JSON.stringify([plugins, bundles, requestId, accessLog, metrics, errorDocs, state, counters, egress, keepRepeatedSlashes])).digest('base64url')
}

function describe ({ gateway, projects }: Assembled, originals: Originals): RawMap {
  return { ...redact(gateway, originals) as RawMap, projects: Object.fromEntries([...projects].map(([name, raw]) => [name, redact(raw, originals)])) }
}

/** Findings with their places, each once, file by file in the order of their lines. */
function place (drafts: readonly Draft[], omitted: number, assembled: Assembled): Finding[] {
  const seen = new Set<string>()
  const decided = new Set<string>()
  const placed = drafts.map((draft) => ({ ...draft, position: draft.position ?? assembled.position(draft.path, draft.onKey === true) }))
  for (const { decisive, position } of placed) if (decisive === true) decided.add(JSON.stringify(position))
  const findings: Finding[] = []
  for (const { onKey: _, decisive, related, ...finding } of placed) {
    const at = JSON.stringify(finding.position)
    const key = `${at} ${finding.message}`
    if (seen.has(key) || (decisive !== true && decided.has(at))) continue
    seen.add(key)
    findings.push(related === undefined ? finding : { ...finding, related: related.map((other) => ({ ...other, position: other.position ?? assembled.position(other.path, false) })) })
  }
  const order = [...new Set(findings.map(({ position }) => position?.file))]
  findings.sort((a, b) => order.indexOf(a.position?.file) - order.indexOf(b.position?.file) ||
    (a.position?.line ?? 0) - (b.position?.line ?? 0) || (a.position?.column ?? 0) - (b.position?.column ?? 0))
  if (omitted > 0) findings.push({ path: [], position: null, message: `there are ${omitted} findings more`, remedy: 'mend these first' })
  return findings
}

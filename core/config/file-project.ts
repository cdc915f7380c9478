/** A project of the gateway's files, on trial: as it would be if they said this of it. */
import type { ConfigPath, Finding } from '../errors.js'
import type { GatewayConfig, PluginUse, ProjectConfig, Stage } from '../route.js'
import type { Assembled } from './assemble.js'
import { resolveFile, type BuildContext } from './build-context.js'
import { buildPlugins } from './build-plugins.js'
import { buildProject, pluginListsOf } from './build-project.js'
import { eachReference, referencedTexts } from './each-reference.js'
import { createFindingList, type FindingList } from './findings.js'
import { hideSecrets } from './hide-secrets.js'
import { placeFindings } from './parse-project.js'
import { parseYaml } from './parse-yaml.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { fileReferences, resolveReferences, type Originals, type ResolveText } from './references.js'
import type { ConfigChecks, PluginLookup } from './run-checks.js'
import { mayBeSecret } from './secret-places.js'

/** A project that files declare, as it serves or would serve. Holds its secrets: it is shown nowhere as it is. */
export interface FileProject {
  /** Null with findings. */
  readonly config: ProjectConfig | null
  /** The plugins of the gateway that it was tried with; null = those that it has. */
  readonly gateway: readonly PluginUse[] | null
  /** In which stages the authors' plugins of the gateway run, by their file. */
  readonly stages: Readonly<Record<string, readonly Stage[]>>
  readonly findings: readonly Finding[]
}

/** The load that a project is tried in. */
export interface TrialSurroundings {
  readonly assembled: Assembled
  readonly context: BuildContext
  readonly root: GatewayConfig
  readonly checks: ConfigChecks
  readonly lookUp: PluginLookup
  /** What the load has read: other files stay closed. */
  readonly files: ReadonlySet<string>
}

const LABEL = 'config'
const OTHER_KEYS: ReadonlySet<unknown> = new Set(['inherited', 'references'])

/**
 * Builds a project from a text in the language of files, with all that these have: paths are relative to where they declare the project, and a text with
 * references that stands in it as it is written there (at the same keys) is what it is there. Beside the project's own keys the text may have
 * `inherited.plugins`, the gateway's plugins to try it with, and `references`, what other texts with references stand for where it comes from. Files and
 * authors' plugins that the gateway does not use are not opened for it: who writes to an API is not who writes the files.
 */
export function tryFileProject (name: string, text: string, { assembled, context: loaded, root, checks, lookUp, files }: TrialSurroundings): FileProject {
  const stages = Object.fromEntries([...loaded.authorPlugins].map(([file, { plugin }]) => [file, plugin.stages]))
  const refused = (findings: readonly Finding[]): FileProject => ({ config: null, gateway: null, stages, findings })
  const parsed = parseYaml(text)
  if (parsed.problems !== null) return refused(parsed.problems.map(({ message, remedy, ...at }) => ({ path: [], message, remedy, position: { file: LABEL, ...at } })))
  const list = createFindingList()
  const at: ConfigPath = ['projects', name]
  for (const path of parsed.scan.notFinite) list.add({ path: [...at, ...path], message: 'a number has to be finite', remedy: 'write one with digits' })
  for (const path of parsed.scan.forbidden) list.add({ path: [...at, ...path], onKey: true, message: 'unknown key "__proto__"', remedy: 'remove it' })
  const originals: Originals = new Map()
  const used = new Map<string, string>()
  const own = isMap(parsed.value) && isMap(parsed.value['references']) ? parsed.value['references'] : {}
  const resolve = trialReferences(presentTexts(name, assembled, loaded.originals), own, list, at, used)
  const value = resolveReferences(parsed.value, parsed.scan.references.filter(([key]) => key !== 'references'), resolve, originals)
  const project = isMap(value) ? withoutOthers(value, originals) : value
  const { inherited } = isMap(value) ? value : {}
  const ofGateway = isMap(inherited) && Array.isArray(inherited['plugins']) ? inherited['plugins'] : null
  const atGateway = [...at, 'inherited', 'plugins']
  const context: BuildContext = {
    ...loaded, originals, findings: list,
    directory: (place) => assembled.directory(place[2] === 'inherited' ? place.slice(3) : place),
    readText: (file) => files.has(file) ? loaded.readText(file) : { problem: 'the gateway does not read it now, and opens no other file for a trial' }
  }
  for (const lists of [...pluginListsOf(project, at), ...ofGateway === null ? [] : [{ list: ofGateway, at: atGateway }]]) findNewPlugins(lists, context)
  const { config: built } = buildProject(name, project, context)
  const gateway = ofGateway === null ? null : buildPlugins(ofGateway, atGateway, context)
  if (list.items.length === 0) {
    const tried = gateway === null ? root : { ...root, plugins: gateway }
    for (const finding of [...checks.checkRoutes?.(built) ?? [], ...checks.checkProject?.(built, tried, lookUp) ?? [], ...checks.checkProjects?.([built], tried) ?? []]) list.add(finding)
  }
  if (list.items.length === 0) {
    const { referenced: ofOuter = [] } = referencedTexts({ plugins: ofGateway }, originals)
    return { config: { ...built, referenced: [...built.referenced ?? [], ...ofOuter] }, gateway, stages, findings: [] }
  }
  const hide = hideSecrets(used, (original) => original)
  // What is decisive is about a reference, as it is written; what else is found there follows from it.
  const decided = new Set(list.items.filter(({ decisive }) => decisive === true).map(({ path }) => JSON.stringify(path)))
  const told = list.items.flatMap((finding) => finding.decisive === true ? [finding] : decided.has(JSON.stringify(finding.path)) ? [] : hide([finding]))
  return refused(placeFindings({ text, label: LABEL }, told))
}

/** The project's own keys, with what its texts were. */
function withoutOthers (value: RawMap, originals: Originals): RawMap {
  const own = Object.fromEntries(Object.entries(value).filter(([key]) => !OTHER_KEYS.has(key)))
  const known = originals.get(value)
  if (known !== undefined) originals.set(own, known)
  return own
}

/** What references stand for in the files: first by the keys that lead there, then by what is written. */
type PresentTexts = ReadonlyMap<string, ReadonlyMap<string, string>>

function presentTexts (name: string, { projects, gateway }: Assembled, originals: Originals): PresentTexts {
  const present = new Map<string, Map<string, string>>()
  const see = (path: ConfigPath, text: string, original: string): void => {
    const place = placeOf(path)
    const there = present.get(place)
    if (there === undefined) present.set(place, new Map([[original, text]]))
    else if (!there.has(original)) there.set(original, text)
  }
  eachReference(projects.get(name) ?? null, originals, see)
  eachReference(gateway['plugins'] ?? null, originals, see, ['inherited', 'plugins'])
  return present
}

/** The keys alone: a text is as secret in the next entry of a list, and may be moved there. */
function placeOf (path: ConfigPath): string {
  return path.filter((key) => typeof key === 'string').join('\0')
}

function trialReferences (present: PresentTexts, own: RawMap, findings: FindingList, at: ConfigPath, used: Map<string, string>): ResolveText {
  const elsewhere = fileReferences({ env: {}, forStore: false, readText: () => ({ problem: 'it was not found where this comes from' }) }, {
    ...findings,
    add (finding) { findings.add({ ...finding, path: [...at, ...finding.path] }) }
  })
  return (text, path) => {
    const there = present.get(placeOf(path))?.get(text)
    if (there !== undefined && mayBeSecret(path[0] === 'inherited' ? path.slice(1) : path)) used.set(text, there)
    const given: Raw | undefined = Object.hasOwn(own, text) ? own[text] : undefined
    return there ?? (typeof given === 'string' ? given : elsewhere(text, path))
  }
}

/** Authors' plugins are code: none is loaded because somebody asks what it would do. */
function findNewPlugins ({ list, at }: { readonly list: readonly Raw[], readonly at: ConfigPath }, context: BuildContext): void {
  list.forEach((entry, index) => {
    const place = [...at, index, 'use']
    if (!isMap(entry) || typeof entry['use'] !== 'string' || context.authorPlugins.has(resolveFile(entry['use'], place, context))) return
    context.findings.add({ path: place, message: `the gateway has no plugin of ${entry['use']} now, and can not try it`, remedy: 'try the whole configuration with `sluice check`, or leave this one out of the plan' })
  })
}

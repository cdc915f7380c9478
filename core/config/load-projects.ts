import type { ConfigPath, Finding } from '../errors.js'
import { assemble } from './assemble.js'
import { eachReference } from './each-reference.js'
import { createFileReader } from './file-reader.js'
import { createFindingList, type Draft } from './findings.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { resolveReferences, type Originals } from './references.js'
import { loadSourceFiles } from './source-files.js'

/** Where projects are read from. */
export interface LoadProjectsOptions {
  readonly file: string
  readonly environment: string | null
  readonly env: Readonly<Record<string, string | undefined>>
}

/** A part of a file. */
export interface LoadedPart<T extends Raw> {
  /** For the store: references resolved but those to secrets, which the store has. */
  readonly config: T
  /** For the gateway's files: references as they are written. */
  readonly written: T
  /** What texts with references stand for here, by the whole text; what can not be told here is left out. */
  readonly references: Readonly<Record<string, string>>
  /** References that lead nowhere here: with any, `config` may not be used. */
  readonly findings: readonly Finding[]
}

/** What a file says. */
export interface LoadedProjects {
  readonly projects: ReadonlyMap<string, LoadedPart<RawMap>>
  /** Null where nothing is said of the plugins of the gateway. */
  readonly gatewayPlugins: LoadedPart<Raw[]> | null
  /** Whether it has settings of a gateway as a whole, beside plugins: it is not a file of projects alone. */
  readonly hasSettings: boolean
  /** What keeps the file from being read. */
  readonly findings: readonly Finding[]
}

/** The projects that a file and what it includes declare, the environment laid over, nothing checked or filled in. */
export function loadProjects ({ file, environment, env }: LoadProjectsOptions): LoadedProjects {
  const list = createFindingList()
  const originals: Originals = new Map()
  const { files, complete } = loadSourceFiles({ file, environment, env, forStore: true, reader: createFileReader(), known: new Map() }, originals, list)
  const { projects, gateway, position } = assemble(files, environment, complete, originals, list)
  const placed = ({ onKey, decisive: _, ...finding }: Draft): Finding => ({ ...finding, position: finding.position ?? position(finding.path, onKey === true) })
  const unresolved = list.items.filter(({ decisive }) => decisive === true)
  const part = <T extends Raw>(config: T, at: ConfigPath): LoadedPart<T> => {
    const own = unresolved.map((finding) => ({ finding, path: withoutEnvironment(finding.path) })).filter(({ path }) => at.every((key, index) => path[index] === key))
    return { config, ...asWritten(config, originals, new Set(own.map(({ path }) => JSON.stringify(path.slice(at.length))))), findings: own.map(({ finding }) => placed(finding)) }
  }
  const read = new Map<string, LoadedPart<RawMap>>()
  for (const [name, project] of projects) {
    if (isMap(project)) read.set(name, part(project, ['projects', name]))
    else list.add({ path: ['projects', name], message: 'a project is a map of keys', remedy: 'begin with "routes:"' })
  }
  const { plugins } = gateway
  return {
    projects: read,
    gatewayPlugins: Array.isArray(plugins) ? part(plugins, ['plugins']) : null,
    hasSettings: Object.keys(gateway).some((key) => key !== 'plugins'),
    findings: list.items.filter(({ decisive }) => decisive !== true).map(placed)
  }
}

function withoutEnvironment (path: ConfigPath): ConfigPath {
  return path[0] === 'environments' ? path.slice(2) : path
}

/** `unknown`: the places of references that lead nowhere. */
function asWritten<T extends Raw> (value: T, originals: Originals, unknown: ReadonlySet<string>): Pick<LoadedPart<T>, 'written' | 'references'> {
  const references: Record<string, string> = {}
  const places: ConfigPath[] = []
  const texts = new Map<string, string>()
  eachReference(value, originals, (path, text, original) => {
    const place = JSON.stringify(path)
    places.push(path)
    texts.set(place, original)
    // It was read for the store, where `$${` is a literal; what else is left of references are secrets of that.
    if (!unknown.has(place) && !text.replaceAll('$${', '').includes('${')) references[original] = text.replaceAll('$${', '${')
  })
  return { written: resolveReferences(value, places, (_text, path) => texts.get(JSON.stringify(path)) ?? '', new Map()) as T, references }
}

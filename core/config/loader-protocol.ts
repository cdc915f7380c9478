/** What the data thread and the config thread say to each other. */
import type { ConfigPath, Finding, Position } from '../errors.js'
import type { GatewayConfig, ProjectConfig } from '../route.js'
import type { AuthorPluginBundle } from './author-plugin-bundle.js'
import type { FileProject } from './file-project.js'

/** What is to be loaded: all that the config thread may know of the process around it. */
export interface LoadRequest {
  file: string
  environment: string | null
  env: Readonly<Record<string, string | undefined>>
}

/** What a load gives to the thread that serves it. */
export interface LoadOutcome {
  root: GatewayConfig
  rootHash: string
  /** The hash covers everything that the project is compiled from, its authors' plugins too. */
  projects: ReadonlyMap<string, { config: ProjectConfig, hash: string }>
  /** Everything that was read, absolute: what to watch. */
  files: readonly string[]
  /** Not empty = nothing of it may be used. */
  findings: readonly Finding[]
  /** Authors' plugins by their file: what was checked, and therefore what has to be imported. */
  authorPlugins: ReadonlyMap<string, AuthorPluginBundle>
  /** The configuration as it is written, environment laid over, secrets masked. */
  readonly source: unknown
  /** Finds where a path of this configuration is written. */
  locate (path: ConfigPath): Position | null
  /** A project as it would be if the files said this of it. */
  tryProject (name: string, text: string): FileProject
}

/**
 * One project on its way, or the next stretch of a large one: an endless message would stall who receives it. JSON texts and not objects: measured
 * against structured clone, to read them takes half the time, a third of the garbage collection and two thirds of the memory that stays.
 */
export interface ProjectPart {
  name: string
  hash: string
  /** The project without its routes; null where a part before has it. */
  config: string | null
  /** An array of routes as `packRoute` makes them. */
  routes: string
  /** Whether the project is complete with it. */
  last: boolean
}

/** From the data thread. `known` is a table of the projects and hashes that it has already. */
export type ToConfigThread =
  | { type: 'load', id: number, request: LoadRequest, known: readonly string[] }
  | { type: 'next', id: number }
  | { type: 'cancel', id: number }
  | { type: 'locate', id: number, request: LoadRequest, paths: readonly ConfigPath[] }
  | { type: 'describe', id: number, request: LoadRequest }
  | { type: 'try', id: number, request: LoadRequest, name: string, text: string }

/** From the config thread. `files` are lists, `hashes` tables. */
export type FromConfigThread =
  | { type: 'refused', id: number, findings: readonly Finding[], files: readonly string[] }
  | { type: 'loaded', id: number, root: GatewayConfig, rootHash: string, files: readonly string[], hashes: readonly string[], authorPlugins: readonly AuthorPluginBundle[] }
  | { type: 'projects', id: number, parts: readonly ProjectPart[], last: boolean }
  | { type: 'located', id: number, positions: readonly (Position | null)[] }
  /** Null = what is there now can not be used, and what was is not known any more. */
  | { type: 'described', id: number, text: string | null }
  /** The JSON of a FileProject. */
  | { type: 'tried', id: number, text: string }
  /** A bug: a load gives findings, it does not throw. */
  | { type: 'failed', id: number, message: string }

/** How many names go into one text: few enough that taking it apart takes well below a millisecond. */
const NAMES_PER_TEXT = 2_000
/** In no name and in no path. */
const SEPARATOR = '\0'

/** Packs names into a few texts: cloning 10 000 small strings costs several times what it costs to split them, and a text can be split later. */
export function packNames (names: Iterable<string>): string[] {
  const texts: string[] = []
  let part: string[] = []
  for (const name of names) {
    part.push(name)
    if (part.length < NAMES_PER_TEXT) continue
    texts.push(part.join(SEPARATOR))
    part = []
  }
  if (part.length > 0) texts.push(part.join(SEPARATOR))
  return texts
}

/** The names in one text of `packNames`. */
export function unpackNames (text: string): string[] {
  return text.split(SEPARATOR)
}

/** Packs a table of name and hash: hash and name alternate. */
export function packHashes (hashes: Iterable<readonly [string, string]>): string[] {
  return packNames(alternate(hashes))
}

function * alternate (hashes: Iterable<readonly [string, string]>): IterableIterator<string> {
  for (const [name, hash] of hashes) {
    yield name
    yield hash
  }
}

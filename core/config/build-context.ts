import path from 'node:path'
import type { ConfigPath } from '../errors.js'
import { parseDuration, parseSize } from '../lib/units.js'
import type { ConfigOrigin } from '../route.js'
import type { AuthorPlugin } from './author-plugin.js'
import type { FindingList } from './findings.js'
import type { Originals } from './references.js'
import type { Registry } from './registry.js'

/** What building takes beside the raw values: the surroundings of one load. */
export interface BuildContext {
  readonly origin: ConfigOrigin
  readonly registry: Registry
  /** Authors' plugins that could be loaded, by absolute file. */
  readonly authorPlugins: ReadonlyMap<string, AuthorPlugin>
  readonly originals: Originals
  readonly findings: FindingList
  /** The names of secrets stand in their places: what their values have to be can not be looked at. */
  readonly secretsKept?: boolean
  /** The folder that paths written at a place are relative to. */
  directory (at: ConfigPath): string
  readText (file: string): { text: string } | { problem: string }
}

/** The absolute path of a file that the configuration names. */
export function resolveFile (name: string, at: ConfigPath, context: Pick<BuildContext, 'directory'>): string {
  return path.isAbsolute(name) ? name : path.resolve(context.directory(at), name)
}

// The same few texts stand in every project.
const durations = new Map<string, number>()
const MAX_KNOWN = 10_000

/** Milliseconds; a text too large to count is a finding. */
export function readDuration (text: string, at: ConfigPath, { findings }: BuildContext): number {
  const known = durations.get(text)
  if (known !== undefined) return known
  try {
    const value = parseDuration(text)
    if (durations.size < MAX_KNOWN) durations.set(text, value)
    return value
  } catch (error) {
    findings.add({ path: at, message: error instanceof Error ? error.message : String(error), remedy: 'write a smaller one' })
    return 0
  }
}

/** Bytes; a text too large to count is a finding. */
export function readSize (size: string | number, at: ConfigPath, { findings }: BuildContext): number {
  try {
    return parseSize(size)
  } catch (error) {
    findings.add({ path: at, message: error instanceof Error ? error.message : String(error), remedy: 'write a smaller one' })
    return 0
  }
}

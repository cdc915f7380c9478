/** Files become one configuration: partial roots are joined, and the chosen environment is laid over them. */
import path from 'node:path'
import type { ConfigPath, Position } from '../errors.js'
import { closest } from '../lib/closest.js'
import { valueAt, type FindingList } from './findings.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import type { Originals } from './references.js'
import type { SourceFile } from './source-files.js'

/** One configuration, with the way back to the files. */
export interface Assembled {
  /** Everything but projects, environments and includes. */
  readonly gateway: RawMap
  readonly projects: ReadonlyMap<string, Raw>
  /** The parts of environments that were not chosen, with their places. */
  readonly otherEnvironments: readonly { readonly path: ConfigPath, readonly value: Raw }[]
  /** Where a path of the configuration is written; null where there is no file. */
  position (path: ConfigPath, onKey: boolean): Position | null
  /** The folder of the file that a path is written in. */
  directory (path: ConfigPath): string
}

interface Owned { readonly source: SourceFile, readonly value: Raw }
interface Overlay { readonly source: SourceFile, readonly name: string, readonly value: RawMap }

/** Joins files. What two of them define, and an environment that none of them has, become findings. */
export function assemble (files: readonly SourceFile[], environment: string | null, complete: boolean, originals: Originals, findings: FindingList): Assembled {
  const tops = new Map<string, Owned>()
  const projects = new Map<string, Owned>()
  const environments = new Map<string, Map<string, Owned>>()
  const overlays: Overlay[] = []
  const otherEnvironments: { path: ConfigPath, value: Raw }[] = []

  function claim (owners: Map<string, Owned>, key: string, owned: Owned, at: ConfigPath): void {
    const earlier = owners.get(key)
    if (earlier === undefined) owners.set(key, owned)
    else {
      const other = earlier.source.position(at, true)
      findings.add({ path: at, position: owned.source.position(at, true), related: [{ path: at, position: other }], message: `this is defined in ${other.file} too`, remedy: 'keep one of them' })
    }
  }

  for (const source of files) {
    for (const [key, value] of Object.entries(source.value)) {
      if (key === 'projects' && isMap(value)) {
        for (const [name, project] of Object.entries(value)) claim(projects, name, { source, value: project }, ['projects', name])
      } else if (key === 'environments' && isMap(value)) {
        for (const [name, overlay] of Object.entries(value)) addEnvironment(source, name, overlay)
      } else if (key !== 'include') claim(tops, key, { source, value }, [key])
    }
  }

  function addEnvironment (source: SourceFile, name: string, overlay: Raw): void {
    const owners = environments.get(name) ?? new Map<string, Owned>()
    environments.set(name, owners)
    const at = ['environments', name]
    if (isMap(overlay)) {
      for (const [key, value] of Object.entries(overlay)) {
        if (key !== 'projects' || !isMap(value)) claim(owners, key, { source, value }, [...at, key])
        else for (const [project, part] of Object.entries(value)) claim(owners, `projects.${project}`, { source, value: part }, [...at, key, project])
      }
      if (name === environment) overlays.push({ source, name, value: overlay })
    }
    // What is no map is the schema's finding, chosen or not.
    if (name !== environment || !isMap(overlay)) otherEnvironments.push({ path: at, value: overlay })
  }

  if (environment !== null && !environments.has(environment) && complete) {
    const near = closest(environment, environments.keys())
    const known = [...environments.keys()].join(', ')
    findings.add({
      path: ['environments'],
      onKey: true,
      message: `there is no environment "${environment}"`,
      remedy: near !== null ? `did you mean "${near}"?` : known === '' ? 'define it under "environments", or choose none' : `choose one of: ${known}`
    })
  }

  let gateway: RawMap = {}
  for (const [key, { source, value }] of tops) {
    gateway[key] = value
    keepOriginal(originals, source.value, gateway, key)
  }
  const joined: RawMap = {}
  for (const [name, { value }] of projects) joined[name] = value
  let merged: Raw = joined
  // A file that is missing would make its overlay's parts look like half projects.
  for (const { value } of complete ? overlays : []) {
    const { projects: overlaid, ...rest } = value
    for (const key of Object.keys(rest)) keepOriginal(originals, value, rest, key)
    gateway = overlay(gateway, rest, originals) as RawMap
    if (isMap(overlaid)) merged = overlay(merged, overlaid, originals)
    else if (overlaid !== undefined) gateway.projects = overlaid
  }

  /** The file that a path is written in, and its path there: the last overlay that says something of its own about it, else the base. */
  function find (at: ConfigPath): { source: SourceFile, path: ConfigPath } | null {
    if (at[0] === 'environments') return findEnvironment(at)
    for (const { source, name, value } of overlays) {
      if (owns(value, at)) return { source, path: ['environments', name, ...at] }
    }
    const inProject = at[0] === 'projects' && at.length > 1
    const owner = inProject ? projects.get(String(at[1])) : tops.get(String(at[0]))
    const base = owner?.source ?? files.find(({ value }) => at[0] !== undefined && Object.hasOwn(value, at[0])) ?? files[0]
    if (owner === undefined || !has(owner.value, at.slice(inProject ? 2 : 1))) {
      for (const { source, name, value } of overlays) {
        if (has(value, at)) return { source, path: ['environments', name, ...at] }
      }
    }
    return base === undefined ? null : { source: base, path: at }
  }

  function findEnvironment (at: ConfigPath): { source: SourceFile, path: ConfigPath } | null {
    const owners = environments.get(String(at[1]))
    const owner = owners?.get(at[2] === 'projects' ? `projects.${at[3]}` : String(at[2])) ?? owners?.values().next().value
    const source = owner?.source ?? files.find(({ value }) => Object.hasOwn(value, 'environments')) ?? files[0]
    return source === undefined ? null : { source, path: at }
  }

  return {
    gateway,
    projects: new Map(Object.entries(merged as RawMap)),
    otherEnvironments,
    position (at, onKey) {
      const found = find(at)
      return found === null ? null : found.source.position(found.path, onKey)
    },
    directory: (at) => path.dirname(find(at)?.source.file ?? '.')
  }
}

/** Whether an overlay decides what is at a path: it has a list or a single value there or above it. */
function owns (value: Raw, at: ConfigPath): boolean {
  let node: Raw | undefined = value
  for (const key of at) {
    if (!isMap(node)) break
    node = Object.hasOwn(node, key) ? node[key] : undefined
  }
  return node !== undefined && node !== null && !isMap(node)
}

/** Whether a raw value has a path. */
function has (value: Raw, at: ConfigPath): boolean {
  return valueAt(value, at) !== undefined
}

/** Maps merge, `null` deletes, all else replaces. Neither argument is changed; originals follow their strings. */
function overlay (base: Raw | undefined, over: Raw, originals: Originals): Raw {
  if (!isMap(over)) return over
  const result: RawMap = {}
  for (const key of isMap(base) ? Object.keys(base) : []) {
    if (isMap(base) && !Object.hasOwn(over, key)) {
      result[key] = base[key] as Raw
      keepOriginal(originals, base, result, key)
    }
  }
  for (const [key, value] of Object.entries(over)) {
    if (value === null) continue
    result[key] = overlay(isMap(base) ? base[key] : undefined, value, originals)
    keepOriginal(originals, over, result, key)
  }
  return result
}

function keepOriginal (originals: Originals, from: RawMap, to: RawMap, key: string): void {
  const original = originals.get(from)?.get(key)
  if (original === undefined) return
  const known = originals.get(to)
  if (known === undefined) originals.set(to, new Map([[key, original]]))
  else known.set(key, original)
}

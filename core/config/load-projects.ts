import type { Finding } from '../errors.js'
import { assemble } from './assemble.js'
import { createFileReader } from './file-reader.js'
import { createFindingList } from './findings.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import type { Originals } from './references.js'
import { loadSourceFiles } from './source-files.js'

/** Where projects are read from. */
export interface LoadProjectsOptions {
  readonly file: string
  readonly environment: string | null
  readonly env: Readonly<Record<string, string | undefined>>
}

/**
 * The projects that a file and what it includes declare, as they are written: references resolved but those to secrets, which the store has, the
 * environment laid over, nothing checked or filled in; with the plugins of the gateway where they are there, else null. What keeps a file from being read
 * is a finding.
 */
export function loadProjects ({ file, environment, env }: LoadProjectsOptions): { projects: ReadonlyMap<string, RawMap>, gatewayPlugins: readonly Raw[] | null, findings: readonly Finding[] } {
  const findings = createFindingList()
  const originals: Originals = new Map()
  const { files, complete } = loadSourceFiles({ file, environment, env, forStore: true, reader: createFileReader(), known: new Map() }, originals, findings)
  const { projects, gateway, position } = assemble(files, environment, complete, originals, findings)
  const read = new Map<string, RawMap>()
  for (const [name, project] of projects) {
    if (isMap(project)) read.set(name, project)
    else findings.add({ path: ['projects', name], message: 'a project is a map of keys', remedy: 'begin with "routes:"' })
  }
  return { projects: read, gatewayPlugins: Array.isArray(gateway['plugins']) ? gateway['plugins'] : null, findings: findings.items.map(({ onKey, decisive: _, ...finding }) => ({ ...finding, position: finding.position ?? position(finding.path, onKey === true) })) }
}

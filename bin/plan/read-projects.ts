import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { loadProjects, type LoadedPart } from '../../core/config/load-projects.js'
import type { Raw, RawMap } from '../../core/config/raw.js'
import { ConfigError } from '../../core/errors.js'
import { CommandError } from '../command.js'
import { environmentOf } from '../config-options.js'
import type { Terminal } from '../terminal.js'

/** What files say of a gateway. */
export interface ReadProjects {
  readonly projects: ReadonlyMap<string, LoadedPart<RawMap>>
  /** The plugins of the gateway as a whole; null where nothing is said of them. */
  readonly gatewayPlugins: LoadedPart<Raw[]> | null
  /** Whether it is one file, with settings of the gateway: it can stand in the place of the gateway's own. */
  readonly isGateway: boolean
}

/** The projects of a file, or of a folder's `*.yaml` and `*.yml`, by name, with an environment laid over. Throws CommandError, or ConfigError for files that can not be read. */
export function readProjects (from: string, env: string | undefined, terminal: Terminal): ReadProjects {
  let gateway: { readonly plugins: LoadedPart<Raw[]>, readonly file: string } | null = null
  let isGateway = false
  const projects = new Map<string, LoadedPart<RawMap>>()
  const owners = new Map<string, string>()
  for (const file of filesOf(from)) {
    const { projects: read, gatewayPlugins, hasSettings, findings } = loadProjects({ file, environment: environmentOf(env), env: terminal.env })
    if (findings.length > 0) throw new ConfigError(findings)
    if (gatewayPlugins !== null) {
      if (gateway !== null) throw new CommandError(`${file} and ${gateway.file} both have the plugins of the gateway`, 'keep one of them')
      gateway = { plugins: gatewayPlugins, file }
    }
    isGateway = hasSettings && file === from
    for (const [name, project] of read) {
      const other = owners.get(name)
      if (other !== undefined) throw new CommandError(`${file} and ${other} both define the project "${name}"`, 'keep one of them')
      owners.set(name, file)
      projects.set(name, project)
    }
  }
  if (projects.size === 0) throw new CommandError(`there are no projects in ${from}`, 'begin with `projects:`')
  return { projects, gatewayPlugins: gateway?.plugins ?? null, isGateway }
}

/** Throws ConfigError with all references of these parts that lead nowhere: the store can not have them. */
export function refuseUnresolved (parts: Iterable<LoadedPart<Raw>>): void {
  const findings = [...parts].flatMap((part) => part.findings)
  if (findings.length > 0) throw new ConfigError(findings)
}

function filesOf (from: string): string[] {
  if (!statSync(from).isDirectory()) return [from]
  return readdirSync(from).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => path.join(from, name))
}

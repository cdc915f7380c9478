import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { loadProjects } from '../../core/config/load-projects.js'
import type { Raw, RawMap } from '../../core/config/raw.js'
import { ConfigError } from '../../core/errors.js'
import { CommandError } from '../command.js'
import { environmentOf } from '../config-options.js'
import type { Terminal } from '../terminal.js'

/** What files say of a gateway. */
export interface ReadProjects {
  readonly projects: ReadonlyMap<string, RawMap>
  /** The plugins of the gateway as a whole; null where nothing is said of them. */
  readonly gatewayPlugins: readonly Raw[] | null
}

/** The projects of a file, or of a folder's `*.yaml` and `*.yml`, by name, with an environment laid over. Throws CommandError, or ConfigError for files that can not be read. */
export function readProjects (from: string, env: string | undefined, terminal: Terminal): ReadProjects {
  let gateway: { readonly plugins: readonly Raw[], readonly file: string } | null = null
  const projects = new Map<string, { config: RawMap, file: string }>()
  for (const file of filesOf(from)) {
    const { projects: read, gatewayPlugins, findings } = loadProjects({ file, environment: environmentOf(env), env: terminal.env })
    if (findings.length > 0) throw new ConfigError(findings)
    if (gatewayPlugins !== null) {
      if (gateway !== null) throw new CommandError(`${file} and ${gateway.file} both have the plugins of the gateway`, 'keep one of them')
      gateway = { plugins: gatewayPlugins, file }
    }
    for (const [name, config] of read) {
      const other = projects.get(name)
      if (other !== undefined) throw new CommandError(`${file} and ${other.file} both define the project "${name}"`, 'keep one of them')
      projects.set(name, { config, file })
    }
  }
  if (projects.size === 0) throw new CommandError(`there are no projects in ${from}`, 'begin with `projects:`')
  return { projects: new Map([...projects].map(([name, { config }]) => [name, config])), gatewayPlugins: gateway?.plugins ?? null }
}

function filesOf (from: string): string[] {
  if (!statSync(from).isDirectory()) return [from]
  return readdirSync(from).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => path.join(from, name))
}

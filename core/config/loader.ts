/** Loads configuration in a thread of its own, so that no reload stalls the requests that are being served. */
import { setImmediate, setTimeout } from 'node:timers/promises'
import { ConfigError, type ConfigPath, type Finding, type Position } from '../errors.js'
import type { GatewayConfig, ProjectConfig, RouteConfig } from '../route.js'
import type { AuthorPluginBundle } from './author-plugin-bundle.js'
import { createConfigThread, type ConfigThreadOptions } from './config-thread.js'
import { packHashes, unpackNames, type FromConfigThread, type LoadRequest } from './loader-protocol.js'
import { shareMethods, unpackRoute, type PackedRoute } from './packed-route.js'

/** A project as it was loaded. */
export interface LoadedProject {
  name: string
  hash: string
  config: ProjectConfig
}

/** A configuration that may be used. */
export interface UsableConfig {
  ok: true
  root: GatewayConfig
  rootHash: string
  /** Every project that there is now, with its hash: who is not in it is gone. */
  hashes: ReadonlyMap<string, string>
  files: readonly string[]
  /** Authors' plugins by their file: import these bundles, they are what was checked. */
  authorPlugins: ReadonlyMap<string, AuthorPluginBundle>
  /**
   * The projects that were not known with this hash, about 100 routes at a time (more of them where none were known). The next are asked for when the loop comes round, and, where some
   * projects were known (requests are being served), after a pause twice as long as the last ones took: two thirds of the time stay for the requests.
   * Can be read once. Throws ConfigError when the thread is lost or a later load has begun.
   */
  projects: AsyncIterable<readonly LoadedProject[]>
}

/** What came of a load. */
export type ConfigLoad = UsableConfig | {
  ok: false
  findings: readonly Finding[]
  /** What was read before it was given up: a change to one of them may mend it. */
  files: readonly string[]
}

/** Loads one configuration, again and again. Whoever creates it closes it. */
export interface ConfigLoader {
  /** Loads; never rejects. `known`: the projects that the caller has, by name, with their hashes. A load that is still going on ends with a finding. */
  load (known: ReadonlyMap<string, string>): Promise<ConfigLoad>
  /** Where these paths are written, for findings that are made after the load and for `explain`; null where that is not known. Never rejects. */
  locate (paths: readonly ConfigPath[]): Promise<readonly (Position | null)[]>
  /** The configuration as it is written, environment laid over, secrets masked: a JSON text. Null where it can not be had: what is served is not kept, and files that are broken do not say it. Never rejects. */
  describe (): Promise<string | null>
  /** A project as it would be if the files said this of it: the JSON of a FileProject, which holds secrets. Null where the thread is lost. Never rejects. */
  tryProject (name: string, text: string): Promise<string | null>
  close (): Promise<void>
}

/** What a loader is made of. */
export interface ConfigLoaderOptions extends ConfigThreadOptions, LoadRequest {}

/** The pause after a batch, in times of what it took: it also lets the collector keep up beside the loop instead of in it. */
const PAUSE_PER_WORK = 2
const LONGEST_PAUSE_MS = 50

/** Creates a loader. Its thread is started by the first load, and again by the next one after it was lost or had nothing to do for a while. */
export function createConfigLoader (options: ConfigLoaderOptions): ConfigLoader {
  const { file, environment, env } = options
  const request: LoadRequest = { file, environment, env }
  const thread = createConfigThread(options)
  let current = -1
  // What a load gives is taken from the thread piece by piece, and may be so late: whoever starts reads a store first.
  let release: () => void = () => {}

  const failure = (error: unknown): ConfigError => error instanceof ConfigError ? error : new ConfigError([{ path: [], message: `the configuration could not be loaded: ${String(error)}`, remedy: 'see the log' }])

  async function * deliver (id: number, paced: boolean): AsyncGenerator<readonly LoadedProject[]> {
    let begun: Omit<ProjectConfig, 'routes'> | null = null
    let gathered: RouteConfig[] = []
    let last = false
    const shared = shareMethods()
    // The next batch is always asked for before the one at hand is worked on: its way here, and what the other thread does for it, cost no time of their own.
    const ask = (): Promise<FromConfigThread> => {
      if (id !== current) throw superseded()
      const asked = thread.ask({ type: 'next', id })
      // Where the batch before ends it all, nobody is there to hear what becomes of this one.
      asked.catch(() => {})
      return asked
    }
    try {
      let coming = ask()
      while (!last) {
        const answer = await coming
        if (id !== current) throw superseded()
        if (answer.type !== 'projects') throw unexpected(answer)
        last = answer.last
        if (!last) coming = ask()
        const startedAt = performance.now()
        const complete: LoadedProject[] = []
        for (const { name, hash, config, routes, last: whole } of answer.parts) {
          // What the other thread validated and wrote comes back as it was: the types hold.
          if (config !== null) begun = JSON.parse(config) as Omit<ProjectConfig, 'routes'>
          if (begun === null) throw unexpected(answer)
          const { at } = begun
          const stretch = (JSON.parse(routes) as PackedRoute[]).map((route) => unpackRoute(route, at, shared))
          if (config !== null) gathered = stretch
          else for (const route of stretch) gathered.push(route)
          if (whole) complete.push({ name, hash, config: { ...begun, routes: gathered } })
        }
        if (complete.length > 0) yield complete
        if (paced && !last) await setTimeout(Math.min(LONGEST_PAUSE_MS, PAUSE_PER_WORK * (performance.now() - startedAt)))
      }
    } catch (error) {
      last = true
      throw failure(error)
    } finally {
      if (id === current) {
        if (!last) thread.tell({ type: 'cancel', id })
        release()
      }
    }
  }

  return {
    async load (known) {
      const id = thread.nextId()
      current = id
      release()
      try {
        const answer = await thread.ask({ type: 'load', id, request, known: packHashes(known) })
        if (id !== current) throw superseded()
        if (answer.type === 'refused') return { ok: false, findings: answer.findings, files: await unpackPaced(answer.files) }
        if (answer.type !== 'loaded') throw unexpected(answer)
        release = thread.hold()
        const files = await unpackPaced(answer.files)
        const hashes = new Map<string, string>()
        for (const text of answer.hashes) {
          const names = unpackNames(text)
          for (let i = 0; i < names.length; i += 2) hashes.set(names[i] as string, names[i + 1] as string)
          await setImmediate()
        }
        const authorPlugins = new Map(answer.authorPlugins.map((bundle) => [bundle.file, bundle]))
        return { ok: true, root: answer.root, rootHash: answer.rootHash, hashes, files, authorPlugins, projects: deliver(id, known.size > 0) }
      } catch (error) {
        return { ok: false, findings: failure(error).findings, files: [file] }
      }
    },
    async locate (paths) {
      try {
        const answer = await thread.ask({ type: 'locate', id: thread.nextId(), request, paths })
        if (answer.type === 'located') return answer.positions
      } catch {
        // A place that is not known must not hide the finding that it is for.
      }
      return paths.map(() => null)
    },
    async describe () {
      const answer = await thread.ask({ type: 'describe', id: thread.nextId(), request }).catch(() => null)
      return answer?.type === 'described' ? answer.text : null
    },
    async tryProject (name, text) {
      const answer = await thread.ask({ type: 'try', id: thread.nextId(), request, name, text }).catch(() => null)
      return answer?.type === 'tried' ? answer.text : null
    },
    async close () {
      current = -1
      await thread.close()
    }
  }
}

async function unpackPaced (texts: readonly string[]): Promise<string[]> {
  const names: string[] = []
  for (const text of texts) {
    for (const name of unpackNames(text)) names.push(name)
    await setImmediate()
  }
  return names
}

function superseded (): ConfigError {
  return new ConfigError([{ path: [], message: 'a later load has begun', remedy: 'use what that one gives' }])
}

function unexpected (answer: FromConfigThread): Error {
  return new Error(`the config thread answered "${answer.type}"${answer.type === 'failed' ? `: ${answer.message}` : ''}`)
}

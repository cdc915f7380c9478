import type { UsableConfig } from '../core/config/loader.js'
import { importAuthorPlugin } from '../core/config/author-plugin.js'
import type { Gateway } from '../core/gateway.js'
import { createSlices } from '../core/lib/slices.js'
import type { PluginLookup } from '../core/pipeline/order.js'
import type { Plugin } from '../core/plugin.js'
import type { GatewayConfig } from '../core/route.js'
import type { HashedProject, SnapshotInput } from '../core/snapshot.js'
import type { ProjectSource, StoreProjects } from './store-projects.js'

/** Where projects of the store come from. */
export interface StoredProjects {
  readonly source: ProjectSource
  /** Makes what builds them: called when there is the first one, because it brings schemas and checks that take 15 MB. */
  load (): Promise<StoreProjects>
}

type Files = Omit<SnapshotInput, 'changed' | 'refused'>

/**
 * What a node serves: what its files declare, and beside it what the store has. Either changes without the other. Where both have a project
 * of one name, it is the files'.
 */
export class LiveConfig {
  readonly #gateway: Gateway
  readonly #registry: ReadonlyMap<string, Plugin>
  readonly #stored: StoredProjects | null
  #projects: StoreProjects | null = null
  #files: Files | null = null
  #turn: Promise<unknown> = Promise.resolve()

  constructor (gateway: Gateway, registry: ReadonlyMap<string, Plugin>, stored: StoredProjects | null) {
    this.#gateway = gateway
    this.#registry = registry
    this.#stored = stored
  }

  /** What is made of the store's projects; null while there are none. */
  get projects (): StoreProjects | null { return this.#projects }

  /** Serves a load of the files. Rejects with ConfigError, and all stays as it was, where that can not be done. Resolves to how many projects were compiled anew or taken away. */
  applyFiles (load: UsableConfig): Promise<number> {
    return this.#exclusively(async () => {
      const authorPlugins = new Map<string, Plugin>()
      for (const [file, bundle] of load.authorPlugins) authorPlugins.set(file, await importAuthorPlugin(bundle))
      const files: Files = { root: load.root, rootHash: load.rootHash, hashes: load.hashes, authorPlugins }
      const before = this.#files
      // What the root says of plugins, domains and networks decides what may be served of the store.
      const all = before === null || before.rootHash !== files.rootHash || before.root.baseDomain !== files.root.baseDomain
      if (all) await this.#buildAll(files)
      try {
        const changed = await this.#apply(files, load.projects)
        this.#files = files
        return changed
      } catch (error) {
        if (all && before !== null) await this.#buildAll(before)
        throw error
      }
    })
  }

  /** Serves these projects of the store as the directory has them now. */
  applyProjects (ids: Iterable<string>): Promise<void> {
    return this.#exclusively(async () => {
      const files = this.#files
      if (files === null) return
      const projects = await this.#load()
      if (projects === null) return
      const slices = createSlices()
      let changed = false
      for (const id of ids) {
        projects.build(id, files.root, this.#lookUp(files))
        if (!files.hashes.has(id) && projects.built.get(id)?.hash !== this.#gateway.current?.projects.get(id)?.hash) changed = true
        if (slices.due()) await slices.next()
      }
      // A label, or who may do what, is part of the record and not of what is served.
      if (changed) await this.#apply(files, [])
    })
  }

  async #buildAll (files: Files): Promise<void> {
    const projects = await this.#load()
    if (projects === null) return
    const slices = createSlices()
    for (const id of [...projects.ids()]) {
      projects.build(id, files.root, this.#lookUp(files))
      if (slices.due()) await slices.next()
    }
  }

  async #apply (files: Files, ofFiles: SnapshotInput['changed']): Promise<number> {
    const projects = this.#projects
    const stored: HashedProject[] = []
    const hashes = new Map<string, string>()
    const current = this.#gateway.current?.projects
    for (const [id, project] of projects?.built ?? []) {
      if (files.hashes.has(id)) continue
      hashes.set(id, project.hash)
      if (current?.get(id)?.hash !== project.hash) stored.push(project)
    }
    for (const [name, hash] of files.hashes) hashes.set(name, hash)
    const { compiled, removed } = await this.#gateway.apply({
      ...files,
      hashes,
      changed: stored.length === 0 ? ofFiles : both(ofFiles, stored),
      refused: (project, findings) => { projects?.compileFailed(project, findings, current?.get(project.config.name) ?? null) }
    })
    return compiled + removed
  }

  async #load (): Promise<StoreProjects | null> {
    if (this.#projects !== null || this.#stored === null) return this.#projects
    for (const _ of this.#stored.source.projects()) return (this.#projects = await this.#stored.load())
    return null
  }

  #lookUp ({ authorPlugins }: Files): PluginLookup {
    return (use) => use.use === null ? this.#registry.get(use.name) : authorPlugins.get(use.use)
  }

  #exclusively<T> (act: () => Promise<T>): Promise<T> {
    const next = this.#turn.then(act)
    this.#turn = next.catch(() => {})
    return next
  }

  /** Finds the plugins that what is served is made of. */
  readonly lookUp: PluginLookup = (use) => this.#files === null ? undefined : this.#lookUp(this.#files)(use)

  /** The root that is served; null before the first load. */
  get root (): GatewayConfig | null { return this.#files?.root ?? null }
}

async function * both (ofFiles: SnapshotInput['changed'], stored: readonly HashedProject[]): AsyncGenerator<readonly HashedProject[]> {
  yield * ofFiles
  yield stored
}

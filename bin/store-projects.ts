import type { StoredProject } from '../core/config/effective-project.js'
import { baseHostOf, buildStoredProject, withoutLostHosts, type BuiltStoredProject, type StoredProjectSurroundings } from '../core/config/store-projects.js'
import { HIDE_NOTHING, type HideSecrets } from '../core/config/hide-secrets.js'
import type { ProjectSecrets } from '../core/config/project-secrets.js'
import type { Finding } from '../core/errors.js'
import { formatFinding } from '../core/errors.js'
import type { Logger } from '../core/host.js'
import { asError } from '../core/lib/as-error.js'
import { reachesInto } from '../core/lib/domain-name.js'
import { compileEgress, type Egress } from '../core/lib/egress.js'
import type { PluginLookup } from '../core/pipeline/order.js'
import type { Plugin } from '../core/plugin.js'
import type { GatewayConfig } from '../core/route.js'
import type { HashedProject } from '../core/snapshot.js'
import { createChecks } from './checks.js'

/** What is read of the directory: projects of the store, and what decides whether and where they are served. */
export interface ProjectSource {
  project (projectId: string): (Omit<StoredProject, 'config'> & { readonly customer_id: string, readonly active: boolean, readonly rev: number }) | null
  /** The configuration of a project that there is, opened. Throws Error where it can not be. */
  configOf (projectId: string): StoredProject['config']
  projects (): Iterable<{ readonly project_id: string }>
  domainsOf (projectId: string): readonly { readonly name: string, readonly status: string }[]
  isActive (customerId: string): boolean
  secretsOf (projectId: string): ProjectSecrets
}

/** A project of the store whose present version can not be served. */
export interface RefusedProject {
  readonly projectId: string
  readonly rev: number
  /** Whether a version before it goes on serving. */
  readonly servesBefore: boolean
  readonly findings: readonly Finding[]
}

const MOST_LOGGED = 10

/** Makes what is served of the store's projects. One that can not be built keeps the version before, as it was built; the others do not notice. */
export class StoreProjects {
  readonly #source: ProjectSource
  readonly #registry: ReadonlyMap<string, Plugin>
  readonly #ownAddresses: readonly string[]
  readonly #log: Logger
  readonly #checks: ReturnType<typeof createChecks>
  readonly #built = new Map<string, HashedProject>()
  #egress: { readonly of: GatewayConfig['egress'], readonly rules: Egress } | null = null
  readonly #hides = new Map<string, HideSecrets>()
  readonly #refused = new Map<string, RefusedProject>()

  constructor (source: ProjectSource, registry: ReadonlyMap<string, Plugin>, ownAddresses: readonly string[], log: Logger) {
    this.#source = source
    this.#registry = registry
    this.#ownAddresses = ownAddresses
    this.#log = log
    this.#checks = createChecks(registry)
  }

  /** By project id, what is to be served. */
  get built (): ReadonlyMap<string, HashedProject> { return this.#built }

  /** Those whose present version can not be served. */
  get refused (): readonly RefusedProject[] { return [...this.#refused.values()] }

  /** The ids of all projects that there are or were. */
  * ids (): IterableIterator<string> {
    const seen = new Set(this.#built.keys())
    yield * seen
    for (const { project_id: id } of this.#source.projects()) if (!seen.has(id)) yield id
  }

  /** Builds a project as the directory has it now. */
  build (id: string, root: GatewayConfig, lookUp: PluginLookup): void {
    const record = this.#source.project(id)
    if (record === null || !record.active || !this.#source.isActive(record.customer_id)) {
      this.#built.delete(id)
      this.#hides.delete(id)
      this.#refused.delete(id)
      return
    }
    // What was verified before `baseDomain` became another is the gateway's own now.
    const domains = this.#source.domainsOf(id).filter(({ status, name }) => status === 'verified' && !reachesInto(name, root.baseDomain)).map(({ name }) => name)
    const { project, findings, hide } = this.#buildOpened(record, { registry: this.#registry, egress: this.#egressOf(root), baseDomain: root.baseDomain, domains, secrets: this.#source.secretsOf(id) })
    if (hide === HIDE_NOTHING) this.#hides.delete(id)
    else this.#hides.set(id, hide)
    const wrong = project === null ? findings : hide(this.#check(project.config, root, lookUp))
    if (project === null || wrong.length > 0) {
      const before = this.#built.get(id)
      if (before !== undefined) this.#built.set(id, withoutLostHosts(before, [baseHostOf(id, root.baseDomain), ...domains]))
      this.#refuse(id, record.rev, wrong)
      return
    }
    this.#built.set(id, project)
    this.#refused.delete(id)
  }

  /** Takes note that the gateway could not compile a project; `before` is what it goes on serving, or null. */
  compileFailed ({ config: { name } }: HashedProject, findings: readonly Finding[], before: HashedProject | null): void {
    if (before === null) this.#built.delete(name)
    else this.#built.set(name, before)
    this.#refuse(name, this.#source.project(name)?.rev ?? 0, this.#hides.get(name)?.(findings) ?? findings)
  }

  #buildOpened (record: Omit<StoredProject, 'config'>, surroundings: StoredProjectSurroundings): BuiltStoredProject {
    let config: StoredProject['config']
    try {
      config = this.#source.configOf(record.project_id)
    } catch (error) {
      const message = `its configuration can not be opened: ${asError(error).message}`
      return { project: null, hide: HIDE_NOTHING, findings: [{ path: ['projects', record.project_id], message, remedy: 'bring back the key ring that it was sealed with, or write the configuration again' }] }
    }
    return buildStoredProject({ ...record, config }, surroundings)
  }

  #egressOf ({ egress }: GatewayConfig): Egress {
    if (this.#egress?.of !== egress) this.#egress = { of: egress, rules: compileEgress(egress.allow, this.#ownAddresses) }
    return this.#egress.rules
  }

  #check (config: HashedProject['config'], root: GatewayConfig, lookUp: PluginLookup): readonly Finding[] {
    const routes = this.#checks.checkRoutes(config)
    if (routes.length > 0) return routes
    return [...this.#checks.checkProject(config, root, lookUp), ...this.#checks.checkProjects([config])]
  }

  #refuse (projectId: string, rev: number, findings: readonly Finding[]): void {
    const servesBefore = this.#built.has(projectId)
    const known = this.#refused.get(projectId)
    this.#refused.set(projectId, { projectId, rev, servesBefore, findings })
    if (known?.rev === rev) return
    this.#log.error({ project: projectId, rev, servesBefore, findings: findings.slice(0, MOST_LOGGED).map(formatFinding) }, 'a project of the store can not be served')
  }
}

import { compileProject, fallbackRoute, type CompileServices } from './compile-project.js'
import type { CompiledProject } from './compiled-project.js'
import { ConfigError, type Finding } from './errors.js'
import { createFindingSet } from './finding-set.js'
import { compileEgress } from './lib/egress.js'
import { compilePolicy, type ListenPolicy } from './listen/policy.js'
import { compilePipeline, type CompiledPipeline } from './pipeline/compile.js'
import type { CompiledRoute } from './pipeline/compiled-route.js'
import { draftHostIndex, type HostIndex, type IndexedProject } from './pipeline/host-index.js'
import { CreateError } from './pipeline/instances.js'
import { orderSteps, satisfiedSteps, type PluginLookup } from './pipeline/order.js'
import { createPluginHost } from './plugin-host.js'
import type { Plugin } from './plugin.js'
import type { GatewayConfig, ProjectConfig } from './route.js'
import { createSlices } from './lib/slices.js'

/** A project's configuration with the hash of its content. */
export interface HashedProject {
  readonly config: ProjectConfig
  readonly hash: string
}

/** What a snapshot is built from. */
export interface SnapshotInput {
  readonly root: GatewayConfig
  /** Changes when something that every project is compiled with changes. */
  readonly rootHash: string
  /** Every project's hash by name: the whole set. */
  readonly hashes: ReadonlyMap<string, string>
  /** Authors' plugins by the absolute path that a `use` names, as they were validated. */
  readonly authorPlugins: ReadonlyMap<string, Plugin>
  /** The projects that the current snapshot does not have, in pieces, as they arrive. */
  readonly changed: AsyncIterable<readonly HashedProject[]> | Iterable<readonly HashedProject[]>
  /**
   * Told of a project that is not a file's and can not be compiled: its version before stays, where there is one, and the others go on.
   * Left out: it is an error like a file's.
   */
  readonly refused?: (project: HashedProject, findings: readonly Finding[]) => void
}

/** Everything that requests walk through: frozen, replaced whole. */
export interface Snapshot {
  readonly root: GatewayConfig
  readonly rootHash: string
  readonly projects: ReadonlyMap<string, CompiledProject>
  readonly hosts: HostIndex<CompiledProject>
  /** What answers where no project is decided. */
  readonly fallback: CompiledRoute
  readonly fallbackPipeline: CompiledPipeline
  readonly policy: ListenPolicy
  readonly healthPaths: ReadonlySet<string>
}

/**
 * Builds the next snapshot beside the current one: projects with an unchanged hash are taken over as they are. Compiling happens in
 * slices, so that traffic goes on. Throws ConfigError with what is wrong with all of the projects; what was compiled is disposed of and
 * the current one is untouched.
 */
export async function buildSnapshot (input: SnapshotInput, current: Snapshot | null, shared: Omit<CompileServices, 'lookUp' | 'egress'>, own: readonly string[] = []): Promise<Snapshot> {
  const { root, rootHash, authorPlugins } = input
  const services: CompileServices = { ...shared, egress: compileEgress(root.egress.allow, own), lookUp: lookUpIn(shared.registry, authorPlugins) }
  const reusable = current !== null && current.rootHash === rootHash ? current.projects : new Map<string, CompiledProject>()
  const projects = new Map<string, CompiledProject>()
  const made: CompiledProject[] = []
  let pipeline: CompiledPipeline | null = null
  const findings = createFindingSet()
  const slices = createSlices()
  try {
    for (const [name, hash] of input.hashes) {
      const known = reusable.get(name)
      if (known !== undefined && known.hash === hash) projects.set(name, known)
    }
    const missing = [...(current?.projects.values() ?? [])].filter((project) => !projects.has(project.name) && input.hashes.get(project.name) === project.hash)
    const again = missing.map(({ config, hash }) => ({ config, hash }))
    for await (const batch of both(again, input.changed)) {
      for (const { config, hash } of batch) {
        try {
          const project = await compileProject(config, hash, root, services)
          made.push(project)
          projects.set(project.name, project)
        } catch (error) {
          if (!(error instanceof ConfigError)) throw error
          if (config.origin !== 'operator-file' && input.refused !== undefined) {
            const before = current?.projects.get(config.name)
            if (before !== undefined) projects.set(config.name, before)
            input.refused({ config, hash }, error.findings)
            continue
          }
          findings.add(error.findings)
          if (findings.full) throw new ConfigError(findings.items)
        }
        if (slices.due()) await slices.next()
      }
    }
    // Where most stays, what changes is put in its place; else everything is added anew.
    const base = current !== null && made.length < projects.size / 2 && !precedenceChanged(current.projects, projects, made) ? current : null
    const hosts = draftHostIndex(base === null ? null : base.hosts)
    for (const project of base?.projects.values() ?? []) {
      if (projects.get(project.name) !== project) hosts.remove(indexed(project))
      if (slices.due()) await slices.next()
    }
    for (const project of base === null ? projects.values() : made) {
      hosts.add(indexed(project))
      if (slices.due()) await slices.next()
    }
    const steps = satisfiedSteps(orderSteps({ gateway: root.plugins, project: [], route: [] }, services.lookUp, services.registry.values()).steps)
    pipeline = await compilePipeline(steps, (step) => createPluginHost(services.host, step, null, null))
    if (findings.items.length > 0) throw new ConfigError(findings.items)
    const identityHeaders = new Set<string>()
    for (const plugin of [...services.registry.values(), ...authorPlugins.values()]) for (const header of plugin.identityHeaders) identityHeaders.add(header)
    return {
      root,
      rootHash,
      projects,
      hosts: hosts.index,
      fallback: fallbackRoute(null, pipeline, services.statsFor(null, null)),
      fallbackPipeline: pipeline,
      policy: compilePolicy(root.listen, identityHeaders, root.requestId === false ? null : root.requestId.header),
      healthPaths: new Set(root.listen.health)
    }
  } catch (error) {
    for (const project of made) {
      project.retire()
      for (const route of project.statsBeside(current?.projects.get(project.name))) shared.releaseStats(project.name, route)
    }
    if (pipeline !== null) void pipeline.close()
    if (!(error instanceof CreateError)) throw error
    findings.add(error.findings)
    throw new ConfigError(findings.items)
  }
}

function indexed (project: CompiledProject): IndexedProject<CompiledProject> {
  const { name, config: { hosts, basePath } } = project
  return { name, hosts, basePath, value: project, ...(isOfFile(project) ? {} : { yieldsTo: (other) => rankOf(other) > rankOf(project) }) }
}

function isOfFile ({ config: { origin } }: CompiledProject): boolean {
  return origin === 'operator-file'
}

/** Under the same address what files declare goes before what the store has, and there what an operator wrote before what a tenant did. */
function rankOf ({ config: { origin } }: CompiledProject): number {
  return origin === 'operator-file' ? 2 : origin === 'operator-api' ? 1 : 0
}

/** Whether a project comes or goes to which others may yield: what stayed behind it, or came to stand there before it, is added in order again. */
function precedenceChanged (before: ReadonlyMap<string, CompiledProject>, after: ReadonlyMap<string, CompiledProject>, made: readonly CompiledProject[]): boolean {
  let lowest = Infinity
  for (const project of after.values()) lowest = Math.min(lowest, rankOf(project))
  if (made.some((project) => rankOf(project) > lowest)) return true
  for (const project of before.values()) if (rankOf(project) > lowest && after.get(project.name) !== project) return true
  return false
}

/** A function of its own: one that is made inside `buildSnapshot` would hold everything there, the snapshot before included, as long as any project lives. */
function lookUpIn (registry: ReadonlyMap<string, Plugin>, authorPlugins: ReadonlyMap<string, Plugin>): PluginLookup {
  return (use) => use.use === null ? registry.get(use.name) : authorPlugins.get(use.use)
}

async function * both (first: readonly HashedProject[], then: SnapshotInput['changed']): AsyncGenerator<readonly HashedProject[]> {
  if (first.length > 0) yield first
  yield * then
}

import { lookup } from 'node:dns/promises'
import { isDeepStrictEqual } from 'node:util'
import type { FileProject } from '../core/config/file-project.js'
import { availableAuthTypes } from '../core/config/auth-plugins.js'
import { findSecretUse } from '../core/config/secret-use.js'
import type { Finding } from '../core/errors.js'
import { reachesInto } from '../core/lib/domain-name.js'
import { compileEgress, targetProblem } from '../core/lib/egress.js'
import { namesOfSecrets } from '../core/lib/secret-references.js'
import type { GatewayConfig } from '../core/route.js'
import { createChallenge } from '../core/state/domain-proof.js'
import { KeyRingError } from '../core/state/key-ring.js'
import type { Project } from '../core/state/records.js'
import { openConfig, sealConfig, type PlainConfig } from '../core/state/sealed-config.js'
import { plugins } from '../plugins/index.js'
import { OPERATORS_ACCOUNT } from '../routes/admin/roles.js'
import type { KeptConfig, ProjectConfigs, StatePorts } from '../routes/admin/state-ports.js'
import type { SystemView } from '../routes/admin/system-view.js'
import type { DomainWatch } from './domain-watch.js'
import type { Declared } from './fleet.js'
import { createKeyMaker, randomId } from './key-maker.js'
import { openSecrets } from './open-secrets.js'
import type { NodeStore } from './open-store.js'
import { ownAddresses } from './own-addresses.js'
import type { ProjectConfigSurroundings } from './project-configs.js'

/** What the endpoints for tenants stand on beside the store. */
export interface StatePortsOptions {
  readonly store: NodeStore
  /** The gateway's settings as they serve now. */
  root (): GatewayConfig
  /** What files declare. */
  declared (): Promise<Declared>
  /** The whole configuration as the files write it, secrets masked: a JSON text; null where it can not be had. */
  describe (): Promise<string | null>
  /** One project as files declare it, or would: the JSON of a FileProject; null where it can not be had. */
  declaredConfig (projectId: string, tried: string | null): Promise<string | null>
  readonly domains: DomainWatch
  system (): Promise<SystemView>
  /** The address of the data port. */
  dataUrl (): string | null
  whenServed (projectId: string): Promise<void>
}

const LOST: Finding = { path: [], message: 'the thread that loads configuration was lost', remedy: 'try again, and see the log of the gateway' }

/** Supplies the admin API with the store of this process. */
export function createStatePorts ({ store, root, declared, describe, declaredConfig, domains, dataUrl, whenServed, system }: StatePortsOptions): StatePorts {
  const { open, ring } = store
  return {
    open,
    keys: createKeyMaker(ring),
    configs: createConfigs(store, root),
    now: Date.now,
    randomId,
    projectUrl (projectId) {
      const url = dataUrl()
      if (url === null) return null
      const { protocol, port } = new URL(url)
      return `${protocol}//${projectId.toLowerCase()}.${root().baseDomain}${port === '' ? '' : `:${port}`}`
    },
    whenServed,
    authTypes: availableAuthTypes(new Map(plugins.map((plugin) => [plugin.name, plugin]))),
    refuseTarget: (url) => refuseTarget(url, root().egress.allow),
    domains: { createChallenge, look: (domain) => domains.checks.look(domain), check: (domain) => domains.checks.check(domain), baseDomain: () => root().baseDomain, declaredHosts: async () => (await declared()).hosts },
    system,
    declaredProjects: async () => (await declared()).projects,
    async declaredConfig (projectId) {
      const { projects = {} } = JSON.parse(await describe() ?? '{}') as { projects?: Record<string, Record<string, unknown>> }
      return Object.hasOwn(projects, projectId) ? projects[projectId] ?? null : null
    },
    async declaredEffective (projectId, tried) {
      const text = await declaredConfig(projectId, tried)
      if (text === null) return { config: null, findings: tried === null ? [] : [LOST] }
      const { config, findings, ...parts } = JSON.parse(text) as FileProject
      if (config === null) return { config, findings }
      const [{ effectiveFileProject }, { digestOf }] = await Promise.all([import('./effective-file-project.js'), import('./project-configs.js')])
      return { findings, config: effectiveFileProject(config, parts, root(), digestOf({ customer_id: OPERATORS_ACCOUNT, project_id: projectId }, { digest: (one) => ring.digest(one).digest })) }
    }
  }
}

/** Projects in the configuration language. What does it is imported when it is first asked for: schemas, YAML and checks take 20 MB. */
export function createConfigs (node: Pick<NodeStore, 'open' | 'ring'>, root: () => GatewayConfig, tried = false): ProjectConfigs {
  const { open: { store }, ring } = node
  const digest = (text: string): string => ring.digest(text).digest
  const surroundings = async ({ customer_id: customerId, project_id: projectId }: Project): Promise<ProjectConfigSurroundings> => {
    const domains = await store.domains.list(customerId, { filter: { project_id: { eq: projectId }, status: { eq: 'verified' } }, limit: 1_000 })
    const [own, ofAccount] = await Promise.all([projectId, null].map((id) => store.secrets.list(customerId, { filter: { project_id: { eq: id } }, limit: 1_000 })))
    return { root: root(), tried, domains: domains.map(({ name }) => name).filter((name) => !reachesInto(name, root().baseDomain)), secrets: openSecrets(ring, () => [...own ?? [], ...ofAccount ?? []]), digest }
  }
  const load = async () => await import('./project-configs.js')
  const opened = <P extends KeptConfig>(of: P): Omit<P, 'config'> & { config: PlainConfig | null } => ({ ...of, config: openConfig(ring, of) })
  /** What can not be opened is none: it can be written anew, and has no digest that stands for a secret. */
  const openedOrNone = <P extends KeptConfig>(of: P): Omit<P, 'config'> & { config: PlainConfig | null } => {
    try {
      return opened(of)
    } catch (error) {
      if (!(error instanceof KeyRingError)) throw error
      return { ...of, config: null }
    }
  }
  const configs: ProjectConfigs = {
    seal: (customerId, config) => sealConfig(ring, customerId, config),
    same (one, other) {
      if (one.config === other.config) return true
      try {
        return isDeepStrictEqual(opened(one).config, opened(other).config)
      } catch (error) {
        if (error instanceof KeyRingError) return false
        throw error
      }
    },
    written: async (project) => (await load()).writtenConfig(opened(project), { digest }),
    trail: async (project) => (await load()).trailConfig(opened(project), { digest }),
    secretNames: (of) => namesOfSecrets(openedOrNone(of).config),
    secretUse: (project, name) => findSecretUse(opened(project).config, name),
    effective: async (project, byOperator) => (await load()).effectiveConfig(opened(project), byOperator, await surroundings(project)),
    read: async (project, text, byOperator) => await (await load()).readProjectConfig(openedOrNone(project), text, byOperator, await surroundings(project)),
    check: async (project) => await (await load()).checkProjectConfig(opened(project), await surroundings(project)),
    async tryGateway (project, text) {
      const [{ readTriedGateway }, { digestOf }] = await Promise.all([import('./tried-gateway.js'), load()])
      const { gateway, findings } = readTriedGateway(text, root(), digestOf(project, { digest }))
      return { configs: gateway === null ? configs : createConfigs(node, () => ({ ...root(), plugins: gateway }), true), findings }
    },
    compare: async (before, after) => (await import('./plan/compare.js')).compareConfigs(before, after)
  }
  return configs
}

/** What speaks against a target by its text, or by any address that its name has now. A name that is not known yet may be so by the first request. */
async function refuseTarget (url: URL, allow: readonly string[]): Promise<string | null> {
  const egress = compileEgress(allow, ownAddresses())
  const problem = targetProblem(url.href, egress)
  if (problem !== null) return `${problem.message} (${problem.remedy})`
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const addresses = await lookup(host, { all: true }).catch(() => [])
  return addresses.every(({ address }) => egress.allows(address)) ? null : `"${host}" leads to an address that is not public (name a server that the internet can reach, or ask the operator to add its network to egress.allow)`
}

import { lookup } from 'node:dns/promises'
import { effectiveProject, type StoredProject } from '../core/config/effective-project.js'
import { checkOrigin } from '../core/config/origin.js'
import type { RawMap } from '../core/config/raw.js'
import { baseHostOf, buildStoredProject } from '../core/config/store-projects.js'
import type { ProjectSecrets } from '../core/config/project-secrets.js'
import { parseProject, placeFindings } from '../core/config/parse-project.js'
import { buildRegistry } from '../core/config/registry.js'
import { writtenProject } from '../core/config/written-project.js'
import type { Finding } from '../core/errors.js'
import { compileEgress, type Egress } from '../core/lib/egress.js'
import type { GatewayConfig, ProjectConfig } from '../core/route.js'
import { plugins } from '../plugins/index.js'
import { createChecks } from './checks.js'
import { restoreSecrets, secretsOf, withDigests, withDigestsOfAll, type SecretDigest } from './config-secrets.js'
import { shownInherited, takeOwn } from './inherited.js'
import { ownAddresses } from './own-addresses.js'
import { tryCreate } from './try-create.js'
import { withStages } from './with-stages.js'

/** A project with its configuration opened. */
export type OpenedProject = StoredProject & { readonly customer_id: string }

/** What a project's configuration is looked at with. */
export interface ProjectConfigSurroundings {
  readonly root: GatewayConfig
  /** Whether the plugins of `root` are those that the configuration itself is to be tried with. */
  readonly tried?: boolean
  /** The host names that it has verified. */
  readonly domains: readonly string[]
  /** What it can name as `${secret:NAME}`. */
  readonly secrets: ProjectSecrets
  /** The keyed digest of a text, in base64url. */
  digest (text: string): string
}

/**
 * A project as it is served, in the configuration language: all that short forms and defaults stand for written out, secrets as digests, and under
 * `inherited` the gateway's plugins, with what they are told for operators alone. One that can not be served today is shown as it is written.
 */
export function effectiveConfig (project: OpenedProject, byOperator: boolean, surroundings: ProjectConfigSurroundings): Record<string, unknown> {
  const { root } = surroundings
  const digest = digestOf(project, surroundings)
  return { ...withDigests(servedConfig(project, surroundings) ?? effectiveProject(project), digest), ...shownInherited(root, byOperator, digest) }
}

/** A project in the configuration language as it is written, the short form written out, with digests in the place of secrets. */
export function writtenConfig (project: OpenedProject, surroundings: Pick<ProjectConfigSurroundings, 'digest'>): Record<string, unknown> {
  return withDigests((project.config as RawMap | null) ?? effectiveProject(project), digestOf(project, surroundings))
}

/** The same as the audit trail may have it, with digests in the place of all that may be a secret. */
export function trailConfig (project: OpenedProject, surroundings: Pick<ProjectConfigSurroundings, 'digest'>): Record<string, unknown> {
  return withDigestsOfAll((project.config as RawMap | null) ?? effectiveProject(project), digestOf(project, surroundings))
}

/**
 * Reads a configuration that somebody wants a project to have. Digests of secrets that are shown of the present one stand for these. Findings have
 * the place in the text where they are about one; with any, it may not be kept.
 */
export async function readProjectConfig (project: OpenedProject, text: string, byOperator: boolean, surroundings: ProjectConfigSurroundings): Promise<{ value: Record<string, unknown> | null, findings: readonly Finding[] }> {
  const { root, domains, secrets } = surroundings
  const { project_id: name } = project
  const present = secretsOf([effectiveProject(project), servedConfig(project, surroundings) ?? {}])
  const digest = digestOf(project, surroundings)
  const inherited = shownInherited(root, byOperator, digest)
  const parsed = parseProject({
    text, label: 'config', name, origin: byOperator ? 'operator-api' : 'tenant', registry: buildRegistry(plugins), egress: egressOf(root), hosts: [baseHostOf(name, root.baseDomain), ...domains], secrets,
    restore (value) {
      const own = takeOwn(value, surroundings.tried === true ? null : inherited)
      const restored = restoreSecrets(own.value, present, digest)
      return { value: restored.value, findings: [...own.findings, ...restored.findings] }
    }
  })
  if (parsed.project === null || parsed.value === null) return { value: null, findings: parsed.findings }
  const findings = await checkProjectConfig({ ...project, config: parsed.value, target_url: null, written_by: byOperator ? 'operator' : 'tenant' }, surroundings)
  return { value: parsed.value, findings: placeFindings({ text, label: 'config' }, findings) }
}

/** What keeps a project from being kept as this record has it, by the rules of today. */
export async function checkProjectConfig (project: OpenedProject, { root, domains, secrets }: Omit<ProjectConfigSurroundings, 'digest'>): Promise<readonly Finding[]> {
  const registry = buildRegistry(plugins)
  const egress = egressOf(root)
  const at = ['projects', project.project_id]
  const written = project.written_by === 'operator' ? [] : checkOrigin(effectiveProject(project), 'tenant', registry, egress, [baseHostOf(project.project_id, root.baseDomain), ...domains])
  if (written.length > 0) return written.map((finding) => ({ ...finding, path: [...at, ...finding.path] }))
  const { project: built, findings, hide } = buildStoredProject(project, { registry, egress, baseDomain: root.baseDomain, domains, secrets })
  if (built === null) return findings
  const checks = createChecks(registry)
  const wrong = [
    ...checks.checkRoutes(built.config), ...checks.checkProject(built.config, root, (use) => use.use === null ? registry.get(use.name) : undefined), ...checks.checkProjects([built.config]),
    ...project.written_by === 'operator' ? [] : await findInnerTargets(built.config, egress)
  ]
  return hide(wrong.length > 0 ? wrong : await tryCreate(built.config, root, registry))
}

/** As it is served, but with the names of the store's secrets in their places. */
function servedConfig (project: OpenedProject, { root, domains }: ProjectConfigSurroundings): RawMap | null {
  const registry = buildRegistry(plugins)
  const { project: built } = buildStoredProject(project, { registry, egress: egressOf(root), baseDomain: root.baseDomain, domains, secrets: 'kept' })
  return built === null ? null : writtenProject(withStages(built.config, root.plugins, registry))
}

/** Of this project alone: that two projects have the same secret is not told. */
export function digestOf ({ customer_id: account, project_id: id }: Pick<OpenedProject, 'customer_id' | 'project_id'>, { digest }: Pick<ProjectConfigSurroundings, 'digest'>): SecretDigest {
  return (text) => `sha256:${digest(JSON.stringify(['config secret', account, id, text])).slice(0, 22)}`
}

function egressOf ({ egress }: GatewayConfig): Egress {
  return compileEgress(egress.allow, ownAddresses())
}

/** Targets whose names lead inside now. That they do so later is found at each connection. */
async function findInnerTargets ({ name, upstreams }: ProjectConfig, egress: Egress): Promise<Finding[]> {
  const findings: Finding[] = []
  for (const upstream of Object.values(upstreams)) {
    for (const [index, { url }] of upstream.targets.entries()) {
      const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
      const addresses = await lookup(host, { all: true }).catch(() => [])
      if (addresses.every(({ address }) => egress.allows(address))) continue
      findings.push({ path: ['projects', name, 'upstreams', upstream.name, 'targets', index], message: `"${host}" leads to an address that is not public`, remedy: 'name a server that the internet can reach, or ask the operator to add its network to egress.allow' })
    }
  }
  return findings
}

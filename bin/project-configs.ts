import { lookup } from 'node:dns/promises'
import { effectiveProject } from '../core/config/effective-project.js'
import { baseHostOf, buildStoredProject } from '../core/config/store-projects.js'
import type { ProjectSecrets } from '../core/config/project-secrets.js'
import { parseProject, placeFindings } from '../core/config/parse-project.js'
import { buildRegistry } from '../core/config/registry.js'
import type { Finding } from '../core/errors.js'
import { compileEgress, type Egress } from '../core/lib/egress.js'
import type { GatewayConfig, ProjectConfig } from '../core/route.js'
import type { Project } from '../core/state/records.js'
import { plugins } from '../plugins/index.js'
import { createChecks } from './checks.js'
import { ownAddresses } from './own-addresses.js'

/** What a project's configuration is looked at with. */
export interface ProjectConfigSurroundings {
  readonly root: GatewayConfig
  /** The host names that it has verified. */
  readonly domains: readonly string[]
  /** What it can name as `${secret:NAME}`. */
  readonly secrets: ProjectSecrets
}

/** A project as it is served, in the configuration language, with the names of secrets in their places. */
export function effectiveConfig (project: Project, { root, domains }: Pick<ProjectConfigSurroundings, 'root' | 'domains'>): Record<string, unknown> {
  const { project: built } = buildStoredProject(project, { registry: buildRegistry(plugins), egress: compileEgress(root.egress.allow, ownAddresses()), baseDomain: root.baseDomain, domains, secrets: 'kept' })
  const written = effectiveProject(project)
  return built === null ? written : { ...written, hosts: [...built.config.hosts] }
}

/** Reads a configuration that somebody wants a project to have. Findings have the place in the text where they are about one; with any, it may not be kept. */
export async function readProjectConfig (project: Project, text: string, byOperator: boolean, { root, domains, secrets }: ProjectConfigSurroundings): Promise<{ value: Record<string, unknown> | null, findings: readonly Finding[] }> {
  const registry = buildRegistry(plugins)
  const egress = compileEgress(root.egress.allow, ownAddresses())
  const { project_id: name } = project
  const written_by = byOperator ? 'operator' as const : 'tenant' as const
  const written = { text, label: 'config' }
  const parsed = parseProject({ ...written, name, origin: byOperator ? 'operator-api' : 'tenant', registry, egress, hosts: [baseHostOf(name, root.baseDomain), ...domains], secrets })
  if (parsed.project === null || parsed.value === null) return { value: null, findings: parsed.findings }
  const { project: built, findings, hide } = buildStoredProject({ ...project, config: parsed.value, target_url: null, written_by }, { registry, egress, baseDomain: root.baseDomain, domains, secrets })
  if (built === null) return { value: null, findings: placeFindings(written, findings) }
  const checks = createChecks(registry)
  const wrong = hide([
    ...checks.checkRoutes(built.config), ...checks.checkProject(built.config, root, (use) => use.use === null ? registry.get(use.name) : undefined), ...checks.checkProjects([built.config]),
    ...byOperator ? [] : await findInnerTargets(built.config, egress)
  ])
  return { value: parsed.value, findings: placeFindings(written, wrong) }
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

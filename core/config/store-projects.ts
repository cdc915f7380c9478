import { createHash } from 'node:crypto'
import type { Finding } from '../errors.js'
import type { Egress } from '../lib/egress.js'
import type { ProjectConfig } from '../route.js'
import { AUTH_PLUGINS, availableAuthTypes } from './auth-plugins.js'
import { effectiveProject, type StoredProject } from './effective-project.js'
import { buildForeignProject } from './foreign-project.js'
import { HIDE_NOTHING, type HideSecrets } from './hide-secrets.js'
import type { ProjectSecrets } from './project-secrets.js'
import type { Registry } from './registry.js'
import { scanRaw } from './scan.js'

/** What a stored project becomes part of. */
export interface StoredProjectSurroundings {
  readonly registry: Registry
  readonly egress: Egress
  readonly baseDomain: string
  /** The host names that the project has verified. */
  readonly domains: readonly string[]
  /** What it can name as `${secret:NAME}`; `kept`: the names stay in their places, for a project that is shown; left out: none. */
  readonly secrets?: ProjectSecrets | 'kept'
}

/** A stored project that was built. */
export interface BuiltStoredProject {
  /** Null with findings. Where the project names secrets, their values are in it: it is served, and shown nowhere. */
  readonly project: { readonly config: ProjectConfig, readonly hash: string } | null
  readonly findings: readonly Finding[]
  /** Takes the secrets of the project out of what others find wrong with it. */
  readonly hide: HideSecrets
}

/** The host under which every project of the store may be reached. */
export function baseHostOf (projectId: string, baseDomain: string): string {
  return `${projectId}.${baseDomain}`.toLowerCase()
}

/**
 * Builds a stored project like one of a file, in the smaller language of who wrote it. It is served under `<project_id>.<baseDomain>` and
 * its verified domains, or those of them that it lists; an operator's under any it lists. With findings there is no project.
 */
export function buildStoredProject (stored: StoredProject, { registry, egress, baseDomain, domains, secrets }: StoredProjectSurroundings): BuiltStoredProject {
  const { project_id: name, auth_type: auth } = stored
  const at = ['projects', name]
  const plugin = AUTH_PLUGINS[auth]
  if (plugin !== null && !registry.has(plugin)) {
    return { project: null, hide: HIDE_NOTHING, findings: [{ path: [...at, 'auth_type'], message: `this gateway has no plugin "${plugin}", which auth_type "${auth}" stands for`, remedy: `choose ${availableAuthTypes(registry).join(' or ')}` }] }
  }
  const value = effectiveProject(stored)
  const { project, drafts, hide } = buildForeignProject(value, scanRaw(value), { name, origin: stored.written_by === 'tenant' ? 'tenant' : 'operator-api', registry, egress, ...secrets === undefined ? {} : { secrets } })
  if (project === null) return { project: null, hide, findings: drafts.map(({ onKey: _, decisive: _also, ...finding }) => finding) }
  const hosts = hostsOf(project.config, [baseHostOf(name, baseDomain), ...domains])
  return { project: servedUnder(project, hosts), hide, findings: [] }
}

/** A project that was built before, without the hosts that are no longer its own: a version that is kept must not keep a domain. */
export function withoutLostHosts (project: { config: ProjectConfig, hash: string }, own: readonly string[]): { config: ProjectConfig, hash: string } {
  const { origin, hosts } = project.config
  return origin !== 'tenant' || hosts.every((host) => own.includes(host)) ? project : servedUnder(project, hostsOf(project.config, own))
}

function servedUnder ({ config, hash }: { config: ProjectConfig, hash: string }, hosts: readonly string[]): { config: ProjectConfig, hash: string } {
  return { config: { ...config, hosts }, hash: createHash('sha256').update(JSON.stringify([hash, hosts])).digest('base64url') }
}

/** A domain that is no longer verified stops serving at once, whatever the config still lists: never any host, at least its own. */
function hostsOf ({ origin, hosts }: ProjectConfig, own: readonly string[]): readonly string[] {
  if (hosts.length === 0) return own
  if (origin !== 'tenant') return hosts
  const listed = own.filter((host) => hosts.includes(host))
  return listed.length === 0 ? own.slice(0, 1) : listed
}

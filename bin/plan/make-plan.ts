import { callAdmin } from '../admin-client/client.js'
import type { Connection } from '../admin-client/connection.js'
import { affectedRoutes, type RoutedConfig } from './affected-routes.js'
import { diffConfig } from './config-diff.js'
import type { ProjectPlan } from './print-plan.js'

/** A plan with what carries it out. */
export interface Step extends ProjectPlan {
  readonly config: Readonly<Record<string, unknown>>
  /** The entity tag of what the plan was made from; null for a project that is not there yet. */
  readonly etag: string | null
}

/**
 * Compares a project as it is written with the one of the gateway. Both are what is in effect as the gateway says it: short forms written out,
 * defaults not filled in. Throws CommandError for a configuration that the gateway would refuse.
 */
export async function planProject (connection: Connection, project: string, config: Readonly<Record<string, unknown>>): Promise<Step> {
  const path = `/admin/projects/${encodeURIComponent(project)}/config`
  const before = await callAdmin(connection, { method: 'GET', path: `${path}?effective=true`, mayBeMissing: true })
  if (before.status === 404) {
    return { project, action: 'create', changes: diffConfig({}, config), affectedRoutes: affectedRoutes(null, config as RoutedConfig, diffConfig({}, config)), config, etag: null }
  }
  const after = await callAdmin(connection, { method: 'PUT', path: `${path}?dry_run=true`, body: config })
  const changes = diffConfig(before.body, after.body)
  const routes = affectedRoutes(before.body as RoutedConfig, after.body as RoutedConfig, changes)
  return { project, action: changes.length === 0 ? 'none' : 'change', changes, affectedRoutes: routes, config, etag: before.etag }
}

/** Carries out a step: the whole project at once, and only where it is still what the plan was made from. */
export async function applyStep (connection: Connection, { project, action, config, etag }: Step): Promise<void> {
  const path = `/admin/projects/${encodeURIComponent(project)}`
  if (action === 'none') return
  if (action === 'change') {
    await callAdmin(connection, { method: 'PUT', path: `${path}/config`, body: config, ...(etag === null ? {} : { ifMatch: etag }) })
    return
  }
  // Not served before all of it is there.
  await callAdmin(connection, { method: 'POST', path: '/admin/projects', body: { project_id: project, target_url: firstTarget(config) ?? 'https://unused.invalid', auth_type: 'none', active: false } })
  await callAdmin(connection, { method: 'PUT', path: `${path}/config`, body: config })
  await callAdmin(connection, { method: 'PATCH', path, body: { active: true } })
}

function firstTarget ({ upstreams }: Readonly<Record<string, unknown>>): string | null {
  for (const upstream of Object.values(upstreams as Record<string, { targets?: unknown }> | undefined ?? {})) {
    const target: unknown = Array.isArray(upstream.targets) ? upstream.targets[0] : null
    const url = typeof target === 'string' ? target : (target as { url?: unknown } | null)?.url
    if (typeof url === 'string') return url
  }
  return null
}

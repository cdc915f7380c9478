import { callAdmin, RefusedError } from '../admin-client/client.js'
import type { Connection } from '../admin-client/connection.js'
import { CommandError } from '../command.js'
import { isInherited } from '../inherited.js'
import { compareConfigs } from './compare.js'
import { configPath, presentConfig, wantedConfig } from './effective.js'
import type { ProjectPlan } from './print-plan.js'

/** A plan with what carries it out. */
export interface Step extends ProjectPlan {
  /** As it is written; null for a project that goes. */
  readonly config: Readonly<Record<string, unknown>> | null
  /** The entity tag of what the plan was made from; null for a project that is not there yet. */
  readonly etag: string | null
}

/** For whom, and with which word, steps are carried out. */
export interface ApplyOptions {
  readonly account?: string | undefined
  /** Kept beside the versions that come of it. */
  readonly comment?: string | undefined
}

/** What a project of which nothing is written has in effect: what differs from it is all that there is to tell of a new one. */
export const NOTHING = { hosts: [], basePath: '', upstreams: {}, plugins: [], plans: {}, routes: [], accessLog: true }
const MOST_LISTED = '100'

/**
 * Compares a project as it is written with the one of the gateway. Both are what is in effect as the gateway says it: in one form, with all defaults
 * filled in and secrets as digests. With plugins of the gateway it is told as well what other ones would change for the project. Throws CommandError for
 * a configuration that the gateway would refuse.
 */
export async function planProject (connection: Connection, project: string, config: Readonly<Record<string, unknown>>, account: string | undefined, gatewayPlugins: readonly unknown[] | null = null): Promise<Step> {
  const before = await presentConfig(connection, project)
  const after = await wantedConfig(connection, project, gatewayPlugins === null ? config : { ...config, inherited: { plugins: gatewayPlugins } }, before, account)
  // A new project inherits what it inherits: there is nothing to compare it with.
  const { changes, affectedRoutes } = compareConfigs(before?.config ?? NOTHING, after, gatewayPlugins !== null && before !== null)
  return { project, action: before === null ? 'create' : changes.length === 0 ? 'none' : 'change', source: 'store', changes, affectedRoutes, config, etag: before?.etag ?? null }
}

/** Whether a step changes what its project inherits: that is the gateway's, and stays as it is. */
export function changesInherited ({ changes }: Step): boolean {
  return changes.some(isInherited)
}

/** Whether there is anything to carry out. */
export function changesOwn ({ action, changes }: Step): boolean {
  return action === 'change' ? !changes.every(isInherited) : action !== 'none'
}

/** Steps that take away the projects of an account which are not among these. */
export async function planRemovals (connection: Connection, account: string, kept: ReadonlyMap<string, unknown>): Promise<Step[]> {
  const steps: Step[] = []
  for (const project of await listedProjects(connection, { customer_id: account })) {
    const present = kept.has(project) ? null : await presentConfig(connection, project)
    if (present === null) continue
    const { changes, affectedRoutes } = compareConfigs(present.config, NOTHING)
    steps.push({ project, action: 'remove', source: 'store', changes, affectedRoutes, config: null, etag: present.etag })
  }
  return steps
}

/** The ids of the projects that a query lists. */
export async function listedProjects (connection: Connection, query: Readonly<Record<string, string>>): Promise<string[]> {
  const ids: string[] = []
  const first = new URLSearchParams({ ...query, perPage: MOST_LISTED, cursor: '' })
  for (let path: string | null = `/admin/projects?${first.toString()}`; path !== null;) {
    const { body } = await callAdmin(connection, { method: 'GET', path })
    const { data, pagination } = body as { data: { project_id: string }[], pagination: { next: string | null } }
    ids.push(...data.map(({ project_id: id }) => id))
    path = pagination.next
  }
  return ids
}

/** Carries out a step: the whole project at once, and only where it is still what the plan was made from. Throws CommandError where it is not. */
export async function applyStep (connection: Connection, { project, action, config, etag }: Step, { account, comment }: ApplyOptions): Promise<void> {
  const only = etag === null ? { ifNoneMatch: '*' as const } : { ifMatch: etag }
  const query = new URLSearchParams({ ...(comment === undefined ? {} : { comment }), ...(account === undefined ? {} : { customer_id: account }) })
  try {
    if (action === 'remove') await callAdmin(connection, { method: 'DELETE', path: `/admin/projects/${encodeURIComponent(project)}`, ...only })
    else if (action !== 'none') await callAdmin(connection, { method: 'PUT', path: `${configPath(project)}${query.size === 0 ? '' : `?${query.toString()}`}`, body: config, ...only })
  } catch (error) {
    if (!(error instanceof RefusedError) || error.status !== 412) throw error
    throw new CommandError(`somebody changed project ${project} since the plan: it is left as it is`, 'look at what changed (`sluice versions`), and plan again')
  }
}

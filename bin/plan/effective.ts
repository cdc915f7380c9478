import { callAdmin } from '../admin-client/client.js'
import type { Connection } from '../admin-client/connection.js'
import { CommandError } from '../command.js'

/** A configuration as the gateway says that it is, or would be, in effect. */
export interface Effective {
  readonly config: Readonly<Record<string, unknown>>
  /** The entity tag of the project; null where there is none yet. */
  readonly etag: string | null
}

/** The path of a project's configuration. */
export function configPath (project: string): string {
  return `/admin/projects/${encodeURIComponent(project)}/config`
}

/** What is in effect of a project now; null where there is no such project. */
export async function presentConfig (connection: Connection, project: string): Promise<Effective | null> {
  const { status, body, etag } = await callAdmin(connection, { method: 'GET', path: `${configPath(project)}?effective=true`, mayBeMissing: true })
  return status === 404 ? null : { config: body as Effective['config'], etag }
}

/**
 * What would be in effect with this configuration in the place of the present one, or, where there is no project, of a new one of this account.
 * Throws CommandError for a configuration that the gateway would refuse, and where the project was changed since `present` was read.
 */
export async function wantedConfig (connection: Connection, project: string, config: Readonly<Record<string, unknown>>, present: Effective | null, account: string | undefined): Promise<Effective['config']> {
  const query = new URLSearchParams({ dry_run: 'true', ...(account === undefined ? {} : { customer_id: account }) })
  const only = present === null ? { ifNoneMatch: '*' as const, mayBeMissing: true } : present.etag === null ? {} : { ifMatch: present.etag }
  const { status, body } = await callAdmin(connection, { method: 'PUT', path: `${configPath(project)}?${query.toString()}`, body: config, ...only })
  if (status === 404) throw new CommandError(`there is no project "${project}", or no such account`, 'only operators choose ids: make it with `sluice project create`, and call it in the file as the gateway does')
  return body as Effective['config']
}

import type { LoadedPart } from '../../core/config/load-projects.js'
import type { Raw, RawMap } from '../../core/config/raw.js'
import { callAdmin } from '../admin-client/client.js'
import type { Connection } from '../admin-client/connection.js'
import { CommandError } from '../command.js'
import { compareConfigs } from './compare.js'
import { configPath } from './effective.js'
import { listedProjects, NOTHING, type Step } from './make-plan.js'

/** What files say of a part, for the gateway's own. */
type Written<T extends Raw> = Pick<LoadedPart<T>, 'written' | 'references'>

/** What apply says of a project that the gateway's own files declare, or would. */
export const LEFT_TO_FILES = new CommandError("projects of the gateway's own files stay as they are", 'change these files; where they are not watched, reload with SIGHUP or `POST /reload` of the admin port')
/** The plugins of a gateway whose file names none. */
export const NO_PLUGINS: Written<Raw[]> = { written: [], references: {} }

/** The names of the projects that the gateway's own files declare; only operators are told. */
export async function declaredNames (connection: Connection): Promise<ReadonlySet<string>> {
  return new Set(await listedProjects(connection, { source: 'file' }))
}

/**
 * Compares a project of the gateway's own files, as it serves, with what is written of it now: one that is not among them comes, null = it goes. `gateway`:
 * the plugins of the gateway that go with it; null = nothing is said of these. Throws CommandError for what the gateway would refuse.
 */
export async function planDeclared (connection: Connection, project: string, next: Written<RawMap> | null, gateway: Written<Raw[]> | null): Promise<Step> {
  const { status, body } = await callAdmin(connection, { method: 'GET', path: `${configPath(project)}?effective=true&source=file`, mayBeMissing: true })
  const before = status === 404 ? null : body as RawMap
  const after = next === null ? NOTHING : await triedConfig(connection, project, next, gateway)
  // What comes or goes inherits what it inherits: there is nothing to compare it with.
  const { changes, affectedRoutes } = compareConfigs(before ?? NOTHING, after, before !== null && next !== null && gateway !== null)
  return { project, action: next === null ? 'remove' : before === null ? 'create' : changes.length === 0 ? 'none' : 'change', source: 'file', changes, affectedRoutes, config: null, etag: null }
}

async function triedConfig (connection: Connection, project: string, { written, references }: Written<RawMap>, gateway: Written<Raw[]> | null): Promise<RawMap> {
  const inherited = gateway === null ? {} : { inherited: { plugins: gateway.written } }
  const body = { ...written, ...inherited, references: { ...gateway?.references, ...references } }
  return (await callAdmin(connection, { method: 'PUT', path: `${configPath(project)}?dry_run=true&source=file`, body })).body as RawMap
}

import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { ConfigVersion, Project } from '../../core/state/records.js'
import { checkPreconditions } from './entity-tag.js'
import { whileSecretsStay } from './hold-secret-names.js'
import { listAnswerSchema, listQuerySchema, type ListOptions } from './listing.js'
import { defineOperation, type AnyCall, type Operation } from './operation.js'
import { keepVersion, parseVersionId, planProject, versionFields, versionIdOf } from './project-versions.js'
import { COMMENT, SHOWN_PROJECT, shownProject, trailOf } from './projects.js'
import { createReach, notFound } from './reach.js'
import { listOf, showRecord, STAMPS } from './resource.js'
import { refusedConfig } from './shown-findings.js'
import { invalidRequest } from './validation.js'

const SHOWN = Type.Object({
  config_version_id: Type.String(), project_id: Type.String(), customer_id: Type.String(), version: Type.Integer({ minimum: 1 }), current: Type.Boolean({ description: 'Whether it is the one that the project has now.' }),
  author: Type.String(), comment: Type.Union([Type.String(), Type.Null()]), target_url: Type.Union([Type.String(), Type.Null()]), auth_type: Type.Enum(['api_key', 'oauth', 'none']), created_at: STAMPS.created_at
}, { additionalProperties: false })
const WITH_CONFIG = Type.Object({ ...SHOWN.properties, config: Type.Object({}, { additionalProperties: true, description: 'In the language of the YAML.' }) }, { additionalProperties: false })
const LIST: ListOptions = { filters: { author: 'text' }, sorts: ['version', 'created_at'] }
const VERSION = Type.Integer({ minimum: 1, maximum: 999_999_999 })
const VERSION_OR_ID = Type.String({ pattern: '^(?:[1-9][0-9]{0,8}|cfv_[a-z0-9-]{1,63}_[1-9][0-9]{0,8})$', examples: ['3', 'cfv_shop_3'], description: 'A number beside project_id, or an id.' })
const EFFECTIVE = Type.Optional(Type.Boolean({ description: 'true: as it would be served today, with all that short forms and defaults stand for written out.' }))

/** `/admin/config`: the versions of projects' configurations; and the way back to one. */
export const CONFIG_VERSION_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'config.list', method: 'GET', url: '/admin/config', summary: 'Lists the versions of a project\'s configuration, newest first', permission: 'projects:read', errors: ['NOT_FOUND'],
    query: listQuerySchema(LIST, { project_id: Type.String({ minLength: 1, maxLength: 100, description: 'The project.' }) }), answer: listAnswerSchema(SHOWN), status: 200,
    async run (call) {
      const query = call.query as Readonly<Record<string, unknown>>
      const project = await call.reach.get('projects', query.project_id as string)
      await keepVersion(call.state, project)
      const newestFirst = query.sort === undefined && query.cursor === undefined ? { sort: 'version', order: 'desc' } : {}
      // As its account sees it: of one tenant they are found by an index.
      const reach = createReach(call.state, { ...call.principal, customerId: project.customer_id })
      return await listOf({ ...call, reach, body: {}, query: { ...query, ...newestFirst } }, { collection: 'config_versions', idField: 'config_version_id', shown: SHOWN, list: LIST }, { project_id: { eq: project.project_id } }, (version) => show(project, version))
    }
  }),
  defineOperation({
    id: 'config.get', method: 'GET', url: '/admin/config/:id', summary: 'Shows a version', permission: 'projects:read', query: Type.Object({ effective: EFFECTIVE }, { additionalProperties: false }), answer: WITH_CONFIG, status: 200, errors: ['NOT_FOUND'],
    async run (call) {
      const { project, version } = await findVersion(call, call.params.id ?? '')
      const at = projectAt(project, version)
      const { configs } = call.state
      return { status: 200, body: { ...show(project, version), config: await (call.query.effective === true ? configs.effective(at, call.principal.customerId === null) : configs.written(at)) } }
    }
  }),
  defineOperation({
    id: 'config.diff', method: 'GET', url: '/admin/config/diff', summary: 'Compares two versions of a project as they would be served today', permission: 'projects:read', status: 200, errors: ['NOT_FOUND'],
    query: Type.Object({ from: VERSION_OR_ID, to: Type.Optional({ ...VERSION_OR_ID, description: 'As from; left out: the present version.' }), project_id: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'The project, where versions are numbers.' })) }, { additionalProperties: false }),
    answer: Type.Object({
      project_id: Type.String(), from: Type.Integer(), to: Type.Integer(),
      changes: Type.Array(Type.Object({ path: Type.Array(Type.String()), kind: Type.Enum(['added', 'removed', 'changed', 'moved']), before: Type.Unknown(), after: Type.Unknown() })),
      affected_routes: Type.Array(Type.String()), text: Type.String({ description: 'A line for each change.' })
    }, { additionalProperties: false }),
    async run (call) {
      const { from, to, project_id: named } = call.query
      const left = await findVersion(call, idOf(from, named, 'from'))
      const right = to === undefined ? { project: left.project, version: await current(call, left.project) } : await findVersion(call, idOf(to, named, 'to'))
      if (left.project.project_id !== right.project.project_id) throw invalidRequest([{ path: 'to', message: 'is a version of another project' }])
      const { configs } = call.state
      const { changes, affectedRoutes, text } = await configs.compare(await configs.effective(projectAt(left.project, left.version), false), await configs.effective(projectAt(right.project, right.version), false))
      return { status: 200, body: { project_id: left.project.project_id, from: left.version.version, to: right.version.version, changes, affected_routes: affectedRoutes, text } }
    }
  }),
  defineOperation({
    id: 'projects.rollback', method: 'POST', url: '/admin/projects/:id/rollback', summary: 'Makes a project what it was in a version, as a new version', permission: 'projects:update', status: 200, errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
    body: Type.Object({ version: VERSION, comment: Type.Optional(COMMENT) }, { additionalProperties: false }), answer: SHOWN_PROJECT,
    async run (call) {
      const { reach, params, body, state, principal, change } = call
      const before = await reach.get('projects', params.id ?? '')
      checkPreconditions(call, before.rev)
      const { version } = await findVersion(call, versionIdOf(before.project_id, body.version))
      const { config, target_url, auth_type } = version
      // What a tenant wrote stays in a tenant's bounds, whoever brings it back.
      const written_by = principal.customerId === null ? version.written_by : 'tenant'
      const parts = { config, target_url, auth_type, written_by }
      const next: Project = { ...before, ...parts, ...versionFields(state, before, parts, principal, body.comment ?? `rollback to version ${version.version}`) }
      if (next.config_version === before.config_version) return { status: 200, body: shownProject(state, before), rev: before.rev }
      if (!state.authTypes.includes(auth_type)) throw new GatewayError('VALIDATION_ERROR', { message: `There is no plugin for auth_type "${auth_type}" any more.`, details: { reason: 'auth_type_not_available', known: state.authTypes } })
      const findings = await state.configs.check(next)
      if (findings.length > 0) throw refusedConfig(`Version ${version.version} can not be used any more; the present one keeps serving.`, findings)
      const after = await whileSecretsStay(state, before, next, async () => await change(
        { customerId: before.customer_id, targetId: before.project_id, before, after: next, show: (project) => trailOf(state, project as Project) },
        await planProject(state, before, state.open.store.projects.planReplace(before.customer_id, next))
      ))
      return { status: 200, body: shownProject(state, after), rev: after.rev }
    }
  })
]

function show ({ config_version: now }: Project, version: ConfigVersion): Record<string, unknown> {
  return { ...showRecord(SHOWN, version), current: version.version === now }
}

/** A project as it was in a version. */
function projectAt (project: Project, { config, target_url, auth_type, written_by }: ConfigVersion): Project {
  return { ...project, config, target_url, auth_type, written_by }
}

function idOf (asked: string, projectId: string | undefined, path: string): string {
  if (asked.startsWith('cfv_')) return asked
  if (projectId === undefined) throw invalidRequest([{ path, message: 'is a number, and project_id does not say of what: add it, or name the version by its id' }])
  return versionIdOf(projectId, Number(asked))
}

/** A version within reach, with its project. The present one is always there. */
async function findVersion ({ reach, state }: AnyCall, id: string): Promise<{ project: Project, version: ConfigVersion }> {
  const named = parseVersionId(id)
  const project = named === null ? null : await reach.find('projects', named.projectId)
  if (named === null || project === null) throw notFound('config_versions')
  if (project.config_version === named.version) await keepVersion(state, project)
  return { project, version: await reach.get('config_versions', id) }
}

async function current ({ reach, state }: AnyCall, project: Project): Promise<ConfigVersion> {
  await keepVersion(state, project)
  return await reach.get('config_versions', versionIdOf(project.project_id, project.config_version))
}

import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Project } from '../../core/state/records.js'
import { listOf, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'
import { listInMemory } from './list-in-memory.js'
import { readListRequest } from './listing.js'
import type { Call, Operation } from './operation.js'
import { planProject, versionFields } from './project-versions.js'
import { OPERATORS_ACCOUNT } from './reach.js'
import type { DeclaredProject, StatePorts } from './state-ports.js'
import { storeFailure } from './store-failures.js'
import { invalidRequest } from './validation.js'

/** What ids look like that operators choose. A label of a host name: a project is reached as `<project_id>.<baseDomain>`. */
export const PROJECT_ID_PATTERN = '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'

const PROJECT_ID = Type.String({ pattern: PROJECT_ID_PATTERN, minLength: 1, maxLength: 63, description: 'Operators alone can choose it.' })
const TARGET_URL = Type.Union([Type.String({ minLength: 1, maxLength: 2048 }), Type.Null()], { description: 'Where every request goes: http:// or https://, a host, perhaps a path.' })
const AUTH_TYPE = Type.Enum(['api_key', 'oauth', 'none'])

/** Why a version of a configuration was made: shown beside it. */
export const COMMENT = Type.String({ minLength: 1, maxLength: 500, description: 'Why: shown beside the version that comes of it.' })

const COMMENT_QUERY = Type.Object({ comment: Type.Optional(COMMENT) }, { additionalProperties: false })

/** What is shown of a project. */
export const SHOWN_PROJECT = Type.Object({
  project_id: Type.String(), target_url: TARGET_URL, auth_type: Type.Union([Type.Enum(['api_key', 'oauth', 'none']), Type.Null()]), customer_id: Type.String(), active: Type.Boolean(),
  api_version: Type.Union([Type.String(), Type.Null()]), source: Type.Enum(['store', 'file']), url: Type.Union([Type.String(), Type.Null()]),
  config_version: Type.Union([Type.Integer({ minimum: 1 }), Type.Null()]),
  created_at: Type.Union([STAMPS.created_at, Type.Null()]), updated_at: Type.Union([STAMPS.updated_at, Type.Null()])
}, { additionalProperties: false })

const PROJECTS: Resource<'projects'> = {
  collection: 'projects', path: '/admin/projects', name: 'projects', noun: 'a project', idField: 'project_id', idPrefix: 'prj',
  shown: SHOWN_PROJECT,
  writable: { target_url: TARGET_URL, auth_type: AUTH_TYPE, active: Type.Boolean(), api_version: Type.Union([Type.String({ minLength: 1, maxLength: 100 }), Type.Null()]) },
  needed: ['target_url'],
  atCreation: { project_id: PROJECT_ID },
  defaults: { auth_type: 'api_key', active: true, api_version: null },
  list: { filters: { customer_id: 'text', auth_type: ['api_key', 'oauth', 'none'], active: 'boolean', api_version: 'text' }, sorts: ['project_id', 'created_at', 'updated_at', 'target_url'], search: ['project_id'] },
  permissions: { read: 'projects:read', create: 'projects:create', update: 'projects:update', remove: 'projects:delete' },
  async check (call, customerId, given, before) {
    const { principal, query, state } = call
    const next = await checked(call, customerId, given, before)
    return { ...next, ...versionFields(state, before, next as Partial<Project>, principal, (query.comment as string | undefined) ?? null) }
  },
  around: ({ state }, before, write) => planProject(state, before, write),
  trail: ({ state }, project) => trailOf(state, project),
  // A key that opens nothing must not wait for a project that is made anew: ids are not, but what is left over is not kept either.
  async beforeRemove ({ state: { open: { store } } }, { customer_id: customerId, project_id: projectId }) {
    for (const name of ['credentials', 'subscriptions', 'domains', 'secrets'] as const) await store[name].removeAll(customerId, { project_id: { eq: projectId } })
    await store.consumers.removeAll(customerId, { made_for: { eq: projectId } })
    for (const name of ['memberships', 'admin_tokens'] as const) await store[name].removeAll(customerId, { scope: { eq: 'project' }, scope_id: { eq: projectId } })
  },
  // Behind the project: as long as that is there, so are its versions.
  async afterRemove ({ state: { open: { store } } }, { customer_id: customerId, project_id: projectId }) {
    await store.config_versions.removeAll(customerId, { project_id: { eq: projectId } })
  }
}

const operations = resourceOperations(PROJECTS)

/** `/admin/projects`. */
export const PROJECT_OPERATIONS: readonly Operation[] = [
  {
    ...operations.list,
    query: Type.Object({ ...operations.list.query?.properties as Record<string, never>, source: Type.Optional(Type.Enum(['store', 'file'], { description: 'file: those that files declare, which only operators see.' })) }, { additionalProperties: false }),
    async run (call) {
      if (call.query.source !== 'file') return await listOf(call, PROJECTS, {}, (record) => shownProject(call.state, record))
      const projects = call.principal.customerId === null ? await call.state.declaredProjects() : []
      const asked = readListRequest(call.query, PROJECTS.list, PROJECTS.idField, Object.keys(SHOWN_PROJECT.properties))
      return { status: 200, body: { ...listInMemory(projects.map((one) => shownDeclared(call.state, one)), asked, call.url, PROJECTS.idField) } }
    }
  },
  ...[operations.create, operations.get, operations.replace, operations.patch, operations.remove].map((operation): Operation => ({
    ...operation,
    ...operation.body === undefined ? {} : { query: COMMENT_QUERY },
    async run (call) {
      try {
        const result = await operation.run(call)
        return result.body === null ? result : { ...result, body: { ...result.body, ...addressOf(call.state, result.body.project_id as string) } }
      } catch (error) {
        const missing = error instanceof GatewayError && error.code === 'NOT_FOUND' && call.principal.customerId === null && call.params.id !== undefined
        const file = missing ? await declared(call.state, call.params.id ?? '') : undefined
        if (file === undefined) throw error
        if (operation.method === 'GET') return { status: 200, body: shownDeclared(call.state, file) }
        throw declaredInFile()
      }
    }
  }))
]

/** A project as it is shown. */
export function shownProject (state: StatePorts, project: Project): Record<string, unknown> {
  return { ...showRecord(SHOWN_PROJECT, project), ...addressOf(state, project.project_id) }
}

/** A project as the audit trail may have it: with digests in the place of its secrets, and of a configuration that can not be opened that alone. */
export async function trailOf ({ configs }: StatePorts, project: Project): Promise<object> {
  if (project.config === null) return project
  try {
    return { ...project, config: await configs.trail(project) }
  } catch (error) {
    const failure = storeFailure(error)
    if (failure === null) throw error
    return { ...project, config: failure.message }
  }
}

/** Creates a project as `POST /admin/projects` does. */
export async function createProject (call: Call): Promise<{ project: Record<string, unknown>, rev: number | undefined }> {
  const { body, rev } = await operations.create.run(call)
  const project = body as Record<string, unknown>
  return { project: { ...project, ...addressOf(call.state, project.project_id as string) }, rev }
}

function addressOf (state: StatePorts, projectId: string): { source: 'store', url: string | null } {
  return { source: 'store', url: state.projectUrl(projectId) }
}

/** The refusal to change what a file declares. */
export function declaredInFile (): GatewayError {
  return new GatewayError('CONFLICT', { message: 'A file declares this project: change it there.', details: { reason: 'declared_in_file' } })
}

/** The project of this name that files declare. */
export async function declared ({ declaredProjects }: StatePorts, projectId: string): Promise<DeclaredProject | undefined> {
  return (await declaredProjects()).find(({ project_id: id }) => id === projectId)
}

function shownDeclared (state: StatePorts, { project_id: projectId, target_url: target }: DeclaredProject): Record<string, unknown> {
  return { ...showRecord(SHOWN_PROJECT, { project_id: projectId, target_url: target, customer_id: OPERATORS_ACCOUNT, active: true, source: 'file', url: state.projectUrl(projectId) }) }
}

async function checkTarget (state: StatePorts, target: string, byOperator: boolean): Promise<void> {
  const wrong = (message: string): GatewayError => invalidRequest([{ path: '/target_url', message }])
  let url: URL
  try {
    url = new URL(target)
  } catch {
    throw wrong('is no address (write it like https://api.example.com)')
  }
  // What a URL parser forgives (tabs, backslashes, a missing slash) others read in other ways.
  if (!/^https?:\/\/[^\s\\/?#@]+(\/[^\s\\?#]*)?$/i.test(target)) throw wrong('has to be http:// or https://, a host and perhaps a path, without user, query and fragment')
  if (url.port === '0') throw wrong('names the port 0, on which nothing can listen: write the port of the service, or leave it out for 80 (http) or 443 (https)')
  const refused = byOperator ? null : await state.refuseTarget(url)
  if (refused !== null) throw new GatewayError('VALIDATION_ERROR', { message: refused, details: { reason: 'target_not_allowed' } })
}

/** A part of a host name out of the target's: `api.example.com` becomes `api-example-com`. */
function slugOf (target: string | null | undefined, suffix: string): string {
  const host = target === null || target === undefined ? '' : new URL(target).hostname
  const slug = host.replace(/[^a-z0-9]+/g, '-').slice(0, 40).replace(/^-+|-+$/g, '')
  return `${slug === '' ? 'project' : slug}-${suffix}`
}

/** What is to be kept of a project, without its version. */
async function checked ({ principal, state }: Call, customerId: string, next: Readonly<Record<string, unknown>>, before: Project | null): Promise<Readonly<Record<string, unknown>>> {
  const byOperator = principal.customerId === null
  const target = next.target_url as string | null | undefined
  const moved = target !== undefined && target !== before?.target_url
  if (moved && target !== null) await checkTarget(state, target, byOperator)
  if (moved && target === null && (before?.config ?? null) === null) throw invalidRequest([{ path: '/target_url', message: 'is needed for as long as the project has no configuration' }])
  const authType = next.auth_type as Project['auth_type'] | undefined
  if (authType !== undefined && !state.authTypes.includes(authType)) {
    throw new GatewayError('VALIDATION_ERROR', { message: `There is no plugin for auth_type "${authType}".`, details: { reason: 'auth_type_not_available', known: state.authTypes } })
  }
  // Who named the target decides what it may be at connect time; other changes leave that as it is.
  const writtenBy = before === null || (moved && before.config === null) ? { written_by: byOperator ? 'operator' : 'tenant' } : {}
  if (before !== null) return { ...next, ...writtenBy }
  if (next.project_id !== undefined && !byOperator) throw new GatewayError('AUTHORIZATION_ERROR', { message: 'Operators alone can choose a project_id: leave it out.', details: { reason: 'project_id_is_given' } })
  const projectId = (next.project_id as string | undefined) ?? slugOf(target, state.randomId(8))
  if (await declared(state, projectId) !== undefined) throw new GatewayError('CONFLICT', { message: 'There is one with this project_id already.', details: { field: 'project_id', reason: 'already_exists' } })
  return { ...next, ...writtenBy, config: null, project_id: projectId }
}

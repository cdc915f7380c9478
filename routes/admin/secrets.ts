import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { SECRET_NAME } from '../../core/lib/secret-references.js'
import type { Secret } from '../../core/state/records.js'
import { holdSecretNames } from './hold-secret-names.js'
import { valuesOf } from './listing.js'
import { defineOperation, type Call, type Operation } from './operation.js'
import { bodySchema, CUSTOMER_ID, listOf, newId, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'
import type { SecretUse } from './state-ports.js'
import { invalidRequest } from './validation.js'

// A private key with its chain of certificates has some KB.
const MOST_BYTES = 64 * 1024
// All that a project can name is in the memory of each worker.
const MOST_SECRETS = 200
const MOST_SHOWN = 20
const SCOPES = ['account', 'project']
const PAGE = 1_000

const PROJECT_ID_OR_NULL = Type.Union([Type.String({ minLength: 1, maxLength: 100 }), Type.Null()], { description: 'The project that alone can name it; null = every project of the account.' })

/** What is shown of a secret: nothing of its value. */
const SHOWN_SECRET = Type.Object({
  secret_id: Type.String(), customer_id: Type.String(), project_id: Type.Union([Type.String(), Type.Null()]), name: Type.String(),
  version: Type.Integer({ description: 'Counts the values that it had.' }), ...STAMPS
}, { additionalProperties: false })

const SECRETS: Resource<'secrets'> = {
  collection: 'secrets', path: '/admin/secrets', name: 'secrets', noun: 'a secret', idField: 'secret_id', idPrefix: 'sec',
  shown: SHOWN_SECRET,
  writable: { value: Type.String({ minLength: 1, maxLength: MOST_BYTES, writeOnly: true, description: 'At most 64 KB; never shown again.' }) },
  needed: ['value'],
  defaults: {},
  list: { filters: { customer_id: 'text', project_id: 'text', name: 'text' }, sorts: ['secret_id', 'created_at', 'updated_at', 'name', 'project_id'], search: ['name'] },
  permissions: { read: 'secrets:read', create: 'secrets:write', update: 'secrets:write', remove: 'secrets:write' },
  async check ({ state: { keys } }, customerId, { value, ...next }, before) {
    const text = value as string
    if (Buffer.byteLength(text) > MOST_BYTES) throw invalidRequest([{ path: '/value', message: 'has more than 64 KB' }])
    return { ...next, value: keys.sealSecretValue(customerId, text), version: (before?.version ?? 0) + 1 }
  },
  async beforeRemove (call, secret) {
    const used = await findUses(call, secret)
    if (used.length === 0) return
    const [{ project_id: projectId, routes }] = used as [ProjectUse]
    const of = routes.length === 0 ? '' : ` for ${routes.slice(0, 3).map((id) => `"${id}"`).join(', ')}${routes.length > 3 ? ' and others' : ''}`
    throw new GatewayError('CONFLICT', {
      message: `The configuration of "${projectId}" names the secret${of}${used.length > 1 ? `, and so do ${used.length - 1} more` : ''}: take it out there first.`,
      details: { reason: 'secret_in_use', usedBy: used.slice(0, MOST_SHOWN), usedByCount: used.length }
    })
  }
}

const { list, get, replace, patch, remove } = resourceOperations(SECRETS)

/** `/admin/secrets`. */
export const SECRET_OPERATIONS: readonly Operation[] = [
  get, { ...replace, takesMany: true }, { ...patch, takesMany: true },
  {
    ...list,
    query: Type.Object({ ...list.query?.properties as Record<string, never>, scope: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Any of account, project, with commas between: account = those that every project of it can name.' })) }, { additionalProperties: false }),
    run: (call) => listOf(call, SECRETS, scopeFilter(call))
  },
  {
    ...remove,
    async run (call) {
      const { customer_id: customerId } = await call.reach.get('secrets', call.params.id ?? '')
      return await holdSecretNames(call.state, customerId, () => remove.run(call))
    }
  },
  defineOperation({
    id: 'secrets.create', method: 'POST', url: SECRETS.path, summary: 'Keeps a value that configurations name as ${secret:NAME}', permission: 'secrets:write', answer: SHOWN_SECRET, status: 201, errors: ['CONFLICT'],
    takesMany: true,
    body: bodySchema({ name: Type.String({ pattern: SECRET_NAME, maxLength: 64 }), ...SECRETS.writable, project_id: PROJECT_ID_OR_NULL, customer_id: CUSTOMER_ID }, ['name', 'value']),
    async run (call) {
      const { name, value, customer_id: account, project_id: named } = call.body as { name: string, value: string, customer_id?: string, project_id?: string | null }
      const { principal, reach, state: { open: { store } } } = call
      const projectId = named === undefined ? principal.projectId : named
      if (projectId === null && principal.projectId !== null) throw new GatewayError('AUTHORIZATION_ERROR', { message: 'A token for one project keeps secrets of that project alone.', details: { reason: 'project_token' } })
      const ofProject = projectId === null || account !== undefined ? null : await reach.find('projects', projectId)
      const customerId = ofProject?.customer_id ?? await reach.accountFor(account)
      if (projectId !== null) await reach.refer('projects', customerId, projectId, '/project_id')
      // Those who make the last one at once may make one too many.
      if (await store.secrets.count(customerId, { project_id: { eq: projectId } }) >= MOST_SECRETS) {
        throw new GatewayError('CONFLICT', { message: `There are ${MOST_SECRETS} secrets already: remove one first.`, details: { reason: 'too_many_secrets', most: MOST_SECRETS } })
      }
      const fresh = { secret_id: newId(call.state, SECRETS.idPrefix), project_id: projectId, name, ...await SECRETS.check?.(call, customerId, { value }, null) } as Secret
      const made = await call.change({ customerId, targetId: fresh.secret_id, before: null, after: fresh }, () => store.secrets.insert(customerId, fresh))
      return { status: 201, body: showRecord(SHOWN_SECRET, made), rev: made.rev, location: `${SECRETS.path}/${made.secret_id}` }
    }
  })
]

/** What of a list `scope` lets through. A token for one project sees those of the project alone, whatever it asks for. */
function scopeFilter ({ query, principal }: Call): Readonly<Record<string, unknown>> {
  const scopes = query.scope === undefined ? SCOPES : valuesOf('scope', query.scope as string, SCOPES)
  const [account, project] = SCOPES.map((scope) => scopes.includes(scope))
  if (account && project) return {}
  if (query.project_id !== undefined || principal.projectId !== null) return project === true ? {} : { project_id: { in: [] } }
  return { project_id: project === true ? { gte: '' } : { eq: null } }
}

interface ProjectUse extends SecretUse { readonly project_id: string }

/** The projects whose configurations mean this secret: those that have one of the same name of their own mean that. */
async function findUses ({ state: { open: { store }, configs } }: Call, { customer_id: customerId, project_id: projectId, name }: Secret): Promise<ProjectUse[]> {
  const used: ProjectUse[] = []
  for (let offset = 0; ; offset += PAGE) {
    const projects = await store.projects.list(customerId, { ...projectId === null ? {} : { filter: { project_id: { eq: projectId } } }, limit: PAGE, offset })
    for (const project of projects) {
      const use = configs.secretUse(project, name)
      if (use === null) continue
      const ownOnes = projectId !== null ? 0 : await store.secrets.count(customerId, { project_id: { eq: project.project_id }, name: { eq: name } })
      if (ownOnes === 0) used.push({ project_id: project.project_id, ...use })
    }
    if (projects.length < PAGE) return used
  }
}

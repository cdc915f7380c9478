import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Project } from '../../core/state/records.js'
import { checkPreconditions } from './entity-tag.js'
import { whileSecretsStay } from './hold-secret-names.js'
import { defineOperation, type Call, type Operation, type Result } from './operation.js'
import { planProject, versionFields } from './project-versions.js'
import { COMMENT, declared, declaredInFile, PROJECT_ID_PATTERN, trailOf } from './projects.js'
import { notFound } from './reach.js'
import { CUSTOMER_ID } from './resource.js'
import { OPERATORS_ACCOUNT } from './roles.js'
import { refusedConfig } from './shown-findings.js'
import { invalidRequest } from './validation.js'

const CONFIG = Type.Object({}, { additionalProperties: true, description: 'A project in the language of the YAML.' })
const SOURCE = Type.Enum(['store', 'file'], { description: 'file: the one that files declare, which only operators see; store: not that one. Left out: the store\'s, where both have one.' })
const url = '/admin/projects/:id/config'
const ID = new RegExp(PROJECT_ID_PATTERN)

interface PutQuery { readonly dry_run?: boolean, readonly comment?: string, readonly customer_id?: string, readonly source?: 'store' | 'file' }

/** `/admin/projects/{id}/config`: a project in the configuration language. */
export const PROJECT_CONFIG_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'projects.config.get', method: 'GET', url, summary: 'Shows the configuration of a project', permission: 'projects:read', answer: CONFIG, status: 200, errors: ['NOT_FOUND'], tagged: true,
    query: Type.Object({
      effective: Type.Optional(Type.Boolean({ description: 'true: as it is served, with all that short forms and defaults stand for written out, and what it inherits of the gateway under `inherited`.' })),
      source: Type.Optional(SOURCE)
    }, { additionalProperties: false }),
    async run ({ reach, params, query, state, principal }) {
      const id = params.id ?? ''
      const project = query.source === 'file' ? null : await reach.find('projects', id)
      if (project !== null) return answer(project, await (query.effective === true ? state.configs.effective(project, principal.customerId === null) : state.configs.written(project)))
      if (principal.customerId !== null || query.source === 'store') throw notFound('projects')
      const config = query.effective === true ? (await state.declaredEffective(id, null)).config : await state.declaredConfig(id)
      if (config === null) throw notFound('projects')
      return answer(null, config)
    }
  }),
  defineOperation({
    id: 'projects.config.replace', method: 'PUT', url, summary: 'Replaces the configuration of a project, as YAML or JSON; with If-None-Match: * makes the project', permission: 'projects:update', answer: CONFIG, status: 200,
    errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED', 'UNSUPPORTED_MEDIA_TYPE'], takesText: true,
    query: Type.Object({
      dry_run: Type.Optional(Type.Boolean({ description: 'true: checks it and answers what would be in effect; nothing is changed. Operators may name other plugins of the gateway in `inherited`, to see what would be in effect with these.' })),
      source: Type.Optional({ ...SOURCE, description: 'file: answers, with dry_run, what would be in effect if the gateway\'s files said this of the project. Texts with references that stand in these as they are written there are what they are there.' }),
      comment: Type.Optional(COMMENT),
      customer_id: Type.Optional({ ...CUSTOMER_ID, description: 'The account of the project; of one that is made the operators\' own where it is left out.' })
    }, { additionalProperties: false }),
    async run (call) {
      const { reach, params, state, ifMatch, ifNoneMatch, principal, change, query: { dry_run: dryRun, comment = null, customer_id: account, source } } = call
      if (source === 'file') return await tryDeclared(call)
      const found = await reach.find('projects', params.id ?? '')
      if (found !== null && ifNoneMatch !== undefined) throw new GatewayError('PRECONDITION_FAILED', { message: 'There is such a project already.', details: { reason: 'project_exists' } })
      const before = found ?? await newProject(call)
      if (found !== null && account !== undefined && account !== found.customer_id) throw notFound('accounts')
      if (found !== null) checkPreconditions({ ifMatch }, found.rev)
      const byOperator = principal.customerId === null
      // Operators may ask what would be in effect with other plugins of the gateway.
      const trial = dryRun === true && byOperator ? await state.configs.tryGateway(before, call.text ?? '') : { configs: state.configs, findings: [] }
      if (trial.findings.length > 0) throw refusedConfig('The gateway can not have these plugins.', trial.findings)
      const { value, findings } = await trial.configs.read(before, call.text ?? '', byOperator)
      if (value === null || findings.length > 0) throw refusedConfig('The configuration can not be used; the one before keeps serving.', findings)
      const parts = { config: state.configs.seal(before.customer_id, value), target_url: null, written_by: byOperator ? 'operator' as const : 'tenant' as const }
      const next: Project = { ...before, ...parts, ...versionFields(state, found, parts, principal, comment) }
      if (dryRun === true) return answer(found, await trial.configs.effective(next, byOperator))
      const projects = state.open.store.projects
      const after = await whileSecretsStay(state, found, next, async () => await change(
        { customerId: next.customer_id, targetId: next.project_id, before: found, after: next, show: (project) => trailOf(state, project as Project) },
        await planProject(state, found, found === null ? projects.planInsert(next.customer_id, next) : projects.planReplace(next.customer_id, next))
      ))
      return { ...answer(after, await state.configs.written(after)), ...found === null ? { status: 201, location: `/admin/projects/${after.project_id}` } : {} }
    }
  })
]

/** What would be in effect of a project if the gateway's files said this of it. */
async function tryDeclared ({ principal, params, state, text, query }: Call<unknown, PutQuery>): Promise<Result> {
  if (principal.customerId !== null) throw notFound('projects')
  if (query.dry_run !== true) throw declaredInFile()
  const { config, findings } = await state.declaredEffective(params.id ?? '', text ?? '')
  if (config === null) throw refusedConfig('The files could not say this.', findings)
  return answer(null, config)
}

/** The project that a PUT makes which says that there must be none. Only operators choose ids: to others it is missing. */
async function newProject ({ ifNoneMatch, principal, params, reach, state, query }: Call<unknown, PutQuery>): Promise<Project> {
  const id = params.id ?? ''
  if (principal.customerId === null && await declared(state, id) !== undefined) throw declaredInFile()
  if (principal.customerId !== null || ifNoneMatch?.trim() !== '*') throw notFound('projects')
  if (!ID.test(id)) throw invalidRequest([{ path: 'id', message: 'can not name a project of the store: use lower-case letters, digits and "-", at most 63, beginning and ending with a letter or digit' }])
  return { ...recordOf(id, null, state.now()), customer_id: await reach.accountFor(query.customer_id), config_author: principal.actor }
}

/** A project of the operators' own, as the store would have it. */
function recordOf (id: string, config: Project['config'], nowMs: number): Project {
  const at = new Date(nowMs).toISOString()
  return {
    customer_id: OPERATORS_ACCOUNT, project_id: id, target_url: null, auth_type: 'none', active: true, api_version: null, config, written_by: 'operator',
    config_version: 1, config_author: 'operator', config_comment: null, rev: 0, created_at: at, updated_at: at
  }
}

function answer (project: Project | null, body: Readonly<Record<string, unknown>>): Result {
  return { status: 200, body, ...project === null ? {} : { rev: project.rev } }
}

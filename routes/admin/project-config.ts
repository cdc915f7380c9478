import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Project } from '../../core/state/records.js'
import { checkIfMatch } from './entity-tag.js'
import { defineOperation, type Operation, type Result } from './operation.js'
import { shownFindings } from './shown-findings.js'

const CONFIG = Type.Object({}, { additionalProperties: true, description: 'A project in the language of the YAML.' })
const url = '/admin/projects/:id/config'

/** `/admin/projects/{id}/config`: a project in the configuration language. */
export const PROJECT_CONFIG_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'projects.config.get', method: 'GET', url, summary: 'Shows the configuration of a project', permission: 'projects:read', answer: CONFIG, status: 200, errors: ['NOT_FOUND'],
    query: Type.Object({ effective: Type.Optional(Type.Boolean({ description: 'true: with what the short form and the defaults of the gateway stand for.' })) }, { additionalProperties: false }),
    async run ({ reach, params, query, state }) {
      const project = await reach.get('projects', params.id ?? '')
      return answer(project, query.effective === true ? await state.configs.effective(project) : project.config ?? state.configs.expanded(project))
    }
  }),
  defineOperation({
    id: 'projects.config.replace', method: 'PUT', url, summary: 'Replaces the configuration of a project, as YAML or JSON', permission: 'projects:update', answer: CONFIG, status: 200,
    errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED', 'UNSUPPORTED_MEDIA_TYPE'], takesText: true,
    query: Type.Object({ dry_run: Type.Optional(Type.Boolean({ description: 'true: checks it and answers what would be in effect; nothing is changed.' })) }, { additionalProperties: false }),
    async run ({ reach, params, state, ifMatch, principal, change, text, query }) {
      const before = await reach.get('projects', params.id ?? '')
      checkIfMatch(ifMatch, before.rev)
      const byOperator = principal.customerId === null
      const { value, findings } = await state.configs.read(before, text ?? '', byOperator)
      if (value === null || findings.length > 0) {
        throw new GatewayError('VALIDATION_ERROR', { message: 'The configuration can not be used; the one before keeps serving.', details: { reason: 'config_refused', findingCount: findings.length, findings: shownFindings(findings) } })
      }
      const next: Project = { ...before, config: value, target_url: null, written_by: byOperator ? 'operator' : 'tenant' }
      if (query.dry_run === true) return answer(before, await state.configs.effective(next))
      const after = await change({ customerId: before.customer_id, targetId: before.project_id, before, after: next }, () => state.open.store.projects.replace(before.customer_id, next))
      return answer(after, value)
    }
  })
]

function answer ({ rev }: Project, body: Readonly<Record<string, unknown>>): Result {
  return { status: 200, body, rev }
}

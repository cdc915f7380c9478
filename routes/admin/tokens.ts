import { Type } from 'typebox'
import type { AdminToken, Role } from '../../core/state/records.js'
import { checkPreconditions } from './entity-tag.js'
import { defineOperation, type AnyCall, type Operation } from './operation.js'
import { lastUses } from './last-uses.js'
import { CUSTOMER_ID, NAME, newId, NO_FIELDS, resourceOperations, showRecord, STAMPS, TIME_OR_NULL, type Resource } from './resource.js'
import { refuseHigherUser } from './owners.js'
import { OPERATORS_ACCOUNT } from './reach.js'
import { refuseAbove, type Principal } from './roles.js'
import { invalidRequest } from './validation.js'

const ID = Type.String({ minLength: 1, maxLength: 100 })
const ROLE = Type.Enum(['operator', 'owner', 'admin', 'developer', 'auditor'])
const YEAR_MS = 365 * 86_400_000

/** What is shown of a token: never the token. */
export const SHOWN_TOKEN = Type.Object({
  token_id: Type.String(), customer_id: Type.String(), user_id: Type.Union([Type.String(), Type.Null()]), name: Type.String(), prefix: Type.String(), role: ROLE,
  scope: Type.Enum(['account', 'project']), scope_id: Type.String(), status: Type.Enum(['active', 'revoked']), expires_at: TIME_OR_NULL, last_used_at: TIME_OR_NULL, ...STAMPS
}, { additionalProperties: false })

const SHOWN_ONCE = Type.Object({ ...SHOWN_TOKEN.properties, token: Type.String() }, { additionalProperties: false })

const TOKENS: Resource<'admin_tokens'> = {
  collection: 'admin_tokens', path: '/admin/tokens', name: 'tokens', noun: 'a token', idField: 'token_id', idPrefix: 'tok',
  shown: SHOWN_TOKEN,
  writable: { name: NAME },
  needed: ['name'],
  defaults: {},
  list: {
    filters: { customer_id: 'text', user_id: 'text', role: ['operator', 'owner', 'admin', 'developer', 'auditor'], scope: ['account', 'project'], status: ['active', 'revoked'] },
    sorts: ['token_id', 'created_at', 'updated_at', 'name', 'expires_at'], search: ['name']
  },
  permissions: { read: 'tokens:read', create: 'tokens:write', update: 'tokens:write', remove: 'tokens:write' },
  beside: ({ state }, tokens) => lastUses(state, tokens, 'token_id'),
  async check ({ principal }, _customerId, next, before) {
    if (before !== null) refuseAbove(principal, before.role)
    return next
  }
}

const { list, get, patch } = resourceOperations(TOKENS)

/** `/admin/tokens`. */
export const TOKEN_OPERATIONS: readonly Operation[] = [
  list, get, patch,
  defineOperation({
    id: 'tokens.create', method: 'POST', url: TOKENS.path, summary: 'Makes a token for this API; this answer alone shows it', permission: 'tokens:write', answer: SHOWN_ONCE, status: 201, secrets: ['token'],
    body: Type.Object({
      name: NAME, role: ROLE, customer_id: Type.Optional(CUSTOMER_ID), user_id: Type.Optional(Type.Union([ID, Type.Null()])),
      scope: Type.Optional(Type.Enum(['account', 'project'], { default: 'account' })), scope_id: Type.Optional(ID), expires_at: Type.Optional(TIME_OR_NULL)
    }, { additionalProperties: false }),
    async run (call) {
      const { name, role, user_id: userId = null, scope = 'account', scope_id: scopeId, expires_at: end, customer_id: named } = call.body
      const customerId = await call.reach.accountFor(named)
      refuseRole(call.principal, role, customerId, scope)
      if (scope === 'project') {
        if (scopeId === undefined) throw invalidRequest([{ path: '/scope_id', message: 'is needed: the project' }])
        await call.reach.refer('projects', customerId, scopeId, '/scope_id')
      } else if (scopeId !== undefined && scopeId !== customerId) throw invalidRequest([{ path: '/scope_id', message: 'has to be the account, or left out' }])
      if (userId !== null) await refuseHigherUser(call, await call.reach.refer('users', customerId, userId, '/user_id'))
      const { text, prefix, digest, pepperId } = call.state.keys.createAdminToken()
      const fresh = {
        token_id: newId(call.state, TOKENS.idPrefix), user_id: userId, name, prefix, digest, pepper_id: pepperId, role, scope, scope_id: scope === 'project' ? scopeId as string : customerId,
        status: 'active' as const, last_used_at: null, expires_at: end === null ? null : new Date(end ?? call.state.now() + YEAR_MS).toISOString()
      }
      const made: AdminToken = await call.change({ customerId, targetId: fresh.token_id, before: null, after: fresh }, call.state.open.store.admin_tokens.planInsert(customerId, fresh))
      return { status: 201, body: { ...showRecord(SHOWN_TOKEN, made), token: text }, rev: made.rev, location: `${TOKENS.path}/${made.token_id}` }
    }
  }),
  defineOperation({
    id: 'tokens.revoke', method: 'POST', url: `${TOKENS.path}/:id/revoke`, summary: 'Revokes a token, for good', permission: 'tokens:write', body: NO_FIELDS, answer: SHOWN_TOKEN, status: 200, errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
    async run (call) {
      const made = await revoked(call)
      const [used] = await lastUses(call.state, [made], 'token_id')
      return { status: 200, body: { ...showRecord(SHOWN_TOKEN, made), ...used }, rev: made.rev }
    }
  }),
  defineOperation({
    id: 'tokens.delete', method: 'DELETE', url: `${TOKENS.path}/:id`, summary: 'Revokes a token as well; it stays to be seen', permission: 'tokens:write', answer: null, status: 204, errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
    async run (call) {
      await revoked(call)
      return { status: 204, body: null }
    }
  })
]

async function revoked (call: AnyCall): Promise<AdminToken> {
  const { reach, principal, params, change, state } = call
  const before = await reach.get('admin_tokens', params.id ?? '')
  checkPreconditions(call, before.rev)
  refuseAbove(principal, before.role)
  if (before.status === 'revoked') return before
  const next = { ...before, status: 'revoked' as const }
  return await change({ customerId: before.customer_id, targetId: before.token_id, before, after: next }, () => state.open.store.admin_tokens.replace(before.customer_id, next))
}

/** Rejects a role that the giver can not give. An operator is one of the operators' own account, and for all of it. */
function refuseRole (giver: Principal, role: Role, customerId: string, scope: string): void {
  refuseAbove(giver, role)
  if (role === 'operator' && (customerId !== OPERATORS_ACCOUNT || scope !== 'account')) throw invalidRequest([{ path: '/role', message: 'operator is for the operators\' own account alone' }])
}

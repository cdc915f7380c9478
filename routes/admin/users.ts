import { Type } from 'typebox'
import type { User } from '../../core/state/records.js'
import { bulkOperation } from './bulk.js'
import { checkIfMatch } from './entity-tag.js'
import { everyRecord } from './every-record.js'
import { defineOperation, type AnyCall, type Operation, type Result } from './operation.js'
import { NAME, NO_FIELDS, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'
import { SHOWN_MEMBERSHIP } from './teams.js'
import { SHOWN_TOKEN } from './tokens.js'

const EMAIL = Type.String({ format: 'email', maxLength: 254 })
const TIER = Type.Union([Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9 _-]{0,62}$' }), Type.Null()])
const NAME_OR_NULL = Type.Union([NAME, Type.Null()])

const SHOWN_USER = Type.Object({
  user_id: Type.String(), customer_id: Type.String(), email: Type.String(), name: NAME_OR_NULL, tier: TIER, status: Type.Enum(['active', 'inactive']), ...STAMPS
}, { additionalProperties: false })

const USERS: Resource<'users'> = {
  collection: 'users', path: '/admin/users', name: 'users', noun: 'a user', idField: 'user_id', idPrefix: 'usr',
  shown: SHOWN_USER,
  writable: { email: EMAIL, name: NAME_OR_NULL },
  needed: ['email'],
  atCreation: { tier: TIER },
  defaults: { name: null },
  list: { filters: { customer_id: 'text', status: ['active', 'inactive'], tier: 'text', email: 'text' }, sorts: ['user_id', 'created_at', 'updated_at', 'email', 'name', 'tier', 'status'], search: 'email' },
  permissions: { read: 'users:read', create: 'users:write', update: 'users:write', remove: 'users:write' },
  check: async (_call, _customerId, next, before) => before === null ? { tier: null, status: 'active', ...next } : next,
  async beforeRemove (call, user) {
    await endTokens(call, user)
    const { store } = call.state.open
    await store.memberships.removeAll(user.customer_id, { user_id: { eq: user.user_id } })
  }
}

const operations = resourceOperations(USERS)
const [deactivate, activate] = ([['deactivate', 'inactive', 'Deactivates a user: the tokens end for good, the memberships stay'], ['activate', 'active', 'Activates a user again']] as const).map(([verb, status, summary]) => defineOperation({
  id: `users.${verb}`, method: 'POST', url: `${USERS.path}/:id/${verb}`, summary, permission: 'users:write', body: NO_FIELDS, answer: SHOWN_USER, status: 200, errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  run: (call) => changed(call, { status }, status === 'inactive' ? (user) => endTokens(call, user) : null)
})) as [Operation, Operation]

/** `/admin/users`. */
export const USER_OPERATIONS: readonly Operation[] = [
  ...Object.values(operations), deactivate, activate,
  bulkOperation({
    id: 'users.bulk', url: `${USERS.path}/bulk`, summary: 'Creates, changes, deactivates and removes many users, with a result for each', permission: 'users:write',
    actions: { create: operations.create, update: operations.patch, deactivate, activate, delete: operations.remove },
    example: [
      { action: 'create', body: { email: 'ada@example.com', name: 'Ada' } }, { action: 'update', id: 'usr_0f3k2m8v1x9q4z7b5c6d', if_match: '"3"', body: { name: 'Grace' } },
      { action: 'deactivate', id: 'usr_1g4m3n9w2y0r5a8c6d7e' }
    ]
  }),
  defineOperation({
    id: 'users.tier', method: 'PUT', url: `${USERS.path}/:id/tier`, summary: 'Sets the tier of a user', permission: 'users:write', body: Type.Object({ tier: TIER }, { additionalProperties: false }), answer: SHOWN_USER, status: 200,
    errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
    run: (call) => changed(call, call.body, null)
  }),
  defineOperation({
    id: 'users.export', method: 'GET', url: `${USERS.path}/:id/export`, summary: 'Gives all that is kept of a person', permission: 'users:read', status: 200, errors: ['NOT_FOUND'],
    answer: Type.Object({ user: SHOWN_USER, memberships: Type.Array(SHOWN_MEMBERSHIP), tokens: Type.Array(SHOWN_TOKEN) }),
    async run (call) {
      const user = await call.reach.get('users', call.params.id ?? '')
      const { store } = call.state.open
      const of = { user_id: { eq: user.user_id } }
      const memberships = await everyRecord(store.memberships, 'membership_id', user.customer_id, of)
      const tokens = await everyRecord(store.admin_tokens, 'token_id', user.customer_id, of)
      return { status: 200, body: {
        user: showRecord(SHOWN_USER, user), memberships: memberships.map((one) => showRecord(SHOWN_MEMBERSHIP, one)), tokens: tokens.map((one) => showRecord(SHOWN_TOKEN, one))
      } }
    }
  })
]

async function changed (call: AnyCall, fields: Partial<User>, also: ((user: User) => Promise<void>) | null): Promise<Result> {
  const before = await call.reach.get('users', call.params.id ?? '')
  checkIfMatch(call.ifMatch, before.rev)
  const next = { ...before, ...fields }
  const user = await call.change({ customerId: before.customer_id, targetId: before.user_id, before, after: next }, also === null
    ? call.state.open.store.users.planReplace(before.customer_id, next)
    : async () => {
      const made = await call.state.open.store.users.replace(before.customer_id, next)
      await also(made)
      return made
    })
  return { status: 200, body: showRecord(SHOWN_USER, user), rev: user.rev }
}

async function endTokens ({ state: { open: { store } } }: AnyCall, { customer_id: customerId, user_id: id }: User): Promise<void> {
  await store.admin_tokens.removeAll(customerId, { user_id: { eq: id } })
}

import { Type } from 'typebox'
import type { User } from '../../core/state/records.js'
import { entriesAbout, SHOWN_ENTRIES } from './audit-trail.js'
import { bulkOperation } from './bulk.js'
import { changeFields } from './change-fields.js'
import { everyRecord } from './every-record.js'
import { lastUses } from './last-uses.js'
import { defineOperation, type AnyCall, type Call, type Operation } from './operation.js'
import { keepAnOwner, refuseHigherUser } from './owners.js'
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
  list: { filters: { customer_id: 'text', status: ['active', 'inactive'], tier: 'text', email: 'text' }, sorts: ['user_id', 'created_at', 'updated_at', 'email', 'name', 'tier', 'status'], search: ['email', 'name'] },
  permissions: { read: 'users:read', create: 'users:write', update: 'users:write', remove: 'users:write' },
  check: async (_call, _customerId, next, before) => before === null ? { tier: null, status: 'active', ...next } : next,
  async beforeRemove (call, user) {
    await endTokens(call, user)
    const { store } = call.state.open
    await store.memberships.removeAll(user.customer_id, { user_id: { eq: user.user_id } })
  }
}

const made = resourceOperations(USERS)
const operations = {
  ...made,
  replace: { ...made.replace, run: (call: Call) => toUser(call, () => made.replace.run(call)) },
  patch: { ...made.patch, run: (call: Call) => toUser(call, () => made.patch.run(call)) },
  remove: { ...made.remove, run: (call: Call) => withoutUser(call, () => made.remove.run(call)) }
}
const ONE_USER = { permission: 'users:write' as const, answer: SHOWN_USER, status: 200 as const, errors: ['NOT_FOUND', 'PRECONDITION_FAILED'] as const }

const deactivate = defineOperation({
  ...ONE_USER, id: 'users.deactivate', method: 'POST', url: `${USERS.path}/:id/deactivate`, summary: 'Deactivates a user: the tokens end for good, the memberships stay', body: NO_FIELDS, errors: [...ONE_USER.errors, 'CONFLICT'],
  run: (call) => withoutUser(call, () => changeFields(call, USERS, { status: 'inactive' }, (user) => endTokens(call, user)))
})

const activate = defineOperation({
  ...ONE_USER, id: 'users.activate', method: 'POST', url: `${USERS.path}/:id/activate`, summary: 'Activates a user again', body: NO_FIELDS,
  run: (call) => toUser(call, () => changeFields(call, USERS, { status: 'active' }))
})

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
    ...ONE_USER, id: 'users.tier', method: 'PUT', url: `${USERS.path}/:id/tier`, summary: 'Sets the tier of a user', body: Type.Object({ tier: TIER }, { additionalProperties: false }),
    run: (call) => toUser(call, () => changeFields(call, USERS, call.body))
  }),
  defineOperation({
    id: 'users.export', method: 'GET', url: `${USERS.path}/:id/export`, summary: 'Gives all that is kept of a person', permission: 'users:read', status: 200, errors: ['NOT_FOUND'],
    answer: Type.Object({ user: SHOWN_USER, memberships: Type.Array(SHOWN_MEMBERSHIP), tokens: Type.Array(SHOWN_TOKEN), audit: SHOWN_ENTRIES }),
    async run (call) {
      const user = await call.reach.get('users', call.params.id ?? '')
      const { store } = call.state.open
      const of = { user_id: { eq: user.user_id } }
      const memberships = await everyRecord(store.memberships, 'membership_id', user.customer_id, of)
      const tokens = await everyRecord(store.admin_tokens, 'token_id', user.customer_id, of)
      const uses = await lastUses(call.state, tokens, 'token_id')
      return { status: 200, body: {
        user: showRecord(SHOWN_USER, user), memberships: memberships.map((one) => showRecord(SHOWN_MEMBERSHIP, one)), tokens: tokens.map((one, index) => ({ ...showRecord(SHOWN_TOKEN, one), ...uses[index] })),
        audit: await entriesAbout(call, user.customer_id, [user.user_id, ...memberships.map(({ membership_id: id }) => id), ...tokens.map(({ token_id: id }) => id)], tokens.map(({ token_id: id }) => id))
      } }
    }
  })
]

/** Makes a change to the user of a call, whose roles are none above those of who asks. */
async function toUser<T> (call: AnyCall, change: (user: User) => Promise<T>): Promise<T> {
  const user = await call.reach.get('users', call.params.id ?? '')
  await refuseHigherUser(call, user)
  return await change(user)
}

/** Makes a change that takes the user of a call away from the account, which keeps an owner. */
function withoutUser<T> (call: AnyCall, change: () => Promise<T>): Promise<T> {
  return toUser(call, ({ customer_id: customerId, user_id: id }) => keepAnOwner(call, customerId, ({ user_id: of }) => of === id, change))
}

async function endTokens ({ state: { open: { store } } }: AnyCall, { customer_id: customerId, user_id: id }: User): Promise<void> {
  await store.admin_tokens.removeAll(customerId, { user_id: { eq: id } })
}

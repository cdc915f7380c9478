import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { changeFields } from './change-fields.js'
import { defineOperation, type Operation } from './operation.js'
import { ownersOf } from './owners.js'
import { OPERATORS_ACCOUNT, TENANT_COLLECTIONS } from './reach.js'
import { bodySchema, NAME, NO_FIELDS, newId, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'

const EMAIL = Type.Union([Type.String({ format: 'email', maxLength: 254 }), Type.Null()])

const SHOWN_ACCOUNT = Type.Object({
  customer_id: Type.String(), name: Type.String(), email: EMAIL, status: Type.Enum(['active', 'suspended']), ...STAMPS
}, { additionalProperties: false })

const ACCOUNTS: Resource<'accounts'> = {
  collection: 'accounts', path: '/admin/accounts', name: 'accounts', noun: 'an account', idField: 'customer_id', idPrefix: 'acc',
  shown: SHOWN_ACCOUNT,
  writable: { name: NAME, email: EMAIL },
  needed: ['name'],
  defaults: { email: null },
  list: { filters: { status: ['active', 'suspended'], email: 'text' }, sorts: ['customer_id', 'created_at', 'updated_at', 'name', 'status'], search: ['name'] },
  permissions: { read: 'accounts:read', create: 'accounts:create', update: 'accounts:update', remove: 'accounts:delete' },
  async beforeRemove ({ state: { open: { store } } }, { customer_id: id }) {
    const owners = await ownersOf(store, id)
    for (const name of ['projects', 'users', 'consumers'] as const) {
      // The last owner can not be removed before: that one goes with the account.
      const left = await store[name].count(id) - (name === 'users' && owners.size === 1 ? 1 : 0)
      if (left > 0) throw new GatewayError('CONFLICT', { message: `The account has ${name} still (${left}): remove them first.`, details: { reason: 'account_not_empty', [name]: left } })
    }
    // First what would open it again. Its part of the audit trail stays: that is one chain with all others'.
    await store.admin_tokens.removeAll(id)
    for (const name of TENANT_COLLECTIONS) if (name !== 'accounts') await store[name].removeAll(id)
    await store.usage.removeAll(id)
  }
}

const { list, get, replace, patch, remove } = resourceOperations(ACCOUNTS)

/** `/admin/accounts`. */
export const ACCOUNT_OPERATIONS: readonly Operation[] = [
  list, get, replace, patch, remove,
  defineOperation({
    id: 'accounts.create', method: 'POST', url: ACCOUNTS.path, summary: 'Creates an account', permission: 'accounts:create', answer: SHOWN_ACCOUNT, status: 201, errors: ['CONFLICT'],
    body: bodySchema({ ...ACCOUNTS.writable, customer_id: Type.String({ pattern: '^[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?$', maxLength: 63 }) }, ['name']),
    async run (call) {
      const { customer_id: chosen, name, email } = call.body as { customer_id?: string, name: string, email?: string | null }
      if (chosen === OPERATORS_ACCOUNT) throw new GatewayError('CONFLICT', { message: 'This account is the operators\' own.', details: { field: 'customer_id', reason: 'already_exists' } })
      const customerId = chosen ?? newId(call.state, ACCOUNTS.idPrefix)
      const fresh = { name, email: email ?? null, status: 'active' as const }
      const made = await call.change({ customerId, targetId: customerId, before: null, after: fresh }, call.state.open.store.accounts.planInsert(customerId, fresh))
      return { status: 201, body: showRecord(SHOWN_ACCOUNT, made), rev: made.rev, location: `${ACCOUNTS.path}/${customerId}` }
    }
  }),
  ...([['suspend', 'suspended', 'Suspends an account: its tokens are refused, its projects not served'], ['resume', 'active', 'Ends a suspension']] as const).map(([verb, status, summary]) => defineOperation({
    id: `accounts.${verb}`, method: 'POST', url: `${ACCOUNTS.path}/:id/${verb}`, summary, permission: 'accounts:suspend', body: NO_FIELDS, answer: SHOWN_ACCOUNT, status: 200,
    errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
    run: (call) => changeFields(call, ACCOUNTS, { status })
  }))
]

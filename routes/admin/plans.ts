import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Operation } from './operation.js'
import { NAME, resourceOperations, STAMPS, type Resource } from './resource.js'

/** Limits by name, as the configuration language writes them. */
export const LIMITS = Type.Record(Type.String({ pattern: '^[a-z][a-zA-Z0-9]{0,40}$' }), Type.String({ format: 'rate', maxLength: 40 }), {
  maxProperties: 20, additionalProperties: false, description: 'As the configuration writes them: { "requests": "1000/h" }.'
})

const PLANS: Resource<'plans'> = {
  collection: 'plans', path: '/admin/plans', name: 'plans', noun: 'a plan', idField: 'plan_id', idPrefix: 'pln',
  shown: Type.Object({ plan_id: Type.String(), customer_id: Type.String(), name: Type.String(), limits: LIMITS, ...STAMPS }, { additionalProperties: false }),
  writable: { name: NAME, limits: LIMITS },
  needed: ['name', 'limits'],
  defaults: {},
  list: { filters: { customer_id: 'text', name: 'text' }, sorts: ['plan_id', 'created_at', 'updated_at', 'name'], search: ['name'] },
  permissions: { read: 'plans:read', create: 'plans:write', update: 'plans:write', remove: 'plans:write' },
  async beforeRemove ({ state: { open: { store } } }, { customer_id: customerId, plan_id: id }) {
    const keys = await store.credentials.count(customerId, { plan_id: { eq: id }, status: { eq: 'active' } })
    const subscriptions = await store.subscriptions.count(customerId, { plan_id: { eq: id }, status: { eq: 'active' } })
    if (keys + subscriptions > 0) throw new GatewayError('CONFLICT', { message: 'The plan is in use.', details: { reason: 'plan_in_use', keys, subscriptions } })
  }
}

/** `/admin/plans`. */
export const PLAN_OPERATIONS: readonly Operation[] = Object.values(resourceOperations(PLANS))

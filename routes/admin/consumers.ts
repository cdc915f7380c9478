import { Type } from 'typebox'
import { entriesAbout, SHOWN_ENTRIES } from './audit-trail.js'
import { everyRecord } from './every-record.js'
import { defineOperation, type Operation } from './operation.js'
import { NAME, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'
import { SHOWN_KEY, showKeys } from './api-keys.js'

// What stands in a store of documents has keys without dots and dollars, and is as deep as one can see.
const METADATA = Type.Record(Type.String({ pattern: '^[A-Za-z_][A-Za-z0-9_-]{0,63}$' }), Type.Union([Type.String({ maxLength: 1000 }), Type.Number(), Type.Boolean(), Type.Null()]), { maxProperties: 50, additionalProperties: false })
const STATUS = Type.Enum(['active', 'inactive'])

const SHOWN_CONSUMER = Type.Object({ consumer_id: Type.String(), customer_id: Type.String(), name: Type.String(), status: STATUS, metadata: METADATA, ...STAMPS }, { additionalProperties: false })

const CONSUMERS: Resource<'consumers'> = {
  collection: 'consumers', path: '/admin/consumers', name: 'consumers', noun: 'a consumer', idField: 'consumer_id', idPrefix: 'con',
  shown: SHOWN_CONSUMER,
  writable: { name: NAME, status: STATUS, metadata: METADATA },
  needed: ['name'],
  defaults: { status: 'active', metadata: {} },
  list: { filters: { customer_id: 'text', status: ['active', 'inactive'] }, sorts: ['consumer_id', 'created_at', 'updated_at', 'name', 'status'], search: ['name'] },
  permissions: { read: 'consumers:read', create: 'consumers:write', update: 'consumers:write', remove: 'consumers:write' },
  // Who writes anything of it wants it for itself.
  check: async (_call, _customerId, next) => ({ ...next, made_for: null }),
  async beforeRemove ({ state: { open: { store } } }, { customer_id: customerId, consumer_id: id }) {
    await store.credentials.removeAll(customerId, { consumer_id: { eq: id } })
    await store.subscriptions.removeAll(customerId, { consumer_id: { eq: id } })
    await store.memberships.removeAll(customerId, { scope: { eq: 'consumer' }, scope_id: { eq: id } })
  }
}

const operations = resourceOperations(CONSUMERS)

/** `/admin/consumers`. */
export const CONSUMER_OPERATIONS: readonly Operation[] = [
  ...Object.values(operations),
  defineOperation({
    id: 'consumers.export', method: 'GET', url: '/admin/consumers/:id/export', summary: 'Gives all that is kept of a consumer', permission: 'consumers:read', status: 200, errors: ['NOT_FOUND'],
    answer: Type.Object({ consumer: SHOWN_CONSUMER, api_keys: Type.Array(SHOWN_KEY), subscriptions: Type.Array(Type.Object({}, { additionalProperties: true })), usage: Type.Array(Type.Object({}, { additionalProperties: true })), audit: SHOWN_ENTRIES }),
    async run (call) {
      const consumer = await call.reach.get('consumers', call.params.id ?? '')
      const { store } = call.state.open
      const of = { consumer_id: { eq: consumer.consumer_id } }
      const keys = await everyRecord(store.credentials, 'credential_id', consumer.customer_id, of)
      const subscriptions = await everyRecord(store.subscriptions, 'subscription_id', consumer.customer_id, of)
      const usage = []
      for (const { credential_id: credentialId } of keys) usage.push(...await store.usage.days(consumer.customer_id, { credentialId }, '0000-01-01', '9999-12-31'))
      const audit = await entriesAbout(call, consumer.customer_id, [consumer.consumer_id, ...keys.map(({ credential_id: id }) => id)], [])
      return { status: 200, body: { consumer: showRecord(SHOWN_CONSUMER, consumer), api_keys: await showKeys(call.state, keys), subscriptions, usage, audit } }
    }
  })
]

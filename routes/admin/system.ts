import { Type, type TSchema } from 'typebox'
import { MOST_ITEMS } from './bulk.js'
import { MOST_PER_PAGE } from './listing.js'
import { defineOperation, type AnyCall, type Operation } from './operation.js'
import { TENANT_COLLECTIONS } from './reach.js'
import { storeFailure } from './store-failures.js'

// A count reads as many index entries as it finds: of more records than this, only that there are more is told.
const MOST_COUNTED = 100_000

const ANY = Type.Object({}, { additionalProperties: true })
const orNull = (schema: TSchema): TSchema => Type.Union([schema, Type.Null()])
const RING_KEYS = Type.Object({ active: Type.String(), keys: Type.Array(Type.Object({ id: Type.String(), createdAt: Type.String() }, { additionalProperties: false })) }, { additionalProperties: false, description: 'Ids, never keys.' })

const SYSTEM = Type.Object({
  version: Type.String(), node: Type.String(), pid: Type.Integer(), ready: Type.Boolean(), startedAt: Type.String({ format: 'date-time' }), uptimeSeconds: Type.Integer(),
  config: Type.Object({ file: Type.String(), environment: orNull(Type.String()), lastReload: orNull(ANY) }, { additionalProperties: false }),
  listeners: Type.Array(Type.Object({ name: Type.String(), url: Type.String() })), workers: Type.Array(ANY),
  store: Type.Object({ format: orNull(Type.Object({ version: Type.Integer(), known: Type.Integer(), applied: Type.Array(ANY), pending: Type.Array(ANY) }, { additionalProperties: false })) }, { additionalProperties: true }),
  directory: orNull(Type.Object({
    state: Type.Enum(['loading', 'fresh', 'stale']), asOf: orNull(Type.String({ format: 'date-time' })), ageMs: orNull(Type.Integer()), changesBehind: orNull(Type.Integer()), holds: Type.Object({}, { additionalProperties: true })
  }, { additionalProperties: false })),
  keyRing: Type.Object({ encryption: RING_KEYS, peppers: RING_KEYS }, { additionalProperties: false }),
  records: orNull(Type.Object({}, { additionalProperties: true, description: `How many records of each kind there are; "more" = more than ${MOST_COUNTED}.` })),
  limits: ANY
}, {
  additionalProperties: false,
  examples: [{
    version: '0.1.0', node: 'v20.20.2', pid: 4711, ready: true, startedAt: '2026-11-26T08:00:00.000Z', uptimeSeconds: 3600,
    config: { file: 'gateway.config.yaml', environment: 'staging', lastReload: null }, listeners: [{ name: 'data', url: 'http://0.0.0.0:8080' }], workers: [{ pid: 4712, ready: true, requests: 3, projects: 12, routes: 40 }],
    store: { engine: 'embedded', ok: true, latencyMs: 0.2, checkedAt: '2026-11-26T09:00:00.000Z', failingSince: null, error: null, format: { version: 1, known: 1, applied: [{ version: 1, name: 'first-records', appliedAt: '2026-11-20T10:00:00.000Z' }], pending: [] } },
    directory: { state: 'fresh', asOf: '2026-11-26T09:00:00.000Z', ageMs: 120, changesBehind: 0, holds: { projects: 12, credentials: 340 } },
    keyRing: { encryption: { active: 'enc_7f3k', keys: [{ id: 'enc_7f3k', createdAt: '2026-11-20T10:00:00.000Z' }] }, peppers: { active: 'pep_2m8v', keys: [{ id: 'pep_2m8v', createdAt: '2026-11-20T10:00:00.000Z' }] } },
    records: { accounts: 4, projects: 12, credentials: 340, audit_records: 5120 }, limits: { api: { bulkItems: 500, perPage: 100 } }
  }]
})

/** `/admin/system`: the gateway as a whole. */
export const SYSTEM_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'system.get', method: 'GET', url: '/admin/system', summary: 'Shows the gateway as a whole: versions, configuration, workers, store, directory, key ring, counts and limits', permission: 'system:read', answer: SYSTEM, status: 200,
    async run (call) {
      const view = await call.state.system()
      return { status: 200, body: { ...view, records: await countRecords(call), limits: { api: { bulkItems: MOST_ITEMS, perPage: MOST_PER_PAGE }, ...view.limits } } }
    }
  })
]

/** Null while the store does not answer: what else is known is then needed most. */
async function countRecords ({ state: { open: { system } } }: AnyCall): Promise<Record<string, number | 'more'> | null> {
  const counts: Record<string, number | 'more'> = {}
  try {
    for (const collection of [...TENANT_COLLECTIONS, 'audit_records'] as const) {
      const count = await system.count(collection, {}, MOST_COUNTED + 1)
      counts[collection] = count > MOST_COUNTED ? 'more' : count
    }
    return counts
  } catch (error) {
    if (storeFailure(error)?.code !== 'SERVICE_UNAVAILABLE') throw error
    return null
  }
}

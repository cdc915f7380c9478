import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { parseDuration } from '../../core/lib/units.js'
import type { Consumer, Credential } from '../../core/state/records.js'
import { bothWrites } from './both-writes.js'
import { bulkOperation } from './bulk.js'
import { checkPreconditions } from './entity-tag.js'
import { defineOperation, type AnyCall, type Operation, type Result } from './operation.js'
import { lastUses } from './last-uses.js'
import { LIMITS } from './plans.js'
import { bodySchema, CUSTOMER_ID, NAME, NO_FIELDS, newId, resourceOperations, showRecord, STAMPS, TIME_OR_NULL, type Resource } from './resource.js'
import type { StatePorts } from './state-ports.js'
import { invalidRequest } from './validation.js'

const ID = Type.String({ minLength: 1, maxLength: 100 })
const LIMITS_OR_NULL = Type.Union([LIMITS, Type.Null()])
const YEAR_MS = 365 * 86_400_000
const MOST_OVERLAP_MS = 30 * 86_400_000
const MOST_DAYS = 366

/** What is shown of an API key: never the key. */
export const SHOWN_KEY = Type.Object({
  credential_id: Type.String(), project_id: Type.String(), customer_id: Type.String(), consumer_id: Type.String(), name: Type.Union([Type.String(), Type.Null()]),
  prefix: Type.String({ description: 'How the key begins.' }), status: Type.Enum(['active', 'revoked']), plan_id: Type.Union([Type.String(), Type.Null()]),
  limits: LIMITS_OR_NULL, allowed_networks: Type.Array(Type.String()), require_signature: Type.Boolean(), expires_at: TIME_OR_NULL, last_used_at: TIME_OR_NULL, revoked_at: TIME_OR_NULL,
  replaced_by: Type.Union([Type.String(), Type.Null()]), ...STAMPS
}, { additionalProperties: false })

const SHOWN_ONCE = Type.Object({ ...SHOWN_KEY.properties, api_key: Type.String(), secret: Type.String() }, { additionalProperties: false })

const KEYS: Resource<'credentials'> = {
  collection: 'credentials', path: '/admin/api-keys', name: 'api-keys', noun: 'an API key', idField: 'credential_id', idPrefix: 'crd',
  shown: SHOWN_KEY,
  writable: {
    name: Type.Union([NAME, Type.Null()]), plan_id: Type.Union([ID, Type.Null()]), limits: LIMITS_OR_NULL, expires_at: TIME_OR_NULL, require_signature: Type.Boolean(),
    allowed_networks: Type.Array(Type.String({ format: 'cidr', maxLength: 50 }), { maxItems: 100 })
  },
  needed: [],
  defaults: { name: null, plan_id: null, limits: null, allowed_networks: [], require_signature: false },
  list: {
    filters: { customer_id: 'text', project_id: 'text', consumer_id: 'text', plan_id: 'text', status: ['active', 'revoked'], prefix: 'text', require_signature: 'boolean' },
    sorts: ['credential_id', 'created_at', 'updated_at', 'name', 'expires_at', 'status'], search: ['name']
  },
  permissions: { read: 'api-keys:read', create: 'api-keys:write', update: 'api-keys:write', remove: 'api-keys:write' },
  beside: ({ state }, keys) => lastUses(state, keys, 'credential_id'),
  async check ({ reach }, customerId, given, before) {
    if (typeof given.plan_id === 'string') await reach.refer('plans', customerId, given.plan_id, '/plan_id')
    const next = typeof given.expires_at === 'string' ? { ...given, expires_at: new Date(given.expires_at).toISOString() } : given
    const { replaced_by: successor = null, expires_at: end = null } = before ?? {}
    // Times of one form are in the order of their texts.
    if (successor !== null && end !== null && next.expires_at !== undefined && !(typeof next.expires_at === 'string' && next.expires_at <= end)) {
      throw invalidRequest([{ path: '/expires_at', message: 'is the end of the overlap, since the key was rotated: it can be brought forward, not put off' }])
    }
    return next
  }
}

const { list, get, replace, patch } = resourceOperations(KEYS)
const PATHS = { path: KEYS.path, one: `${KEYS.path}/:id` }
const SECRETS = ['api_key', 'secret']

const create = defineOperation({
  id: 'api-keys.create', method: 'POST', url: PATHS.path, summary: 'Creates an API key; this answer alone shows it', permission: 'api-keys:write', answer: SHOWN_ONCE, status: 201, secrets: SECRETS,
  body: bodySchema({ ...KEYS.writable, project_id: ID, consumer_id: ID, customer_id: CUSTOMER_ID }, ['project_id']),
  async run (call) {
    const { project_id: projectId, consumer_id: named, customer_id: account, ...fields } = call.body as Record<string, unknown> & { project_id: string, consumer_id?: string }
    const customerId = await call.reach.accountOf(projectId, account)
    if (named !== undefined) await keepFor(call, await call.reach.refer('consumers', customerId, named, '/consumer_id'), projectId)
    const settings = await KEYS.check?.(call, customerId, { ...KEYS.defaults, ...fields }, null) ?? fields
    return await createKey(call, customerId, { ...settings, project_id: projectId, ...named === undefined ? {} : { consumer_id: named } })
  }
})

const revoke = defineOperation({
  id: 'api-keys.revoke', method: 'POST', url: `${PATHS.one}/revoke`, summary: 'Revokes an API key: it is dead at once, for good', permission: 'api-keys:write', body: NO_FIELDS, answer: SHOWN_KEY, status: 200,
  errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  run: async (call) => await shown(call, await revoked(call))
})

const remove = defineOperation({
  id: 'api-keys.delete', method: 'DELETE', url: PATHS.one, summary: 'Revokes an API key as well; it stays to be seen', permission: 'api-keys:write', answer: null, status: 204, errors: ['NOT_FOUND', 'PRECONDITION_FAILED'],
  async run (call) {
    await revoked(call)
    return { status: 204, body: null }
  }
})

const rotate = defineOperation({
  id: 'api-keys.rotate', method: 'POST', url: `${PATHS.one}/rotate`, summary: 'Makes a key in the place of another, which works on for the overlap', permission: 'api-keys:write', answer: SHOWN_ONCE, status: 201, secrets: SECRETS,
  errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
  body: Type.Object({ overlap: Type.Optional(Type.String({ format: 'duration-text', maxLength: 20, default: '24h', description: 'How long both work: at most 30d.' })) }, { additionalProperties: false }),
  async run (call) {
    const overlapMs = parseDuration(call.body.overlap ?? '24h')
    if (overlapMs > MOST_OVERLAP_MS) throw invalidRequest([{ path: '/overlap', message: 'may be at most 30d' }])
    const { now } = call.state
    const successor = newId(call.state, KEYS.idPrefix)
    const before = await usable(call, successor)
    const end = new Date(Math.min(now() + overlapMs, before.expires_at === null ? Infinity : Date.parse(before.expires_at))).toISOString()
    const { name, plan_id: planId, limits, allowed_networks: networks, require_signature: signed, project_id: projectId, consumer_id: consumerId } = before
    const made = await createKey(call, before.customer_id, {
      credential_id: successor, name, plan_id: planId, limits, allowed_networks: networks, require_signature: signed, project_id: projectId, consumer_id: consumerId,
      expires_at: before.expires_at === null ? null : new Date(now() + Date.parse(before.expires_at) - Date.parse(before.created_at)).toISOString()
    })
    if (before.replaced_by === successor) return made
    try {
      await replaced(call, before, { ...before, expires_at: end, replaced_by: successor })
    } catch (error) {
      // Of two that rotate it at once one comes too late: its key was shown to nobody.
      await call.change({ customerId: before.customer_id, targetId: successor, before: null, after: null }, () => call.state.open.store.credentials.remove(before.customer_id, successor))
      throw error
    }
    return made
  }
})

const regenerate = defineOperation({
  id: 'api-keys.regenerate', method: 'POST', url: `${PATHS.one}/regenerate`, summary: 'Gives an API key another text; the old one is dead at once', permission: 'api-keys:write', body: NO_FIELDS,
  answer: SHOWN_ONCE, status: 200, secrets: SECRETS, errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
  async run (call) {
    const before = await usable(call)
    const made = makeSecrets(call.state, before.customer_id)
    const result = await shown(call, await replaced(call, before, { ...before, ...made.kept }))
    return { ...result, body: { ...result.body, ...made.once } }
  }
})

/** `/admin/api-keys`. */
export const API_KEY_OPERATIONS: readonly Operation[] = [
  list, get, replace, patch, create, revoke, remove, rotate, regenerate,
  bulkOperation({
    id: 'api-keys.bulk', url: `${PATHS.path}/bulk`, summary: 'Creates, changes, rotates and revokes many API keys, with a result for each; this answer alone shows new keys', permission: 'api-keys:write',
    actions: { create, update: patch, rotate, regenerate, revoke },
    example: [
      { action: 'create', body: { project_id: 'api-example-com-k3x9q2ab', name: 'laptop' } }, { action: 'update', id: 'crd_0f3k2m8v1x9q4z7b5c6d', body: { allowed_networks: ['10.1.0.0/16'] } },
      { action: 'revoke', id: 'crd_1g4m3n9w2y0r5a8c6d7e' }
    ]
  }),
  defineOperation({
    id: 'api-keys.usage', method: 'GET', url: `${PATHS.one}/usage`, summary: 'Shows what an API key was used for, by day (UTC)', permission: 'api-keys:read', status: 200, errors: ['NOT_FOUND'],
    query: Type.Object({ from: Type.Optional(Type.String({ format: 'date' })), to: Type.Optional(Type.String({ format: 'date' })) }, { additionalProperties: false }),
    answer: Type.Object({ credential_id: Type.String(), from: Type.String(), to: Type.String(), data: Type.Array(Type.Object({ day: Type.String(), requests: Type.Integer(), errors: Type.Integer() })), requests: Type.Integer(), errors: Type.Integer() }),
    async run (call) {
      const key = await call.reach.get('credentials', call.params.id ?? '')
      const dayOf = (at: number): string => new Date(at).toISOString().slice(0, 10)
      const to = call.query.to ?? dayOf(call.state.now())
      const from = call.query.from ?? dayOf(Date.parse(to) - 29 * 86_400_000)
      if (from > to) throw invalidRequest([{ path: 'from', message: 'is behind to' }])
      if (Date.parse(to) - Date.parse(from) >= MOST_DAYS * 86_400_000) throw invalidRequest([{ path: 'from', message: `may be at most ${MOST_DAYS} days before to` }])
      const days = await call.state.open.store.usage.days(key.customer_id, { credentialId: key.credential_id }, from, to)
      const data = days.map(({ day, requests, errors }) => ({ day, requests, errors }))
      const sum = (of: 'requests' | 'errors'): number => data.reduce((total, one) => total + one[of], 0)
      return { status: 200, body: { credential_id: key.credential_id, from, to, data, requests: sum('requests'), errors: sum('errors') } }
    }
  })
]

/** Makes and keeps an API key, and a consumer for it where none is named. The answer shows key and secret. */
export async function createKey (call: AnyCall, customerId: string, settings: Readonly<Record<string, unknown>> & { readonly project_id: string }): Promise<Result> {
  const { state } = call
  const { store } = state.open
  const { kept, once } = makeSecrets(state, customerId)
  const consumerId = (settings.consumer_id as string | undefined) ?? newId(state, 'con')
  const fresh = {
    credential_id: newId(state, KEYS.idPrefix), kind: 'api_key', status: 'active', last_used_at: null, revoked_at: null, replaced_by: null,
    expires_at: new Date(state.now() + YEAR_MS).toISOString(), ...KEYS.defaults, ...settings, ...kept, consumer_id: consumerId
  } as unknown as Credential
  const made = await call.change({ customerId, targetId: fresh.credential_id, before: null, after: fresh }, settings.consumer_id === undefined
    ? bothWrites(store.consumers.planInsert(customerId, { consumer_id: consumerId, name: fresh.name ?? fresh.credential_id, status: 'active', metadata: {}, made_for: settings.project_id }), store.credentials.planInsert(customerId, fresh))
    : store.credentials.planInsert(customerId, fresh))
  return { status: 201, body: { ...showRecord(SHOWN_KEY, made), ...once }, rev: made.rev, location: `${KEYS.path}/${made.credential_id}` }
}

/** A consumer that was made for the keys of one project is there for itself once another one's names it. */
async function keepFor ({ change, state: { open: { store } } }: AnyCall, before: Consumer, projectId: string): Promise<void> {
  if ((before.made_for ?? null) === null || before.made_for === projectId) return
  const next = { ...before, made_for: null }
  await change({ customerId: before.customer_id, targetId: before.consumer_id, before, after: next }, store.consumers.planReplace(before.customer_id, next))
}

function makeSecrets ({ keys }: StatePorts, customerId: string): { kept: Pick<Credential, 'prefix' | 'digest' | 'pepper_id' | 'secret'>, once: { api_key: string, secret: string } } {
  const { text, prefix, digest, pepperId } = keys.createApiKey()
  const secret = keys.createSecret(customerId)
  return { kept: { prefix, digest, pepper_id: pepperId, secret: secret.sealed }, once: { api_key: text, secret: secret.text } }
}

/** The key of the call, which still opens something, or was rotated into `successor` by an attempt before. */
async function usable (call: AnyCall, successor: string | null = null): Promise<Credential> {
  const key = await call.reach.get('credentials', call.params.id ?? '')
  if (successor !== null && key.replaced_by === successor) return key
  checkPreconditions(call, key.rev)
  const over = key.status === 'revoked' ? 'revoked' : key.replaced_by !== null ? 'rotated already' : null
  if (over !== null) throw new GatewayError('CONFLICT', { message: `The key is ${over}.`, details: { reason: 'key_is_over' } })
  return key
}

async function revoked (call: AnyCall): Promise<Credential> {
  const before = await call.reach.get('credentials', call.params.id ?? '')
  checkPreconditions(call, before.rev)
  return before.status === 'revoked' ? before : await replaced(call, before, { ...before, status: 'revoked', revoked_at: new Date(call.state.now()).toISOString() })
}

async function replaced ({ change, state }: AnyCall, before: Credential, next: Credential): Promise<Credential> {
  return await change({ customerId: before.customer_id, targetId: before.credential_id, before, after: next }, state.open.store.credentials.planReplace(before.customer_id, next))
}

async function shown ({ state }: AnyCall, key: Credential): Promise<Result> {
  return { status: 200, body: (await showKeys(state, [key]))[0] ?? null, rev: key.rev }
}

/** Keys as they are shown, with the time of their last use. */
export async function showKeys (state: StatePorts, keys: readonly Credential[]): Promise<Record<string, unknown>[]> {
  const uses = await lastUses(state, keys, 'credential_id')
  return keys.map((key, index) => ({ ...showRecord(SHOWN_KEY, key), ...uses[index] }))
}

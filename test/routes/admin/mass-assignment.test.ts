import { test } from 'tap'
import { ID_FIELDS, type CollectionName } from '../../../core/state/records.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { makeWorld, requestFor, sendWalk, tagOf } from '../../fixtures/operation-walk.js'

// What other APIs were seen to take; what records have beside them comes from the store.
const USUAL = ['role', 'roles', 'is_admin', 'isAdmin', 'admin', 'tenantId', 'tenant_id', 'account_id', '_id', 'id', 'createdAt', 'hashedKey', 'quota', 'permissions', 'owner', 'verified', 'password', '$set', '$where', 'a.b', 'config', 'origin']
const FORBIDDEN_KEYS = ['__proto__', 'constructor', 'prototype']

const collections = Object.keys(ID_FIELDS) as CollectionName[]
const kept = ({ engine }: AdminApiFixture): string => JSON.stringify(collections.filter((name) => name !== 'audit_records').map((name) => [...engine.documents(name)]))

test('mass assignment: no operation takes a field that its schema does not have, whichever record has it', async (t) => {
  t.setTimeout(60_000)
  const api = await openAdminApi(t)
  const world = await makeWorld(api, 'acme')
  const owner = await api.token('acme', 'owner')
  const fields = new Map<string, unknown>(USUAL.map((name) => [name, 'operator']))
  for (const name of collections) for (const { record } of api.engine.documents(name).values()) for (const [field, value] of Object.entries(record ?? {})) fields.set(field, value)
  for (const needed of ['customer_id', 'rev', 'created_at', 'digest', 'pepper_id', 'status', 'written_by', 'hash', 'role']) t.ok(fields.has(needed), `${needed} is tried`)
  const before = kept(api)
  let tried = 0
  for (const operation of OPERATIONS.filter(({ body }) => body !== undefined)) {
    const request = requestFor(operation, world)
    // As the owner where that may: who sees one account has the more to gain.
    const may = await sendWalk(api, { ...request, body: { nothing_knows_this: 1 } }, owner)
    const token = may.status === 403 ? undefined : owner
    for (const [field, value] of fields) {
      if (Object.hasOwn(operation.body!.properties, field)) continue
      const { status, body, text } = await sendWalk(api, { ...request, body: { ...request.body as object, [field]: value } }, token)
      tried++
      const refused = status === 400 && body.error.details['reason'] === 'invalid_fields' && (body.error.details['fields'] as unknown as { path: string }[]).some(({ path }) => path === `/${field}`)
      if (!refused) t.fail(`${operation.id} takes ${field}`, { text })
    }
    for (const key of FORBIDDEN_KEYS) {
      const { status, text } = await sendWalk(api, { ...request, body: JSON.stringify({ ...request.body as object, KEY: { role: 'operator' } }).replace('"KEY"', JSON.stringify(key)) }, token)
      tried++
      if (status !== 400) t.fail(`${operation.id} takes ${key}`, { text })
    }
  }
  t.equal(kept(api), before, 'nothing was changed')
  t.equal(({} as Record<string, unknown>)['role'], undefined, 'no prototype was reached')
  t.ok(tried > 1_000, `${tried} requests with ${fields.size} fields`)
})

test('mass assignment: nobody is somebody else by a query parameter, a header, or another method than the request has', async (t) => {
  const api = await openAdminApi(t)
  const victim = await makeWorld(api, 'acme')
  const own = await makeWorld(api, 'umbrella')
  const developer = await api.token('umbrella', 'developer')
  const before = kept(api)
  const headers = {
    'x-customer-id': 'acme', 'x-tenant-id': 'acme', 'x-account': 'acme', 'x-role': 'operator', 'x-user': 'operator', 'x-forwarded-user': 'operator', 'x-remote-user': 'operator', 'x-consumer-id': 'acme', 'x-original-url': '/status', 'x-rewrite-url': '/status',
    'x-http-method-override': 'DELETE', 'x-method-override': 'DELETE', 'x-http-method': 'DELETE', 'x-api-key': 'ak_live_x', 'cookie': 'token=operator; role=operator', 'forwarded': 'for=127.0.0.1', 'x-forwarded-for': '127.0.0.1', 'x-forwarded-host': 'acme.example'
  }
  for (const operation of OPERATIONS) {
    const request = requestFor(operation, own)
    if (operation.method === 'GET') {
      // What a list is filtered by is asked for, not claimed.
      const plain = { ...request, query: Object.fromEntries(Object.entries(request.query).filter(([name]) => (operation.query as { required?: string[] } | undefined)?.required?.includes(name))) }
      const [bare, dressed] = [await sendWalk(api, plain, developer), await sendWalk(api, plain, developer, headers)]
      t.equal(dressed.status, bare.status, operation.id)
      t.notMatch(dressed.text, tagOf('acme'), operation.id)
    }
    const named = operation.query?.properties ?? {}
    for (const name of ['customer_id', 'tenantId', 'role', 'as', '_method', 'access_token', 'token']) {
      if (Object.hasOwn(named, name)) continue
      const { status } = await sendWalk(api, { ...request, query: { ...request.query, [name]: name === 'role' ? 'operator' : 'acme' } }, developer)
      if (![400, 403].includes(status)) t.fail(`${operation.id}?${name}: ${status}`)
    }
  }
  for (const path of ['/status', '/metrics', '/config']) t.equal((await api.ask('GET', path, { token: developer, headers })).status, 403, path)
  t.equal((await api.ask('POST', '/admin/consumers', { token: developer, headers: { ...headers, 'content-type': 'application/json-patch+json' }, body: [{ op: 'add', path: '/__proto__/role', value: 'operator' }] })).status, 415)
  t.equal(kept(api), before, 'nothing was changed')
  t.ok(victim.ids['projects'] !== own.ids['projects'])
})

test('mass assignment: nobody gives a token or a member more than the own role, or changes the own one', async (t) => {
  const api = await openAdminApi(t)
  const { ids } = await makeWorld(api, 'acme')
  for (const role of ['admin', 'developer', 'auditor'] as const) {
    const token = await api.token('acme', role)
    const mine = (await api.ask('GET', '/admin/tokens?perPage=100&customer_id=acme')).body.data.find((one) => one['name'] === role)!['token_id'] as unknown as string
    for (const body of [{ role: 'owner' }, { scope: 'account' }, { customer_id: 'local' }, { user_id: null }, { expires_at: null }, { status: 'active' }]) {
      const { status } = await api.ask('PATCH', `/admin/tokens/${mine}`, { token, body })
      t.ok([400, 403].includes(status), `${role} changes the own token: ${JSON.stringify(body)} ${status}`)
    }
    for (const [path, body] of [['/admin/tokens', { name: 'x', role: 'owner' }], ['/admin/tokens', { name: 'x', role: 'operator' }], ['/admin/tokens', { name: 'x', role: 'operator', customer_id: 'local' }], [`/admin/teams/${ids['teams']}/members`, { user_id: ids['users'], role: 'owner' }]] as const) {
      const { status } = await api.ask('POST', path, { token, body })
      t.ok([400, 403, 404].includes(status), `${role}: ${path} ${JSON.stringify(body)} ${status}`)
    }
  }
})

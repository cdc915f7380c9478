import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('system: operators see the gateway as a whole, and how many records of each kind there are', async (t) => {
  const { ask, engine, account } = await openAdminApi(t)
  await account('acme')
  await ask('POST', '/', { body: { target_url: 'https://api.example.com' } })
  const { status, body } = await ask('GET', '/admin/system')
  t.equal(status, 200)
  t.match(body, { version: '0.0.0', ready: true, keyRing: { encryption: { active: 'enc_1' } }, records: { accounts: 1, projects: 1, consumers: 1, credentials: 1, users: 0 }, limits: { api: { bulkItems: 500, perPage: 100 } } })
  t.ok(Number(body['records']!['audit_records']) >= 4)
  const { count } = engine
  engine.count = async (collection, customerId, filter, most) => {
    t.same([customerId, filter, most], [null, {}, 100_001], 'no count is of a filter, nor without an end')
    return collection === 'credentials' ? 100_001 : await count(collection, customerId, filter, most)
  }
  t.match((await ask('GET', '/admin/system')).body, { records: { credentials: 'more', accounts: 1 } })
  engine.gone = true
  t.match(await ask('GET', '/admin/system'), { status: 200, body: { records: null, version: '0.0.0' } }, 'it is needed most while the store is gone')
})

test('system: an auditor of the operators\' own account may see it, one of a customer may not', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  await account('acme')
  t.equal((await ask('GET', '/admin/system', { token: await token('local', 'auditor') })).status, 200)
  t.equal((await ask('GET', '/admin/system', { token: await token('local', 'operator') })).status, 200)
  for (const role of ['owner', 'admin', 'developer', 'auditor'] as const) t.equal((await ask('GET', '/admin/system', { token: await token('acme', role) })).status, 403, `${role} of a customer`)
  for (const role of ['owner', 'admin', 'developer'] as const) t.equal((await ask('GET', '/admin/system', { token: await token('local', role) })).status, 403, `${role} of the operators' account`)
  for (const path of ['/status', '/metrics', '/config', '/admin/audit/verify']) t.equal((await ask('GET', path, { token: await token('local', 'auditor') })).status, 403, path)
})

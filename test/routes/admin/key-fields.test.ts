import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('api-keys: the end of an overlap can be brought forward and not put off', async (t) => {
  const { ask } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://api.example.com' } })
  const { credential_id: id } = (await ask('POST', '/admin/api-keys', { body: { project_id: 'one' } })).body
  t.equal((await ask('PATCH', `/admin/api-keys/${String(id)}`, { body: { expires_at: null } })).status, 200, 'before it is rotated any end will do')
  await ask('POST', `/admin/api-keys/${String(id)}/rotate`, { body: { overlap: '1h' } })
  const end = Date.parse(String((await ask('GET', `/admin/api-keys/${String(id)}`)).body['expires_at']))
  for (const expires of [null, new Date(end + 1).toISOString(), new Date(end + 3_600_000).toISOString().replace('Z', '+00:00'), '2999-01-01T00:00:00Z']) {
    t.match((await ask('PATCH', `/admin/api-keys/${String(id)}`, { body: { expires_at: expires } })).body.error.details, { fields: [{ path: '/expires_at' }] }, String(expires))
  }
  t.equal((await ask('PATCH', `/admin/api-keys/${String(id)}`, { body: { name: 'old' } })).status, 200, 'other fields can be changed')
  t.equal((await ask('PATCH', `/admin/api-keys/${String(id)}`, { body: { expires_at: new Date(end - 1_000).toISOString() } })).status, 200)
})

test('api-keys: times that no calendar has are refused', async (t) => {
  const { ask } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://api.example.com' } })
  for (const time of ['2027-02-30T00:00:00Z', '2027-02-29T00:00:00Z', '2027-13-01T00:00:00Z', '2027-01-01T24:00:00Z', '2027-01-01T00:60:00Z', '2027-01-01T00:00:00']) t.equal((await ask('POST', '/admin/api-keys', { body: { project_id: 'one', expires_at: time } })).status, 400, time)
  t.equal((await ask('POST', '/admin/api-keys', { body: { project_id: 'one', expires_at: '2028-02-29T23:59:59.5+02:00' } })).body['expires_at'], '2028-02-29T21:59:59.500Z')
})

test('api-keys: a consumer that was made for a key goes with the project, unless somebody wants it for itself', async (t) => {
  const { ask } = await openAdminApi(t)
  for (const project of ['one', 'two']) await ask('POST', '/admin/projects', { body: { project_id: project, target_url: 'https://api.example.com' } })
  const make = async (body: object): Promise<string> => String((await ask('POST', '/admin/api-keys', { body })).body['consumer_id'])
  const own = String((await ask('POST', '/admin/consumers', { body: { name: 'own' } })).body['consumer_id'])
  const [plain, renamed, shared, twice, other] = [await make({ project_id: 'one' }), await make({ project_id: 'one' }), await make({ project_id: 'one' }), await make({ project_id: 'one' }), await make({ project_id: 'two' })]
  await make({ project_id: 'one', consumer_id: own })
  await ask('PATCH', `/admin/consumers/${renamed}`, { body: { name: 'Ada' } })
  await make({ project_id: 'two', consumer_id: shared })
  await make({ project_id: 'one', consumer_id: twice })
  t.equal((await ask('GET', `/admin/consumers/${plain}`)).body['made_for'], undefined, 'not shown')
  t.equal((await ask('DELETE', '/admin/projects/one')).status, 204)
  for (const [id, status] of [[plain, 404], [twice, 404], [renamed, 200], [shared, 200], [other, 200], [own, 200]] as const) t.equal((await ask('GET', `/admin/consumers/${id}`)).status, status)
})

test('exports: have what the audit trail tells, for who may read it', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  const admin = await token(acme, 'admin')
  const user = String((await ask('POST', '/admin/users', { token: admin, body: { email: 'ada@x.example' } })).body['user_id'])
  const personal = (await ask('POST', '/admin/tokens', { token: admin, body: { name: 'hers', role: 'admin', user_id: user } })).body
  await ask('POST', '/admin/consumers', { token: String(personal['token']), body: { name: 'by her' } })
  const consumer = String((await ask('POST', '/admin/consumers', { token: admin, body: { name: 'app' } })).body['consumer_id'])
  const audit = async (path: string, asker: string): Promise<string[] | null> => ((await ask('GET', path, { token: asker })).body['audit'] as unknown as { action: string, phase: string }[] | null)?.map(({ action, phase }) => `${action} ${phase}`) ?? null
  t.same(await audit(`/admin/users/${user}/export`, admin), ['users.create intent', 'users.create outcome', 'tokens.create intent', 'tokens.create outcome', 'consumers.create intent', 'consumers.create outcome'])
  t.same(await audit(`/admin/consumers/${consumer}/export`, admin), ['consumers.create intent', 'consumers.create outcome'])
  t.equal(await audit(`/admin/consumers/${consumer}/export`, await token(acme, 'developer')), null)
})

test('tokens: nobody makes one in the name of a person who has a role above the own one', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  const [owner, dev] = [String((await ask('POST', '/admin/users', { body: { email: 'o@x.example', customer_id: acme } })).body['user_id']), String((await ask('POST', '/admin/users', { body: { email: 'd@x.example', customer_id: acme } })).body['user_id'])]
  const team = (await ask('POST', '/admin/teams', { body: { name: 'core', customer_id: acme } })).headers.get('location')!
  await ask('POST', `${team}/members`, { body: { user_id: owner, role: 'owner' } })
  const admin = await token(acme, 'admin')
  t.match((await ask('POST', '/admin/tokens', { token: admin, body: { name: 'x', role: 'auditor', user_id: owner } })).body.error.details, { reason: 'role_above_own' })
  t.equal((await ask('POST', '/admin/tokens', { token: admin, body: { name: 'x', role: 'auditor', user_id: dev } })).status, 201)
})

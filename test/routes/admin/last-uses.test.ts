import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('last uses: of keys and tokens are shown wherever those are, and change neither revision nor time of change', async (t) => {
  const { ask, account, token, open } = await openAdminApi(t)
  const acme = await account('acme')
  const project = String((await ask('POST', '/admin/projects', { body: { customer_id: acme, target_url: 'https://api.example.com' } })).body['project_id'])
  const key = (await ask('POST', '/admin/api-keys', { body: { project_id: project, name: 'laptop' } })).body
  const id = String(key['credential_id'])
  const day = { project_id: project, credential_id: id, day: '2026-11-26', requests: 5, errors: 2, last_used_at: '2026-11-26T10:00:00.000Z' }
  await open.store.usage.add('other', [{ ...day, last_used_at: '2026-11-27T00:00:00.000Z' }])
  t.equal((await ask('GET', `/admin/api-keys/${id}`)).body['last_used_at'], null, 'what another account says of it counts for nothing')
  await open.store.usage.add(acme, [day])

  const used = { last_used_at: day.last_used_at }
  const shown = await ask('GET', `/admin/api-keys/${id}`)
  t.match(shown.body, { ...used, updated_at: key['updated_at'] })
  t.equal(shown.headers.get('etag'), '"1"')
  t.match((await ask('GET', `/admin/api-keys?customer_id=${acme}`)).body.data, [used])
  t.same((await ask('GET', `/admin/api-keys?customer_id=${acme}&fields=last_used_at`)).body.data, [used])
  t.match((await ask('GET', `/admin/consumers/${String(key['consumer_id'])}/export`)).body, { api_keys: [used], usage: [{ requests: 5, errors: 2 }] })
  t.match((await ask('PATCH', `/admin/api-keys/${id}`, { body: { name: 'phone' } })).body, used)
  t.match((await ask('POST', `/admin/api-keys/${id}/regenerate`)).body, used)
  t.match((await ask('GET', `/admin/api-keys/${id}/usage?from=2026-11-01&to=2026-11-30`)).body, { requests: 5, errors: 2, data: [{ day: '2026-11-26', requests: 5, errors: 2 }] })
  t.match((await ask('POST', `/admin/api-keys/${id}/revoke`)).body, used)

  const text = await token(acme, 'developer')
  const listed = async (): Promise<unknown> => (await ask('GET', `/admin/tokens?customer_id=${acme}`)).body.data[0]?.['last_used_at']
  t.equal(await listed(), null)
  const before = Date.now()
  t.equal((await ask('GET', '/admin/projects', { token: text })).status, 200)
  const at = Date.parse(String(await listed()))
  t.ok(at >= before && at <= Date.now(), 'a token that was used')
})

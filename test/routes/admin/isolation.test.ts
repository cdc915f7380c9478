import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('isolation: a token for one project sees that project and its keys alone', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  for (const id of ['one', 'two']) {
    await ask('POST', '/admin/projects', { body: { project_id: id, target_url: 'https://x.example', customer_id: acme } })
    await ask('POST', '/admin/api-keys', { body: { project_id: id, name: `key-of-${id}` } })
  }
  const keys = (await ask('GET', '/admin/api-keys?sort=name')).body.data.map(({ credential_id: id }) => String(id))
  const only = await token(acme, 'admin', 'one')
  t.same((await ask('GET', '/admin/projects', { token: only })).body.data.map(({ project_id: id }) => String(id)), ['one'])
  t.equal((await ask('GET', '/admin/projects/two', { token: only })).status, 404)
  t.equal((await ask('PATCH', '/admin/projects/two', { token: only, body: { active: false } })).status, 404)
  for (const path of ['/admin/config?project_id=two', '/admin/config/cfv_two_1', '/admin/config/diff?from=cfv_two_1']) t.equal((await ask('GET', path, { token: only })).status, 404, path)
  t.equal((await ask('GET', '/admin/config?project_id=one', { token: only })).body.data.length, 1)
  t.equal((await ask('POST', '/admin/projects/two/rollback', { token: only, body: { version: 1 } })).status, 404)
  for (const query of ['', '?project_id=two', '?project_id=one,two', '?search=two', '?cursor=']) t.notOk((await ask('GET', `/admin/api-keys${query}`, { token: only })).text.includes('key-of-two'), query)
  t.equal((await ask('GET', `/admin/api-keys/${keys[0]!}`, { token: only })).status, 200)
  for (const [method, path] of [['GET', ''], ['POST', '/revoke'], ['POST', '/rotate'], ['POST', '/regenerate'], ['GET', '/usage'], ['DELETE', '']] as const) t.equal((await ask(method, `/admin/api-keys/${keys[1]!}${path}`, { token: only })).status, 404)
  t.equal((await ask('POST', '/admin/api-keys', { token: only, body: { project_id: 'two' } })).status, 400)
  t.equal((await ask('POST', '/admin/api-keys', { token: only, body: { project_id: 'one' } })).status, 201)
})

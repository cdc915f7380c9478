import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('preconditions: If-Match and If-None-Match of every method are heeded, also for members of teams', async (t) => {
  const { ask } = await openAdminApi(t)
  const team = (await ask('POST', '/admin/teams', { body: { name: 'core' } })).headers.get('location')!
  const statusOf = async (method: string, path: string, headers: Record<string, string>, body?: object): Promise<number> => (await ask(method, path, { headers, ...body === undefined ? {} : { body } })).status
  for (const [headers, get, change] of [
    [{ 'if-match': '"1"' }, 200, 200], [{ 'if-match': '"2"' }, 200, 200], [{ 'if-match': '"9", "3"' }, 200, 200], [{ 'if-match': '*' }, 200, 200], [{ 'if-match': 'W/"5"' }, 412, 412], [{ 'if-match': '"9"' }, 412, 412], [{ 'if-match': '' }, 412, 412],
    [{ 'if-none-match': '*' }, 304, 412], [{ 'if-none-match': '"5"' }, 304, 412], [{ 'if-none-match': 'W/"5"' }, 304, 412], [{ 'if-none-match': '"4"' }, 200, 200]
  ] as [Record<string, string>, number, number][]) {
    t.equal(await statusOf('GET', team, headers), get, `GET ${JSON.stringify(headers)}`)
    t.equal(await statusOf('PATCH', team, headers, { name: 'again' }), change, `PATCH ${JSON.stringify(headers)}`)
  }
  t.match((await ask('PUT', team, { headers: { 'if-none-match': '*' }, body: { name: 'x' } })).body.error.details, { reason: 'is_there' })
  t.equal(await statusOf('DELETE', team, { 'if-none-match': '*' }), 412)
  const user = (await ask('POST', '/admin/users', { body: { email: 'a@b.example' } })).body['user_id']
  const member = await ask('POST', `${team}/members`, { body: { user_id: user, role: 'auditor' } })
  t.equal(await statusOf('DELETE', member.headers.get('location')!, { 'if-match': '"7"' }), 412)
  t.equal(await statusOf('DELETE', member.headers.get('location')!, { 'if-match': member.headers.get('etag')! }), 204)
})

test('preconditions: the OpenAPI document has them, and 304 and 412, wherever an answer has an ETag', async (t) => {
  const { ask } = await openAdminApi(t)
  const { paths } = JSON.parse((await ask('GET', '/admin/openapi.json')).text) as { paths: Record<string, Record<string, { parameters?: { name: string, in: string }[], responses: Record<string, object> }>> }
  const headersOf = (path: string, method: string): string[] => (paths[path]?.[method]?.parameters ?? []).filter(({ in: where }) => where === 'header').map(({ name }) => name).sort()
  t.same(headersOf('/admin/teams/{id}', 'get'), ['if-match', 'if-none-match'])
  t.same(headersOf('/admin/users/{id}/deactivate', 'post'), ['idempotency-key', 'if-match', 'if-none-match'])
  for (const path of ['/admin/teams/{id}', '/admin/projects/{id}/config', '/admin/domains/{id}']) for (const status of ['304', '412']) t.ok(paths[path]?.['get']?.responses[status], `${path} ${status}`)
})

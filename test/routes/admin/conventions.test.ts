import { test } from 'tap'
import { createAdminToken } from '../../../core/state/api-key.js'
import { openAdminApi } from '../../fixtures/admin-api.js'
import { sendRaw } from '../../fixtures/raw-client.js'

const TARGET = 'https://api.example.com'

test('admin-api: lists come by page and by cursor, sorted, filtered and cut to fields', async (t) => {
  const { ask } = await openAdminApi(t)
  for (let i = 0; i < 25; i++) {
    t.equal((await ask('POST', '/admin/projects', { body: { project_id: `p-${String(i).padStart(2, '0')}`, target_url: `${TARGET}/${i}`, auth_type: i % 2 === 0 ? 'none' : 'api_key', active: i < 20 } })).status, 201)
  }
  const first = await ask('GET', '/admin/projects')
  t.strictSame(first.body.pagination, { page: 1, perPage: 20, total: 25, totalPages: 2, next: '/admin/projects?page=2' })
  t.equal(first.body.data.length, 20)
  const second = await ask('GET', String(first.body.pagination['next']))
  t.strictSame([second.body.data.length, second.body.pagination['next'], second.body.data[0]?.project_id], [5, null, 'p-20'])

  const seen: string[] = []
  let next: string | null = '/admin/projects?cursor=&perPage=10&fields=project_id'
  for (let pages = 0; next !== null && pages < 9; pages++) {
    const { body }: Awaited<ReturnType<typeof ask>> = await ask('GET', next)
    seen.push(...body.data.map(({ project_id: id }) => String(id)))
    t.match(body.pagination, { page: null, total: 25, totalPages: 3 })
    t.strictSame(Object.keys(body.data[0]!), ['project_id'])
    next = body.pagination['next'] ?? null
  }
  t.strictSame(seen, Array.from({ length: 25 }, (_, i) => `p-${String(i).padStart(2, '0')}`), 'each once, by cursor')

  const sorted = await ask('GET', '/admin/projects?sort=auth_type,project_id&perPage=3'.replace('auth_type,', 'target_url,') + '&order=desc')
  t.equal(sorted.body.data[0]?.target_url, `${TARGET}/9`)
  t.equal((await ask('GET', '/admin/projects?auth_type=none,api_key&active=false')).body.pagination['total'], 5)
  t.equal((await ask('GET', '/admin/projects?auth_type=none&active=false')).body.pagination['total'], 3)
  t.equal((await ask('GET', '/admin/projects?search=P-1')).body.pagination['total'], 10)
})

test('admin-api: what a list does not know is an error that says what it knows', async (t) => {
  const { ask } = await openAdminApi(t)
  const cases: [string, string, RegExp][] = [
    ['stauts=active', 'stauts', /is not known here/], ['sort=secret', 'sort', /"secret" is not known/], ['sort=created_at&order=up', 'order', /"up"/], ['order=asc', 'order', /more entries/],
    ['fields=digest', 'fields', /"digest" is not known/], ['auth_type=basic', 'auth_type', /"basic"/], ['perPage=101', 'perPage', /at most 100/], ['page=0', 'page', /at least 1/], ['page=x', 'page', /integer/],
    ['active=perhaps', 'active', /boolean/], ['page=1&page=2', 'page', /twice/], ['customer_id[$ne]=x', 'customer_id[$ne]', /not known/], ['__proto__[x]=1', '__proto__[x]', /not known/], ['search=%00', 'search', /NUL/],
    ['cursor=%21%21', 'cursor', /none that was given/], ['cursor=&sort=project_id', 'cursor', /without sort/]
  ]
  for (const [query, path, message] of cases) {
    const { status, body: { error } } = await ask('GET', `/admin/projects?${query}`)
    t.equal(status, 400, query)
    t.match(error, { code: 'VALIDATION_ERROR', details: { reason: 'invalid_fields', fields: [{ path, message }] } }, query)
  }
  t.match((await ask('GET', '/admin/users?email=ada@example.com&search=ada')).body.error, { code: 'VALIDATION_ERROR', details: { fields: [{ path: 'search', message: /without email/ }] } }, 'a filter and a search of one field')
  const unknown = await ask('GET', '/admin/projects?stauts=active')
  t.ok((unknown.body.error.details['fields']![0]!['known'] as string[]).includes('auth_type'))
})

test('admin-api: bodies are JSON of known fields with right types, and nothing else', async (t) => {
  const { ask, port, logged } = await openAdminApi(t)
  const bad: [unknown, number][] = [
    [{ target_url: TARGET, tenantId: 'x' }, 400], [{ target_url: { $ne: null } }, 400], [{ target_url: [TARGET] }, 400], [{ target_url: 7 }, 400], [{}, 400], [[], 400], ['null', 400], ['"text"', 400], ['{', 400], ['', 400],
    ['{"target_url":"https://a.b","__proto__":{"admin":true}}', 400], ['{"target_url":"https://a.b","constructor":{"prototype":{}}}', 400],
    [{ target_url: TARGET, api_version: 'a\0b' }, 400], ['{"target_url":"https://a.b","api_version":"\\ud800"}', 400], [`{"target_url":${'['.repeat(30_000)}${']'.repeat(30_000)}}`, 400],
    [{ target_url: TARGET, rev: 5 }, 400], [{ target_url: TARGET, created_at: '2020-01-01T00:00:00Z' }, 400], [{ target_url: TARGET, _id: 'x' }, 400], [{ target_url: TARGET, active: 'yes' }, 400],
    [{ target_url: TARGET, project_id: 'No Slug' }, 400], [{ target_url: TARGET, api_version: 'x'.repeat(101) }, 400], [`{"target_url":"${'x'.repeat(70_000)}"}`, 413],
    ...['ftp://a.b', 'https://', 'file:///etc/passwd', 'https://user:pass@a.b', 'https://a.b/?x', 'https://a.b/#x', 'https:\\\\a.b', 'https:/a.b', 'ht\ttps://a.b', '//a.b', 'javascript:alert(1)', 'https://a.b:0', 'http://a.b:00/x'].map((target): [unknown, number] => [{ target_url: target }, 400])
  ]
  for (const [body, status] of bad) {
    const answer = await ask('POST', '/admin/projects', { body })
    t.equal(answer.status, status, JSON.stringify(body).slice(0, 80))
    t.ok(answer.body.error.code, answer.text.slice(0, 200))
  }
  t.equal((await ask('POST', '/admin/projects', { body: '{}', headers: { 'content-type': 'text/plain' } })).status, 415)
  t.equal((await ask('POST', '/admin/projects', { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status, 415)
  const notUtf8 = Buffer.concat([Buffer.from('{"target_url":"https://a.b/'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')])
  const head = `POST /admin/projects HTTP/1.1\r\nhost: a\r\nauthorization: Bearer sat_for-tests-0123456789\r\ncontent-type: application/json\r\nconnection: close\r\n`
  t.equal((await sendRaw(port, Buffer.concat([Buffer.from(`${head}content-length: ${notUtf8.length}\r\n\r\n`), notUtf8]))).responses[0]?.status, 400)
  t.equal((await sendRaw(port, `${head}content-length: 10000000\r\n\r\n`)).responses[0]?.status, 413, 'a body of 10 MB is not read')
  t.equal((await ask('GET', '/admin/projects')).body.pagination['total'], 0, 'nothing was kept')
  t.equal(({} as { admin?: boolean }).admin, undefined)
  t.strictSame(logged.filter(({ level }) => level === 'error'), [])
})

test('admin-api: a field that is not known is named with those that are, and with what was meant', async (t) => {
  const { ask } = await openAdminApi(t)
  const { body: { error } } = await ask('POST', '/admin/projects', { body: { target_url: TARGET, activ: true } })
  t.match(error, { code: 'VALIDATION_ERROR', message: '/activ is not known here (did you mean "active"?).', details: { reason: 'invalid_fields', fields: [{ path: '/activ', known: ['target_url', 'auth_type', 'active', 'api_version', 'project_id', 'customer_id'] }] } })
})

test('admin-api: If-Match guards writes, and If-None-Match spares reads', async (t) => {
  const { ask } = await openAdminApi(t)
  const made = await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
  t.equal(made.headers.get('etag'), '"1"')
  t.equal(made.headers.get('location'), '/admin/projects/one')
  for (const tag of ['"2"', 'W/"1"', '1', '"x"', '']) t.equal((await ask('PATCH', '/admin/projects/one', { headers: { 'if-match': tag }, body: { active: false } })).status, 412, tag)
  const patched = await ask('PATCH', '/admin/projects/one', { headers: { 'if-match': '"0", "1"' }, body: { active: false } })
  t.strictSame([patched.status, patched.headers.get('etag'), patched.body.active], [200, '"2"', false])
  t.match((await ask('DELETE', '/admin/projects/one', { headers: { 'if-match': '"1"' } })).body.error, { code: 'PRECONDITION_FAILED', details: { reason: 'changed_meanwhile' } })
  t.equal((await ask('GET', '/admin/projects/one', { headers: { 'if-none-match': 'W/"2"' } })).status, 304)
  t.equal((await ask('GET', '/admin/projects/one', { headers: { 'if-none-match': '"1"' } })).status, 200)
  const racing = await Promise.all(Array.from({ length: 8 }, (_, i) => ask('PATCH', '/admin/projects/one', { headers: { 'if-match': '"2"' }, body: { api_version: `v${i}` } })))
  t.strictSame(racing.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412], 'one of many wins')
  t.equal((await ask('DELETE', '/admin/projects/one', { headers: { 'if-match': '*' } })).status, 204)
  t.equal((await ask('DELETE', '/admin/projects/one', { headers: { 'if-match': '*' } })).status, 404)
  t.match((await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })).body.error, { code: 'CONFLICT', details: { reason: 'already_exists', field: 'project_id' } }, 'an id is never used again')
})

test('admin-api: a request with an Idempotency-Key is made once in 24 hours, and its secrets are shown once', async (t) => {
  const { ask, clock, engine } = await openAdminApi(t)
  const send = (key: string, body: object = { target_url: TARGET }) => ask('POST', '/', { headers: { 'idempotency-key': key }, body })
  const [a, ...rest] = await Promise.all(Array.from({ length: 5 }, () => send('k1')))
  const made = [a!, ...rest].filter(({ status }) => status === 201)
  t.ok(made.length >= 1)
  t.ok([a!, ...rest].every(({ status, body }) => status === 201 || body.error.details['reason'] === 'idempotency_key_in_use'))
  t.equal((await ask('GET', '/admin/projects')).body.pagination['total'], 1)
  const again = await send('k1')
  t.strictSame([again.status, again.headers.get('idempotent-replay'), again.body['secret'], again.body['api_key'], again.body['curl']], [201, 'true', undefined, undefined, undefined])
  t.equal(again.headers.get('location'), made[0]!.headers.get('location'))
  t.match((await send('k1', { target_url: 'https://other.example.com' })).body.error, { code: 'CONFLICT', details: { reason: 'idempotency_key_reused' } })
  t.equal((await send('k1', { target_url: TARGET, more: 1 })).status, 400, 'what is not valid is refused before')
  t.equal((await send('bad', { target_url: 'nowhere' })).status, 400)
  t.equal((await send('bad')).status, 201, 'what was refused does not use the key up')
  for (const key of ['', ' ', 'x'.repeat(256)]) t.equal((await send(key)).status, 400, `"${key.slice(0, 3)}" is no key`)
  clock.ahead = 23.9 * 3_600_000
  t.equal((await send('k1')).headers.get('idempotent-replay'), 'true')
  clock.ahead = 24.1 * 3_600_000
  t.equal((await send('k1')).headers.get('idempotent-replay'), null)
  clock.ahead = 72 * 3_600_000
  await send('k3')
  t.equal([...engine.settings.keys()].filter((name) => name.startsWith('idempotency/')).length, 1, 'what is over is removed')
})

test('admin-api: without its store everything is 503 within a second, and works when it is back', async (t) => {
  const { ask, engine } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
  engine.gone = true
  const start = Date.now()
  for (const [method, path, body] of [['GET', '/admin/projects', undefined], ['GET', '/admin/projects/one', undefined], ['POST', '/', { target_url: TARGET }], ['PATCH', '/admin/projects/one', { active: false }], ['DELETE', '/admin/projects/one', undefined]] as const) {
    const answer = await ask(method, path, { body })
    t.equal(answer.status, 503)
    t.match(answer.body.error, { code: 'SERVICE_UNAVAILABLE', details: { reason: 'store_unavailable' } })
    t.equal(answer.headers.get('retry-after'), '1')
  }
  t.equal((await ask('GET', '/admin/projects', { token: createAdminToken().text })).status, 503, 'nobody knows whose the token is')
  t.ok(Date.now() - start < 1000)
  t.equal((await ask('GET', '/status')).status, 200, 'the port itself goes on')
  engine.gone = false
  t.equal((await ask('GET', '/admin/projects/one')).status, 200)
})

test('admin-api: methods and paths that are not there are 405 and 404', async (t) => {
  const { ask } = await openAdminApi(t)
  const refused = await ask('POST', '/admin/projects/one')
  t.strictSame([refused.status, refused.headers.get('allow')?.split(', ').sort()], [405, ['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT']])
  t.equal((await ask('GET', '/admin/nothing')).status, 404)
  t.equal((await ask('GET', '/admin/projects/', {})).status, 404)
  t.equal((await ask('GET', '/admin/projects', { token: null })).status, 401)
  t.equal((await ask('GET', `/admin/projects/${'x'.repeat(300)}`)).status, 414)
  t.equal((await ask('GET', '/admin/projects/a%00b')).status, 404)
})

import { createHash } from 'node:crypto'
import { test } from 'tap'
import type { Project } from '../../../core/state/records.js'
import { openAdminApi, type AdminApiFixture } from '../../fixtures/admin-api.js'

const CANARY = 'canary-5b1e9c'

/** A project whose configuration is this, without asking what may be in it. */
async function configure ({ open, configs }: AdminApiFixture, customerId: string, projectId: string, config: Record<string, unknown>): Promise<void> {
  const project = await open.store.projects.get(customerId, projectId) as Project
  await open.store.projects.replace(customerId, { ...project, config: configs.seal(customerId, config) })
}

const naming = (name: string): Record<string, unknown> => ({ routes: [{ id: 'orders', match: { path: '/o' }, plugins: [{ headers: { request: { set: { authorization: `Bearer \${secret:${name}}` } } } }] }, { id: 'open', match: { path: '/x' } }] })

test('secrets: are kept sealed, counted and listed, and no answer, audit record or log shows a value', async (t) => {
  const api = await openAdminApi(t)
  const { ask, account, token, open, engine, logged } = api
  const acme = await account('acme')
  await ask('POST', '/admin/projects', { body: { project_id: 'acme-shop', target_url: 'https://x.example', customer_id: acme } })
  const owner = await token(acme, 'owner')
  const texts: string[] = []
  const say = async (method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Awaited<ReturnType<typeof ask>>> => {
    const answer = await ask(method, path, { token: owner, headers, ...body === undefined ? {} : { body } })
    texts.push(answer.text)
    return answer
  }
  const made = await say('POST', '/admin/secrets', { name: 'API_TOKEN', value: `${CANARY}-one`, project_id: 'acme-shop' })
  t.equal(made.status, 201, made.text)
  const id = String(made.body['secret_id'])
  t.strictSame(made.body as unknown, { secret_id: id, customer_id: 'acme', project_id: 'acme-shop', name: 'API_TOKEN', version: 1, created_at: made.body['created_at'], updated_at: made.body['updated_at'] })
  t.match(id, /^sec_[a-z0-9]{20}$/)
  t.equal((await say('POST', '/admin/secrets', { name: 'API_TOKEN', value: `${CANARY}-all`, project_id: null })).status, 201, 'the account has names of its own')
  t.match((await say('POST', '/admin/secrets', { name: 'API_TOKEN', value: `${CANARY}-x` })).body.error, { code: 'CONFLICT', details: { field: 'name', reason: 'already_exists' } })
  const sealed = (await open.store.secrets.get(acme, id))?.value
  t.match(sealed, /^sealed1\./)

  t.match(await say('PATCH', `/admin/secrets/${id}`, { value: `${CANARY}-two` }, { 'if-match': '"9"' }), { status: 412 })
  const changed = await say('PATCH', `/admin/secrets/${id}`, { value: `${CANARY}-two` }, { 'if-match': made.headers.get('etag') ?? '' })
  t.match(changed.body, { version: 2 })
  t.match((await say('PUT', `/admin/secrets/${id}`, { value: `${CANARY}-three` })).body, { version: 3 })
  t.not((await open.store.secrets.get(acme, id))?.value, sealed)
  t.match(await say('GET', `/admin/secrets/${id}`), { status: 200, body: { name: 'API_TOKEN', version: 3 } })
  t.match((await say('GET', '/admin/secrets?project_id=acme-shop')).body.data, [{ name: 'API_TOKEN' }])
  t.equal((await say('GET', '/admin/secrets?search=api')).body.pagination['total'], 2)
  t.equal((await say('GET', '/admin/secrets?fields=value')).status, 400)
  t.equal((await say('GET', '/admin/secrets?sort=value')).status, 400)

  const bad: [object, RegExp][] = [
    [{ name: 'A', value: '' }, /value/], [{ name: 'A' }, /value/], [{ name: '1A', value: CANARY }, /name/], [{ name: 'a-b', value: CANARY }, /name/], [{ name: 'a'.repeat(65), value: CANARY }, /name/], [{ name: 'A', value: { canary: CANARY } }, /value/],
    [{ name: 'A', value: `${CANARY}${'x'.repeat(64 * 1024)}` }, /value/], [{ name: 'A', value: `${CANARY}${'ü'.repeat(32 * 1024)}` }, /value/], [{ name: 'A', value: CANARY, project_id: 'no-such-one' }, /project_id/], [{ name: 'A', value: CANARY, version: 7 }, /version/]
  ]
  for (const [body, where] of bad) t.match(await say('POST', '/admin/secrets', body), { status: 400, body: { error: { message: where } } }, JSON.stringify(body).slice(0, 100))
  t.equal((await say('POST', '/admin/secrets', { name: 'LONG', value: `${CANARY}${'x'.repeat(64 * 1024 - CANARY.length)}` })).status, 201, '64 KB go in')
  t.equal((await say('DELETE', `/admin/secrets/${id}`)).status, 204)
  t.equal((await say('GET', `/admin/secrets/${id}`)).status, 404)

  texts.push(JSON.stringify(logged), (await ask('GET', '/admin/audit?perPage=100')).text, (await ask('GET', '/admin/openapi.json')).text)
  for (const collection of ['secrets', 'audit_records'] as const) texts.push(JSON.stringify([...engine.documents(collection)]))
  for (const text of texts) t.notOk(text.includes(CANARY), text.slice(0, 200))
  const trail = (await ask('GET', '/admin/audit?action=secrets.create,secrets.update,secrets.delete&phase=intent&perPage=100')).body.data
  t.ok(trail.length >= 5)
  t.match(trail.find(({ action }) => action === 'secrets.create'), { payload: { after: { value: '***' } } })
})

test('secrets: a request is repeated by its key with nothing kept that tells the value', async (t) => {
  const { ask, open } = await openAdminApi(t)
  const kept: string[] = []
  const { system } = open
  const { setMeta } = system
  Object.assign(system, { setMeta: (key: string, value: string, expected?: string | null) => { kept.push(value); return setMeta(key, value, expected) } })
  const create = (value: string): ReturnType<typeof ask> => ask('POST', '/admin/secrets', { body: { name: 'TOKEN', value }, headers: { 'idempotency-key': 'once' } })
  const first = await create('1234')
  const second = await create('1234')
  t.strictSame([first.status, second.status, second.headers.get('idempotent-replay')], [201, 201, 'true'])
  t.strictSame(second.body, first.body)
  t.match((await create('1235')).body.error, { code: 'CONFLICT', details: { reason: 'idempotency_key_reused' } })
  t.ok(kept.length > 0)
  const digest = createHash('sha256').update(JSON.stringify(['POST', '/admin/secrets', { name: 'TOKEN', value: '1234' }])).digest()
  for (const text of kept) t.notOk(text.includes('1234"') || text.includes(digest.toString('hex')) || text.includes(digest.toString('base64url')), 'nor by a hash that can be guessed')
})

test('secrets: one that a configuration names stays, and whoever wants it gone is told where it is named', async (t) => {
  const api = await openAdminApi(t)
  const { ask } = api
  for (const id of ['one', 'two', 'three']) await ask('POST', '/admin/projects', { body: { project_id: id, target_url: 'https://x.example' } })
  const create = async (name: string, project_id: string | null): Promise<string> => String((await ask('POST', '/admin/secrets', { body: { name, value: 'x', project_id } })).body['secret_id'])
  const [ofAll, ofOne, idle] = [await create('TOKEN', null), await create('TOKEN', 'one'), await create('IDLE', null)]
  for (const id of ['one', 'two', 'three']) await configure(api, 'local', id, naming(id === 'three' ? 'OTHER' : 'TOKEN'))
  const refused = await ask('DELETE', `/admin/secrets/${ofAll}`)
  t.equal(refused.status, 409)
  t.strictSame(refused.body.error as unknown, { ...refused.body.error, code: 'CONFLICT', message: 'The configuration of "two" names the secret for "orders": take it out there first.', details: { reason: 'secret_in_use', usedBy: [{ project_id: 'two', routes: ['orders'], places: ['/routes/0/plugins/0/headers/request/set/authorization'] }], usedByCount: 1 } })
  t.match((await ask('DELETE', `/admin/secrets/${ofOne}`)).body.error.details, { usedBy: [{ project_id: 'one' }], usedByCount: 1 }, 'the project\'s own goes before the account\'s')
  t.equal((await ask('DELETE', `/admin/secrets/${idle}`)).status, 204)
  await configure(api, 'local', 'two', naming('OTHER'))
  t.equal((await ask('DELETE', `/admin/secrets/${ofAll}`)).status, 204)
  t.equal((await ask('DELETE', '/admin/projects/one')).status, 204)
  t.equal((await ask('GET', `/admin/secrets/${ofOne}`)).status, 404, 'a project takes its own with it')
})

test('secrets: a token for one project has those of the project alone', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  const ids: Record<string, string> = {}
  for (const project of ['one', 'two']) await ask('POST', '/admin/projects', { body: { project_id: project, target_url: 'https://x.example', customer_id: acme } })
  for (const project_id of ['one', 'two', null]) ids[String(project_id)] = String((await ask('POST', '/admin/secrets', { body: { name: 'TOKEN', value: 'x', project_id, ...project_id === null ? { customer_id: acme } : {} } })).body['secret_id'])
  const only = await token(acme, 'developer', 'one')
  t.same((await ask('GET', '/admin/secrets', { token: only })).body.data.map(({ secret_id: id }) => String(id)), [ids['one']])
  for (const other of ['two', 'null']) {
    for (const [method, body] of [['GET'], ['PATCH', { value: 'y' }], ['DELETE']] as const) t.equal((await ask(method, `/admin/secrets/${ids[other]!}`, { token: only, ...body === undefined ? {} : { body } })).status, 404, `${method} ${other}`)
  }
  t.match((await ask('POST', '/admin/secrets', { token: only, body: { name: 'NEW', value: 'x' } })).body, { project_id: 'one' }, 'left out, it is the token\'s')
  t.match((await ask('POST', '/admin/secrets', { token: only, body: { name: 'ALL', value: 'x', project_id: null } })).body.error, { code: 'AUTHORIZATION_ERROR', details: { reason: 'project_token' } })
  t.equal((await ask('POST', '/admin/secrets', { token: only, body: { name: 'NEW', value: 'x', project_id: 'two' } })).status, 400)
})

test('secrets: are listed by what names them: every project of the account, or one alone', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  for (const project of ['one', 'two']) await ask('POST', '/admin/projects', { body: { project_id: project, target_url: 'https://x.example', customer_id: acme } })
  for (const project_id of ['one', 'two', null]) await ask('POST', '/admin/secrets', { body: { name: 'TOKEN', value: 'x', project_id, ...project_id === null ? { customer_id: acme } : {} } })
  const owner = await token(acme, 'owner')
  const only = await token(acme, 'developer', 'one')
  const listed = async (query: string, as = owner): Promise<string[]> => (await ask('GET', `/admin/secrets?sort=project_id&${query}`, { token: as })).body.data.map(({ project_id: id }) => String(id))
  for (const [query, found] of [
    ['scope=account', ['null']], ['scope=project', ['one', 'two']], ['scope=account,project', ['null', 'one', 'two']], ['project_id=one,two', ['one', 'two']], ['scope=project&project_id=two', ['two']], ['scope=account&project_id=two', []]
  ] as const) t.same(await listed(query), found, query)
  t.equal((await ask('GET', '/admin/secrets?scope=account&cursor=', { token: owner })).body.pagination['total'], 1)
  t.same([await listed('scope=account', only), await listed('scope=project', only), await listed('scope=project&project_id=two', only)], [[], ['one'], []], 'a token for one project sees no others')
  t.match((await ask('GET', '/admin/secrets?scope=all', { token: owner })).body.error, { code: 'VALIDATION_ERROR', message: /scope/ })
})

test('secrets: a project has 200 at most', async (t) => {
  const { ask, open } = await openAdminApi(t)
  for (let index = 0; index < 200; index++) await open.store.secrets.insert('local', { secret_id: `s${index}`, project_id: null, name: `S${index}`, value: 'sealed' as never, version: 1 })
  t.match((await ask('POST', '/admin/secrets', { body: { name: 'MORE', value: 'x' } })).body.error, { code: 'CONFLICT', details: { reason: 'too_many_secrets', most: 200 } })
})

import { test, type Test } from 'tap'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { failCalls } from '../../fixtures/failing-calls.js'

interface ItemResult { index: number, action: string, id: string | null, status: number, etag: string | null, body: Record<string, unknown> | null, error: { code: string, message: string, details: { fields?: { path: string }[], reason?: string } } | null }

const resultsOf = ({ body }: AdminAnswer): ItemResult[] => body.data as unknown as ItemResult[]
const statusesOf = (answer: AdminAnswer): number[] => resultsOf(answer).map(({ status }) => status)

/** Sends items to a bulk operation. */
function bulkOf ({ ask }: AdminApiFixture, path: string): (items: unknown, more?: { token?: string, headers?: Record<string, string> }) => Promise<AdminAnswer> {
  return (items, more = {}) => ask('POST', `/admin/${path}/bulk`, { ...more, body: { items } })
}

test('bulk: each item is done as a single request does it, in order, with a result of its own', async (t) => {
  const fixture = await openAdminApi(t)
  const users = bulkOf(fixture, 'users')
  const made = await users([{ action: 'create', body: { email: 'ada@x.example', tier: 'gold' } }, { action: 'create', body: { email: 'bob@x.example' } }, { action: 'create', body: { email: 'ADA@x.example' } }])
  t.equal(made.status, 200)
  t.strictSame(statusesOf(made), [201, 201, 409])
  t.match(made.body, { summary: { total: 3, succeeded: 2, failed: 1 } })
  const [ada, bob, taken] = resultsOf(made)
  const single = await fixture.ask('GET', `/admin/users/${String(ada?.id)}`)
  t.same(ada?.body, single.body, 'the body is that of a single request')
  t.equal(ada?.etag, single.headers.get('etag'))
  const again = await fixture.ask('POST', '/admin/users', { body: { email: 'ADA@x.example' } })
  t.same({ code: taken?.error?.code, message: taken?.error?.message, details: taken?.error?.details }, { code: again.body.error.code, message: again.body.error.message, details: again.body.error.details }, 'so is the error')

  const changed = await users([
    { action: 'update', id: ada?.id, if_match: '"7"', body: { name: 'Ada' } }, { action: 'update', id: ada?.id, if_match: '"1"', body: { name: 'Ada' } }, { action: 'deactivate', id: bob?.id },
    { action: 'delete', id: bob?.id }, { action: 'activate', id: bob?.id }
  ])
  t.strictSame(statusesOf(changed), [412, 200, 200, 204, 404])
  t.match(resultsOf(changed)[1], { index: 1, action: 'update', id: ada?.id, etag: '"2"', body: { name: 'Ada' } })
  t.equal((await fixture.ask('GET', '/admin/users')).body.pagination['total'], 1)
})

test('bulk: what is wrong with an item is told with its place, and stops no other; a request that is none is refused whole', async (t) => {
  const fixture = await openAdminApi(t)
  const users = bulkOf(fixture, 'users')
  const answer = await users([
    { action: 'create', body: { email: 'ada@x.example', nmae: 'x' } }, { action: 'create', body: { email: 7 } }, { action: 'create', id: 'usr_1', body: { email: 'a@x.example' } }, { action: 'update', body: { name: 'x' } }, { action: 'deactivate', id: 'usr_1', body: { why: 'x' } },
    { action: 'promote', id: 'usr_1' }, { action: '__proto__', id: 'usr_1' }, { action: 'create' }, { action: 'update', id: '$ne', body: { name: 'x' } }, { action: 'create', body: { email: 'ada@x.example' } }
  ])
  t.strictSame(statusesOf(answer), [400, 400, 400, 400, 400, 400, 400, 400, 404, 201])
  t.strictSame(resultsOf(answer).slice(0, 8).map(({ error }) => error?.details.fields?.[0]?.path), [
    '/items/0/body/nmae', '/items/1/body/email', '/items/2/id', '/items/3/id', '/items/4/body/why', '/items/5/action', '/items/6/action', '/items/7/body'
  ])
  t.match(resultsOf(answer)[0]?.error, { code: 'VALIDATION_ERROR', message: '/items/0/body/nmae is not known here (did you mean "name"?).', details: { reason: 'invalid_fields' } })
  const many = Array.from({ length: 501 }, () => ({ action: 'deactivate', id: 'x' }))
  for (const items of [[], many, {}, [{}], [{ action: 1 }], [{ action: 'create', body: [] }], [{ action: 'create', admin: true }], ['create']]) {
    const refused = await users(items)
    t.equal(refused.status, 400, JSON.stringify(items).slice(0, 60))
  }
  t.equal((await fixture.ask('POST', '/admin/users/bulk', { body: { items: [{ action: 'create', body: { email: 'x'.repeat(1_100_000) } }] } })).status, 413)
  t.equal((await users(many.slice(1))).status, 200)
  t.equal((await fixture.ask('GET', '/admin/users')).body.pagination['total'], 1)
})

test('bulk: keys are made, changed, rotated and revoked, and shown once', async (t) => {
  const fixture = await openAdminApi(t)
  const { ask, open } = fixture
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://x.example' } })
  const keys = bulkOf(fixture, 'api-keys')
  const items = Array.from({ length: 3 }, (_, i) => ({ action: 'create', body: { project_id: 'one', name: `key-${i}` } }))
  const made = await keys(items, { headers: { 'idempotency-key': 'k' } })
  t.strictSame(statusesOf(made), [201, 201, 201])
  const [a, b, c] = resultsOf(made)
  t.equal(new Set(resultsOf(made).map(({ body }) => body?.['api_key'])).size, 3)
  const replayed = await keys(items, { headers: { 'idempotency-key': 'k' } })
  t.equal(replayed.headers.get('idempotent-replay'), 'true')
  t.strictSame(resultsOf(replayed).map(({ id, body }) => [id, body?.['name'], body?.['api_key'], body?.['secret']]), [a, b, c].map((one, i) => [one?.id, `key-${i}`, undefined, undefined]))
  for (const [name, value] of fixture.engine.settings) if (name.startsWith('idempotency/')) t.notMatch(value, /ak_live_\w{20}|sk_/, 'no secret is kept for replays')

  const changed = await keys([{ action: 'update', id: a?.id, body: { allowed_networks: ['10.1.0.0/16'] } }, { action: 'rotate', id: b?.id, body: { overlap: '1h' } }, { action: 'regenerate', id: c?.id }, { action: 'revoke', id: a?.id }])
  t.strictSame(statusesOf(changed), [200, 201, 200, 200])
  t.match(resultsOf(changed), [{ body: { allowed_networks: ['10.1.0.0/16'] } }, { body: { api_key: String } }, { body: { api_key: String } }, { body: { status: 'revoked' } }])
  t.equal(await open.store.credentials.count('local'), 4)
})

test('bulk: the ids of another account are answered like missing ones, and nothing of theirs changes', async (t) => {
  const fixture = await openAdminApi(t)
  const { ask, account, token, engine } = fixture
  const theirs: string[] = []
  for (const name of ['acme', 'umbrella']) {
    await account(name)
    const project = String((await ask('POST', '/admin/projects', { body: { customer_id: name, target_url: 'https://x.example' } })).body['project_id'])
    const user = String((await ask('POST', '/admin/users', { body: { customer_id: name, email: 'person@x.example' } })).body['user_id'])
    const key = String((await ask('POST', '/admin/api-keys', { body: { project_id: project, name: 'theirs' } })).body['credential_id'])
    if (name === 'acme') theirs.push(user, key, project)
  }
  const [user = '', key = '', project = ''] = theirs
  const stranger = await token('umbrella', 'owner')
  const kept = (): string => JSON.stringify(['users', 'credentials', 'projects'].map((name) => [...engine.documents(name as 'users').values()].filter(({ customerId }) => customerId === 'acme')))
  const before = kept()
  const compare = async (path: string, itemsOf: (id: string) => object[], id: string): Promise<void> => {
    const send = bulkOf(fixture, path)
    const [foreign, missing] = [await send(itemsOf(id), { token: stranger }), await send(itemsOf('no-such-one'), { token: stranger })]
    t.same(resultsOf(foreign).map((one) => ({ ...one, id: null })), resultsOf(missing).map((one) => ({ ...one, id: null })), path)
    t.ok(resultsOf(foreign).every(({ status }) => status === 404 || status === 400), path)
  }
  await compare('users', (id) => [{ action: 'update', id, if_match: '"1"', body: { name: 'x' } }, { action: 'deactivate', id }, { action: 'activate', id }, { action: 'delete', id, if_match: '"1"' }], user)
  await compare('api-keys', (id) => [{ action: 'update', id, body: { name: 'x' } }, { action: 'rotate', id }, { action: 'regenerate', id }, { action: 'revoke', id, if_match: '*' }], key)
  await compare('api-keys', (id) => [{ action: 'create', body: { project_id: id } }], project)
  t.strictSame(statusesOf(await bulkOf(fixture, 'users')([{ action: 'create', body: { email: 'x@x.example', customer_id: 'acme' } }], { token: stranger })), [404])
  t.equal(kept(), before)

  const developer = await token('umbrella', 'developer')
  t.match((await bulkOf(fixture, 'users')([{ action: 'delete', id: user }], { token: developer })), { status: 403, body: { error: { details: { reason: 'role' } } } })
})

test('bulk: each item is in the audit trail by itself, with the action of a single request', async (t) => {
  const fixture = await openAdminApi(t)
  const answer = await bulkOf(fixture, 'users')([{ action: 'create', body: { email: 'ada@x.example' } }, { action: 'update', id: 'no-such-one', body: { name: 'x' } }, { action: 'create', body: { email: 'ada@x.example' } }])
  const { body } = await fixture.ask('GET', `/admin/audit?request_id=${String(answer.headers.get('x-request-id'))}&sort=seq`)
  t.strictSame(body.data.map(({ action, phase, outcome }) => [String(action), String(phase), outcome]), [
    ['users.create', 'intent', null], ['users.create', 'outcome', 'ok'], ['users.create', 'intent', null], ['users.create', 'outcome', 'CONFLICT']
  ] as never)
})

test('bulk: one token has one such request at a time, others go on', async (t) => {
  const fixture = await openAdminApi(t)
  const other = await fixture.token('local', 'operator')
  const items = Array.from({ length: 50 }, (_, i) => ({ action: 'create', body: { email: `p${i}@x.example` } }))
  const insert = fixture.engine.insert
  let free = (): void => {}
  const held = new Promise<void>((resolve) => { free = resolve })
  let begun = (): void => {}
  const isBegun = new Promise<void>((resolve) => { begun = resolve })
  fixture.engine.insert = async (collection, document) => {
    begun()
    if (collection === 'users' && document.id.length > 0 && String(document.record?.['email']) === 'p0@x.example') await held
    return await insert(collection, document)
  }
  const first = bulkOf(fixture, 'users')(items)
  await isBegun
  const second = await bulkOf(fixture, 'users')(items)
  t.strictSame([second.status, second.body.error.details['reason'], second.headers.get('retry-after')], [429, 'bulk_under_way', '1'])
  t.equal((await bulkOf(fixture, 'api-keys')([{ action: 'revoke', id: 'x' }], { token: other })).status, 200)
  free()
  t.strictSame(new Set(statusesOf(await first)), new Set([201]))
})

test('bulk: when the store goes, what was not done says so within a second, and repeating does the rest once', async (t) => {
  for (const late of [false, true]) {
    for (let call = late ? 2 : 1; ; call += 2) {
      const fixture = await openAdminApi(t)
      const { ask, open, engine } = fixture
      await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://x.example' } })
      const keys = bulkOf(fixture, 'api-keys')
      const items = [0, 1, 2, 3].map((i) => ({ action: 'create', body: { project_id: 'one', name: `key-${i}` } }))
      const failing = failCalls(engine)
      failing.failFrom(call, late)
      const startedAt = Date.now()
      const first = await keys(items, { headers: { 'idempotency-key': 'k' } })
      t.ok(Date.now() - startedAt < 1000)
      failing.mend()
      if (failing.made < call) break
      const shown = new Map<string, unknown>(first.status === 200 ? resultsOf(first).filter(({ status }) => status === 201).map(({ id, body }) => [String(id), body?.['api_key']]) : [])
      if (first.status === 200) t.ok(resultsOf(first).every(({ status }) => status === 201 || status === 503))
      else t.equal(first.status, 503)
      const second = await keys(items, { headers: { 'idempotency-key': 'k' } })
      t.strictSame(statusesOf(second), [201, 201, 201, 201], `call ${call}: ${second.text.slice(0, 300)}`)
      for (const { id, body } of resultsOf(second)) if (body?.['api_key'] !== undefined) shown.set(String(id), body['api_key'])
      const kept = await open.store.credentials.list('local', { limit: 100 })
      t.strictSame([kept.length, await open.store.consumers.count('local')], [4, 4], `call ${call}: each once`)
      t.strictSame(kept.map((key) => String(shown.get(key.credential_id)).startsWith(key.prefix)), [true, true, true, true], `call ${call}: every key was shown, and the one that was shown works`)
    }
  }
})

test('bulk: without a key, what is left can be seen and sent again', async (t: Test) => {
  const fixture = await openAdminApi(t)
  const failing = failCalls(fixture.engine)
  failing.failFrom(9, false)
  const answer = await bulkOf(fixture, 'users')([0, 1, 2, 3].map((i) => ({ action: 'create', body: { email: `p${i}@x.example` } })))
  t.equal(answer.status, 200)
  t.match(answer.body, { summary: { total: 4 } })
  t.ok(resultsOf(answer).every(({ status }) => status === 201 || status === 503))
  t.match(resultsOf(answer).at(-1)?.error, { code: 'SERVICE_UNAVAILABLE', details: { reason: 'not_tried' } })
})

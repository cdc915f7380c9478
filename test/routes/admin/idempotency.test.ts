import { test, type Test } from 'tap'
import { createIdempotency } from '../../../routes/admin/idempotency.js'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { failCalls } from '../../fixtures/failing-calls.js'

const TARGET = 'https://api.example.com'

interface Story {
  path: string
  body: object
  /** Records of a collection that there have to be at the end. */
  kept: Readonly<Record<string, number>>
  /** Fields that are shown once. */
  shown?: readonly string[]
  /** With the revision that the record has before. */
  ifMatch?: string
}

type Ask = AdminApiFixture['ask']

const idOf = async (ask: Ask, path: string, body: object, field: string): Promise<string> => String((await ask('POST', path, { body })).body[field])
const keyOf = async (ask: Ask): Promise<string> => {
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
  return await idOf(ask, '/admin/api-keys', { project_id: 'one' }, 'credential_id')
}
const userOf = (ask: Ask): Promise<string> => idOf(ask, '/admin/users', { email: 'ada@x.example' }, 'user_id')

const STORIES: Record<string, (ask: Ask) => Promise<Story>> = {
  'a project and its key': async () => ({ path: '/', body: { target_url: TARGET }, kept: { projects: 1, consumers: 1, credentials: 1 }, shown: ['api_key', 'secret'] }),
  'a project whose id was chosen': async () => ({ path: '/admin/projects', body: { project_id: 'two', target_url: TARGET }, kept: { projects: 1 } }),
  'an account': async () => ({ path: '/admin/accounts', body: { customer_id: 'acme', name: 'Acme' }, kept: { accounts: 1 } }),
  'a user': async () => ({ path: '/admin/users', body: { email: 'bob@x.example' }, kept: { users: 1 } }),
  'a rotated key': async (ask) => ({ path: `/admin/api-keys/${await keyOf(ask)}/rotate`, body: {}, kept: { credentials: 2, consumers: 1 }, shown: ['api_key', 'secret'] }),
  'a regenerated key': async (ask) => ({ path: `/admin/api-keys/${await keyOf(ask)}/regenerate`, body: {}, kept: { credentials: 1 }, shown: ['api_key', 'secret'] }),
  'a token': async () => ({ path: '/admin/tokens', body: { name: 'ci', role: 'auditor' }, kept: { admin_tokens: 1 }, shown: ['token'] }),
  'a member': async (ask) => ({ path: `/admin/teams/${await idOf(ask, '/admin/teams', { name: 'core' }, 'team_id')}/members`, body: { user_id: await userOf(ask), role: 'auditor' }, kept: { memberships: 1 } }),
  'a deactivated user': async (ask) => ({ path: `/admin/users/${await userOf(ask)}/deactivate`, body: {}, kept: { users: 1 } }),
  'a rotated key, at its revision,': async (ask) => ({ path: `/admin/api-keys/${await keyOf(ask)}/rotate`, body: {}, kept: { credentials: 2 }, shown: ['api_key', 'secret'], ifMatch: '"1"' }),
  'a regenerated key, at its revision,': async (ask) => ({ path: `/admin/api-keys/${await keyOf(ask)}/regenerate`, body: {}, kept: { credentials: 1 }, shown: ['api_key', 'secret'], ifMatch: '"1"' }),
  'a revoked key, at its revision,': async (ask) => ({ path: `/admin/api-keys/${await keyOf(ask)}/revoke`, body: {}, kept: { credentials: 1 }, ifMatch: '"0", "1"' }),
  'a deactivated user, at its revision,': async (ask) => ({ path: `/admin/users/${await userOf(ask)}/deactivate`, body: {}, kept: { users: 1 }, ifMatch: '"1"' }),
  'a suspended account, at its revision,': async (ask) => ({ path: `/admin/accounts/${await idOf(ask, '/admin/accounts', { name: 'Acme' }, 'customer_id')}/suspend`, body: {}, kept: { accounts: 1 }, ifMatch: '"1"' }),
  'a revoked token, at its revision,': async (ask) => ({ path: `/admin/tokens/${await idOf(ask, '/admin/tokens', { name: 'ci', role: 'auditor' }, 'token_id')}/revoke`, body: {}, kept: { admin_tokens: 1 }, ifMatch: '"1"' }),
  'a rollback, at its revision,': async (ask) => {
    await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
    await ask('PATCH', '/admin/projects/one', { body: { target_url: 'https://other.example.com' } })
    return { path: '/admin/projects/one/rollback', body: { version: 1 }, kept: { projects: 1 }, ifMatch: '"2"' }
  }
}

const count = ({ engine }: AdminApiFixture, name: string): number => [...engine.documents(name as 'users').values()].filter(({ record }) => record !== null).length

for (const [name, storyOf] of Object.entries(STORIES)) {
  test(`idempotency: whichever call the store is gone at, repeating makes ${name} once, and shows what is shown once`, async (t) => {
    let tries = 0
    for (const late of [false, true]) {
      for (let call = 1; ; call++) {
        const fixture = await openAdminApi(t)
        const { path, body, kept, shown = [], ifMatch } = await storyOf(fixture.ask)
        const failing = failCalls(fixture.engine)
        const send = (): Promise<AdminAnswer> => fixture.ask('POST', path, { headers: { 'idempotency-key': 'k', ...ifMatch === undefined ? {} : { 'if-match': ifMatch } }, body })
        failing.failFrom(call, late)
        const first = await send()
        failing.mend()
        if (first.status < 300 && failing.made < call) break
        tries++
        const at = `call ${call}${late ? ', which had its effect' : ''}`
        // The entry in the audit trail behind a change is not waited for: the change is made.
        const answer = first.status < 300 ? first : await send()
        if (first.status >= 300) t.equal(first.status, 503, at)
        t.ok(answer.status < 300, `${at}: ${answer.status} ${answer.text.slice(0, 200)}`)
        for (const [collection, wanted] of Object.entries(kept)) t.equal(count(fixture, collection), wanted, `${at}: ${collection}`)
        for (const field of shown) t.type(answer.body[field], 'string', `${at}: ${field}`)
        await proveSecret(t, fixture, answer, at)
        const again = await send()
        t.strictSame([again.status, again.headers.get('idempotent-replay'), ...shown.map((field) => again.body[field])], [answer.status, 'true', ...shown.map(() => undefined)], `${at}: from then on it is repeated`)
      }
    }
    t.ok(tries >= 8, `${tries} places to fail at`)
  })
}

/** The digest of the key that was shown is the one that is kept. */
async function proveSecret (t: Test, { open }: AdminApiFixture, { body }: AdminAnswer, at: string): Promise<void> {
  const text = body['api_key'] as unknown as string | undefined
  if (text === undefined) return
  const found = await open.system.credentialsByPrefix(text.slice(0, String((await open.store.credentials.list('local', { limit: 1 }))[0]?.prefix).length))
  t.equal(found.length, 1, `${at}: the key that was shown is the one that is kept`)
}

test('idempotency: what somebody else changed meanwhile is 412 also to who repeats a request that was broken off', async (t) => {
  const fixture = await openAdminApi(t)
  const { ask, engine } = fixture
  const key = await keyOf(ask)
  const send = (action: string): Promise<AdminAnswer> => ask('POST', `/admin/api-keys/${key}/${action}`, { headers: { 'idempotency-key': action, 'if-match': '"1"' }, body: {} })
  const failing = failCalls(engine)
  // Broken off before the change: the intent is there, and somebody else makes another one of the same revision.
  for (const action of ['regenerate', 'revoke']) {
    for (let call = 1; ; call++) {
      failing.failFrom(call, false)
      const { status } = await send(action)
      const intents = [...engine.documents('audit_records').values()].filter(({ record }) => record?.['action'] === `api-keys.${action}`).length
      failing.mend()
      t.equal(status, 503)
      if (intents > 0) break
    }
  }
  t.equal((await ask('PATCH', `/admin/api-keys/${key}`, { body: { name: 'changed' } })).status, 200)
  for (const action of ['regenerate', 'revoke']) t.equal((await send(action)).status, 412, action)
  t.match((await ask('GET', `/admin/api-keys/${key}`)).body, { status: 'active', name: 'changed' })
})

test('idempotency: what another process works on is left alone for a minute, then taken up', async (t) => {
  const { open, keys, clock } = await openAdminApi(t)
  const now = (): number => Date.now() + clock.ahead
  const [one, other] = [createIdempotency(open.system, keys, now), createIdempotency(open.system, keys, now)]
  const request = { key: 'k', actor: 'a', method: 'POST', url: '/x', requestId: 'r', body: {}, secrets: [] }
  const stopped = one.once(request, () => new Promise(() => {})) // the process ended
  void stopped
  await new Promise((resolve) => { setImmediate(resolve) })
  await t.rejects(one.once(request, async () => ({ status: 201, body: {} })), { code: 'CONFLICT', details: { reason: 'idempotency_key_in_use' } })
  await t.rejects(other.once(request, async () => ({ status: 201, body: {} })), { code: 'CONFLICT', details: { reason: 'idempotency_key_in_use' }, headers: ['retry-after', '60'] })
  clock.ahead = 61_000
  t.match(await other.once(request, async ({ resumed }) => ({ status: 201, body: { resumed } })), { body: { resumed: true }, replayed: false })
  t.match(await other.once(request, async () => ({ status: 201, body: {} })), { body: { resumed: true }, replayed: true })
})

test('idempotency: attempts get the same ids, keys of their own other ones', async (t) => {
  const { open, keys } = await openAdminApi(t)
  const idempotency = createIdempotency(open.system, keys, Date.now)
  const seen: string[] = []
  const draw = (key: string, end: 'fails' | 'ends') => idempotency.once({ key, actor: 'a', method: 'POST', url: '/x', requestId: 'r', body: {}, secrets: [] }, async ({ ids }) => {
    const next = ids.of('')
    seen.push(`${next(20)} ${next(8)} ${ids.of('1')(20)}`)
    if (end === 'fails') throw new Error('a bug')
    return { status: 200, body: {} }
  }).catch(() => {})
  await draw('k', 'fails')
  await draw('k', 'fails')
  await draw('k', 'ends')
  await draw('other', 'ends')
  t.match(seen[0], /^[0-9a-z]{20} [0-9a-z]{8} [0-9a-z]{20}$/)
  t.same(seen.slice(1, 3), [seen[0], seen[0]])
  t.not(seen[3], seen[0])
  t.not(seen[0]?.slice(0, 20), seen[0]?.slice(30))
})

test('idempotency: a request that was refused may be sent otherwise with its key, one that was broken off stays what it was', async (t) => {
  const fixture = await openAdminApi(t)
  const { ask, engine } = fixture
  await ask('POST', '/admin/users', { body: { email: 'ada@x.example' } })
  const send = (email: string): Promise<AdminAnswer> => ask('POST', '/admin/users', { headers: { 'idempotency-key': 'k' }, body: { email } })
  t.match((await send('ada@x.example')).body.error, { code: 'CONFLICT', details: { field: 'email' } })
  const failing = failCalls(engine)
  failing.failFrom(4, true)
  t.equal((await send('bob@x.example')).status, 503, 'refused, so sent otherwise')
  failing.mend()
  t.match((await send('eve@x.example')).body.error, { code: 'CONFLICT', details: { reason: 'idempotency_key_reused' } })
  t.equal((await send('bob@x.example')).status, 201)
  t.equal(count(fixture, 'users'), 2)
})

test('idempotency: a request is the same with its keys in another order, and another one with another value, list, query or precondition', async (t) => {
  const { ask } = await openAdminApi(t)
  const send = (path: string, body: unknown, headers: Readonly<Record<string, string>> = {}): Promise<AdminAnswer> => ask('POST', path, { body, headers: { 'idempotency-key': 'k', ...headers } })
  const first = await send('/admin/plans', '{"name":"pro","limits":{"requests":"1/s","tokens":"2/s"}}')
  t.equal(first.status, 201, first.text)
  const again = await send('/admin/plans', '{ "limits": { "tokens": "2/s", "requests": "1/s" }, "name": "pro" }')
  t.strictSame([again.status, again.headers.get('idempotent-replay'), again.body['plan_id']], [201, 'true', first.body['plan_id']])
  t.match((await send('/admin/plans', { name: 'pro', limits: { requests: '2/s', tokens: '1/s' } })).body.error, { code: 'CONFLICT', details: { reason: 'idempotency_key_reused' } }, 'other values')
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
  const key = await idOf(ask, '/admin/api-keys', { project_id: 'one' }, 'credential_id')
  const path = `/admin/api-keys/${key}/regenerate`
  const under = (headers: Readonly<Record<string, string>>): Promise<AdminAnswer> => send(path, {}, { 'idempotency-key': 'r', ...headers })
  t.equal((await under({ 'if-match': '"1"' })).status, 200)
  t.equal((await under({ 'if-match': '"1"' })).headers.get('idempotent-replay'), 'true')
  const others: Readonly<Record<string, string>>[] = [{ 'if-match': '"2"' }, { 'if-match': '*' }, {}, { 'if-match': '"1"', 'if-none-match': '"7"' }]
  for (const headers of others) {
    t.match((await under(headers)).body.error, { code: 'CONFLICT', details: { reason: 'idempotency_key_reused' } }, JSON.stringify(headers))
  }
  const items = [{ action: 'revoke', id: 'a' }, { action: 'revoke', id: 'b' }]
  const bulk = (list: unknown[]): Promise<AdminAnswer> => send('/admin/api-keys/bulk', { items: list }, { 'idempotency-key': 'b' })
  t.equal((await bulk(items)).status, 200)
  t.equal((await bulk(items.toReversed())).status, 409, 'the order of a list matters')
})

test('idempotency: who names no revision is tried again when somebody else was faster, who names one gets 412', async (t) => {
  const { ask, engine } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: TARGET } })
  const racing = await Promise.all(Array.from({ length: 6 }, (_, i) => ask('PATCH', '/admin/projects/one', { body: { api_version: `v${i}` } })))
  t.same(racing.map(({ status }) => status), Array.from({ length: 6 }, () => 200))
  t.equal((await ask('GET', '/admin/projects/one')).headers.get('etag'), '"7"', 'each was made')
  const replace = engine.replace
  let races = 3
  engine.replace = async (collection, rev, document) => collection === 'projects' && races-- > 0 ? 'stale' : await replace(collection, rev, document)
  t.equal((await ask('PATCH', '/admin/projects/one', { body: { active: false } })).status, 200)
  races = 1
  t.match((await ask('PATCH', '/admin/projects/one', { headers: { 'if-match': '*' }, body: { active: true } })).body.error, { code: 'PRECONDITION_FAILED' })
  races = 1000
  t.match((await ask('PUT', '/admin/projects/one', { body: { target_url: TARGET } })).body.error, { code: 'CONFLICT', details: { reason: 'changed_too_often' } })
  t.equal(1000 - races, 8, 'not for ever')
})

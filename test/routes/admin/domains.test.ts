import { test } from 'tap'
import { createTxtLookup } from '../../../core/lib/txt-lookup.js'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { startDnsServer } from '../../fixtures/dns-server.js'

const TARGET = 'https://api.example.com'
const HOUR_MS = 3_600_000

interface Shown { domain_id: string, name: string, status: string, challenge: { type: string, name: string, value: string } | null, address: { type: string, name: string, value: string } | null }
const shownIn = ({ body }: AdminAnswer): Shown => body as unknown as Shown

async function project ({ ask, account }: AdminApiFixture, id: string, customerId: string): Promise<string> {
  if (customerId !== 'local' && (await ask('GET', `/admin/accounts/${customerId}`)).status === 404) await account(customerId)
  const { status, text } = await ask('POST', '/admin/projects', { body: { project_id: id, target_url: TARGET, customer_id: customerId } })
  if (status !== 201) throw new Error(text)
  return id
}

async function claim ({ ask }: AdminApiFixture, name: string, projectId: string, token?: string): Promise<Shown> {
  const answer = await ask('POST', '/admin/domains', { body: { name, project_id: projectId }, ...token === undefined ? {} : { token } })
  if (answer.status !== 201) throw new Error(answer.text)
  return shownIn(answer)
}

/** Puts the record of a claim into the DNS, beside what is there. */
function publish ({ txt }: AdminApiFixture, { challenge }: Shown): void {
  if (challenge === null) throw new Error('it has none')
  txt.set(challenge.name, [...txt.get(challenge.name) ?? [], challenge.value])
}

test('domains: a claim shows the record to set, verify finds it, and then the record for requests is shown', async (t) => {
  const api = await openAdminApi(t)
  const { ask, txt } = api
  await project(api, 'one', 'acme')
  const made = await ask('POST', '/admin/domains', { body: { name: 'API.Bücher.example.', project_id: 'one' } })
  t.equal(made.status, 201)
  const domain = shownIn(made)
  t.match(domain, { name: 'api.xn--bcher-kva.example', project_id: 'one', customer_id: 'acme', status: 'pending', verified_at: null, checked_at: null, failing_since: null, address: null })
  t.match(domain.challenge, { type: 'TXT', name: '_sluice-challenge.api.xn--bcher-kva.example', value: /^[\w-]{43}$/ })
  t.equal(made.headers.get('location'), `/admin/domains/${domain.domain_id}`)
  t.equal(made.headers.get('etag'), '"1"')
  const path = `/admin/domains/${domain.domain_id}`
  const refused = await ask('POST', `${path}/verify`)
  t.match(refused.body.error, { code: 'CONFLICT', details: { reason: 'challenge_not_found', record: domain.challenge } })
  t.match((await ask('GET', path)).body, { status: 'pending', checked_at: String })
  txt.set('_sluice-challenge.api.xn--bcher-kva.example', ['something-private'])
  const other = await ask('POST', `${path}/verify`)
  t.equal(other.status, 409)
  t.notOk(other.text.includes('something-private'), 'what is there in its place is not told')
  publish(api, domain)
  const verified = await ask('POST', `${path}/verify`)
  t.equal(verified.status, 200, verified.text)
  t.match(verified.body, { status: 'verified', verified_at: String, challenge: domain.challenge, address: { type: 'CNAME', name: 'api.xn--bcher-kva.example', value: 'one.gateway.test', note: /A and AAAA/ } })
  t.match((await ask('GET', '/admin/domains?status=verified&fields=name,status')).body, { data: [{ name: 'api.xn--bcher-kva.example', status: 'verified' }], pagination: { total: 1 } })
  t.equal((await ask('POST', `${path}/verify`)).status, 200, 'again')
  t.equal((await ask('POST', `${path}/verify`, { headers: { 'if-match': '"1"' } })).status, 412)
  const trail = await ask('GET', '/admin/audit?action=domains.verify&phase=outcome&sort=seq')
  t.same(trail.body.data.map(({ outcome }) => String(outcome)), ['CONFLICT', 'CONFLICT', 'ok', 'ok'])
  t.notOk(trail.text.includes(domain.challenge?.value ?? ''), 'the challenge is masked')
})

test('domains: names that nobody can show to have, or that are the gateway\'s or a file\'s, are refused', async (t) => {
  const api = await openAdminApi(t)
  await project(api, 'one', 'acme')
  const ask = (name: unknown): Promise<AdminAnswer> => api.ask('POST', '/admin/domains', { body: { name, project_id: 'one' } })
  for (const name of ['127.0.0.1', '127.1', '[::1]', 'example', 'localhost', 'a.localhost', 'co.uk', '*.co.uk', 'github.io', 'a..b', 'a.example:80', 'https://a.example', '*', 'a.*.example', 'a_b.example', '', 5, null, { $ne: 1 }]) {
    t.match((await ask(name)).body.error, { code: 'VALIDATION_ERROR', details: { reason: 'invalid_fields', fields: [{ path: '/name' }] } }, JSON.stringify(name))
  }
  for (const name of ['gateway.test', 'other.gateway.test', '*.gateway.test', '*.other.gateway.test', 'SHOP.example.com', 'a.files.example.com', '*.files.example.com', '*.a.files.example.com']) {
    t.match((await ask(name)).body.error, { code: 'VALIDATION_ERROR', details: { reason: 'domain_reserved' } }, name)
  }
  for (const name of ['example.com', 'files.example.com', 'mygateway.test', 'notshop.example.com', '*.shop.example.com']) t.equal((await ask(name)).status, 201, name)
  t.equal(await api.open.store.domains.count('acme'), 5)
  t.match((await ask('example.com')).body.error, { code: 'CONFLICT', details: { reason: 'already_exists', field: 'name' } }, 'once for each project')
  t.equal((await api.ask('POST', '/admin/domains', { body: { name: 'a.example', project_id: 'none' } })).status, 400)
})

test('domains: a host that a file declares after the claim can not be verified', async (t) => {
  const hosts: string[] = []
  const api = await openAdminApi(t)
  await project(api, 'one', 'local')
  const domain = await claim(api, 'late.example', 'one')
  publish(api, domain)
  const again = await openAdminApi(t, { open: api.open, domains: { createChallenge: () => 'x', look: async (one) => ({ outcome: 'proven', next: { ...one, status: 'verified' } }), check: async () => null, baseDomain: () => 'gateway.test', declaredHosts: async () => hosts } })
  hosts.push('late.example')
  t.match((await again.ask('POST', `/admin/domains/${domain.domain_id}/verify`)).body.error, { details: { reason: 'domain_reserved' } })
  hosts.pop()
  t.equal((await again.ask('POST', `/admin/domains/${domain.domain_id}/verify`)).status, 200)
})

test('domains: claims stand beside each other, each with its own challenge, and of two that verify at once one wins', async (t) => {
  const api = await openAdminApi(t)
  const claims: Shown[] = []
  for (const [index, customer] of ['acme', 'umbrella', 'acme', 'local'].entries()) claims.push(await claim(api, 'shop.example', await project(api, `p${index}`, customer)))
  t.equal(new Set(claims.map(({ challenge }) => challenge?.value)).size, 4)
  const [first] = claims
  publish(api, first as Shown)
  t.match((await api.ask('POST', `/admin/domains/${claims[1]?.domain_id}/verify`)).body.error, { details: { reason: 'challenge_not_found' } }, 'another\'s record proves nothing')
  for (const one of claims.slice(1)) publish(api, one)
  const answers = await Promise.all(claims.map(({ domain_id: id }) => api.ask('POST', `/admin/domains/${id}/verify`)))
  t.same(answers.map(({ status }) => status).sort(), [200, 409, 409, 409])
  for (const { status, body, text } of answers) if (status === 409) {
    t.match(body.error, { code: 'CONFLICT', details: { reason: 'verified_elsewhere' } })
    t.notOk(/acme|umbrella|"p\d"/.test(text), 'nothing is told of who has it')
  }
  t.equal((await api.ask('GET', '/admin/domains?status=verified')).body.pagination['total'], 1)
  const winner = claims[answers.findIndex(({ status }) => status === 200)] as Shown
  const loser = claims.find((one) => one !== winner) as Shown
  t.equal((await api.ask('DELETE', `/admin/domains/${winner.domain_id}`)).status, 204)
  t.equal((await api.ask('POST', `/admin/domains/${loser.domain_id}/verify`)).status, 200, 'free by removal')
})

test('domains: who is new in a domain gets it 72 hours after the record of the one before is gone, which begin when it is asked for', async (t) => {
  const api = await openAdminApi(t)
  const before = await claim(api, 'shop.example', await project(api, 'old', 'acme'))
  publish(api, before)
  t.equal((await api.ask('POST', `/admin/domains/${before.domain_id}/verify`)).status, 200)
  const next = await claim(api, 'shop.example', await project(api, 'new', 'umbrella'))
  const verify = (): Promise<AdminAnswer> => api.ask('POST', `/admin/domains/${next.domain_id}/verify`)
  const statusOf = async ({ domain_id: id }: Shown): Promise<unknown> => (await api.ask('GET', `/admin/domains/${id}`)).body['status']
  publish(api, next)
  t.match((await verify()).body.error.details, { reason: 'verified_elsewhere' })
  t.match((await api.ask('GET', `/admin/domains/${before.domain_id}`)).body, { status: 'verified', failing_since: null }, 'whose record stays keeps it')
  api.txt.set(next.challenge?.name ?? '', [next.challenge?.value ?? ''])
  t.match((await verify()).body.error.details, { reason: 'verified_elsewhere' })
  t.match((await api.ask('GET', `/admin/domains/${before.domain_id}`)).body, { status: 'verified', failing_since: String })
  api.clock.ahead += 71 * HOUR_MS
  t.equal((await verify()).status, 409)
  api.clock.ahead += HOUR_MS
  t.equal((await verify()).status, 200)
  t.same([await statusOf(before), await statusOf(next)], ['unverified', 'verified'])
  t.match((await api.ask('GET', '/admin/audit?action=domains.unverified&phase=outcome')).body.data, [{ actor: 'system', target_id: before.domain_id }])
  api.txt.set(next.challenge?.name ?? '', [before.challenge?.value ?? ''])
  t.match((await api.ask('POST', `/admin/domains/${before.domain_id}/verify`)).body.error.details, { reason: 'verified_elsewhere' }, 'and it can not be had back by its old record alone')
})

test('domains: removal voids the challenge, also of a project that goes, and another claim has another', async (t) => {
  const api = await openAdminApi(t)
  await project(api, 'one', 'acme')
  const first = await claim(api, 'shop.example', 'one')
  publish(api, first)
  t.equal((await api.ask('DELETE', `/admin/domains/${first.domain_id}`)).status, 204)
  t.equal((await api.ask('POST', `/admin/domains/${first.domain_id}/verify`)).status, 404)
  t.equal(api.engine.documents('domains').get(first.domain_id)?.record, null)
  const second = await claim(api, 'shop.example', 'one')
  t.not(second.challenge?.value, first.challenge?.value)
  t.equal((await api.ask('POST', `/admin/domains/${second.domain_id}/verify`)).status, 409, 'the old record proves nothing any more')
  publish(api, second)
  t.equal((await api.ask('POST', `/admin/domains/${second.domain_id}/verify`)).status, 200)
  t.equal((await api.ask('DELETE', '/admin/projects/one')).status, 204)
  t.equal((await api.ask('GET', `/admin/domains/${second.domain_id}`)).status, 404)
  const third = await claim(api, 'shop.example', await project(api, 'two', 'umbrella'))
  publish(api, third)
  t.equal((await api.ask('POST', `/admin/domains/${third.domain_id}/verify`)).status, 200)
})

test('domains: a wildcard is proven by the domain above it, and a token for one project sees that project\'s alone', async (t) => {
  const api = await openAdminApi(t)
  await project(api, 'one', 'acme')
  await project(api, 'two', 'acme')
  const only = await api.token('acme', 'developer', 'one')
  const wildcard = await claim(api, '*.shop.example', 'one', only)
  t.equal(wildcard.challenge?.name, '_sluice-challenge.shop.example')
  publish(api, wildcard)
  t.match((await api.ask('POST', `/admin/domains/${wildcard.domain_id}/verify`, { token: only })).body, { status: 'verified', address: { name: '*.shop.example', value: 'one.gateway.test' } })
  const other = await claim(api, 'other.example', 'two')
  t.same((await api.ask('GET', '/admin/domains', { token: only })).body.data.map(({ name }) => String(name)), ['*.shop.example'])
  for (const [method, path] of [['GET', ''], ['DELETE', ''], ['POST', '/verify']] as const) t.equal((await api.ask(method, `/admin/domains/${other.domain_id}${path}`, { token: only })).status, 404)
  t.equal((await api.ask('POST', '/admin/domains', { token: only, body: { name: 'a.example', project_id: 'two' } })).status, 400)
})

test('domains: verify asks the DNS: pieces of a record are joined, aliases followed, and no answer is told apart', async (t) => {
  const dns = await startDnsServer(t)
  const api = await openAdminApi(t, {}, createTxtLookup({ servers: [dns.address], timeoutMs: 500 }))
  await project(api, 'one', 'acme')
  const { domain_id: id, challenge } = await claim(api, 'shop.example', 'one')
  const [name, value] = [challenge?.name ?? '', challenge?.value ?? '']
  const verify = (): Promise<AdminAnswer> => api.ask('POST', `/admin/domains/${id}/verify`)
  t.match((await verify()).body.error.details, { reason: 'challenge_not_found' })
  dns.records.set(name, { fails: 'silent' })
  t.match((await verify()).body.error.details, { reason: 'dns_unanswered' })
  dns.records.set(name, { fails: 'servfail' })
  t.match((await verify()).body.error.details, { reason: 'dns_unanswered' })
  dns.records.set(name, { txt: [value.slice(0, 20), value.slice(20)] })
  t.equal((await verify()).status, 409, 'pieces of two records are not one')
  dns.records.set(name, { cname: 'proofs.agency.example' }).set('proofs.agency.example', { txt: ['v=spf1 -all', [value.slice(0, 20), value.slice(20)]] })
  t.match((await verify()).body, { status: 'verified' })
  t.ok(dns.asked.includes(`TXT ${name}`))
})

test('domains: one account can not have the DNS asked without end, and is not in the way of another', async (t) => {
  const answers: (() => void)[] = []
  const api = await openAdminApi(t, {}, async () => { await new Promise<void>((resolve) => { answers.push(resolve) }); return { outcome: 'missing' } })
  await project(api, 'one', 'acme')
  await project(api, 'two', 'umbrella')
  const mine = await claim(api, 'shop.example', 'one')
  const more = await Promise.all(Array.from({ length: 8 }, (_, index) => claim(api, `s${index}.example`, 'one')))
  const theirs = await claim(api, 'shop.example', 'two')
  const verify = ({ domain_id: id }: Shown): Promise<AdminAnswer> => api.ask('POST', `/admin/domains/${id}/verify`)
  const waiting = more.map(verify)
  while (answers.length < 8) await new Promise((resolve) => { setImmediate(resolve) })
  const refused = await verify(mine)
  t.match(refused.body.error, { code: 'RATE_LIMIT_EXCEEDED', details: { reason: 'too_many_look_ups' } })
  t.equal(refused.headers.get('retry-after'), '5')
  const other = verify(theirs)
  while (answers.length < 9) await new Promise((resolve) => { setImmediate(resolve) })
  let served = 0
  const serve = setInterval(() => { while (served < answers.length) answers[served++]?.() }, 5)
  t.teardown(() => { clearInterval(serve) })
  t.equal((await other).status, 409)
  for (const { status } of await Promise.all(waiting)) t.equal(status, 409)
  t.equal((await verify(mine)).body.error.details['reason'], 'challenge_not_found', 'and then it may again')
})

test('domains: one that is removed while it is looked up stays removed', async (t) => {
  const api: AdminApiFixture = await openAdminApi(t, {}, async () => {
    await api.ask('DELETE', `/admin/domains/${id}`)
    return { outcome: 'found', texts: [challenge?.value ?? ''] }
  })
  await project(api, 'one', 'acme')
  const { domain_id: id, challenge } = await claim(api, 'shop.example', 'one')
  t.equal((await api.ask('POST', `/admin/domains/${id}/verify`)).status, 404)
  t.equal(await api.open.system.count('domains'), 0)
})

import { test, type Test } from 'tap'
import { watchDomains, type DomainWatch } from '../../../bin/domain-watch.js'
import type { TxtAnswer } from '../../../core/lib/txt-lookup.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { afterLookUp, createChallenge, lookForProof } from '../../../core/state/domain-proof.js'
import type { Domain } from '../../../core/state/records.js'
import type { OpenStore } from '../../../core/state/store.js'
import { records } from '../../fixtures/directory.js'
import { createMemoryEngine, type MemoryEngine } from '../../fixtures/memory-engine.js'
import { domain } from '../../fixtures/store-records.js'

const HOUR_MS = 3_600_000
const START = Date.parse('2026-11-26T00:00:00.000Z')

interface Site {
  readonly open: OpenStore
  readonly engine: MemoryEngine
  readonly watch: DomainWatch
  readonly logged: string[]
  readonly asked: string[]
  /** What the DNS says of every name. */
  answer: TxtAnswer
  now: number
  /** Another node. */
  node (): DomainWatch
  /** Lets time pass, with a pass each quarter of an hour; resolves to how many look-ups that were. */
  pass (hours: number): Promise<number>
  get (id: string): Promise<Domain | null>
}

function createSite (t: Test): Site {
  const engine = createMemoryEngine()
  const logged: string[] = []
  const asked: string[] = []
  const note = (_fields: object, message: string): void => { logged.push(message) }
  const open = openDocumentStore(engine, () => site.now)
  const node = (): DomainWatch => {
    const watch = watchDomains({
      open, now: () => site.now, log: { debug: note, info: note, warn: note, error: note }, lookUp: async (name) => { asked.push(name); return site.answer }
    })
    t.teardown(() => watch.stop())
    return watch
  }
  const site: Site = {
    open, engine, watch: node(), logged, asked, answer: { outcome: 'found', texts: ['c'] }, now: START, node,
    async pass (hours) {
      let done = 0
      for (const end = site.now + hours * HOUR_MS; site.now < end;) {
        site.now += HOUR_MS / 4
        done += await site.watch.pass() ?? 0
      }
      return done
    },
    get: (id) => open.store.domains.get('acme', id)
  }
  return site
}

const verified = { status: 'verified' as const, verified_at: new Date(START).toISOString(), checked_at: new Date(START).toISOString() }

test('domain proof: a challenge has 256 bits, and one record of several is enough', async (t) => {
  t.equal(new Set(Array.from({ length: 100 }, createChallenge)).size, 100)
  t.equal(Buffer.from(createChallenge(), 'base64url').length, 32)
  const claim = records.domain('d1', 'shop', { status: 'pending', name: '*.shop.example', challenge: 'the-challenge' })
  const proof = async (answer: TxtAnswer, of = claim): Promise<string> => await lookForProof(of, async (name) => { t.equal(name, '_sluice-challenge.shop.example'); return answer })
  t.equal(await proof({ outcome: 'found', texts: ['other', ' the-challenge '] }), 'proven')
  t.equal(await proof({ outcome: 'found', texts: ['the-challeng', 'the-challenge2', '', 'THE-CHALLENGE'] }), 'missing')
  t.equal(await proof({ outcome: 'missing' }), 'missing')
  t.equal(await proof({ outcome: 'unanswered', code: 'ETIMEOUT' }), 'unanswered')
  t.equal(await proof({ outcome: 'found', texts: ['', 'null'] }, { ...claim, challenge: null }), 'missing', 'a void challenge proves nothing')
})

test('domain proof: 72 hours of failures unverify, one success in between begins them anew', (t) => {
  const at = (hours: number): number => START + hours * HOUR_MS
  const time = (hours: number): string => new Date(at(hours)).toISOString()
  const claim = records.domain('d1', 'shop', { status: 'pending', challenge: 'c' })
  const first = afterLookUp(claim, 'proven', at(0))
  t.match(first, { status: 'verified', verified_at: time(0), checked_at: time(0), failing_since: null, challenge: 'c' })
  t.match(afterLookUp(claim, 'missing', at(0)), { status: 'pending', checked_at: time(0), failing_since: null })
  const failing = afterLookUp(first, 'missing', at(24))
  t.match(failing, { status: 'verified', verified_at: time(0), checked_at: time(24), failing_since: time(24) })
  t.match(afterLookUp(failing, 'unanswered', at(95.9)), { status: 'verified', failing_since: time(24) }, 'no answer counts like no record')
  t.match(afterLookUp(failing, 'proven', at(95.9)), { status: 'verified', failing_since: null, verified_at: time(0) })
  const over = afterLookUp(failing, 'unanswered', at(96))
  t.match(over, { status: 'unverified', failing_since: time(24), challenge: 'c' })
  t.match(afterLookUp(over, 'proven', at(100)), { status: 'verified', verified_at: time(100), failing_since: null })
  t.match(afterLookUp(over, 'missing', at(100)), { status: 'unverified', failing_since: time(24) })
  t.end()
})

test('domain checks: a verified domain is looked up daily, others are not, and those that are alike not at one time', async (t) => {
  const site = createSite(t)
  const { open, watch } = site
  for (const id of ['d1', 'd2', 'd3', 'd4', 'd5', 'd6', 'd7', 'd8']) await open.store.domains.insert('acme', domain(id, verified))
  await open.store.domains.insert('acme', domain('p1', { challenge: 'c' }))
  await open.store.domains.insert('acme', domain('u1', { status: 'unverified', checked_at: verified.checked_at }))
  t.equal(await site.pass(22.75), 0)
  t.equal(await site.pass(1.25), 8)
  t.ok(new Set((await open.store.domains.list('acme', { limit: 10, filter: { status: { eq: 'verified' } } })).map(({ checked_at: at }) => at)).size > 1, 'spread over an hour')
  t.notOk(site.asked.some((name) => /p1|u1/.test(name)))
  t.equal(await site.pass(96), 8 * 4)
  t.equal(await open.audit.count(null), 0, 'that nothing changed is no news')
  t.same(watch.metrics().map(({ name, values }) => [name, values]), [['sluice_domain_lookups_total', [{ labels: { outcome: 'proven' }, value: 40 }]], ['sluice_domain_turns_total', []]])
  await open.store.domains.insert('acme', domain('r1', { status: 'verified' }))
  t.equal(await site.pass(0.25), 1, 'one that was never looked up is so at once')
})

for (const answer of [{ outcome: 'missing' }, { outcome: 'unanswered', code: 'ETIMEOUT' }, { outcome: 'found', texts: ['another'] }] as const) {
  test(`domain checks: 72 hours of failures unverify a domain (${answer.outcome}), with the audit trail told by whom`, async (t) => {
    const site = createSite(t)
    await site.open.store.domains.insert('acme', domain('d1', verified))
    site.answer = answer
    await site.pass(24)
    const since = (await site.get('d1'))?.failing_since
    t.ok(since !== null && since !== undefined && Date.parse(since) > START + 22 * HOUR_MS)
    t.ok(await site.pass(71) >= 70, 'it is looked up hourly while it fails')
    t.match(await site.get('d1'), { status: 'verified', failing_since: since })
    site.answer = { outcome: 'found', texts: ['x', 'c'] }
    await site.pass(1)
    t.match(await site.get('d1'), { status: 'verified', failing_since: null }, 'a success ends it')
    site.answer = answer
    await site.pass(24 + 71)
    t.match(await site.get('d1'), { status: 'verified' }, 'and the time begins anew')
    await site.pass(3)
    const over = await site.get('d1')
    t.match(over, { status: 'unverified', challenge: 'c' })
    t.ok(Date.parse(over?.checked_at ?? '') - Date.parse(over?.failing_since ?? '') >= 72 * HOUR_MS)
    t.equal(await site.pass(48), 0, 'nobody looks it up any more')
    const entries = await site.open.audit.list('acme', { limit: 20, sort: [{ field: 'seq' }] })
    t.same(entries.map(({ action, phase }) => `${action} ${phase}`), ['failing', 'recovered', 'failing', 'unverified'].flatMap((turn) => [`domains.${turn} intent`, `domains.${turn} outcome`]))
    for (const entry of entries) t.match(entry, { actor: 'system', target_id: 'd1', outcome: entry.phase === 'intent' ? null : 'ok', payload: { after: { challenge: '***' } } })
    t.equal((await site.open.audit.verify()).fault, null)
    t.equal(site.logged.filter((message) => message === 'the TXT record of a domain was not found for 72 h: it is unverified and not served any more').length, 1)
    t.same(site.watch.metrics()[1]?.values.map(({ labels, value }) => [labels['turn'], value]), [['failing', 2], ['recovered', 1], ['unverified', 1]])
  })
}

test('domain checks: one node of several makes them, and another when that is gone', async (t) => {
  const site = createSite(t)
  const other = site.node()
  await site.open.store.domains.insert('acme', domain('d1', verified))
  site.now += 25 * HOUR_MS
  t.equal(await site.watch.pass(), 1)
  site.now += 25 * HOUR_MS
  t.equal(await site.watch.pass(), 1)
  t.equal(await other.pass(), null, 'the lease is the first one\'s')
  await site.watch.stop()
  t.equal(await other.pass(), 0, 'it let go of it, and all is done')
  site.now += 25 * HOUR_MS
  t.equal(await other.pass(), 1)
})

test('domain checks: what somebody changes or removes meanwhile is theirs, and a store that is gone is tried again', async (t) => {
  const site = createSite(t)
  const { open } = site
  const one = await open.store.domains.insert('acme', domain('d1', verified))
  await open.store.domains.replace('acme', { ...one, challenge: 'new' })
  site.answer = { outcome: 'missing' }
  t.equal(await site.watch.checks.check(one), null)
  t.match(await site.get('d1'), { challenge: 'new', failing_since: null })
  await open.store.domains.remove('acme', 'd1')
  t.equal(await site.watch.checks.check({ ...one, rev: 2 }), null)
  t.equal(await site.get('d1'), null, 'what is gone does not come back')
  site.engine.gone = true
  await t.rejects(site.watch.pass(), { name: 'StoreUnavailableError' })
  site.engine.gone = false
  t.equal(await site.watch.pass(), 0)
})

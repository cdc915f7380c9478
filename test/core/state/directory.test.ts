import { test } from 'tap'
import { Directory } from '../../../core/state/directory.js'
import { createKeyRing } from '../../../core/state/key-ring.js'
import { newRingContent } from '../../../core/state/key-ring-text.js'
import type { Sealed } from '../../../core/state/records.js'
import { createNamesSecret, sealConfig } from '../../../core/state/sealed-config.js'
import { hashText } from '../../../core/state/slot-index.js'
import { records, testKeys } from '../../fixtures/directory.js'

const NOW = Date.parse('2026-06-01T00:00:00.000Z')

/** A directory with account acme, its project shop, consumer ada and her key. */
function shop (keys = testKeys): Directory {
  const directory = new Directory(keys, () => NOW)
  const { tables } = directory
  tables.put('accounts', records.account('acme'))
  tables.put('projects', records.project('shop'))
  tables.put('consumers', records.consumer('ada'))
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop'))
  return directory
}

test('directory: finds a key of its project, with consumer and credential', async (t) => {
  const found = shop().lookUpKey('shop', 'aaaa.1')
  t.same(found?.consumer, { id: 'ada', name: 'Consumer ada' })
  t.same(found?.credential, { id: 'c1', kind: 'api_key', limits: null, expiresAt: null })
  t.equal(found?.plan, null)
  t.equal(found?.refused, null)
  t.equal(found?.requireSignature, false)
  t.equal(found?.isAllowedFrom('192.0.2.1'), true)
})

test('directory: knows no other key, whether it begins like one, has no form or belongs to another project', async (t) => {
  const directory = shop()
  directory.tables.put('projects', records.project('other'))
  for (const key of ['aaaa.2', 'bbbb.1', '', 'aaaa', 'aaaa.1 ', 'AAAA.1', 'aaaa.1\0', '__proto__', 'é'.repeat(50)]) t.equal(directory.lookUpKey('shop', key), null, JSON.stringify(key))
  t.equal(directory.lookUpKey('other', 'aaaa.1'), null)
  t.equal(directory.lookUpKey('constructor', 'aaaa.1'), null)
})

test('directory: an unknown key costs a digest like a known one, so that time does not tell', async (t) => {
  const digests: string[] = []
  const directory = shop({ ...testKeys, digest: (key, pepper) => { digests.push(key); return testKeys.digest(key, pepper) } })
  directory.lookUpKey('shop', 'aaaa.1')
  directory.lookUpKey('shop', 'aaaa.2')
  directory.lookUpKey('shop', 'bbbb.1')
  directory.lookUpKey('other', 'aaaa.1')
  t.same(digests, ['aaaa.1', 'aaaa.2', 'bbbb.1', 'aaaa.1'])
})

test('directory: says why a key that it knows may not be used', async (t) => {
  const directory = shop()
  const { tables } = directory
  const why = (): unknown => directory.lookUpKey('shop', 'aaaa.1')?.refused
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { status: 'revoked' }))
  t.equal(why(), 'revoked')
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { expires_at: new Date(NOW).toISOString() }))
  t.equal(why(), 'expired', 'in the very millisecond')
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { expires_at: 'some day' }))
  t.equal(why(), 'expired', 'a time that can not be read has passed')
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { expires_at: new Date(NOW + 1).toISOString() }))
  t.equal(why(), null)
  tables.put('consumers', records.consumer('ada', { status: 'inactive' }))
  t.equal(why(), 'consumer_inactive')
  tables.put('accounts', records.account('acme', { status: 'suspended' }))
  t.equal(why(), 'account_suspended')
  tables.put('accounts', records.account('acme'))
  tables.put('consumers', records.consumer('ada'))
  t.equal(why(), null)
  tables.remove('consumers', 'ada')
  t.equal(why(), 'consumer_inactive', 'a consumer that is gone')
  tables.put('consumers', records.consumer('ada'))
  tables.remove('accounts', 'acme')
  t.equal(why(), 'account_suspended', 'an account that is gone')
})

test('directory: accounts do not reach into each other', async (t) => {
  const directory = shop()
  const { tables } = directory
  tables.put('accounts', records.account('evil'))
  tables.put('credentials', records.credential('c2', 'eeee.1', 'ada', 'shop', { customer_id: 'evil' }))
  t.equal(directory.lookUpKey('shop', 'eeee.1'), null, "a key of one account for another's project")
  tables.put('consumers', records.consumer('eve', { customer_id: 'evil' }))
  tables.put('credentials', records.credential('c3', 'ffff.1', 'eve', 'shop'))
  t.equal(directory.lookUpKey('shop', 'ffff.1'), null, "a key for another account's consumer")
  tables.put('plans', records.plan('gold', { customer_id: 'evil' }))
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { plan_id: 'gold' }))
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.plan, null, "another account's plan")
})

test('directory: keys of a project that a file declares are those of the local account', async (t) => {
  const directory = new Directory(testKeys, () => NOW)
  const { tables } = directory
  tables.put('consumers', records.consumer('ada', { customer_id: 'local' }))
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'declared', { customer_id: 'local' }))
  tables.put('accounts', records.account('acme'))
  tables.put('consumers', records.consumer('bob'))
  tables.put('credentials', records.credential('c2', 'bbbb.1', 'bob', 'declared'))
  t.equal(directory.lookUpKey('declared', 'aaaa.1')?.refused, null)
  t.equal(directory.lookUpKey('declared', 'bbbb.1'), null)
  t.equal(directory.isActive('local'), true)
  t.equal(directory.isActive('nobody'), false)
})

test("directory: the key's own plan comes before the one that its consumer has for the project", async (t) => {
  const directory = shop()
  const { tables } = directory
  const plan = (): unknown => directory.lookUpKey('shop', 'aaaa.1')?.plan?.id
  tables.put('plans', records.plan('free'))
  tables.put('plans', records.plan('pro', { name: 'Pro' }))
  tables.put('subscriptions', records.subscription('s0', 'ada', 'other', 'pro'))
  t.equal(plan(), undefined, 'one for another project')
  tables.put('subscriptions', records.subscription('s1', 'ada', 'shop', 'free'))
  t.equal(plan(), 'free')
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { plan_id: 'pro', limits: { requests: '5/s' } }))
  const found = directory.lookUpKey('shop', 'aaaa.1')
  t.same(found?.plan, { id: 'pro', name: 'Pro', limits: { requests: '100/h' } })
  t.equal(found?.consumer.plan, 'Pro')
  t.same(found?.credential.limits, { requests: '5/s' })
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop'))
  tables.put('subscriptions', records.subscription('s1', 'ada', 'shop', 'free', { status: 'ended' }))
  t.equal(plan(), undefined)
  tables.put('subscriptions', records.subscription('s1', 'ada', 'shop', 'free'))
  tables.remove('subscriptions', 's1')
  t.equal(plan(), undefined)
})

test('directory: a key may be bound to networks, and a list that can not be read lets nobody in', async (t) => {
  const directory = shop()
  const from = (address: string): unknown => directory.lookUpKey('shop', 'aaaa.1')?.isAllowedFrom(address)
  directory.tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { allowed_networks: ['10.0.0.0/8', '2001:db8::/32'] }))
  t.same(['10.1.2.3', '::ffff:10.1.2.3', '2001:db8::1', '11.0.0.1', 'unknown'].map(from), [true, true, true, false, false])
  directory.tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { allowed_networks: ['10.0.0.1/8'] }))
  t.same(['10.0.0.1', '10.1.2.3'].map(from), [false, false])
})

test('directory: tells two keys with one prefix apart, also of two peppers', async (t) => {
  const directory = shop()
  const { tables } = directory
  tables.put('credentials', { ...records.credential('c2', 'aaaa.2', 'ada', 'shop'), pepper_id: 'lost' })
  const { digest } = records.credential('c3', 'aaaa.3', 'ada', 'shop')
  tables.put('credentials', records.credential('c3', 'aaaa.3', 'ada', 'shop'))
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.credential.id, 'c1')
  t.equal(directory.lookUpKey('shop', 'aaaa.2'), null, 'whose pepper is not there')
  t.equal(directory.lookUpKey('shop', 'aaaa.3')?.credential.id, 'c3')
  t.throws(() => { tables.put('credentials', records.credential('c4', 'aaaa.4', 'ada', 'shop', { digest: digest.slice(4) })) }, TypeError, 'a digest that is none')
})

test('directory: forgets what is removed, and takes its places again', async (t) => {
  const directory = shop()
  const { tables } = directory
  tables.remove('credentials', 'c1')
  tables.remove('credentials', 'c1')
  t.equal(directory.lookUpKey('shop', 'aaaa.1'), null)
  tables.put('credentials', records.credential('c2', 'bbbb.1', 'ada', 'shop'))
  t.equal(tables.credentials.size, 1)
  t.equal(directory.lookUpKey('shop', 'bbbb.1')?.credential.id, 'c2')
  t.equal(directory.lookUpKey('shop', 'aaaa.1'), null)
  tables.put('credentials', records.credential('c3', 'cccc.1', 'bob', 'shop'))
  t.ok(tables.consumers.has('bob'), 'referred to, not there')
  tables.remove('credentials', 'c3')
  t.notOk(tables.consumers.has('bob'), 'nobody refers to it any more')
})

test('directory: a key that changes hands and form is found under the new one alone', async (t) => {
  const directory = shop()
  directory.tables.put('consumers', records.consumer('bob'))
  directory.tables.put('credentials', records.credential('c1', 'bbbb.1', 'bob', 'shop'))
  t.equal(directory.lookUpKey('shop', 'aaaa.1'), null)
  t.equal(directory.lookUpKey('shop', 'bbbb.1')?.consumer.id, 'bob')
})

test('directory: thousands of keys come and go, and each is found while it is there', async (t) => {
  const directory = shop()
  const { tables } = directory
  const count = 5_000
  // Prefixes in pairs, so that every one has company.
  const key = (n: number): string => `k${n >>> 1}.${n}`
  for (let n = 0; n < count; n++) tables.put('credentials', records.credential(`k${n}`, key(n), 'ada', 'shop'))
  for (let n = 0; n < count; n += 3) tables.remove('credentials', `k${n}`)
  let wrong = 0
  for (let n = 0; n < count; n++) if (directory.lookUpKey('shop', key(n))?.credential.id !== (n % 3 === 0 ? undefined : `k${n}`)) wrong++
  t.equal(wrong, 0)
  t.equal(tables.credentials.size, 1 + count - Math.ceil(count / 3))
  t.not(hashText('k1'), hashText('k2'))
})

test('directory: has the secrets that a project can name, its own first, and names the projects that use one which changed', async (t) => {
  const directory = shop()
  const { tables } = directory
  const content = newRingContent()
  const ring = createKeyRing(() => content)
  const using = (name: string, customerId = 'acme'): { config: Sealed } => ({ config: sealConfig(ring, customerId, { routes: [{ plugins: [{ headers: { set: { a: `Bearer \${secret:${name}}`, b: '$${secret:ESCAPED}' } } }] }] }) })
  tables.put('projects', records.project('shop', using('TOKEN')))
  tables.put('projects', records.project('till', using('TOKEN')))
  tables.put('projects', records.project('other', using('OTHER')))
  tables.put('projects', records.project('theirs', { customer_id: 'umbrella', ...using('TOKEN', 'umbrella') }))
  tables.namesSecret = createNamesSecret(ring)
  const touched: string[] = []
  tables.onProject = (id) => { touched.push(id) }
  const after = (change: () => void): string[] => { touched.length = 0; change(); return [...new Set(touched)].sort() }
  const ids = (projectId: string): string[] => directory.secretsOf(projectId).map(({ secret_id: id }) => id)
  t.same(after(() => { tables.put('secrets', records.secret('s1', 'TOKEN')) }), ['shop', 'till'])
  t.same(after(() => { tables.put('secrets', records.secret('s2', 'TOKEN', { project_id: 'shop' })) }), ['shop'])
  t.same(after(() => { tables.put('secrets', records.secret('s3', 'ESCAPED')) }), [], 'a literal names nothing')
  t.same(after(() => { tables.put('secrets', records.secret('s4', 'TOKEN', { project_id: 'theirs' })) }), [], 'another account\'s project is none of its business')
  t.same([ids('shop'), ids('till'), ids('theirs'), ids('no-such-one')], [['s2', 's1', 's3'], ['s1', 's3'], [], []])
  t.same(after(() => { tables.put('secrets', records.secret('s2', 'OTHER', { project_id: 'shop', version: 2 })) }), ['shop'], 'the name of before counts too')
  t.same(after(() => { tables.remove('secrets', 's1') }), ['shop', 'till'])
  t.same(after(() => { tables.remove('secrets', 's1') }), [])
  t.same([ids('shop'), ids('till')], [['s2', 's3'], ['s3']])
})

test('directory: names projects of which something changed', async (t) => {
  const directory = shop()
  const { tables } = directory
  const touched: string[] = []
  tables.onProject = (id) => { touched.push(id) }
  const after = (change: () => void): string[] => { touched.length = 0; change(); return [...new Set(touched)].sort() }
  t.same(after(() => { tables.put('projects', records.project('new')) }), ['new'])
  t.same(after(() => { tables.put('domains', records.domain('d1', 'shop')) }), ['shop'])
  t.same(after(() => { tables.put('domains', records.domain('d1', 'new')) }), ['new', 'shop'], 'both, where a domain moves')
  t.same(directory.domainsOf('new').map(({ name }) => name), ['d1.example'])
  t.same(directory.domainsOf('shop'), [])
  t.same(after(() => { tables.remove('domains', 'd1') }), ['new'])
  t.same(after(() => { tables.put('accounts', records.account('acme', { status: 'suspended' })) }), ['new', 'shop'])
  t.same(after(() => { tables.put('accounts', records.account('acme', { status: 'suspended', name: 'Acme' })) }), [])
  t.same(after(() => { tables.put('credentials', records.credential('c9', 'x.1', 'ada', 'shop')) }), [])
  t.same(after(() => { tables.remove('projects', 'new') }), ['new'])
  t.equal(directory.project('new'), null)
  t.same([...directory.projects()].map(({ project_id: id }) => id), ['shop'])
})

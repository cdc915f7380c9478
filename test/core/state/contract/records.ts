import { watchDomains } from '../../../../bin/domain-watch.js'
import type { Consumer } from '../../../../core/state/records.js'
import { DuplicateError, StaleRevisionError } from '../../../../core/state/store-errors.js'
import type { Collection, NewRecord } from '../../../../core/state/store.js'
import { configVersion, consumer, domain, plan, secret, user } from '../../../fixtures/store-records.js'
import { shown } from './hostile.js'
import type { Register } from './register.js'

/** Keeping, replacing and removing one record. */
export function records (contract: Register): void {
  contract('a record comes back as it was kept, with its tenant, revision and times', async (t, open) => {
    const { store } = await open()
    const before = new Date().toISOString()
    const kept = await store.consumers.insert('acme', consumer('c1', { metadata: { tags: ['a', 'b'], depth: { n: 1.5, big: 2 ** 53 - 1, none: null, yes: true } } }))
    t.match(kept, { consumer_id: 'c1', customer_id: 'acme', rev: 1, name: 'c1', status: 'active' })
    t.ok(kept.created_at >= before && kept.created_at <= new Date().toISOString(), 'made now')
    t.equal(kept.updated_at, kept.created_at)
    t.same(await store.consumers.get('acme', 'c1'), kept)
    t.same(await (await open()).store.consumers.get('acme', 'c1'), kept, 'also through another node')
    t.equal(await store.consumers.get('acme', 'c2'), null)
    t.equal(await store.plans.get('acme', 'c1'), null, 'a collection is a name space of its own')
  })

  contract('replacing names the revision that is replaced, and counts on', async (t, open) => {
    const { store } = await open()
    const first = await store.consumers.insert('acme', consumer('c1'))
    const second = await store.consumers.replace('acme', { ...first, name: 'new' })
    t.match(second, { name: 'new', rev: 2, created_at: first.created_at })
    t.ok(second.updated_at >= first.updated_at)
    t.same(await store.consumers.get('acme', 'c1'), second)
    await t.rejects(store.consumers.replace('acme', { ...first, name: 'late' }), { name: 'StaleRevisionError', collection: 'consumers', id: 'c1' }, 'a revision that was')
    await t.rejects(store.consumers.replace('acme', { ...second, rev: 3 }), { name: 'StaleRevisionError' }, 'a revision that will be')
    await t.rejects(store.consumers.replace('acme', { ...second, consumer_id: 'c2' }), { name: 'StaleRevisionError' }, 'a record that there is not')
    t.same(await store.consumers.get('acme', 'c1'), second, 'nothing was changed')
  })

  contract('removing says whether there was one, and with a revision only that is removed', async (t, open) => {
    const { store } = await open()
    const first = await store.consumers.insert('acme', consumer('c1'))
    await store.consumers.insert('acme', consumer('c2'))
    const second = await store.consumers.replace('acme', first)
    await t.rejects(store.consumers.remove('acme', 'c1', 1), { name: 'StaleRevisionError' })
    t.equal(await store.consumers.remove('acme', 'c1', second.rev), true)
    t.equal(await store.consumers.get('acme', 'c1'), null)
    t.equal(await store.consumers.remove('acme', 'c1'), false, 'gone is gone')
    await t.rejects(store.consumers.remove('acme', 'c1', second.rev), { name: 'StaleRevisionError' })
    t.equal(await store.consumers.remove('acme', 'c2'), true, 'without a revision')
    t.equal(await store.consumers.remove('acme', 'never'), false)
    await t.rejects(store.consumers.replace('acme', second), { name: 'StaleRevisionError' }, 'what is gone is not replaced')
    t.same(await store.consumers.list('acme', { limit: 10 }), [])
    t.equal(await store.consumers.count('acme'), 0)
  })

  contract('an id is never used again, by nobody', async (t, open) => {
    const { store } = await open()
    await store.consumers.insert('acme', consumer('c1'))
    await t.rejects(store.consumers.insert('acme', consumer('c1')), { name: 'DuplicateError', collection: 'consumers', field: 'consumer_id' })
    await t.rejects(store.consumers.insert('other', consumer('c1')), { name: 'DuplicateError', field: 'consumer_id' }, 'also not by another tenant')
    await store.consumers.remove('acme', 'c1')
    await t.rejects(store.consumers.insert('acme', consumer('c1')), { name: 'DuplicateError', field: 'consumer_id' }, 'also not after it is gone')
    await t.rejects(store.consumers.insert('other', consumer('c1')), { name: 'DuplicateError', field: 'consumer_id' })
    t.match(await store.consumers.insert('acme', consumer('C1')), { consumer_id: 'C1' }, 'ids differ by case')
    t.match(await store.plans.insert('acme', plan('c1')), { plan_id: 'c1' }, 'another collection has its own')
  })
}

/** Writers of one record at once. */
export function conflicts (contract: Register): void {
  contract('of writers that replace one revision at once, one wins and the others are told', async (t, open) => {
    const nodes = [await open(), await open()]
    const first = await nodes[0]?.store.consumers.insert('acme', consumer('c1'))
    if (first === undefined) throw new Error('not kept')
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => nodes[index % 2]?.store.consumers.replace('acme', { ...first, name: `writer ${index}` })))
    const won = outcomes.filter((outcome) => outcome.status === 'fulfilled')
    t.equal(won.length, 1)
    t.ok(outcomes.every((outcome) => outcome.status === 'fulfilled' || outcome.reason instanceof StaleRevisionError), 'the others are stale')
    t.same(await nodes[1]?.store.consumers.get('acme', 'c1'), won[0]?.value, 'what the winner was told is what is kept')
  })

  contract('of inserts of one id at once, one wins', async (t, open) => {
    const nodes = [await open(), await open()]
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, (_, index) => nodes[index % 2]?.store.consumers.insert('acme', consumer('c1', { name: `writer ${index}` }))))
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    t.ok(outcomes.every((outcome) => outcome.status === 'fulfilled' || outcome.reason instanceof DuplicateError))
  })

  contract('a hundred increments by read, change and retry are a hundred', async (t, open) => {
    const nodes = [await open(), await open()]
    await nodes[0]?.store.consumers.insert('acme', consumer('c1', { metadata: { count: 0 } }))
    const increment = async (consumers: Collection<Consumer>): Promise<void> => {
      for (;;) {
        const record = await consumers.get('acme', 'c1')
        if (record === null) throw new Error('gone')
        try {
          await consumers.replace('acme', { ...record, metadata: { count: Number(record.metadata['count']) + 1 } })
          return
        } catch (error) {
          if (!(error instanceof StaleRevisionError)) throw error
        }
      }
    }
    // Each node has five writers, of which each does its own one after the other.
    await Promise.all(nodes.flatMap(({ store }) => Array.from({ length: 5 }, async () => { for (let done = 0; done < 10; done++) await increment(store.consumers) })))
    t.match(await nodes[0]?.store.consumers.get('acme', 'c1'), { metadata: { count: 100 }, rev: 101 })
  })
}

/** What may be there once. */
export function uniqueness (contract: Register): void {
  contract('a unique field is taken while a record has it, and free when that is changed or gone', async (t, open) => {
    const { store } = await open()
    const first = await store.users.insert('acme', user('u1', { email: 'ann@example.com' }))
    await t.rejects(store.users.insert('acme', user('u2', { email: 'Ann@Example.com' })), { name: 'DuplicateError', collection: 'users', field: 'email' })
    t.match(await store.users.insert('acme', user('u2', { email: 'bob@example.com' })), { rev: 1 }, 'the id of a refused record is free')
    t.match(await store.users.insert('other', user('u3', { email: 'ann@example.com' })), { rev: 1 }, 'within the tenant alone')
    const second = await store.users.get('acme', 'u2')
    if (second === null) throw new Error('gone')
    await t.rejects(store.users.replace('acme', { ...second, email: 'ann@example.com' }), { name: 'DuplicateError', field: 'email' })
    t.same(await store.users.get('acme', 'u2'), second, 'a refused change changes nothing')
    const same = await store.users.replace('acme', { ...first, name: 'Ann' })
    t.equal(same.rev, 2, 'its own is not in its way')
    await store.users.replace('acme', { ...same, email: 'ann@new.example.com' })
    const took = await store.users.replace('acme', { ...second, email: 'ann@example.com' })
    t.equal(took.rev, 2, 'free by change')
    await t.rejects(store.users.insert('acme', user('u4', { email: 'ann@example.com' })), { name: 'DuplicateError' })
    await store.users.remove('acme', 'u2')
    t.match(await store.users.insert('acme', user('u4', { email: 'ann@example.com' })), { rev: 1 }, 'free by removal')
    t.match(await store.users.insert('acme', user('u5', { email: 'bob@example.com' })), { rev: 1 })
  })

  contract('the name of a secret is taken within its project, or among those of its account', async (t, open) => {
    const { store } = await open()
    await store.secrets.insert('acme', secret('s1', { name: 'TOKEN' }))
    await store.secrets.insert('acme', secret('s2', { name: 'TOKEN', project_id: 'shop' }))
    await store.secrets.insert('acme', secret('s3', { name: 'TOKEN', project_id: 'till' }))
    await store.secrets.insert('other', secret('s4', { name: 'TOKEN' }))
    await t.rejects(store.secrets.insert('acme', secret('s5', { name: 'TOKEN' })), { name: 'DuplicateError', collection: 'secrets', field: 'name' })
    await t.rejects(store.secrets.insert('acme', secret('s5', { name: 'TOKEN', project_id: 'shop' })), { name: 'DuplicateError', field: 'name' })
    t.match(await store.secrets.insert('acme', secret('s5', { name: 'token' })), { rev: 1 }, 'names differ by case')
    const ofAccount = await store.secrets.list('acme', { filter: { project_id: { eq: null } }, limit: 10 })
    t.same(ofAccount.map(({ secret_id: id }) => id), ['s1', 's5'], 'those of no project can be asked for')
    t.same((await store.secrets.list('acme', { filter: { project_id: { eq: 'shop' } }, limit: 10 })).map(({ secret_id: id }) => id), ['s2'])
  })

  contract('records without a unique value do not stand in each other\'s way', async (t, open) => {
    const { store } = await open()
    const claims = [await store.domains.insert('acme', domain('d1', { name: 'api.example.com' })), await store.domains.insert('other', domain('d2', { name: 'api.example.com' }))]
    const outcomes = await Promise.allSettled(claims.map((claim) => store.domains.replace(claim.customer_id, { ...claim, status: 'verified' })))
    t.same(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'rejected'], 'one of them is verified')
    const winner = claims.find((_, index) => outcomes[index]?.status === 'fulfilled')
    const loser = claims.find((claim) => claim !== winner)
    if (winner === undefined || loser === undefined) throw new Error('none won')
    await store.domains.remove(winner.customer_id, winner.domain_id)
    t.match(await store.domains.replace(loser.customer_id, { ...loser, status: 'verified' }), { status: 'verified' }, 'and the other when that is gone')
  })

  contract('of projects that verify one domain at once, on several nodes, one wins and the others are told of the name', async (t, open) => {
    const nodes = [await open(), await open()]
    const claims = await Promise.all(Array.from({ length: 12 }, (_, index) => (nodes[index % 2] as typeof nodes[0]).store.domains.insert(`account-${index}`, domain(`d${index}`, { name: 'api.example.com', project_id: `p${index}` }))))
    const outcomes = await Promise.allSettled(claims.map((claim, index) => (nodes[index % 2] as typeof nodes[0]).store.domains.replace(claim.customer_id, { ...claim, status: 'verified' })))
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const outcome of outcomes) if (outcome.status === 'rejected') t.match(outcome.reason, { name: 'DuplicateError', collection: 'domains', field: 'name' })
    const verified = await nodes[0]?.system.list('domains', { filter: { name: { eq: 'api.example.com' }, status: { eq: 'verified' } }, limit: 20 })
    t.equal(verified?.length, 1)
    t.equal(await nodes[1]?.system.count('domains', { status: { eq: 'pending' } }), 11, 'and stay claims')
  })

  contract('domains that are due are found and looked up by one node of several, whichever engine keeps them', async (t, open) => {
    const nodes = [await open(), await open()]
    const quiet = { debug () {}, info () {}, warn () {}, error () {} }
    const asked: string[] = []
    const [first, second] = nodes.map((node) => watchDomains({ open: node, log: quiet, lookUp: async (name) => { asked.push(name); return name.includes('gone') ? { outcome: 'missing' } : { outcome: 'found', texts: ['c'] } } }))
    if (first === undefined || second === undefined) throw new Error('two are wanted')
    const ago = (hours: number): string => new Date(Date.now() - hours * 3_600_000).toISOString()
    const verified = { status: 'verified' as const, verified_at: ago(200) }
    const { store } = nodes[1] as typeof nodes[0]
    for (const [id, given] of Object.entries({
      old: { ...verified, checked_at: ago(25) }, fresh: { ...verified, checked_at: ago(22) }, never: verified, 'gone-now': { ...verified, checked_at: ago(25) },
      'gone-long': { ...verified, checked_at: ago(2), failing_since: ago(73) }, 'gone-short': { ...verified, checked_at: ago(0.5), failing_since: ago(71) }, pending: { checked_at: ago(25) }, unverified: { status: 'unverified' as const, checked_at: ago(25) }
    })) await store.domains.insert('acme', domain(id, given))
    try {
      t.equal(await first.pass(), 4)
      t.same(asked.sort(), ['gone-long', 'gone-now', 'never', 'old'].map((id) => `_sluice-challenge.${id}.example.com`))
      t.equal(await second.pass(), null, 'the other has the lease')
      t.equal(await first.pass(), 0)
      const after = Object.fromEntries((await store.domains.list('acme', { limit: 10 })).map(({ domain_id: id, status, failing_since: since }) => [id, `${status} ${since === null ? 'well' : 'failing'}`]))
      t.same(after, {
        old: 'verified well', fresh: 'verified well', never: 'verified well', 'gone-now': 'verified failing', 'gone-long': 'unverified failing', 'gone-short': 'verified failing', pending: 'pending well', unverified: 'unverified well'
      })
    } finally {
      await first.stop()
      await second.stop()
    }
  })

  contract('of inserts of one unique value at once, one wins, and of versions none is twice', async (t, open) => {
    const nodes = [await open(), await open()]
    const outcomes = await Promise.allSettled(Array.from({ length: 12 }, (_, index) => nodes[index % 2]?.store.users.insert('acme', user(`u${index}`, { email: 'one@example.com' }))))
    t.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1)
    t.equal(await nodes[0]?.store.users.count('acme'), 1)
    const versions = await Promise.allSettled(Array.from({ length: 12 }, (_, index) => nodes[index % 2]?.store.config_versions.insert('acme', configVersion(`v${index}`, index % 4 + 1))))
    t.equal(versions.filter(({ status }) => status === 'fulfilled').length, 4)
    t.equal(await nodes[1]?.store.config_versions.count('acme'), 4)
  })

  contract('unique values that look alike are not the same', async (t, open) => {
    const { store } = await open()
    for (const [index, name] of ['a', 'a\0', 'a\0b', 'a ', 'A', 'á', 'a\u0301', 'a:b', '$a', 'a.b'].entries()) {
      t.match(await store.plans.insert('acme', plan(`p${index}`, { name })), { name }, shown(name))
    }
    await t.rejects(store.plans.insert('acme', plan('p99', { name: 'a\0b' })), { name: 'DuplicateError', field: 'name' })
  })
}

/** What one tenant sees of another: nothing. */
export function tenants (contract: Register): void {
  contract('another tenant\'s record is as good as none, in every method', async (t, open) => {
    const { store } = await open()
    const theirs = await store.consumers.insert('acme', consumer('c1', { name: 'secret' }))
    await store.usage.add('acme', [{ project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 3, errors: 1 }])
    t.equal(await store.consumers.get('other', 'c1'), null)
    t.same(await store.consumers.list('other', { limit: 10 }), [])
    t.same(await store.consumers.list('other', { limit: 10, filter: { name: { eq: 'secret' } } }), [])
    t.same(await store.consumers.list('other', { limit: 10, filter: { customer_id: { eq: 'acme' } } }), [], 'a condition on the tenant does not widen it')
    t.equal(await store.consumers.count('other'), 0)
    t.equal(await store.consumers.count('other', { customer_id: { in: ['acme', 'other'] } }), 0)
    await t.rejects(store.consumers.replace('other', theirs), { name: 'StaleRevisionError' })
    await t.rejects(store.consumers.replace('other', { ...theirs, customer_id: 'acme' }), { name: 'StaleRevisionError' }, 'the record does not say whose it is')
    t.equal(await store.consumers.remove('other', 'c1'), false)
    await t.rejects(store.consumers.remove('other', 'c1', 1), { name: 'StaleRevisionError' })
    t.same(await store.usage.days('other', { credentialId: 'k1' }, '2026-01-01', '2026-12-31'), [])
    t.same(await store.consumers.get('acme', 'c1'), theirs, 'untouched')
    const smuggled = await store.consumers.insert('other', { ...consumer('c2'), customer_id: 'acme', rev: 9, created_at: 'x' } as NewRecord<Consumer>)
    t.match(smuggled, { customer_id: 'other', rev: 1 }, 'a new record is the caller\'s')
    t.equal(await store.consumers.count('acme'), 1)
    const taken = await store.consumers.replace('other', { ...smuggled, customer_id: 'acme' })
    t.equal(taken.customer_id, 'other', 'and stays it')
  })
}

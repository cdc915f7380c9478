import { EventEmitter, once } from 'node:events'
import { StaleRevisionError } from '../../../../core/state/store-errors.js'
import type { Change, NewAuditRecord, SystemStore } from '../../../../core/state/store.js'
import { consumer, plan } from '../../../fixtures/store-records.js'
import type { Register } from './register.js'

async function allChanges (system: SystemStore, since = 0, limit = 7): Promise<Change[]> {
  const all: Change[] = []
  for (;;) {
    const piece = await system.changesSince(all.at(-1)?.seq ?? since, limit)
    if (piece.length === 0) return all
    all.push(...piece)
  }
}

/** The change feed. */
export function changes (contract: Register): void {
  contract('changes tell each record as it now is, once, in order, with removals', async (t, open) => {
    const { store, system } = await open()
    t.equal(await system.latestSeq(), 0)
    t.same(await system.changesSince(0, 10), [])
    const first = await store.consumers.insert('acme', consumer('c1'))
    await store.consumers.insert('acme', consumer('c2'))
    await store.plans.insert('other', plan('p1'))
    const between = await system.latestSeq()
    const second = await store.consumers.replace('acme', { ...first, name: 'new' })
    await store.consumers.remove('acme', 'c2')
    await t.rejects(store.consumers.replace('acme', first), StaleRevisionError)
    const changed = await allChanges(system, between, 1)
    t.same(changed.map(({ seq: _, ...change }) => change), [
      { collection: 'consumers', id: 'c1', customerId: 'acme', record: second }, { collection: 'consumers', id: 'c2', customerId: 'acme', record: null }
    ])
    const all = await allChanges(system)
    t.same(all.filter(({ record }) => record !== null).map(({ id }) => id).sort(), ['c1', 'p1'], 'from the beginning: what is there')
    t.ok(all.every(({ seq }, index) => index === 0 || seq > (all[index - 1]?.seq ?? 0)), 'in order')
    t.equal(all.at(-1)?.seq, await system.latestSeq())
    t.same(await system.changesSince(await system.latestSeq(), 10), [])
    t.same(await (await open()).system.changesSince(between, 10), changed, 'for every node the same')
  })

  contract('no change is missed while two nodes write', async (t, open) => {
    const nodes = [await open(), await open()]
    const reader = await open()
    const seen = new Map<string, number>()
    let since = 0
    const writing = new AbortController()
    const follow = async (): Promise<void> => {
      const piece = await reader.system.changesSince(since, 5)
      for (const { seq, id, record } of piece) {
        if (seq <= since) t.fail(`${seq} came behind ${since}`)
        since = seq
        seen.set(id, record?.rev ?? 0)
      }
    }
    const following = (async () => {
      while (!writing.signal.aborted) {
        await follow()
        await new Promise((resolve) => { setImmediate(resolve) })
      }
    })()
    await Promise.all(nodes.flatMap(({ store }, node) => Array.from({ length: 3 }, async (_, writer) => {
      for (let index = 0; index < 12; index++) {
        const kept = await store.consumers.insert('acme', consumer(`${node}-${writer}-${index}`))
        if (index % 3 === 0) await store.consumers.replace('acme', kept)
        if (index % 3 === 1) await store.consumers.remove('acme', kept.consumer_id)
      }
    })))
    writing.abort()
    await following
    while (since < await reader.system.latestSeq()) await follow()
    const expected = new Map<string, number>()
    for (let node = 0; node < 2; node++) for (let writer = 0; writer < 3; writer++) for (let index = 0; index < 12; index++) expected.set(`${node}-${writer}-${index}`, [2, 0, 1][index % 3] ?? 0)
    t.same(new Map([...seen].sort()), new Map([...expected].sort()))
  })

  contract('a listener is called after an own write and after another node\'s, until it is taken away', async (t, open) => {
    const [own, other] = [await open(), await open()]
    const calls = new EventEmitter()
    // Looking for changes keeps no process alive; this does.
    const call = async (): Promise<void> => {
      const alive = setTimeout(() => { calls.emit('error', new Error('not told within 10 s')) }, 10_000)
      await once(calls, 'call').finally(() => { clearTimeout(alive) })
    }
    let count = 0
    const end = own.system.onChange(() => { count += 1; calls.emit('call') })
    const told = call()
    await own.store.consumers.insert('acme', consumer('c1'))
    await told
    t.ok(count > 0, 'own')
    // What an own write still has to tell comes before another's.
    for (let quiet = -1; quiet !== count;) {
      quiet = count
      await new Promise((resolve) => { setTimeout(resolve, 250) })
    }
    const toldAgain = call()
    await other.store.consumers.insert('acme', consumer('c2'))
    await toldAgain
    t.pass('another node\'s')
    end()
    const told3 = count
    await own.store.consumers.insert('acme', consumer('c3'))
    await new Promise((resolve) => { setTimeout(resolve, 250) })
    t.equal(count, told3, 'not any more')
  })

  contract('everything is read in pieces, of every tenant, without what was removed', async (t, open) => {
    const { store, system } = await open()
    for (let index = 0; index < 30; index++) await store.consumers.insert(`tenant${index % 3}`, consumer(`c${index}`))
    await store.consumers.remove('tenant0', 'c0')
    const ids: string[] = []
    for await (const piece of system.readAll('consumers')) ids.push(...piece.map(({ consumer_id: id }) => id))
    t.same(ids.sort(), Array.from({ length: 29 }, (_, index) => `c${index + 1}`).sort())
    for await (const piece of system.readAll('plans')) t.same(piece, [])
  })
}

/** Usage. */
export function counts (contract: Register): void {
  contract('usage is added up by key and day, also by two nodes at once', async (t, open) => {
    const nodes = [await open(), await open()]
    const day = (credentialId: string, at: string, requests: number, errors = 0, projectId = 'shop') => ({ project_id: projectId, credential_id: credentialId, day: at, requests, errors })
    await Promise.all(Array.from({ length: 20 }, (_, index) => nodes[index % 2]?.store.usage.add('acme', [day('k1', '2026-11-25', 2, 1), day('k1', '2026-11-26', 1), day('k2', '2026-11-26', 3)])))
    await nodes[0]?.store.usage.add('acme', [day('k3', '2026-11-27', 5, 5, 'blog')])
    await nodes[0]?.store.usage.add('other', [day('k1', '2026-11-26', 1_000)])
    await nodes[0]?.store.usage.add('acme', [])
    const usage = nodes[1]?.store.usage
    if (usage === undefined) throw new Error('no node')
    t.same(await usage.days('acme', { credentialId: 'k1' }, '2026-11-25', '2026-11-26'), [day('k1', '2026-11-25', 40, 20), day('k1', '2026-11-26', 20)], 'both days included')
    t.same(await usage.days('acme', { credentialId: 'k1' }, '2026-11-26', '2026-12-31'), [day('k1', '2026-11-26', 20)])
    t.same(await usage.days('acme', { projectId: 'shop' }, '2026-11-26', '2026-11-26'), [day('k1', '2026-11-26', 20), day('k2', '2026-11-26', 60)])
    t.same(await usage.days('acme', { projectId: 'shop', credentialId: 'k3' }, '2026-01-01', '2026-12-31'), [])
    t.equal((await usage.days('acme', {}, '2026-11-25', '2026-11-27')).reduce((sum, { requests }) => sum + requests, 0), 125)
    t.same(await usage.days('acme', {}, '2026-11-28', '2026-11-30'), [])
  })

  contract('the last use of a key is the latest that anybody told, of its own tenant', async (t, open) => {
    const { store: { usage }, system } = await open()
    const at = (time: string, credentialId = 'k1') => ({ project_id: 'shop', credential_id: credentialId, day: time.slice(0, 10), requests: 1, errors: 0, last_used_at: time })
    t.same([...await usage.lastUses('acme', ['k1'])], [])
    await system.addUsage([{ ...at('2026-11-25T10:00:00.000Z'), customer_id: 'acme' }, { ...at('2026-12-31T10:00:00.000Z'), customer_id: 'other' }, { ...at('2026-11-20T10:00:00.000Z', 'k2'), customer_id: 'acme' }])
    await usage.add('acme', [at('2026-11-25T09:00:00.000Z'), { project_id: 'shop', credential_id: 'k3', day: '2026-11-25', requests: 1, errors: 0 }])
    t.same([...await usage.lastUses('acme', ['k1', 'k2', 'k3', 'k4', 'a\0b'])].sort(), [['k1', '2026-11-25T10:00:00.000Z'], ['k2', '2026-11-20T10:00:00.000Z']], 'an earlier one takes nothing back')
    await usage.add('acme', [{ project_id: 'shop', credential_id: 'k1', day: '2026-11-25', requests: 1, errors: 1 }, at('2026-11-26T00:00:00.001Z')])
    t.same([...await usage.lastUses('acme', ['k1'])], [['k1', '2026-11-26T00:00:00.001Z']])
    t.same(await usage.days('acme', { credentialId: 'k1' }, '2026-11-25', '2026-11-25'), [{ project_id: 'shop', credential_id: 'k1', day: '2026-11-25', requests: 3, errors: 1, last_used_at: '2026-11-25T10:00:00.000Z' }])
    t.same([...await usage.lastUses('a\0b', ['k1'])], [])
  })
}

/** Leases, settings, and whether it answers. */
export function coordination (contract: Register): void {
  contract('a lease has one holder, who may prolong it, until it ends or is given back', async (t, open) => {
    const nodes = [await open(), await open()]
    const [first, second] = [nodes[0]?.system, nodes[1]?.system]
    if (first === undefined || second === undefined) throw new Error('no node')
    const lease = await first.takeLease('job', 'a', 60_000)
    t.equal(lease?.holder, 'a')
    t.ok((lease?.expiresAt ?? 0) > Date.now() + 50_000)
    t.equal(await second.takeLease('job', 'b', 60_000), null)
    t.match(await second.takeLease('other', 'b', 60_000), { holder: 'b' }, 'another lease is another')
    t.ok(((await first.takeLease('job', 'a', 120_000))?.expiresAt ?? 0) > (lease?.expiresAt ?? Infinity), 'prolonged')
    await second.releaseLease('job', 'b')
    t.equal(await second.takeLease('job', 'b', 60_000), null, 'only its holder gives it back')
    await first.releaseLease('job', 'a')
    t.match(await second.takeLease('job', 'b', 1), { holder: 'b' })
    await new Promise((resolve) => { setTimeout(resolve, 5) })
    t.match(await first.takeLease('job', 'a', 60_000), { holder: 'a' }, 'a lease that ended is free')
    const taken = await Promise.all(Array.from({ length: 10 }, (_, index) => nodes[index % 2]?.system.takeLease('race', `h${index}`, 60_000)))
    t.equal(taken.filter((each) => each !== null).length, 1, 'one of those who ask at once')
  })

  contract('a setting is written while it is what was expected', async (t, open) => {
    const nodes = [await open(), await open()]
    const [first, second] = [nodes[0]?.system, nodes[1]?.system]
    if (first === undefined || second === undefined) throw new Error('no node')
    t.equal(await first.getMeta('format'), null)
    t.equal(await first.setMeta('format', '1', '0'), false, 'there is none')
    t.equal(await first.setMeta('format', '1', null), true)
    t.equal(await second.getMeta('format'), '1')
    t.equal(await second.setMeta('format', '2', null), false, 'there is one')
    t.equal(await second.setMeta('format', '2', '0'), false)
    t.equal(await second.setMeta('format', '2', '1'), true)
    t.equal(await first.setMeta('format', '3'), true, 'whatever it is')
    t.equal(await first.getMeta('format'), '3')
    const raced = await Promise.all(Array.from({ length: 10 }, (_, index) => nodes[index % 2]?.system.setMeta('format', `w${index}`, '3')))
    t.equal(raced.filter((done) => done).length, 1)
    const fresh = await Promise.all(Array.from({ length: 10 }, (_, index) => nodes[index % 2]?.system.setMeta('fresh', `w${index}`, null)))
    t.equal(fresh.filter((done) => done).length, 1)
  })

  contract('settings are removed by the range of their keys, in the order of their bytes', async (t, open) => {
    const { system } = await open()
    for (const key of ['a', 'a:1', 'a:10', 'a:2', 'a;', 'b', 'é']) await system.setMeta(key, key)
    await system.removeMeta('a:', 'a;')
    t.same(await Promise.all(['a', 'a:1', 'a:10', 'a:2', 'a;', 'b', 'é'].map((key) => system.getMeta(key))), ['a', null, null, null, 'a;', 'b', 'é'])
    t.equal(await system.setMeta('a:1', 'again', null), true, 'what was removed is not there')
  })

  contract('audit entries of two nodes are one chain, and an erased payload does not break it', async (t, open) => {
    const nodes = [await open(), await open()]
    const entry = (action: string): NewAuditRecord => ({ request_id: 'r1', phase: 'intent', action, actor: 'operator', target_id: null, outcome: null, payload: { after: { '$a.b': '__proto__', list: [1, 2.5, null, { z: 1, a: 'é💥' }] } } })
    await Promise.all(Array.from({ length: 20 }, (_, index) => nodes[index % 2]?.audit.append(index % 4 === 0 ? 'acme' : 'other', entry(`a${index}`))))
    const audit = nodes[0]?.audit
    if (audit === undefined) throw new Error('no node')
    t.match(await audit.verify(), { entries: 20, fault: null })
    t.equal(await audit.count('acme'), 5)
    const [newest, before] = await audit.list(null, { sort: [{ field: 'seq', descending: true }], limit: 2 })
    t.same([newest?.seq, before?.seq], [20, 19])
    t.equal(await audit.erase(newest?.customer_id === 'acme' ? 'other' : 'acme', newest?.audit_id ?? ''), false, 'another tenant\'s is none')
    t.equal(await audit.erase(before?.customer_id ?? '', before?.audit_id ?? ''), true)
    t.match(await nodes[1]?.audit.verify(), { entries: 20, fault: null, head: newest?.hash })
    await t.rejects(audit.append('acme', { ...entry('x'), payload: { half: '\ud800' } }), { name: 'InvalidValueError' })
    t.match(await audit.append('acme', entry('y')), { seq: 21 }, 'what was refused leaves no gap')
  })

  contract('an operator finds and counts over all tenants', async (t, open) => {
    const { store, system } = await open()
    await store.consumers.insert('acme', consumer('c1', { name: 'b' }))
    await store.consumers.insert('other', consumer('c2', { name: 'a' }))
    t.equal((await system.find('consumers', 'c2'))?.customer_id, 'other')
    t.equal(await system.find('consumers', 'c3'), null)
    t.equal(await system.find('consumers', 'a\0'), null)
    t.same((await system.list('consumers', { sort: [{ field: 'name' }], limit: 10 })).map(({ consumer_id: id }) => id), ['c2', 'c1'])
    t.same((await system.list('consumers', { filter: { customer_id: { eq: 'acme' } }, limit: 10 })).map(({ consumer_id: id }) => id), ['c1'])
    t.equal(await system.count('consumers'), 2)
    t.same([await system.count('consumers', {}, 1), await system.count('consumers', {}, 3), await system.count('consumers', { name: { eq: 'a' } }, 2)], [1, 2, 1], 'no further than asked')
    t.equal(await system.count('consumers', { name: { eq: 'a' } }), 1)
    await t.rejects(system.list('consumers', { filter: { ['$where' as 'name']: { eq: 'a' } }, limit: 1 }), { name: 'InvalidValueError' })
    await store.consumers.remove('other', 'c2')
    t.equal(await system.find('consumers', 'c2'), null)
  })

  contract('it answers while it is open', async (t, open) => {
    const opened = await open()
    await opened.system.ping()
    await opened.close()
    await t.rejects(opened.system.ping(), { name: 'StoreUnavailableError' })
    await t.rejects(opened.store.consumers.get('acme', 'c1'), { name: 'StoreUnavailableError' })
    await t.rejects(opened.store.consumers.insert('acme', consumer('c1')), { name: 'StoreUnavailableError' })
    await opened.close()
    t.pass('closing twice is no matter')
  })
}

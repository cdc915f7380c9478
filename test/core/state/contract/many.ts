import { EventEmitter, once } from 'node:events'
import { consumer, credential, user } from '../../../fixtures/store-records.js'
import type { Register } from './register.js'

// More than a list gives, and than an engine removes at once.
const MANY = 1_100

/** Removing many records at once. */
export function many (contract: Register): void {
  contract('all that a filter lets through is removed, however many, and nothing of another tenant, collection or value', async (t, open) => {
    const { store, system } = await open()
    const insert = async (index: number): Promise<unknown> => await store.credentials.insert('acme', credential(`k${index}`, { consumer_id: index % 11 === 0 ? 'c2' : 'c1' }))
    for (let from = 0; from < MANY; from += 50) await Promise.all(Array.from({ length: 50 }, (_, index) => insert(from + index)))
    await store.credentials.insert('other', credential('theirs'))
    await store.consumers.insert('acme', consumer('c1'))
    const before = await system.latestSeq()
    t.equal(await store.credentials.removeAll('acme', { consumer_id: { eq: 'c1' } }), 1_000)
    t.equal(await store.credentials.count('acme'), 100)
    t.equal(await store.credentials.count('acme', { consumer_id: { eq: 'c1' } }), 0)
    t.equal(await store.credentials.count('other'), 1, 'another tenant\'s')
    t.equal(await store.consumers.count('acme'), 1, 'another collection\'s')
    const removed = new Map<string, number>()
    for (let since = before; ;) {
      const piece = await system.changesSince(since, 300)
      if (piece.length === 0) break
      for (const { seq, id, collection, customerId, record } of piece) {
        if (seq <= since) t.fail(`${seq} came behind ${since}`)
        since = seq
        if (record !== null || collection !== 'credentials' || customerId !== 'acme') t.fail(`${id} is no removed key`)
        removed.set(id, (removed.get(id) ?? 0) + 1)
      }
    }
    t.equal(removed.size, 1_000, 'each is a change of its own')
    t.ok([...removed.values()].every((times) => times === 1), 'told once')
    await t.rejects(store.credentials.insert('acme', credential('k1')), { name: 'DuplicateError', field: 'credential_id' }, 'an id that was removed is not used again')
    t.equal(await store.credentials.removeAll('acme'), 100, 'without a filter all of the tenant')
    t.equal(await store.credentials.removeAll('acme'), 0)
    t.equal(await store.credentials.removeAll('no\0tenant'), 0)
    await t.rejects(store.credentials.removeAll('other', { ['$where' as 'name']: { eq: 'x' } }), { name: 'InvalidValueError' })
    t.equal(await store.credentials.count('other'), 1)
  })

  contract('what was removed with others holds no unique value any more, and listeners are told', async (t, open) => {
    const { store, system } = await open()
    for (const id of ['u1', 'u2']) await store.users.insert('acme', user(id))
    const calls = new EventEmitter()
    const end = system.onChange(() => { calls.emit('call') })
    const alive = setTimeout(() => { calls.emit('error', new Error('not told within 10 s')) }, 10_000)
    const told = once(calls, 'call')
    t.equal(await store.users.removeAll('acme', { status: { in: ['active'] } }), 2)
    await told
    clearTimeout(alive)
    end()
    t.match(await store.users.insert('acme', user('u3', { email: 'u1@example.com' })), { rev: 1 })
    t.match(await store.users.insert('acme', user('u4', { email: 'u2@example.com' })), { rev: 1 })
  })

  contract('a record that is written to while all are removed is gone or as it was written, and the writer is told which', async (t, open) => {
    const nodes = [await open(), await open()]
    const kept = await Promise.all(Array.from({ length: 60 }, (_, index) => nodes[0]?.store.consumers.insert('acme', consumer(`c${index}`))))
    const [, ...writes] = await Promise.allSettled([
      nodes[0]?.store.consumers.removeAll('acme'),
      ...kept.map(async (record) => record === undefined ? undefined : await nodes[1]?.store.consumers.replace('acme', { ...record, name: 'new' }))
    ])
    for (const write of writes) if (write.status === 'rejected') t.equal((write.reason as Error).name, 'StaleRevisionError')
    await nodes[1]?.store.consumers.removeAll('acme')
    t.equal(await nodes[0]?.store.consumers.count('acme'), 0)
  })

  contract('the usage of a tenant is removed, and of no other', async (t, open) => {
    const { store: { usage } } = await open()
    const days = Array.from({ length: 1_200 }, (_, index) => ({ project_id: 'shop', credential_id: `k${index}`, day: '2026-11-26', requests: 1, errors: 0 }))
    await usage.add('acme', days)
    await usage.add('other', days.slice(0, 3))
    await usage.removeAll('acme')
    t.same(await usage.days('acme', {}, '2026-01-01', '2026-12-31'), [])
    t.equal((await usage.days('other', {}, '2026-01-01', '2026-12-31')).length, 3)
    await usage.removeAll('no\0tenant')
  })
}

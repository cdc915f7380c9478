import { test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { observeEngine, type EngineCall } from '../../../core/state/observed-engine.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'
import { consumer } from '../../fixtures/store-records.js'

function observed (slowMs: number) {
  const engine = createMemoryEngine()
  const calls: Omit<EngineCall, 'shape'>[] = []
  const slow: EngineCall[] = []
  let at = 0
  const store = openDocumentStore(observeEngine(engine, { call: (call) => { calls.push(call) }, slow: (call) => { slow.push(call) }, slowMs }, () => at++))
  return { engine, calls, slow, store }
}

test('observed engine: every call is told once, with its collection, outcome and time', async (t) => {
  const { engine, calls, slow, store: { store, system } } = observed(10)
  const kept = await store.consumers.insert('acme', consumer('c1'))
  await store.consumers.replace('acme', { ...kept, name: 'other' })
  await store.consumers.list('acme', { limit: 5 })
  await store.consumers.count('acme')
  await store.consumers.remove('acme', 'c1')
  await store.usage.add('acme', [])
  await store.usage.days('acme', {}, '2026-01-01', '2026-01-02')
  await store.usage.lastUses('acme', ['k1'])
  await system.latestSeq()
  await system.changesSince(0, 5)
  await system.takeLease('job', 'me', 5)
  await system.releaseLease('job', 'me')
  await system.setMeta('a', 'b')
  await system.getMeta('a')
  await system.removeMeta('a', 'b')
  await system.ping()
  for await (const piece of system.readAll('plans')) t.same(piece, [])
  engine.gone = true
  await t.rejects(store.plans.get('acme', 'p1'), { name: 'StoreUnavailableError' })
  t.same(calls.map(({ operation, collection, outcome }) => `${operation} ${collection} ${outcome}`), [
    'insert consumers ok', 'replace consumers ok', 'find consumers ok', 'count consumers ok', 'get consumers ok', 'remove consumers ok', 'addUsage usage ok', 'usageDays usage ok', 'lastUses usage ok',
    'latestSeq null ok', 'changesSince null ok', 'takeLease leases ok', 'releaseLease leases ok', 'setMeta settings ok', 'getMeta settings ok', 'removeMeta settings ok', 'ping null ok',
    'readAll plans ok', 'get plans unavailable'
  ])
  t.ok(calls.every(({ durationMs }) => durationMs === 1), 'from one reading of the clock to the next')
  t.same(slow, [])
})

test('observed engine: a slow call is told with its shape and without a value', async (t) => {
  const { slow, store: { store, system } } = observed(1)
  const canary = 'canary-7'
  await store.consumers.insert(canary, consumer(canary, { name: canary }))
  await store.consumers.list(canary, {
    filter: { name: { contains: canary }, status: { in: [canary, canary] }, created_at: { gt: canary, lte: canary }, consumer_id: { eq: canary } },
    sort: [{ field: 'created_at', descending: true }, { field: 'name' }], limit: 20, offset: 40
  })
  await system.list('consumers', { limit: 1 })
  await store.usage.days(canary, { credentialId: canary }, canary, canary)
  await system.setMeta(canary, canary)
  t.same(slow.map(({ operation, shape }) => `${operation}: ${shape}`), [
    'insert: ',
    'find: name:contains status:in(2) created_at:gt+lte consumer_id:eq sort:created_at descending sort:name limit:20 offset:40',
    'find: all tenants limit:1',
    'usageDays: credentialId:eq',
    'setMeta: '
  ])
  t.notMatch(JSON.stringify(slow), /canary/)
})

test('observed engine: reading all ends the reading below when its reader stops', async (t) => {
  const engine = createMemoryEngine()
  let ended = false
  const below = {
    ...engine,
    async * readAll () {
      try {
        for (;;) yield []
      } finally {
        ended = true
      }
    }
  }
  const calls: string[] = []
  for await (const piece of observeEngine(below, { call: ({ operation }) => { calls.push(operation) }, slow () {}, slowMs: Infinity }).readAll('plans', 10)) {
    t.same(piece, [])
    break
  }
  t.ok(ended)
  t.same(calls, ['readAll'])
})

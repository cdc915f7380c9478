import { once, EventEmitter } from 'node:events'
import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { StoreUnavailableError } from '../../../core/state/store-errors.js'
import type { TenantUsageDay } from '../../../core/state/store.js'
import { createUsageRecorder } from '../../../core/state/usage-recorder.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'

const DIRECTORY = { project: (id: string) => id === 'shop' ? { customer_id: 'acme' } : null }

function recorded (t: Test, start: number) {
  // The recorder keeps no process alive.
  const alive = setInterval(() => {}, 1_000)
  t.teardown(() => { clearInterval(alive) })
  const added: TenantUsageDay[][] = []
  const logged: string[] = []
  const told = new EventEmitter()
  const clock = { now: start }
  const state: { failure: Error | null } = { failure: null }
  const log = { debug: () => {}, info: () => {}, warn: (_: object, message: string) => { logged.push(message) }, error: (_: object, message: string) => { logged.push(message) } }
  const recorder = createUsageRecorder({
    directory: DIRECTORY, log, now: () => clock.now, everyMs: 5,
    system: { async addUsage (days) {
      setImmediate(() => told.emit('call'))
      if (state.failure !== null) throw state.failure
      added.push([...days])
    } }
  })
  return { added, logged, clock, recorder, state, call: () => once(told, 'call') }
}

test('usage recorder: requests of a key and day are one count, with errors from 400 on and the last use, for the account of the project', async (t) => {
  const { added, clock, recorder, call } = recorded(t, Date.parse('2026-11-26T23:59:59.000Z'))
  for (const status of [200, 304, 399, 400, 404, 500, 0]) recorder.count('shop', 'k1', status)
  recorder.count('declared', 'k2', 200)
  recorder.count('shop', 'no\0key', 200)
  t.same(added, [], 'nothing waits for the store')
  clock.now += 500
  recorder.count('shop', 'k1', 200)
  clock.now += 1_000
  recorder.count('shop', 'k1', 503)
  await call()
  t.same(added.flat().sort((a, b) => (a.credential_id + a.day).localeCompare(b.credential_id + b.day)), [
    { customer_id: 'acme', project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 8, errors: 3, last_used_at: '2026-11-26T23:59:59.500Z' },
    { customer_id: 'acme', project_id: 'shop', credential_id: 'k1', day: '2026-11-27', requests: 1, errors: 1, last_used_at: '2026-11-27T00:00:00.500Z' },
    { customer_id: 'local', project_id: 'declared', credential_id: 'k2', day: '2026-11-26', requests: 1, errors: 0, last_used_at: '2026-11-26T23:59:59.000Z' }
  ])
  recorder.count('shop', 'k1', 200)
  await recorder.stop()
  t.same(added.at(-1)?.map(({ requests }) => requests), [1], 'what is left is added at the end')
})

test('usage recorder: keys that are called alike in two projects are two, also while the store is gone', async (t) => {
  const { added, recorder, state, call } = recorded(t, Date.parse('2026-11-26T12:00:00.000Z'))
  state.failure = new StoreUnavailableError('gone')
  recorder.count('shop', 'k1', 200)
  recorder.count('declared', 'k1', 500)
  await call()
  recorder.count('declared', 'k1', 200)
  recorder.count('shop', 'k1', 200)
  state.failure = null
  await recorder.stop()
  t.same(added.flat().map(({ customer_id: account, project_id: project, requests, errors }) => [account, project, requests, errors]).sort(), [['acme', 'shop', 2, 0], ['local', 'declared', 2, 1]])
})

test('usage recorder: while the store is gone it counts on, and adds each request once when that is back', async (t) => {
  const { added, logged, recorder, state, call, clock } = recorded(t, Date.parse('2026-11-26T12:00:00.000Z'))
  state.failure = new StoreUnavailableError('gone')
  for (let round = 0; round < 3; round++) {
    recorder.count('shop', 'k1', 200)
    recorder.count('shop', 'k2', 500)
    await call()
  }
  clock.now += 86_400_000
  recorder.count('shop', 'k1', 200)
  state.failure = null
  await recorder.stop()
  t.same(added.flat().map(({ credential_id: id, day, requests, errors }) => `${id} ${day} ${requests} ${errors}`).sort(), ['k1 2026-11-26 3 0', 'k1 2026-11-27 1 0', 'k2 2026-11-26 3 3'])
  t.equal(logged.length, 1, 'said once')
})

test('usage recorder: what the store refuses is logged and holds up nothing, and a store that is gone at the end is no failure', async (t) => {
  const { logged, recorder, state, call, added } = recorded(t, Date.parse('2026-11-26T12:00:00.000Z'))
  state.failure = new Error('a bug')
  recorder.count('shop', 'k1', 200)
  await call()
  state.failure = null
  recorder.count('shop', 'k2', 200)
  await call()
  t.same(added.flat().map(({ credential_id: id }) => id), ['k2'])
  state.failure = new StoreUnavailableError('gone')
  recorder.count('shop', 'k3', 200)
  await t.resolves(recorder.stop())
  t.equal(logged.length, 2)
})

test('usage recorder: many keys are added in pieces', async (t) => {
  const { store, system } = openDocumentStore(createMemoryEngine())
  const sizes: number[] = []
  const recorder = createUsageRecorder({ directory: DIRECTORY, log: { debug () {}, info () {}, warn () {}, error () {} }, system: { addUsage: (days) => { sizes.push(days.length); return system.addUsage(days) } } })
  for (let index = 0; index < 1_200; index++) recorder.count('shop', `k${index}`, 200)
  await recorder.stop()
  t.same(sizes, [500, 500, 200])
  t.equal((await store.usage.days('acme', {}, '2000-01-01', '2100-01-01')).length, 1_200)
})

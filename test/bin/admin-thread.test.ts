import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { BroadcastChannel } from 'node:worker_threads'
import { test, type Test } from 'tap'
import type { AdminSide } from '../../bin/admin-side.js'
import { startAdminThread, type AdminThreadOptions } from '../../bin/admin-thread.js'
import type { FleetView } from '../../bin/fleet.js'
import { loadStoreRing } from '../../bin/open-store.js'
import { createLogger } from '../../core/observe/logger.js'
import type { GatewayConfig } from '../../core/route.js'
import { consumer } from '../fixtures/store-records.js'
import { tempDir } from '../fixtures/temp-dir.js'

const TOKEN = 'a-token-that-is-long-enough'
const AUTH = { authorization: `Bearer ${TOKEN}` }
const silent = createLogger({ level: 'silent' })

function plan (t: Test, port = 0): AdminThreadOptions {
  const path = tempDir(t)
  const state = { kind: 'embedded' as const, path, keyRing: join(path, 'keys.json') }
  const ring = loadStoreRing({ state, keys: undefined, log: silent })
  if (ring === null) throw new Error('there is no ring')
  return {
    state, keys: undefined, ring, admin: { host: '127.0.0.1', port, token: TOKEN }, resolvers: [], docs: null, version: '0', config: { file: 'gateway.yaml', environment: null },
    log: silent, logLevel: 'silent', workerUrl: new URL('../fixtures/mortal-admin-thread.js', import.meta.url)
  }
}

/** What serves, as far as these tests look at it. */
function servingThread (): FleetView & { stopping: boolean, texts: string[] } {
  return {
    stopping: false,
    texts: ['first'],
    listeners: [{ name: 'data', url: 'http://127.0.0.1:1' }],
    root: () => ({ egress: { allow: [] }, baseDomain: 'gate.example', listen: { limits: {} }, workers: 1, stopMs: 0 }) as unknown as GatewayConfig,
    declared: async () => ({ projects: [{ project_id: 'of-files', target_url: null }], hosts: [] }),
    alive: () => true,
    notReady () { return this.stopping ? ['the gateway is stopping'] : [] },
    reload: async () => { throw new Error('it can not be reloaded') },
    async describe () { return JSON.stringify({ text: this.texts.at(-1) }) },
    declaredConfig: async () => null,
    status: async () => [],
    async whenServed (projectId) { this.texts.push(`${projectId} is served`) },
    metrics: async () => [[{ name: 'sluice_of_the_other', help: 'Of the other thread.', type: 'gauge', aggregator: 'sum', values: [{ labels: {}, value: 7 }] }]]
  }
}

async function open (t: Test, options: AdminThreadOptions): Promise<{ side: AdminSide, fleet: ReturnType<typeof servingThread>, url: string }> {
  const side = await startAdminThread(options)
  t.teardown(() => side.close())
  const fleet = servingThread()
  const url = await side.listen(fleet) as string
  return { side, fleet, url }
}

test('admin thread: it answers for the thread that serves, and both use one store', async (t) => {
  const { side, fleet, url } = await open(t, plan(t))
  t.same(await (await fetch(`${url}/config`, { headers: AUTH })).json(), { text: 'first' })
  t.match(await (await fetch(`${url}/metrics`, { headers: AUTH })).text(), /^sluice_of_the_other 7$[^]*^sluice_store_/m, 'what both count')
  t.equal((await fetch(`${url}/reload`, { method: 'POST', headers: AUTH })).status, 500, 'what fails there fails here')

  t.equal((await fetch(`${url}/readyz`)).status, 200)
  fleet.stopping = true
  side.changed()
  const unready = await fetch(`${url}/readyz`)
  t.equal(unready.status, 503)
  t.match(await unready.text(), /the gateway is stopping/)

  const { system, store } = side.store!.open
  const changes: true[] = []
  const unsubscribe = system.onChange(() => { changes.push(true) })
  await system.latestSeq()
  const made = await fetch(`${url}/admin/projects`, { method: 'POST', headers: { ...AUTH, 'content-type': 'application/json' }, body: '{"project_id":"shop","target_url":"http://127.0.0.1:9","auth_type":"none"}' })
  t.equal(made.status, 201, await made.text())
  t.equal((await store.projects.get('local', 'shop'))?.project_id, 'shop', 'what is written there is read here')
  while (changes.length === 0) await delay(5)
  unsubscribe()
  await store.consumers.insert('local', consumer('con_1'))
  t.equal((await fetch(`${url}/admin/consumers/con_1`, { headers: AUTH })).status, 200, 'and what is written here is read there')
  const quick = await fetch(url, { method: 'POST', headers: { ...AUTH, 'content-type': 'application/json' }, body: '{"target_url":"http://127.0.0.1:9"}' })
  const { project } = await quick.json() as { project: { project_id: string } }
  t.equal(fleet.texts.at(-1), `${project.project_id} is served`, 'it waits for the thread that serves')
  const pieces: unknown[] = []
  for await (const piece of system.readAll('projects')) pieces.push(...piece)
  t.equal(pieces.length, 2)

  await side.close()
  await t.rejects(fetch(`${url}/livez`))
  await t.rejects(system.ping(), { name: 'StoreUnavailableError' })
})

test('admin thread: one that ends takes what it was asked with it, and is started again on its port', async (t) => {
  const { side, url } = await open(t, plan(t))
  const { system, store } = side.store!.open
  await store.consumers.insert('local', consumer('con_1'))
  const changes: true[] = []
  t.teardown(system.onChange(() => { changes.push(true) }))
  const channel = new BroadcastChannel('end admin threads')
  t.teardown(() => { channel.close() })
  channel.postMessage('end')
  let lost = 0
  // Until it is there again, and the channel has nobody any more who ends.
  for (const until = performance.now() + 20_000; performance.now() < until; await delay(10)) {
    const answered = await Promise.allSettled([system.ping(), fetch(`${url}/livez`)])
    for (const { reason } of answered.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[]) {
      lost++
      if (!(reason instanceof TypeError)) t.equal((reason as Error).name, 'StoreUnavailableError')
    }
    if (lost > 0 && answered.every(({ status }) => status === 'fulfilled')) break
  }
  t.ok(lost > 0, 'it was away')
  t.equal((await fetch(`${url}/admin/consumers/con_1`, { headers: AUTH })).status, 200)
  await store.consumers.insert('local', consumer('con_2'))
  while (changes.length === 0) await delay(5)
  t.pass('changes are heard of again')
})

test('admin thread: what keeps it from starting is said in one sentence', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as { port: number }
  const side = await startAdminThread(plan(t, port))
  t.teardown(() => side.close())
  await t.rejects(side.listen(servingThread()), { message: `127.0.0.1:${port} is taken (end the other process, or choose another port with listen.port, admin.port or --port)` })

  const options = plan(t)
  const first = await startAdminThread(options)
  await first.close()
  const other = loadStoreRing({ state: { ...options.state, keyRing: join(tempDir(t), 'keys.json') } as AdminThreadOptions['state'], keys: undefined, log: silent })!
  await t.rejects(startAdminThread({ ...options, ring: other, state: { ...options.state, keyRing: join(tempDir(t), 'keys.json') } as AdminThreadOptions['state'] }), { message: /key ring does not belong to this store/ })
})

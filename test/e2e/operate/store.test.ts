import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { DatabaseSync } from '@photostructure/sqlite'
import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { createApiKey } from '../../../core/state/api-key.js'
import { loadKeyRing } from '../../../core/state/key-ring-source.js'
import type { OpenStore } from '../../../core/state/store.js'
import { sealConfig } from '../../../core/state/sealed-config.js'
import type { Credential, Project } from '../../../core/state/records.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { measureHeldUp } from '../../fixtures/held-up.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { holdLock } from '../../fixtures/sqlite-lock.js'
import { createUpstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'
const ENV = { SLUICE_ADMIN_TOKEN: TOKEN }
const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
baseDomain: gate.example
egress: { allow: [ 127.0.0.0/8 ] }
state: { embedded: { path: ./data } }
projects:
  declared:
    hosts: [ declared.example ]
    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: declared } } ] } ]
`

interface Site {
  readonly directory: string
  readonly sluice: SluiceProcess
  readonly store: OpenStore
  addProject (id: string, more: Partial<Omit<Project, 'config'>>, config?: Record<string, unknown>): Promise<Project>
  addKey (projectId: string): Promise<{ key: string, credential: Credential }>
  ask (host: string, headers?: string): Promise<{ status: number, body: string }>
  /** Asks until the answer is as wished; resolves to how long after the call the first of them was asked, in milliseconds. */
  until (host: string, holds: (answer: { status: number, body: string }) => boolean, headers?: string): Promise<number>
  admin (path: string): Promise<{ status: number, json: Record<string, unknown> }>
  /** Changes the label of a project over the admin API. */
  change (projectId: string, label: string): Promise<{ status: number, ms: number }>
}

async function startSite (t: Test, workers: number): Promise<Site> {
  const directory = t.testdir({ 'gateway.yaml': CONFIG })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--workers', String(workers), '--json'], { env: ENV })
  const port = await sluice.port('data')
  const adminPort = await sluice.port('admin')
  const store = openDocumentStore(await openSqliteEngine({ path: `${directory}/data` }))
  t.teardown(() => store.close())
  const { ring } = loadKeyRing({ text: undefined, file: `${directory}/data/keys.json`, make: false })
  const ask: Site['ask'] = async (host, headers = '') => {
    const { responses: [answer] } = await sendRaw(port, `GET /a HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`, { settleMs: 0 })
    return { status: answer?.status ?? 0, body: String(answer?.body) }
  }
  return {
    directory, sluice, store, ask,
    async addProject (id, more, config) {
      return await store.store.projects.insert('acme', { project_id: id, target_url: null, auth_type: 'none', active: true, api_version: null, config: config === undefined ? null : sealConfig(ring, 'acme', config), written_by: 'tenant', config_version: 1, config_author: 'operator', config_comment: null, ...more })
    },
    async addKey (projectId) {
      const { text, prefix } = createApiKey()
      const credential = await store.store.credentials.insert('acme', {
        credential_id: `key_${prefix}`, project_id: projectId, consumer_id: 'con_1', kind: 'api_key', name: null, prefix, ...ring.digest(text), secret: null, status: 'active', plan_id: null, limits: null,
        allowed_networks: [], require_signature: false, expires_at: null, last_used_at: null, revoked_at: null, replaced_by: null
      })
      return { key: text, credential }
    },
    async until (host, holds, headers) {
      const startedAt = performance.now()
      // Each worker takes connections in turn: so many in a row are asked of all of them.
      let since = startedAt
      for (let row = 0; row < 4 * workers;) {
        const askedAt = performance.now()
        if (!holds(await ask(host, headers))) row = 0
        else if (++row === 1) since = askedAt
      }
      return since - startedAt
    },
    async admin (path) {
      const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { headers: { authorization: `Bearer ${TOKEN}` } })
      return { status: answer.status, json: await answer.json() as Record<string, unknown> }
    },
    async change (projectId, label) {
      const from = performance.now()
      const { status } = await fetch(`http://127.0.0.1:${adminPort}/admin/projects/${projectId}`, {
        method: 'PATCH', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify({ api_version: label })
      })
      return { status, ms: performance.now() - from }
    }
  }
}

for (const workers of [1, 2]) {
  test(`store: what is written into it is served within a second, by ${workers} worker${workers === 1 ? '' : 's'}`, async (t) => {
    const upstream = await createUpstream((req, res) => { res.end(`upstream ${req.url} ${String(req.headers['x-api-key'])}`) })
    t.teardown(() => upstream.close())
    const site = await startSite(t, workers)
    const { store } = site
    t.equal(statSync(`${site.directory}/data/keys.json`).mode & 0o777, 0o600)
    await store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
    await store.store.consumers.insert('acme', { consumer_id: 'con_1', name: 'App', status: 'active', metadata: {} })
    t.equal((await site.ask('shop.gate.example')).status, 404)

    const project = await site.addProject('shop', { target_url: `${upstream.url}/base`, auth_type: 'api_key' })
    const { key, credential } = await site.addKey('shop')
    const served = await site.until('shop.gate.example', ({ status }) => status === 200, `X-API-Key: ${key}\r\n`)
    t.ok(served < 1_000, `served after ${served.toFixed(0)} ms`)
    t.same(await site.ask('shop.gate.example', `X-API-Key: ${key}\r\n`), { status: 200, body: 'upstream /base/a undefined' })
    t.equal((await site.ask('shop.gate.example')).status, 401)

    await store.store.credentials.replace('acme', { ...credential, status: 'revoked', revoked_at: new Date().toISOString() })
    const revoked = await site.until('shop.gate.example', ({ status }) => status === 401, `X-API-Key: ${key}\r\n`)
    t.ok(revoked < 1_000, `the key is dead after ${revoked.toFixed(0)} ms`)

    const open = await store.store.projects.replace('acme', { ...project, auth_type: 'none' })
    t.ok(await site.until('shop.gate.example', ({ status }) => status === 200) < 1_000, 'a change')
    const wrong = await store.store.projects.replace('acme', { ...open, target_url: 'http://169.254.169.254' })
    await site.sluice.logged('a project of the store can not be served')
    t.equal((await site.ask('shop.gate.example')).status, 200, 'a version that can not be served leaves the one before')
    const refused = (status: Record<string, unknown>): boolean => (status['workers'] as { store: { refused: object[] } }[]).every((worker) => worker.store.refused.length > 0)
    let { json } = await site.admin('/status')
    while (!refused(json)) json = (await site.admin('/status')).json
    t.match(json, { dependencies: { store: { engine: 'embedded', ok: true } } })
    for (const worker of json['workers'] as object[]) t.match(worker, { store: { state: 'fresh', projects: 1, refused: [{ projectId: 'shop', servesBefore: true, findings: [{ message: '"169.254.169.254" is not a public address' }] }] } })
    await store.store.projects.remove('acme', 'shop', wrong.rev)
    t.ok(await site.until('shop.gate.example', ({ status }) => status === 404) < 1_000, 'and when it is removed')
    t.equal((await site.ask('declared.example')).body, 'declared')
    site.sluice.kill('SIGTERM')
    t.same(await site.sluice.exited, { code: 0, signal: null })
  })
}

test('store: a node that starts again serves what the store has, before it says that it is ready', async (t) => {
  const site = await startSite(t, 1)
  await site.store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  await site.addProject('shop', {}, { routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: 'from the store' } }] }] })
  await site.until('shop.gate.example', ({ status }) => status === 200)
  site.sluice.kill('SIGKILL')
  await site.sluice.exited
  const again = startSluice(t, ['start', '-c', `${site.directory}/gateway.yaml`, '--json'], { env: ENV })
  const { responses: [answer] } = await sendRaw(await again.port('data'), 'GET / HTTP/1.1\r\nHost: shop.gate.example\r\n\r\n')
  t.equal(String(answer?.body), 'from the store')
})

test('store: a gateway whose store is gone serves on, says that it is degraded, and takes it up again when it is back', async (t) => {
  const site = await startSite(t, 1)
  await site.store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  await site.addProject('shop', {}, { routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: 'from the store' } }] }] })
  await site.until('shop.gate.example', ({ status }) => status === 200)
  t.same((await site.admin('/readyz')).json, { status: 'ready' })
  const { directory } = site
  renameSync(`${directory}/data`, `${directory}/away`)
  await (async () => { while ((await site.admin('/readyz')).json['status'] !== 'degraded') await new Promise((resolve) => { setTimeout(resolve, 100) }) })()
  t.same(await site.admin('/readyz'), { status: 200, json: { status: 'degraded', reasons: ['the store does not answer'] } })
  t.same([(await site.ask('shop.gate.example')).body, (await site.ask('declared.example')).body], ['from the store', 'declared'])
  t.match((await site.admin('/status')).json, { dependencies: { store: { ok: false, error: /gone/ } } })
  renameSync(`${directory}/away`, `${directory}/data`)
  await (async () => { while ((await site.admin('/readyz')).json['status'] !== 'ready') await new Promise((resolve) => { setTimeout(resolve, 100) }) })()
  await site.addProject('new', {}, { routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: 'new' } }] }] })
  await site.until('new.gate.example', ({ body }) => body === 'new')
})

test('store: while another process holds the lock of the store changes are refused within a second, however many wait, and requests are served', async (t) => {
  const site = await startSite(t, 1)
  await site.store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  await site.addProject('shop', {}, { routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: 'from the store' } }] }] })
  await site.until('shop.gate.example', ({ status }) => status === 200)
  t.equal((await site.change('shop', 'before')).status, 200)
  await holdLock(`${site.directory}/data/store.db`, async () => {
    const heldUp = measureHeldUp()
    for (let round = 0; round < 2; round++) {
      for (const { status, ms } of await Promise.all(Array.from({ length: 4 }, () => site.change('shop', 'nobody sees it')))) {
        t.equal(status, 503)
        t.ok(ms < 1_000 + 4 * heldUp.ms, `503 after ${ms.toFixed(0)} ms (held up for ${heldUp.ms.toFixed(0)} ms)`)
      }
    }
    heldUp.end()
    t.equal((await site.ask('shop.gate.example')).body, 'from the store')
    while ((await site.admin('/readyz')).json['status'] !== 'degraded') await new Promise((resolve) => { setTimeout(resolve, 20) })
  })
  const freeAt = performance.now()
  while ((await site.change('shop', 'after')).status !== 200) await new Promise((resolve) => { setTimeout(resolve, 20) })
  while ((await site.admin('/readyz')).json['status'] !== 'ready') await new Promise((resolve) => { setTimeout(resolve, 20) })
  t.ok(performance.now() - freeAt < 10_000)
})

test('store: an older copy that takes the place of the store is served without a restart, by every worker', async (t) => {
  const site = await startSite(t, 2)
  const { directory } = site
  const respond = (body: string): Record<string, unknown> => ({ routes: [{ match: { path: '/*' }, plugins: [{ respond: { body } }] }] })
  const { ring } = loadKeyRing({ text: undefined, file: `${directory}/data/keys.json`, make: false })
  await site.store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  const project = await site.addProject('shop', {}, respond('older'))
  await site.until('shop.gate.example', ({ body }) => body === 'older')
  const copy = new DatabaseSync(`${directory}/data/store.db`)
  copy.exec(`VACUUM INTO '${directory}/older.db'`)
  copy.close()
  await site.store.store.projects.replace('acme', { ...project, config: sealConfig(ring, 'acme', respond('newer')) })
  await site.addProject('new', {}, respond('new'))
  await site.until('shop.gate.example', ({ body }) => body === 'newer')
  await site.until('new.gate.example', ({ body }) => body === 'new')
  await site.store.close()
  const from = performance.now()
  for (const end of ['', '-wal', '-shm']) renameSync(`${directory}/data/store.db${end}`, `${directory}/before.db${end}`)
  t.equal((await site.ask('shop.gate.example')).body, 'newer', 'while there is none')
  renameSync(`${directory}/older.db`, `${directory}/data/store.db`)
  await site.until('shop.gate.example', ({ body }) => body === 'older')
  await site.until('new.gate.example', ({ status }) => status === 404)
  t.ok(performance.now() - from < 20_000)
  while ((await site.change('shop', 'after')).status !== 200) await new Promise((resolve) => { setTimeout(resolve, 20) })
})

test('store: a node whose store is gone at the start serves its last view, which is sealed, until the store is back', async (t) => {
  const site = await startSite(t, 2)
  const { directory } = site
  await site.store.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  await site.store.store.consumers.insert('acme', { consumer_id: 'con_1', name: 'App', status: 'active', metadata: {} })
  await site.addProject('shop', {}, { routes: [{ match: { path: '/*' }, plugins: ['api-key', { respond: { body: 'from the store' } }] }] })
  const { key } = await site.addKey('shop')
  await site.until('shop.gate.example', ({ status }) => status === 200, `X-API-Key: ${key}\r\n`)
  site.sluice.kill('SIGTERM')
  await site.sluice.exited
  const snapshot = `${directory}/data/directory.snapshot`
  t.equal(statSync(snapshot).mode & 0o777, 0o600)
  t.notOk(/acme|con_1|from the store/.test(readFileSync(snapshot, 'latin1')))
  await site.store.close()
  for (const file of readdirSync(`${directory}/data`)) if (file.startsWith('store.db')) renameSync(`${directory}/data/${file}`, `${directory}/${file}`)
  // What takes the store's place can not be opened.
  mkdirSync(`${directory}/data/store.db`)
  const again = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--json'], { env: ENV })
  const port = await again.port('data')
  const ask = async (headers: string): Promise<number | undefined> => (await sendRaw(port, `GET / HTTP/1.1\r\nHost: shop.gate.example\r\n${headers}Connection: close\r\n\r\n`, { settleMs: 0 })).responses[0]?.status
  t.same([await ask(`X-API-Key: ${key}\r\n`), await ask('')], [200, 401])
  t.match(again.stderr(), /the last view of it is served/)
  rmSync(`${directory}/data/store.db`, { recursive: true })
  for (const file of readdirSync(directory)) if (file.startsWith('store.db')) renameSync(`${directory}/${file}`, `${directory}/data/${file}`)
  const backAt = performance.now()
  const store = openDocumentStore(await openSqliteEngine({ path: `${directory}/data` }))
  t.teardown(() => store.close())
  const [credential] = await store.store.credentials.list('acme', { limit: 1 })
  if (credential === undefined) throw new Error('it is there')
  await store.store.credentials.replace('acme', { ...credential, status: 'revoked' })
  while (await ask(`X-API-Key: ${key}\r\n`) === 200) await new Promise((resolve) => { setTimeout(resolve, 100) })
  t.ok(performance.now() - backAt < 10_000, 'the store is taken up again within 10 s')
})

test('store: a node whose store is gone at the start, and that has no last view of it, says so and does not start', async (t) => {
  const directory = t.testdir({ 'gateway.yaml': CONFIG, data: { 'store.db': {} } })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`], { env: ENV })
  t.match(await sluice.exited, { code: 1 })
  t.match(sluice.stderr(), /the store does not answer .*there is no snapshot of the store's directory/)
})

test('store: a folder that can not be written leaves a gateway that serves its files; a key ring that others can read has to be mended', async (t) => {
  const directory = t.testdir({ 'gateway.yaml': CONFIG })
  writeFileSync(`${directory}/data`, 'a file where the folder should be')
  const args = ['start', '-c', `${directory}/gateway.yaml`, '--json']
  const blocked = startSluice(t, args, { env: ENV })
  const { responses: [answer] } = await sendRaw(await blocked.port('data'), 'GET / HTTP/1.1\r\nHost: declared.example\r\n\r\n')
  t.equal(String(answer?.body), 'declared')
  t.equal((await (await fetch(`http://127.0.0.1:${await blocked.port('admin')}/readyz`)).json() as { status: string }).status, 'degraded')
  t.match(await blocked.logged('there is no store: its folder can not be written; what files declare is served'), { level: 'warn' })
  blocked.kill('SIGTERM')
  t.equal((await blocked.exited).code, 0)

  rmSync(`${directory}/data`)
  mkdirSync(`${directory}/data`)
  const first = startSluice(t, args, { env: ENV })
  await first.port('data')
  first.kill('SIGTERM')
  await first.exited
  t.ok(existsSync(`${directory}/data/store.db`), 'made on the first start')
  chmodSync(`${directory}/data/keys.json`, 0o644)
  const refused = startSluice(t, args, { env: ENV })
  t.equal((await refused.exited).code, 1)
  t.match(refused.stdout(), /open to others, mode 0644.*chmod 600/)
  rmSync(`${directory}/data/keys.json`)
  const strange = startSluice(t, args, { env: ENV })
  t.equal((await strange.exited).code, 1)
  t.match(strange.stdout(), /the key ring does not belong to this store.*bring that ring back/)
})

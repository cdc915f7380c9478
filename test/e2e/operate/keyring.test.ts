import { test } from 'tap'
import { createApiKey } from '../../../core/state/api-key.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { loadKeyRing } from '../../../core/state/key-ring-source.js'
import type { Credential } from '../../../core/state/records.js'
import { sealConfig } from '../../../core/state/sealed-config.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { runCli } from '../../fixtures/cli.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { credential, project } from '../../fixtures/store-records.js'
import { createUpstream } from '../../fixtures/upstream.js'

const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
admin: false
baseDomain: gate.example
egress: { allow: [ 127.0.0.0/8 ] }
state: { embedded: { path: ./data } }
`
const PLACE = { collection: 'credentials', field: 'secret' }

test('keyring: a rotation of key and pepper beside running workers fails no request, new keys are taken, and old ones go on', { timeout: 120_000 }, async (t) => {
  const upstream = await createUpstream((_req, res) => { res.end('served') })
  t.teardown(() => upstream.close())
  const directory = t.testdir({ 'gateway.yaml': CONFIG })
  const file = `${directory}/gateway.yaml`
  const sluice = startSluice(t, ['start', '-c', file, '--workers', '2', '--json'])
  let port = await sluice.port('data')
  const open = openDocumentStore(await openSqliteEngine({ path: `${directory}/data` }))
  t.teardown(() => open.close())
  const { ring } = loadKeyRing({ text: undefined, file: `${directory}/data/keys.json`, make: false })
  const before = ring.content()
  const ask = async (key: string): Promise<number> => {
    const { responses: [answer] } = await sendRaw(port, `GET /a HTTP/1.1\r\nHost: shop.gate.example\r\nX-API-Key: ${key}\r\nConnection: close\r\n\r\n`, { settleMs: 0 })
    return answer?.status ?? 0
  }
  // Each worker takes connections in turn: so many in a row are asked of all of them.
  const takenByAll = async (key: string): Promise<void> => {
    for (let row = 0; row < 8;) row = await ask(key) === 200 ? row + 1 : 0
  }
  const addKey = async (): Promise<{ key: string, record: Credential }> => {
    const { text, prefix } = createApiKey()
    return { key: text, record: await open.store.credentials.insert('acme', credential(`key_${prefix}`, { prefix, ...ring.digest(text), secret: ring.seal('acme', PLACE, `secret of ${text}`) })) }
  }
  await open.store.accounts.insert('acme', { name: 'Acme', email: null, status: 'active' })
  await open.store.consumers.insert('acme', { consumer_id: 'c1', name: 'App', status: 'active', metadata: {} })
  await open.store.projects.insert('acme', project('shop', { target_url: upstream.url, auth_type: 'api_key' }))
  const [header, path] = ['x-partner', '/b']
  const config = { upstreams: { u: { targets: [upstream.url] } }, routes: [{ match: { path }, upstream: 'u', plugins: [{ headers: { response: { set: { [header]: 'canary' } } } }] }] }
  await open.store.projects.insert('acme', project('till', { target_url: null, config: sealConfig(ring, 'acme', config) }))
  const first = await addKey()
  for (let index = 0; index < 50; index++) await addKey()
  await takenByAll(first.key)

  const rotation = new AbortController()
  const statuses = new Map<number, number>()
  const traffic = (async () => {
    while (!rotation.signal.aborted) {
      const status = await ask(first.key)
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  })()
  const rotated = await runCli(t, ['keyring', 'rotate', '--peppers', '--json', '-c', file])
  rotation.abort()
  await traffic
  t.match(rotated, { code: 0, stderr: '' })
  t.match(JSON.parse(rotated.stdout), { ok: true, records: 53, resealed: 52 })
  t.strictSame([...statuses.keys()], [200], `${statuses.get(200)} requests`)

  const second = await addKey()
  t.equal(second.record.pepper_id, ring.content().peppers.active)
  t.not(second.record.pepper_id, before.peppers.active)
  await takenByAll(second.key)
  t.equal(await ask(first.key), 200)
  t.match(await runCli(t, ['keyring', 'retire', before.encryption.active, '--yes', '-c', file]), { code: 0, stdout: /is gone from/ })
  t.match(await runCli(t, ['keyring', 'retire', before.peppers.active, '--yes', '-c', file]), { code: 1, stderr: /51 keys and tokens were made with pep_/ })
  sluice.kill('SIGTERM')
  t.match(await sluice.exited, { code: 0 })

  const again = startSluice(t, ['start', '-c', file, '--json'])
  port = await again.port('data')
  await takenByAll(first.key)
  await takenByAll(second.key)
  t.match(await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: till.gate.example\r\nConnection: close\r\n\r\n`, { settleMs: 0 }), { responses: [{ status: 200 }] }, 'what was sealed with a key that is gone is served from what was sealed anew')
  const kept = await open.store.credentials.get('acme', first.record.credential_id)
  t.equal(ring.open('acme', PLACE, kept!.secret!), `secret of ${first.key}`)
  again.kill('SIGTERM')
  await again.exited
  // What a gateway says of its keys names them at most.
  const said = sluice.stdout() + sluice.stderr() + again.stdout() + again.stderr() + rotated.stdout
  for (const { key } of [...ring.content().encryption.keys, ...before.encryption.keys, ...ring.content().peppers.keys]) t.notOk(said.includes(key.export().toString('base64url')))
  t.notMatch(said, 'secret of')
})

test('keyring: a gateway refuses to start without the ring of its store, and says what to do', { timeout: 120_000 }, async (t) => {
  const directory = t.testdir({ 'gateway.yaml': CONFIG, 'shared.yaml': `${CONFIG.replace(/^state:.*$/m, 'state: { mongodb: { url: "mongodb://127.0.0.1:9/x" } }')}` })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--json'])
  await sluice.port('data')
  sluice.kill('SIGTERM')
  await sluice.exited
  const other = (await runCli(t, ['keyring', 'new', '--print'])).stdout
  for (const [file, keys, message] of [
    ['gateway.yaml', other, /the key ring does not belong to this store: the key ring has no key enc_\w+.*bring that ring back/],
    ['gateway.yaml', other.slice(0, -20), /SLUICE_KEYS.* is not JSON \(bring back a copy/],
    ['shared.yaml', '', /there is no key ring, and every node of a shared store needs the same \(make one with `sluice keyring new/]
  ] as const) {
    const refused = startSluice(t, ['start', '-c', `${directory}/${file}`], { env: { SLUICE_KEYS: keys } })
    t.match(await refused.exited, { code: 1 })
    t.match(refused.stderr(), message)
    const [, secret = 'none'] = /"key":"([^"]+)"/.exec(other) ?? []
    t.notOk(refused.stderr().includes(secret))
  }
})

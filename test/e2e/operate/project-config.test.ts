import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'

const TOKEN = 'a-token-of-some-length'

test('project config: a tenant writes its project in YAML or JSON, which serves within a second, or is told what is wrong and where', async (t) => {
  const directory = t.testdir({ 'gateway.yaml': 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nplugins: [ { security-headers: {}, locked: true } ]\nprojects: {}\n' })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const adminPort = await sluice.port('admin')
  const admin = async (token: string, method: string, path: string, body?: string, type = 'application/json', more: Record<string, string> = {}): Promise<{ status: number, etag: string | null, json: Record<string, unknown> }> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': type }), ...more }, ...(body === undefined ? {} : { body }) })
    return { status: answer.status, etag: answer.headers.get('etag'), json: await answer.json() as Record<string, unknown> }
  }
  t.equal((await admin(TOKEN, 'POST', '/admin/accounts', '{ "customer_id": "acme", "name": "Acme" }')).status, 201)
  t.equal((await admin(TOKEN, 'POST', '/admin/projects', '{ "customer_id": "acme", "project_id": "shop", "target_url": "https://api.example.com", "auth_type": "none" }')).status, 201)
  const made = await admin(TOKEN, 'POST', '/admin/tokens', '{ "customer_id": "acme", "name": "t", "role": "admin" }')
  const tenant = made.json['token'] as string
  t.equal(typeof tenant, 'string', JSON.stringify(made.json))
  const path = '/admin/projects/shop/config'

  t.match(await admin(tenant, 'GET', `${path}?effective=true`), { status: 200, json: { hosts: ['shop.localhost'], upstreams: { target: { targets: ['https://api.example.com'] } }, routes: [{ id: 'all', match: { path: '/*' }, upstream: 'target' }] } })
  const put = await admin(tenant, 'PUT', path, 'routes:\n  - match: { path: "/*" }\n    plugins: [ { respond: { body: "from YAML" } } ]\n', 'application/yaml')
  const putAt = performance.now()
  t.equal(put.status, 200, JSON.stringify(put.json))
  const ask = async (): Promise<string> => {
    const { responses: [answer] } = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: shop.localhost\r\nConnection: close\r\n\r\n', { settleMs: 0 })
    return String(answer?.body)
  }
  while (await ask() !== 'from YAML');
  t.ok(performance.now() - putAt < 1_000, `served after ${(performance.now() - putAt).toFixed(0)} ms`)
  t.same((await admin(tenant, 'GET', path)).json, put.json)

  const refused: [text: string, line: number, column: number, message: RegExp][] = [
    ['routes:\n  - match: { path: "/*" }\n    upstream: u\nupstreams:\n  u: { targets: [ "http://127.0.0.1:8081" ] }\n', 5, 19, /not a public address/],
    ['routes:\n  - match: { path: "/*" }\n    upstream: u\nupstreams:\n  u: { targets: [ "https://api.example.com:0" ] }\n', 5, 19, /port 0/],
    ['routes:\n  - match: { path: "/*" }\n    plugins: [ { use: ./x.ts } ]\n', 3, 23, /plugin of one's own/],
    ['routes: []\nlisten: { port: 1 }\n', 2, 1, /gateway as a whole/],
    ['routes: []\nhosts: [ bank.example ]\n', 2, 10, /not a verified domain/],
    ['routes: []\nbasePath: "${HOME}"\n', 2, 11, /environment of the gateway/],
    ['routes: [\n', 2, 1, /not YAML/]
  ]
  for (const [text, line, column, message] of refused) {
    const { status, json } = await admin(tenant, 'PUT', path, text, 'application/yaml')
    t.equal(status, 400, text)
    t.match(json, { error: { code: 'VALIDATION_ERROR', details: { reason: 'config_refused', findings: [{ message, remedy: /./, position: { file: 'config', line, column } }] } } }, text)
  }
  const unlocked = await admin(tenant, 'PUT', path, '{ "routes": [ { "match": { "path": "/*" } } ], "plugins": [ { "security-headers": false } ] }')
  t.match(unlocked, { status: 400, json: { error: { details: { reason: 'config_refused', findings: [{ message: /locked/ }] } } } }, 'what the gateway locks stays')
  t.equal(await ask(), 'from YAML', 'the one before keeps serving')

  t.equal((await admin(tenant, 'PUT', path, '{ "routes": [] }', 'application/json', { 'if-match': '"1"' })).status, 412)
  t.equal((await admin(tenant, 'PUT', path, '{ "routes": [ { "match": { "path": "/*" }, "plugins": [ { "respond": { "body": "from JSON" } } ] } ] }', 'application/json', { 'if-match': put.etag ?? '' })).status, 200)
  while (await ask() !== 'from JSON');
  t.equal((await admin(tenant, 'POST', '/admin/projects', 'target_url: x\n', 'application/yaml')).status, 415, 'nothing else takes YAML')
  t.match(await admin(tenant, 'GET', '/admin/projects/other/config'), { status: 404 })
})

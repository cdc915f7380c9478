import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { createProgram } from '../../../bin/program.js'
import { keepTerminal } from '../../fixtures/cli.js'
import { startSluice } from '../../fixtures/sluice-process.js'

const TOKEN = 'sat_for-tests-0123456789'
const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
state: { embedded: { path: ./data } }
projects:
  declared:
    hosts: [ declared.example ]
    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: declared } } ] } ]
`

async function status (url: string, ...flags: string[]): Promise<string> {
  const terminal = keepTerminal({ SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN })
  await createProgram(terminal).parseAsync(['node', 'sluice', 'status', ...flags])
  process.exitCode = undefined
  return [...terminal.out, ...terminal.errors].join('\n')
}

test('status: the gateway as a whole, with its workers, store, directory, key ring and counts', async (t) => {
  const directory = t.testdir({ 'gateway.yaml': CONFIG })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--workers', '2', '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const url = `http://127.0.0.1:${await sluice.port('admin')}`
  const call = async (method: string, path: string, body?: object): Promise<Record<string, never>> => {
    const answer = await fetch(url + path, { method, headers: { authorization: `Bearer ${TOKEN}`, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
    return await answer.json() as Record<string, never>
  }
  const { api_key: key } = await call('POST', '/', { target_url: 'http://127.0.0.1:9' })
  let system = await call('GET', '/admin/system')
  // A change is in the directory before it is built and served.
  const behind = ({ directory, workers }: Record<string, unknown>): boolean => (directory as { changesBehind: number }).changesBehind > 0 || (workers as { projects: number }[]).some(({ projects }) => projects < 2)
  for (const end = Date.now() + 10_000; Date.now() < end && behind(system);) system = await call('GET', '/admin/system')
  t.match(system, {
    version: /^\d/, node: process.version, ready: true, startedAt: String, uptimeSeconds: Number, config: { file: /gateway\.yaml$/, environment: null, lastReload: null },
    listeners: [{ name: 'data' }], workers: [{ ready: true, store: { state: 'fresh' } }, { ready: true }],
    store: { engine: 'embedded', ok: true, failingSince: null, format: { version: Number, pending: [], applied: [{ version: 1, name: 'first-records', appliedAt: String }] } },
    directory: { state: 'fresh', changesBehind: 0, holds: { projects: 1, credentials: 1, consumers: 1 } },
    records: { projects: 1, credentials: 1, audit_records: 4 }, limits: { api: { bulkItems: 500 } }
  })
  const { encryption, peppers } = system['keyRing'] as unknown as Record<string, { active: string, keys: { id: string, createdAt: string }[] }>
  for (const ring of [encryption, peppers]) {
    t.same(Object.keys(ring!).sort(), ['active', 'keys'])
    t.same(ring!.keys.map((one) => Object.keys(one).sort()), [['createdAt', 'id']], 'ids, and no key')
    t.equal(ring!.active, ring!.keys[0]?.id)
  }
  t.notOk(JSON.stringify(system).includes(String(key)))

  const text = await status(url)
  for (const line of [/^gateway +ready, up .*, version \d.* on Node v/, /config +.*gateway\.yaml/, /listens +http:.* \(data\)/, /worker +\d+: ready, 0 requests under way, 2 projects/, /store +embedded answers in [\d.]+ ms, format (\d+) of \1/, /directory +fresh, \d+ ms old, 0 changes behind; holds .*1 projects/, /key ring +encrypts with \S+ \(of 1\)/, /records +1 projects.*4 audit records/]) t.match(text, line)
  t.match(JSON.parse(await status(url, '--json')), { version: system['version'], records: { projects: 1 } })
})

/** A port that answers `/status` alone, as that of a gateway without a store. */
async function statusPort (t: Test, body: object): Promise<string> {
  const server = createServer((request, response) => { response.writeHead(request.url === '/status' ? 200 : 404, { 'content-type': 'application/json' }).end(JSON.stringify(request.url === '/status' ? body : {})) })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

test('status: of a gateway without a store, what /status knows', async (t) => {
  const url = await statusPort(t, {
    version: '0.1.0', node: 'v20.0.0', ready: false, uptimeSeconds: 93_784, config: { file: 'a\u001b[2Jb.yaml', environment: 'staging' }, listeners: [],
    lastReload: { ok: false, at: '2026-11-26T00:00:00.000Z', findings: [{ text: 'a.yaml:1:1 x: is wrong (mend it)' }] }, dependencies: { store: null }, workers: []
  })
  t.equal(await status(url), [
    'gateway    not ready, up 1 d 2 h, version 0.1.0 on Node v20.0.0',
    'config     a\\x1b[2Jb.yaml with staging, the last reload was refused 2026-11-26T00:00:00.000Z',
    '           a.yaml:1:1 x: is wrong (mend it)',
    'store      none'
  ].join('\n'))
  t.match(JSON.parse(await status(url, '--json')), { version: '0.1.0', dependencies: { store: null } })
})

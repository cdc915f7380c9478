import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { lintFamilies, parseExposition, type Family } from '../../fixtures/exposition.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'admin-token-0123456789'
const SECRET = 'hunter2-never-shown'
const { version } = JSON.parse(readFileSync(fileURLToPath(new URL('../../../../package.json', import.meta.url)), 'utf8')) as { version: string }

function config (routes: readonly string[]): string {
  return `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
state: { embedded: { path: ./data } }
accessLog: { redact: [ x-session ] }
projects:
  shop:
    upstreams:
      echo: { builtin: echo }
      away: { targets: [ "http://127.0.0.1:9", "http://127.0.0.1:\${AWAY_PORT}" ] }
    plugins: [ headers: { request: { set: { x-api-key: "\${API_KEY}", authorization: "${SECRET}" } } } ]
    routes:
${routes.map((id) => `      - { id: ${id}, match: { path: /${id} }, upstream: echo }\n`).join('')}
environments:
  staging: { projects: { shop: { basePath: /staged } } }
`
}

test('admin port: every endpoint, with and without the token', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), config(['one', 'two']))
  const sluice = startSluice(t, ['start', '--json', '--env', 'staging'], { cwd, env: { SLUICE_ADMIN_TOKEN: TOKEN, API_KEY: SECRET, AWAY_PORT: '9' } })
  const [data, admin] = [await sluice.port('data'), await sluice.port('admin')]
  const ask = async (path: string, init: RequestInit = {}, token: string | null = TOKEN): Promise<{ status: number, text: string, headers: Headers, json (): Record<string, unknown> }> => {
    const answer = await fetch(`http://127.0.0.1:${admin}${path}`, { ...init, headers: token === null ? {} : { authorization: `Bearer ${token}` } })
    const text = await answer.text()
    return { status: answer.status, text, headers: answer.headers, json: () => JSON.parse(text) as Record<string, unknown> }
  }
  const families = async (): Promise<Map<string, Family>> => parseExposition((await ask('/metrics')).text)

  for (const path of ['/livez', '/readyz']) t.equal((await ask(path, {}, null)).status, 200, `${path} is open`)
  for (const [method, path] of [['GET', '/metrics'], ['GET', '/status'], ['GET', '/config'], ['POST', '/reload'], ['GET', '/'], ['GET', '/nothing']] as const) {
    const without = await ask(path, { method }, null)
    t.equal(without.status, 401, `${method} ${path} needs the token`)
    t.match(without.json(), { error: { code: 'AUTHENTICATION_ERROR', requestId: String } })
  }
  t.equal((await ask('/status', {}, 'another-token-0123456789')).status, 401)
  t.equal((await ask('/nothing')).status, 404)

  t.match((await ask('/status')).json(), {
    version, node: process.version, pid: sluice.pid, ready: true, uptimeSeconds: Number,
    config: { file: join(cwd, 'gateway.config.yaml'), environment: 'staging' },
    listeners: [{ name: 'data', url: `http://127.0.0.1:${data}` }],
    lastReload: null,
    workers: [{ pid: sluice.pid, ready: true, projects: 1, routes: 2, requests: 0, rssBytes: Number }]
  })

  const shown = await ask('/config')
  t.match(shown.headers.get('content-type'), /^application\/json/)
  t.equal(shown.headers.get('cache-control'), 'no-store')
  t.match(shown.json(), { projects: { shop: { basePath: '/staged', upstreams: { away: { targets: [String, 'http://127.0.0.1:${AWAY_PORT}'] } }, plugins: [{ headers: { request: { set: { 'x-api-key': '${API_KEY}', authorization: '***' } } } }] } } }, 'the overlay is in it, references are as they are written, secrets are masked')
  t.notMatch(shown.text, SECRET)

  for (const id of ['one', 'two', 'none']) await fetch(`http://127.0.0.1:${data}/staged/${id}`)
  const before = await families()
  t.strictSame(lintFamilies(before), [])
  t.match(before.get('sluice_build_info')?.samples[0]?.labels, { version, node: process.version })
  t.equal(before.get('sluice_access_log_dropped_total')?.samples[0]?.value, 0)
  const wanted = ['sluice_requests_total', 'sluice_request_duration_seconds', 'sluice_upstream_duration_seconds', 'sluice_upstream_connections', 'sluice_refusals_total', 'sluice_reloads_total',
    'sluice_event_loop_delay_p99_seconds', 'sluice_open_connections', 'sluice_requests_in_flight', 'process_resident_memory_bytes']
  t.strictSame(wanted.filter((name) => !before.has(name)), [])
  const routesOf = (all: Map<string, Family>): string[] => [...new Set(all.get('sluice_requests_total')?.samples.map(({ labels }) => `${labels['project'] ?? ''}/${labels['route'] ?? ''}`))].sort()
  t.strictSame(routesOf(before), ['shop/', 'shop/one', 'shop/two'])

  writeFileSync(join(cwd, 'gateway.config.yaml'), config(['one', 'three']))
  t.equal((await ask('/reload', { method: 'POST' })).status, 200)
  await fetch(`http://127.0.0.1:${data}/staged/three`)
  t.strictSame(routesOf(await families()), ['shop/', 'shop/one', 'shop/three'], 'the series of a route that is gone are gone')
  writeFileSync(join(cwd, 'gateway.config.yaml'), config([]).replace('routes:\n', 'routes: []\n').replace('  shop:\n', '  other:\n').replace('{ shop: {', '{ other: {'))
  t.equal((await ask('/reload', { method: 'POST' })).status, 200)
  t.strictSame(routesOf(await families()), [], 'and those of a project')

  const hostile = await fetch(`http://127.0.0.1:${data}/${'x"\\n'.repeat(50)}`)
  t.ok(hostile.status >= 400)
  t.strictSame(lintFamilies(await families()), [], 'what clients send is no label')
  t.notMatch(sluice.stderr(), SECRET)
})

test('admin port: wrong tokens in a row lock their peer out, and probes go on', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { host: 127.0.0.1, port: 0 }\n')
  const sluice = startSluice(t, ['start', '--json'], { cwd, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const admin = await sluice.port('admin')
  const ask = async (path: string, token: string): Promise<number> => (await fetch(`http://127.0.0.1:${admin}${path}`, { headers: { authorization: `Bearer ${token}` } })).status
  t.equal(await ask('/status', TOKEN), 200)
  for (let i = 0; i < 10; i++) t.equal(await ask('/status', `wrong-token-of-somebody-${i}`), 401)
  t.equal(await ask('/status', TOKEN), 429)
  t.equal(await ask('/livez', 'wrong'), 200)
})

test('admin port: switched off, there is none, and no token is made', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), 'listen: { host: 127.0.0.1, port: 0 }\nadmin: false\n')
  const sluice = startSluice(t, ['start'], { cwd })
  await sluice.until(() => /data listens on/.exec(sluice.stdout())?.[0])
  sluice.kill('SIGTERM')
  t.equal((await sluice.exited).code, 0)
  t.notMatch(sluice.stdout(), 'admin')
})

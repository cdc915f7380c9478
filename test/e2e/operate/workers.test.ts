import { writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { createCluster } from '../../../bin/cluster.js'
import { createLogger } from '../../../core/observe/logger.js'
import { parseExposition } from '../../fixtures/exposition.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'workers-token-0123456789'
const ROOT = `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
accessLog: false
workers: 2
`

function projectText (version: string): string {
  return `${ROOT}projects: { a: { routes: [ { id: v, match: { path: /v }, plugins: [ respond: { status: 200, body: "${version}" } ] } ] } }\n`
}

interface WorkerStatus { pid: number, ready: boolean, lastReload: unknown }

interface Story {
  cwd: string
  sluice: SluiceProcess
  data: number
  write (text: string): void
  admin (path: string, method?: string): Promise<{ status: number, text: string }>
  workers (): Promise<WorkerStatus[]>
  /** A request on a connection of its own: connections go to the workers in turn. */
  ask (path?: string): Promise<string>
}

async function story (t: Test, config: string, args: readonly string[] = [], covered = false): Promise<Story> {
  const cwd = tempDir(t)
  const write = (text: string): void => { writeFileSync(join(cwd, 'gateway.config.yaml'), text) }
  write(config)
  const sluice = startSluice(t, ['start', '--json', ...args], { cwd, covered, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const [data, adminPort] = [await sluice.port('data'), await sluice.port('admin')]
  const admin = async (path: string, method = 'GET'): Promise<{ status: number, text: string }> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}` } })
    return { status: answer.status, text: await answer.text() }
  }
  return {
    cwd,
    sluice,
    data,
    write,
    admin,
    workers: async () => (JSON.parse((await admin('/status')).text) as { workers: WorkerStatus[] }).workers,
    async ask (path = '/v') {
      const { responses: [answer] } = await sendRaw(data, `GET ${path} HTTP/1.1\r\nHost: any.example\r\nConnection: close\r\n\r\n`, { untilClose: true })
      return answer?.status === 200 ? answer.body.toString() : String(answer?.status)
    }
  }
}

async function becomes<T> (read: () => Promise<T>, fits: (value: T) => boolean): Promise<T> {
  for (const until = performance.now() + 15_000; performance.now() < until;) {
    const value = await read()
    if (fits(value)) return value
    await delay(50)
  }
  throw new Error('it never became so')
}

test('workers: one that is killed is replaced, and the others serve meanwhile', async (t) => {
  const { sluice, workers, ask, admin } = await story(t, projectText('1'))
  const counted = async (): Promise<number | undefined> => parseExposition((await admin('/metrics')).text).get('sluice_requests_total')?.samples.reduce((sum, { value }) => sum + value, 0)
  for (let i = 0; i < 10; i++) await ask()
  t.equal(await counted(), 10)
  const before = await workers()
  t.equal(before.length, 2)
  t.ok(before.every(({ ready, pid }) => ready && pid !== sluice.pid))
  process.kill(before[0]?.pid as number, 'SIGKILL')
  const ended = await sluice.logged('a worker ended; it is being replaced')
  t.match(ended, { level: 'error', worker: before[0]?.pid, signal: 'SIGKILL', delayMs: Number })
  for (let i = 0; i < 6; i++) t.equal(await ask(), '1', 'still served')
  await sluice.logged('a replacement worker is ready')
  const after = await becomes(workers, (all) => all.length === 2)
  t.ok(after.some(({ pid }) => pid === before[1]?.pid) && !after.some(({ pid }) => pid === before[0]?.pid))
  t.equal((await admin('/readyz')).status, 200)
  const families = parseExposition((await admin('/metrics')).text)
  t.equal(families.get('sluice_worker_replacements_total')?.samples[0]?.value, 1)
  t.equal(families.get('sluice_workers')?.samples[0]?.value, 2)
  t.equal(await counted(), 16, 'what the killed one had counted is still there')
})

test('workers: reload, metrics and stop cover all of them', async (t) => {
  const { sluice, workers, ask, write, admin } = await story(t, projectText('1'), [], true)
  for (let i = 0; i < 10; i++) await ask()
  const requests = parseExposition((await admin('/metrics')).text).get('sluice_requests_total')
  t.equal(requests?.samples.filter(({ labels }) => labels['route'] === 'v').reduce((sum, { value }) => sum + value, 0), 10, 'requests of both are added up')
  write(projectText('2'))
  const reloaded = await admin('/reload', 'POST')
  t.equal(reloaded.status, 200)
  for (let i = 0; i < 6; i++) t.equal(await ask(), '2', 'each worker serves the new one when the reload has ended')
  write(`${projectText('3')}nonsense: true\n`)
  const refused = await admin('/reload', 'POST')
  t.equal(refused.status, 400)
  t.match(refused.text, /unknown key \\"nonsense\\"/)
  for (let i = 0; i < 4; i++) t.equal(await ask(), '2', 'and keeps it when one is refused')
  t.match(await workers(), [{ lastReload: { ok: false } }, { lastReload: { ok: false } }])
  t.match(JSON.parse((await admin('/config')).text), { projects: { a: { routes: [{ plugins: [{ respond: { body: '2' } }] }] } } })
  const pids = (await workers()).map(({ pid }) => pid)
  sluice.kill('SIGTERM')
  t.strictSame(await sluice.exited, { code: 0, signal: null })
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, 'no worker is left')
})

test('workers: one that can not load says why and is tried again, until what is wrong is mended', async (t) => {
  const { sluice, workers, write, ask } = await story(t, projectText('1'))
  write(`${projectText('2')}nonsense: true\n`)
  await sluice.logged('the configuration was refused; the one before goes on serving')
  const [first] = await workers()
  process.kill(first?.pid as number, 'SIGKILL')
  const failed = await sluice.logged('a replacement worker could not start; it is tried again')
  t.match(failed, { level: 'error', error: /gateway\.config\.yaml:\d+:1 nonsense: unknown key/, delayMs: Number })
  for (let i = 0; i < 3; i++) t.equal(await ask(), '1', 'the other one serves what it has')
  write(projectText('3'))
  await sluice.logged('a replacement worker is ready')
  t.equal((await becomes(workers, (all) => all.length === 2)).length, 2)
  await becomes(ask, (body) => body === '3')
})

test('workers: auto is one for each core', async (t) => {
  const { workers, sluice } = await story(t, projectText('1'), ['--workers', 'auto'])
  t.equal((await workers()).length, Math.max(1, availableParallelism()))
  sluice.kill('SIGTERM')
  t.equal((await sluice.exited).code, 0)
})

test('workers: one whose event loop an author\'s plugin blocks is ended by the watchdog and replaced; others go on serving', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'busy.ts'), `import { Type, definePlugin } from 'sluice'
export default definePlugin({ name: 'busy', stage: 'limit', config: Type.Object({}), create: () => ({ request: () => { for (;;); } }) })
`)
  writeFileSync(join(cwd, 'gateway.config.yaml'), `${ROOT}projects:
  a:
    routes:
      - { id: v, match: { path: /v }, plugins: [ respond: { status: 200, body: ok } ] }
      - { id: busy, match: { path: /busy }, plugins: [ { use: ./busy.ts } ] }
`)
  const lines: string[] = []
  const log = createLogger({ level: 'info', destination: { beforeWriting: null, write (line) { lines.push(String(line)) }, flush: async () => {}, reopen () {}, close: async () => {}, dropped: 0 } })
  const cluster = await createCluster({
    count: 2, log, pingMs: 100, stuckMs: 1_000, backoffMs: 50,
    start: { file: join(cwd, 'gateway.config.yaml'), environment: null, logLevel: 'silent', operatorToken: null, port: null, version: 'test' }
  })
  t.teardown(() => cluster.kill())
  const port = Number(new URL(cluster.listeners[0]?.url as string).port)
  const before = (await cluster.status()).map(({ pid }) => pid)
  const blocked = sendRaw(port, 'GET /busy HTTP/1.1\r\nHost: a\r\n\r\n', { timeoutMs: 20_000, untilClose: true })
  const served: number[] = []
  const after = await becomes(async () => {
    // The stuck worker still gets its turn of the connections: those that reach the other one are answered.
    const { responses: [answer] } = await sendRaw(port, 'GET /v HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', { timeoutMs: 300, untilClose: true })
    if (answer?.status === 200) served.push(answer.status)
    return lines.some((line) => line.includes('a replacement worker is ready')) ? await cluster.status() : []
  }, (all) => all.length === 2)
  t.ok(served.length > 0, 'the other one went on serving')
  t.ok(lines.some((line) => line.includes('a worker does not answer any more; it is ended')))
  t.equal(after.filter(({ pid }) => before.includes(pid)).length, 1, 'only the stuck one was replaced')
  t.equal((await blocked).closed, true)
  t.equal(await cluster.stop(), true)
  t.strictSame(cluster.notReady(), ['the gateway is stopping'])
})

test('workers: the admin port judges by what they serve: after a reload by the new networks, base domain and projects of the files', async (t) => {
  const config = (allow: string, domain: string, project: string): string => `${ROOT}state: { embedded: { path: data } }
egress: { allow: [ ${allow} ] }
baseDomain: ${domain}
projects: { ${project}: { upstreams: { x: { targets: [ "http://127.0.0.1:9" ] } }, routes: [ { id: r, match: { path: /v }, upstream: x } ] } }
`
  const { admin, write, sluice } = await story(t, config('192.0.2.0/24', 'old.example', 'first'))
  const port = await sluice.port('admin')
  const ask = async (method: string, path: string, body?: object, token = TOKEN): Promise<{ status: number, body: Record<string, unknown> }> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
    return { status: answer.status, body: await answer.json() as Record<string, unknown> }
  }
  await ask('POST', '/admin/accounts', { customer_id: 'acme', name: 'Acme' })
  const token = String((await ask('POST', '/admin/tokens', { name: 'x', role: 'owner', customer_id: 'acme' })).body['token'])
  const inner = { target_url: 'http://10.1.2.3/' }
  t.match(await ask('POST', '/admin/projects', inner, token), { status: 400, body: { error: { details: { reason: 'target_not_allowed' } } } })
  t.match((await ask('GET', '/admin/projects?source=file')).body, { data: [{ project_id: 'first', target_url: 'http://127.0.0.1:9', url: `http://first.old.example:${await sluice.port('data')}` }] })

  write(config('10.1.0.0/16', 'new.example', 'second'))
  t.equal((await admin('/reload', 'POST')).status, 200)
  const made = await ask('POST', '/admin/projects', inner, token)
  t.match(made, { status: 201, body: { url: /^http:\/\/[a-z0-9-]+\.new\.example:/ } }, 'judged by the new networks and base domain at once')
  t.match((await ask('GET', '/admin/projects?source=file')).body, { data: [{ project_id: 'second' }], pagination: { total: 1 } })
  t.ok(Array.isArray(((await ask('GET', '/admin/projects/second/config')).body as { routes?: unknown }).routes), 'its configuration is visible')
  t.equal((await ask('POST', '/admin/projects', { target_url: 'https://api.example.com', project_id: 'second' })).status, 409)
  t.equal((await ask('POST', '/admin/projects', { target_url: 'https://api.example.com', project_id: 'first' })).status, 201)

  write(`${config('10.1.0.0/16', 'wrong.example', 'third')}nonsense: true\n`)
  t.equal((await admin('/reload', 'POST')).status, 400)
  t.match((await ask('GET', '/admin/projects?source=file')).body, { data: [{ project_id: 'second', url: /\.new\.example:/ }] }, 'what was refused does not hold')
  write(config('192.0.2.0/24', 'third.example', 'third'))
  await becomes(async () => await ask('GET', '/admin/projects?source=file'), ({ body }) => JSON.stringify(body).includes('third.third.example'))
  t.match(await ask('POST', '/admin/projects', inner, token), { status: 400 }, 'nor need anybody ask for the reload: workers see the file themselves')
})

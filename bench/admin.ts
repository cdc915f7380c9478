/**
 * `npm run bench:admin [-- --help]`: writes through the admin API at 100 per second beside full traffic, on the embedded store. Prints how long the
 * writes take, what traffic loses by them, how long a project that was made takes to be served, and how long 10 000 projects in the store take to boot.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { openDocumentStore } from '../core/state/document-store.js'
import { LOCAL_ACCOUNT } from '../core/state/records.js'
import { openSqliteEngine } from '../core/state/sqlite-engine.js'
import { onPath, startChild, type BenchChild } from './lib/child.js'
import { defaultLoadTool, runLoad } from './lib/load.js'
import { createProcMeter } from './lib/meter.js'
import { createPacedLoad } from './lib/paced-load.js'
import { allowedCores } from './lib/proc.js'
import { median, medianOfRatios, quantile } from './lib/stats.js'

const HELP = `npm run bench:admin -- [options]

  --rounds N         rounds with and without writes (4)
  --duration S       seconds of each (5)
  --writes N         writes per second (100)
  --projects N       projects in the store for the boot (10000)
  --json             the result as JSON on stdout, progress on stderr
`
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' }, duration: { type: 'string', default: '5' }, writes: { type: 'string', default: '100' }, projects: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const [rounds, seconds, writes, projects] = [flags.rounds, flags.duration, flags.writes, flags.projects].map(Number) as [number, number, number, number]
if (![rounds, seconds, writes, projects].every((value) => Number.isInteger(value) && value > 0)) {
  process.stderr.write(HELP)
  process.exit(2)
}

const TOKEN = 'bench-admin-token-0123456789'
const MADE = 20
const SLUICE = fileURLToPath(new URL('../bin/sluice.js', import.meta.url))
const cores = onPath('taskset') ? allowedCores() : []
const [gatewayCore, loadCore] = cores.length > 1 ? cores as [number, number] : [null, null]
const folder = mkdtempSync(join(tmpdir(), 'sluice-admin-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const origin = startChild({ args: [fileURLToPath(new URL('./http/origin.js', import.meta.url))], core: loadCore })
const originUrl = `http://127.0.0.1:${(await origin.waitFor(({ event }) => event === 'ready'))['port'] as number}`

interface Gateway { readonly child: BenchChild, readonly data: number, readonly admin: number, readonly bootMs: number }

async function startGateway (name: string): Promise<Gateway> {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
state: { embedded: { path: ${join(folder, name)} } }
accessLog: { file: ${join(folder, `${name}.log`)} }
projects:
  files:
    upstreams: { origin: { targets: [ "${originUrl}" ], connections: 128 } }
    routes: [ { id: all, match: { path: "/*" }, upstream: origin } ]
`)
  const startedAt = performance.now()
  const child = startChild({ args: [SLUICE, 'start', '--config', file, '--json', '--log-level', 'error'], core: gatewayCore, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const portOf = async (wanted: string): Promise<number> => (await child.waitFor(({ event, listener }) => event === 'ready' && listener === wanted, 60_000))['port'] as number
  const [data, admin] = [await portOf('data'), await portOf('admin')]
  return { child, data, admin, bootMs: performance.now() - startedAt }
}

async function call (admin: number, method: 'POST' | 'PATCH', path: string, body: unknown): Promise<Record<string, unknown>> {
  const answer = await request(`http://127.0.0.1:${admin}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
  const text = await answer.body.text()
  if (answer.statusCode >= 300) throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}

/** How long a project takes from the answer that it was made to its first 200. */
async function measureServing ({ admin, data }: Gateway): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < MADE; n++) {
    const id = `made-${n}`
    await call(admin, 'POST', '/admin/projects', { project_id: id, target_url: originUrl, auth_type: 'none' })
    const madeAt = performance.now()
    for (;;) {
      const answer = await request(`http://127.0.0.1:${data}/`, { headers: { host: `${id}.localhost` } })
      await answer.body.dump()
      if (answer.statusCode === 200) break
      if (performance.now() - madeAt > 10_000) throw new Error(`${id} was not served within 10 s`)
    }
    times.push(performance.now() - madeAt)
  }
  return times
}

interface Round { readonly perSecond: number, readonly cpuMicros: number }

async function loadFor ({ child, data }: Gateway, from: number): Promise<Round> {
  const meter = createProcMeter(child.pid)
  const before = await meter.read()
  const load = await runLoad({ tool: defaultLoadTool(), url: `http://127.0.0.1:${data}/api/v1/orders?limit=10`, connections: 64, seconds: from, headers: {}, core: loadCore })
  if (load.errors.length > 0) throw new Error(load.errors.join('; '))
  return { perSecond: load.perSecond, cpuMicros: ((await meter.read()).cpuMicros - before.cpuMicros) / load.requests }
}

const gateway = await startGateway('writes')
const servedMs = await measureServing(gateway)
await loadFor(gateway, seconds)
const quiet: Round[] = []
const busy: Round[] = []
const writeMs: number[] = []
const failed = new Map<string, number>()
for (let round = 0; round < rounds; round++) {
  const kinds = round % 2 === 0 ? [false, true] : [true, false]
  for (const withWrites of kinds) {
    if (!withWrites) { quiet.push(await loadFor(gateway, seconds)); continue }
    const body = JSON.stringify({ api_version: `v${round}` })
    const paced = createPacedLoad({
      host: '127.0.0.1', port: gateway.admin,
      request: `PATCH /admin/projects/made-0 HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }, 8)
    const [load, samples] = await Promise.all([loadFor(gateway, seconds), paced.run(writes, seconds * 1000)])
    paced.close()
    busy.push(load)
    writeMs.push(...samples.latenciesMs)
    for (const [problem, times] of samples.failed) failed.set(problem, (failed.get(problem) ?? 0) + times)
  }
  say(`round ${round + 1}/${rounds}: ${quiet.at(-1)?.perSecond.toFixed(0)} req/s alone, ${busy.at(-1)?.perSecond.toFixed(0)} beside ${writes} writes per second`)
}
await gateway.child.stop()

const engine = await openSqliteEngine({ path: join(folder, 'boot') })
const { store } = openDocumentStore(engine)
for (let n = 0; n < projects; n++) {
  await store.projects.insert(LOCAL_ACCOUNT, { project_id: `p-${n}`, target_url: originUrl, auth_type: 'none', active: true, api_version: null, config: null, written_by: 'operator', config_version: 1, config_author: 'operator', config_comment: null })
  if (n % 1_000 === 999) say(`${n + 1} of ${projects} projects are in the store`)
}
await engine.close()
const boots: number[] = []
for (let boot = 0; boot < 3; boot++) {
  const booted = await startGateway('boot')
  const answer = await request(`http://127.0.0.1:${booted.data}/`, { headers: { host: `p-${projects - 1}.localhost` } })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`the last project answers ${answer.statusCode} when the gateway says that it is ready`)
  boots.push(booted.bootMs)
  await booted.child.stop()
}
await origin.stop()

const result = {
  writes: { perSecond: writes, count: writeMs.length, p50Ms: quantile(writeMs, 0.5), p99Ms: quantile(writeMs, 0.99), failed: Object.fromEntries(failed) },
  traffic: { alone: quiet, beside: busy, rateRatio: medianOfRatios(busy.map(({ perSecond }) => perSecond), quiet.map(({ perSecond }) => perSecond)) },
  served: { count: servedMs.length, p50Ms: quantile(servedMs, 0.5), p99Ms: quantile(servedMs, 0.99), maxMs: Math.max(...servedMs) },
  boot: { projects, ms: boots, medianMs: median(boots) }
}
if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
else {
  say(`writes: p50 ${result.writes.p50Ms.toFixed(1)} ms, p99 ${result.writes.p99Ms.toFixed(1)} ms, ${writeMs.length} at ${writes} per second beside full traffic (target: p99 < 50 ms), failed: ${JSON.stringify(result.writes.failed)}`)
  say(`traffic beside them: ${(result.traffic.rateRatio * 100).toFixed(1)} % of what it is alone, medians of rounds (target: 95 %)`)
  say(`a project that was made is served after: p50 ${result.served.p50Ms.toFixed(0)} ms, slowest ${result.served.maxMs.toFixed(0)} ms of ${MADE} (target: 1 s)`)
  say(`boot with ${projects} projects in the store: ${boots.map((ms) => ms.toFixed(0)).join(', ')} ms (target: 3 s)`)
}

function say (line: string): void {
  (flags.json ? process.stderr : process.stdout).write(`${line}\n`)
}

/**
 * `npm run bench:admin [-- --help]`: writes through the admin API at 100 per second beside traffic, on the embedded store. Four ways to ask what they cost:
 * saturating traffic with the whole gateway on one core, writes to one record (the strictest: whatever a write costs is missing for requests, and writes race)
 * and to 20; traffic at a fixed rate with each thread where the system puts it, whose latency and processor time are looked at; and what two workers lose to
 * writes that the primary makes, which is how a gateway with a core to spare runs.
 * Also how long a project that was made takes to be served, and how long 10 000 projects in the store take to boot.
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
import { allowedCores, threadTimes } from './lib/proc.js'
import { median, medianOfRatios, quantile } from './lib/stats.js'

const HELP = `npm run bench:admin -- [options]

  --rounds N         rounds with and without writes (4)
  --duration S       seconds of each (5)
  --writes N         writes per second (100)
  --rate N           requests per second of the traffic at a fixed rate (2000)
  --projects N       projects in the store for the boot (10000)
  --json             the result as JSON on stdout, progress on stderr
`
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' }, duration: { type: 'string', default: '5' }, writes: { type: 'string', default: '100' }, rate: { type: 'string', default: '2000' }, projects: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const [rounds, seconds, writes, projects, rate] = [flags.rounds, flags.duration, flags.writes, flags.projects, flags.rate].map(Number) as [number, number, number, number, number]
if (![rounds, seconds, writes, projects, rate].every((value) => Number.isInteger(value) && value > 0)) {
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

async function startGateway (name: string, core: number | null, workers = 1): Promise<Gateway> {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
${workers === 1 ? '' : `workers: ${workers}\n`}state: { embedded: { path: ${join(folder, name)} } }
accessLog: { file: ${join(folder, `${name}.log`)} }
projects:
  files:
    upstreams: { origin: { targets: [ "${originUrl}" ], connections: 128 } }
    routes: [ { id: all, match: { path: "/*" }, upstream: origin } ]
`)
  const startedAt = performance.now()
  const child = startChild({ args: [SLUICE, 'start', '--config', file, '--json', '--log-level', 'error'], core, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
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
interface Writes { readonly latenciesMs: number[], readonly failed: Record<string, number> }
type Spread = 'one record' | '20 records'

async function loadFor ({ child, data }: Gateway, from: number): Promise<Round> {
  const meter = createProcMeter(child.pid)
  const before = await meter.read()
  const load = await runLoad({ tool: defaultLoadTool(), url: `http://127.0.0.1:${data}/api/v1/orders?limit=10`, connections: 64, seconds: from, headers: {}, core: loadCore })
  if (load.errors.length > 0) throw new Error(load.errors.join('; '))
  return { perSecond: load.perSecond, cpuMicros: ((await meter.read()).cpuMicros - before.cpuMicros) / load.requests }
}

/** Writes at the rate for so long; what they took goes to `into`. */
async function writeFor ({ admin }: Gateway, spread: Spread, into: Writes): Promise<void> {
  const paced = createPacedLoad({
    host: '127.0.0.1', port: admin,
    request (n) {
      const body = JSON.stringify({ api_version: `v${n}` })
      const id = spread === 'one record' ? 0 : n % MADE
      return `PATCH /admin/projects/made-${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }
  }, 8)
  const samples = await paced.run(writes, seconds * 1000)
  paced.close()
  into.latenciesMs.push(...samples.latenciesMs)
  for (const [problem, times] of samples.failed) into.failed[problem] = (into.failed[problem] ?? 0) + times
}

/** Saturating traffic, alone and beside writes, in turn. */
async function saturated (gateway: Gateway): Promise<Readonly<Record<Spread, { alone: Round[], beside: Round[], writes: Writes }>>> {
  const fresh = (): { alone: Round[], beside: Round[], writes: Writes } => ({ alone: [], beside: [], writes: { latenciesMs: [], failed: {} } })
  const found = { 'one record': fresh(), '20 records': fresh() }
  for (let round = 0; round < rounds; round++) {
    for (const spread of ['one record', '20 records'] as const) {
      const { alone, beside, writes: into } = found[spread]
      for (const withWrites of round % 2 === 0 ? [false, true] : [true, false]) {
        if (withWrites) beside.push((await Promise.all([loadFor(gateway, seconds), writeFor(gateway, spread, into)]))[0])
        else alone.push(await loadFor(gateway, seconds))
      }
      say(`round ${round + 1}/${rounds}, one core, ${spread}: ${alone.at(-1)?.perSecond.toFixed(0)} req/s alone, ${beside.at(-1)?.perSecond.toFixed(0)} beside ${writes} writes per second`)
    }
  }
  return found
}

interface Paced { readonly p50Ms: number, readonly p99Ms: number, readonly mainMicros: number, readonly otherMicros: number }

/** Traffic at the fixed rate for so long, with what the gateway's threads used per second: NaN where the system does not tell. */
async function trafficFor ({ child, data }: Gateway): Promise<Paced> {
  const paced = createPacedLoad({ host: '127.0.0.1', port: data, request: 'GET /api/v1/orders?limit=10 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' }, 32)
  const before = threadTimes(child.pid)
  const samples = await paced.run(rate, seconds * 1000)
  const after = threadTimes(child.pid)
  paced.close()
  if (samples.failed.size > 0) throw new Error(JSON.stringify(Object.fromEntries(samples.failed)))
  const [main, all] = before === null || after === null ? [NaN, NaN] : [after.mainMicros - before.mainMicros, after.allMicros - before.allMicros]
  return { p50Ms: quantile(samples.latenciesMs, 0.5), p99Ms: quantile(samples.latenciesMs, 0.99), mainMicros: main / seconds, otherMicros: (all - main) / seconds }
}

/** Traffic at the fixed rate, alone and beside writes, in turn. */
async function fixedRate (gateway: Gateway): Promise<{ alone: Paced[], beside: Paced[], writes: Writes }> {
  const alone: Paced[] = []
  const beside: Paced[] = []
  const into: Writes = { latenciesMs: [], failed: {} }
  const shown = ({ p50Ms, p99Ms, mainMicros, otherMicros }: Paced): string =>
    `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${(mainMicros / 1000).toFixed(0)} + ${(otherMicros / 1000).toFixed(0)} ms of processor time per second`
  for (let round = 0; round < rounds; round++) {
    for (const withWrites of round % 2 === 0 ? [false, true] : [true, false]) {
      const [figures] = await Promise.all([trafficFor(gateway), ...withWrites ? [writeFor(gateway, '20 records', into)] : []])
      ;(withWrites ? beside : alone).push(figures)
      say(`round ${round + 1}/${rounds}, ${rate} req/s ${withWrites ? `beside ${writes} writes per second` : 'alone'}: ${shown(figures)}`)
    }
  }
  return { alone, beside, writes: into }
}

/**
 * What writes cost each of two workers, while the admin API and the store are at work in the primary: the processor time of a worker with writes,
 * less that without, as a share of one core. That is what a saturated worker's traffic loses by them where the primary has a core to run on.
 */
async function costOfWorkers (gateway: Gateway): Promise<{ readonly shares: number[], readonly writes: Writes }> {
  const status = await request(`http://127.0.0.1:${gateway.admin}/status`, { headers: { authorization: `Bearer ${TOKEN}` } })
  const { workers } = await status.body.json() as { workers: { pid: number }[] }
  const times = (): number[] => workers.map(({ pid }) => threadTimes(pid)?.allMicros ?? NaN)
  const during = async (work: () => Promise<unknown>): Promise<number[]> => {
    const [before, startedAt] = [times(), performance.now()]
    await work()
    const micros = (performance.now() - startedAt) * 1_000
    return times().map((time, i) => (time - (before[i] as number)) / micros)
  }
  const into: Writes = { latenciesMs: [], failed: {} }
  const shares: number[] = []
  for (let round = 0; round < rounds; round++) {
    const idle = await during(async () => { await new Promise((resolve) => { setTimeout(resolve, seconds * 1_000) }) })
    const busy = await during(() => writeFor(gateway, '20 records', into))
    shares.push(...busy.map((share, i) => share - (idle[i] as number)))
    say(`round ${round + 1}/${rounds}, two workers: ${writes} writes per second in the primary take ${shares.slice(-busy.length).map((share) => `${(share * 100).toFixed(1)} %`).join(' and ')} of a worker's core`)
  }
  return { shares, writes: into }
}

const pinned = await startGateway('pinned', gatewayCore)
const servedMs = await measureServing(pinned)
await loadFor(pinned, seconds)
const full = await saturated(pinned)
await pinned.child.stop()
const free = await startGateway('free', null)
await measureServing(free)
await Promise.all([trafficFor(free), writeFor(free, '20 records', { latenciesMs: [], failed: {} })])
const steady = await fixedRate(free)
await free.child.stop()
const many = await startGateway('many', null, 2)
await measureServing(many)
await writeFor(many, '20 records', { latenciesMs: [], failed: {} })
const workers = await costOfWorkers(many)
await many.child.stop()

const engine = await openSqliteEngine({ path: join(folder, 'boot') })
const { store } = openDocumentStore(engine)
for (let n = 0; n < projects; n++) {
  await store.projects.insert(LOCAL_ACCOUNT, { project_id: `p-${n}`, target_url: originUrl, auth_type: 'none', active: true, api_version: null, config: null, written_by: 'operator', config_version: 1, config_author: 'operator', config_comment: null })
  if (n % 1_000 === 999) say(`${n + 1} of ${projects} projects are in the store`)
}
await engine.close()
const boots: number[] = []
for (let boot = 0; boot < 3; boot++) {
  const booted = await startGateway('boot', gatewayCore)
  const answer = await request(`http://127.0.0.1:${booted.data}/`, { headers: { host: `p-${projects - 1}.localhost` } })
  await answer.body.dump()
  if (answer.statusCode !== 200) throw new Error(`the last project answers ${answer.statusCode} when the gateway says that it is ready`)
  boots.push(booted.bootMs)
  await booted.child.stop()
}
await origin.stop()

const ofWrites = ({ latenciesMs, failed }: Writes): { count: number, p50Ms: number, p99Ms: number, failed: Record<string, number> } => ({ count: latenciesMs.length, p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99), failed })
const saturatedResult = Object.fromEntries(Object.entries(full).map(([spread, { alone, beside, writes: made }]) => [spread, {
  alone, beside, rateRatio: medianOfRatios(beside.map(({ perSecond }) => perSecond), alone.map(({ perSecond }) => perSecond)), writes: ofWrites(made)
}]))
const ratioOf = (of: (paced: Paced) => number): number => medianOfRatios(steady.beside.map(of), steady.alone.map(of))
const costOf = (of: (paced: Paced) => number): number => (median(steady.beside.map(of)) - median(steady.alone.map(of))) / writes
const result = {
  writesPerSecond: writes,
  saturated: saturatedResult,
  fixedRate: { perSecond: rate, ...steady, writes: ofWrites(steady.writes), p50Ratio: ratioOf(({ p50Ms }) => p50Ms), p99Ratio: ratioOf(({ p99Ms }) => p99Ms), writeMicros: { main: costOf(({ mainMicros }) => mainMicros), others: costOf(({ otherMicros }) => otherMicros) } },
  workers: { shares: workers.shares, medianShare: median(workers.shares), writes: ofWrites(workers.writes) },
  served: { count: servedMs.length, p50Ms: quantile(servedMs, 0.5), p99Ms: quantile(servedMs, 0.99), maxMs: Math.max(...servedMs) },
  boot: { projects, ms: boots, medianMs: median(boots) }
}
if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
else {
  const shown = ({ count, p50Ms, p99Ms, failed }: ReturnType<typeof ofWrites>): string => `writes p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${count} of them (target: p99 < 50 ms), failed: ${JSON.stringify(failed)}`
  for (const [spread, { rateRatio, writes: made }] of Object.entries(saturatedResult)) {
    say(`one core, saturated, ${writes} writes per second to ${spread}: traffic keeps ${(rateRatio * 100).toFixed(1)} % of its rate, medians of rounds (target: 95 %); ${shown(made)}`)
  }
  const { p50Ratio, p99Ratio, writeMicros: micros } = result.fixedRate
  say(`${rate} req/s, no core pinned, ${writes} writes per second to 20 records: traffic's p50 is ${(p50Ratio * 100).toFixed(1)} %, its p99 ${(p99Ratio * 100).toFixed(1)} % of what they are alone (target: 105 %); ${shown(result.fixedRate.writes)}`)
  say(`a write costs ${micros.main.toFixed(0)} us of processor time on the thread that serves, ${micros.others.toFixed(0)} us on all others`)
  say(`two workers, the admin API in the primary, ${writes} writes per second to 20 records: they take ${(result.workers.medianShare * 100).toFixed(1)} % of a worker's core (target: 5 %); ${shown(result.workers.writes)}`)
  say(`a project that was made is served after: p50 ${result.served.p50Ms.toFixed(0)} ms, slowest ${result.served.maxMs.toFixed(0)} ms of ${MADE} (target: 1 s)`)
  say(`boot with ${projects} projects in the store: ${boots.map((ms) => ms.toFixed(0)).join(', ')} ms (target: 3 s)`)
}

function say (line: string): void {
  (flags.json ? process.stderr : process.stdout).write(`${line}\n`)
}

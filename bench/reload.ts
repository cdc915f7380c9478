/**
 * `npm run bench:reload [-- --help]`: reloads the configuration thousands of times, changed each time, under load; prints failed
 * requests, growth of the heap, the slowest swap. Exit code 1 when a request failed, a change did not take effect or the heap grows.
 */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { request } from 'undici'
import { startChild } from './lib/child.js'
import { createIpcMeter, METER_ARGUMENTS } from './lib/meter.js'
import { createPacedLoad, type PacedSamples } from './lib/paced-load.js'
import { fitLine, median, quantile } from './lib/stats.js'

const HELP = `npm run bench:reload -- [options]

  --count N          reloads (10000)
  --rate N           requests per second meanwhile (1000)
  --connections N    connections that they use (50)
  --json             the result as JSON on stdout, progress on stderr
`
const { values: flags } = parseArgs({
  options: {
    count: { type: 'string', default: '10000' }, rate: { type: 'string', default: '1000' }, connections: { type: 'string', default: '50' },
    json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const [count, rate, connections] = [flags.count, flags.rate, flags.connections].map(Number) as [number, number, number]
if (![count, rate, connections].every((value) => Number.isInteger(value) && value > 0)) {
  process.stderr.write(HELP)
  process.exit(2)
}

/** The heap is measured so often, after a full collection. */
const SAMPLES = 40
/** What comes before is warming up: code is compiled, tables grow to their size. */
const WARM_UP = 0.2
/** The heap may grow so much over all measured reloads: a hundred bytes for each of ten thousand. One kept snapshot would be far more. */
const FLAT_BYTES = 1024 * 1024
const TOKEN = 'bench-reload-token-0123456789'

const folder = mkdtempSync(join(tmpdir(), 'sluice-reload-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const origin = startChild({ args: [fileURLToPath(new URL('./http/origin.js', import.meta.url))], core: null })
const originPort = (await origin.waitFor(({ event }) => event === 'ready'))['port'] as number
const file = join(folder, 'gateway.config.yaml')
writeConfig(0)

const gateway = startChild({
  args: ['--expose-gc', ...METER_ARGUMENTS, fileURLToPath(new URL('../bin/sluice.js', import.meta.url)), 'start', '--config', file, '--json', '--log-level', 'error'],
  core: null, ipc: true, env: { SLUICE_ADMIN_TOKEN: TOKEN }
})
const dataPort = (await gateway.waitFor(({ event, listener }) => event === 'ready' && listener !== 'admin'))['port'] as number
const adminPort = (await gateway.waitFor(({ event, listener }) => event === 'ready' && listener === 'admin'))['port'] as number
const meter = createIpcMeter(gateway.child)

const load = createPacedLoad({ host: '127.0.0.1', port: dataPort, request: `GET /stable HTTP/1.1\r\nHost: 127.0.0.1:${dataPort}\r\n\r\n` }, connections)
const traffic: PacedSamples = { latenciesMs: [], sent: 0, failed: new Map() }
const over = new AbortController()
const loading = keepLoading(over.signal)

const swapsMs: number[] = []
const roundTripsMs: number[] = []
const notApplied: string[] = []
const heap: { reload: number, bytes: number, rssBytes: number }[] = []
const startedAt = performance.now()
for (let reload = 1; reload <= count; reload++) {
  writeConfig(reload)
  await reloadNow(reload)
  if (reload % Math.max(1, Math.floor(count / SAMPLES)) === 0) await sampleHeap(reload)
}
const seconds = (performance.now() - startedAt) / 1000
over.abort()
await loading
load.close()
await gateway.stop()
await origin.stop()

const failed = [...traffic.failed.values()].reduce((sum, one) => sum + one, 0)
const measured = heap.filter(({ reload }) => reload >= count * WARM_UP)
const line = fitLine(measured.map(({ reload }) => reload), measured.map(({ bytes }) => bytes))
const growth = line.slope * ((measured.at(-1)?.reload ?? 0) - (measured[0]?.reload ?? 0))
const flat = growth <= FLAT_BYTES
const result = {
  node: process.versions.node, reloads: count, seconds, requests: traffic.sent, failed, problems: Object.fromEntries(traffic.failed), notApplied: notApplied.length,
  heap: { bytesPerReload: line.slope, standardError: line.slopeError, growthBytes: growth, lastBytes: measured.at(-1)?.bytes ?? NaN, rssBytes: measured.at(-1)?.rssBytes ?? NaN, flat },
  swapMs: { p50: median(swapsMs), p99: quantile(swapsMs, 0.99), slowest: quantile(swapsMs, 1) },
  roundTripMs: { p50: median(roundTripsMs), slowest: quantile(roundTripsMs, 1) },
  trafficMs: { p50: median(traffic.latenciesMs), p99: quantile(traffic.latenciesMs, 0.99), slowest: quantile(traffic.latenciesMs, 1) }
}
if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
else {
  process.stdout.write(`
Node ${result.node}; ${count} reloads in ${seconds.toFixed(0)} s, the configuration changed each time
failed requests   ${failed} of ${traffic.sent}${failed === 0 ? '' : ` (${[...traffic.failed].map(([problem, times]) => `${times} x ${problem}`).join(', ')})`}
not applied       ${notApplied.length}${notApplied.length === 0 ? '' : ` (${notApplied.slice(0, 3).join('; ')})`}
heap              ${(result.heap.lastBytes / 1e6).toFixed(1)} MB, ${flat ? 'flat' : 'GROWING'}: ${line.slope.toFixed(0)} +- ${(2 * line.slopeError).toFixed(0)} bytes per reload, ${(growth / 1e6).toFixed(2)} MB over ${measured.length} samples; RSS ${(result.heap.rssBytes / 1e6).toFixed(0)} MB
swap              p50 ${result.swapMs.p50.toFixed(1)} ms, p99 ${result.swapMs.p99.toFixed(1)} ms, slowest ${result.swapMs.slowest.toFixed(1)} ms
traffic           p50 ${result.trafficMs.p50.toFixed(2)} ms, p99 ${result.trafficMs.p99.toFixed(2)} ms, slowest ${result.trafficMs.slowest.toFixed(1)} ms, ${rate} requests a second over ${connections} connections
`)
}
if (failed > 0 || notApplied.length > 0 || !flat) process.exitCode = 1

/** Another route and another plugin configuration each time; `/stable` serves always. Renamed into place, as editors do. */
function writeConfig (version: number): void {
  writeFileSync(`${file}.new`, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
state: { embedded: { path: ${JSON.stringify(join(folder, 'state'))} } }
accessLog: false
projects:
  bench:
    upstreams: { origin: { targets: [ "http://127.0.0.1:${originPort}" ], timeouts: { headers: ${10 + version % 7}s } } }
    plugins: [ security-headers ]
    routes:
      - { id: stable, match: { path: /stable }, upstream: origin }
      - id: changing
        match: { path: /version/${version} }
        upstream: origin
        plugins: [ headers: { response: { set: { x-version: "${version}" } } } ]
`)
  renameSync(`${file}.new`, file)
}

/** Reloads and looks whether the new route is served. */
async function reloadNow (version: number): Promise<void> {
  const sentAt = performance.now()
  const { statusCode, body } = await request(`http://127.0.0.1:${adminPort}/reload`, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}` } })
  const answer = await body.json() as { durationMs?: number }
  roundTripsMs.push(performance.now() - sentAt)
  if (statusCode !== 200) { notApplied.push(`reload ${version}: status ${statusCode}`); return }
  swapsMs.push(answer.durationMs ?? NaN)
  const seen = await request(`http://127.0.0.1:${dataPort}/version/${version}`)
  await seen.body.dump()
  if (seen.headers['x-version'] !== String(version)) notApplied.push(`reload ${version}: status ${seen.statusCode}, x-version ${String(seen.headers['x-version'])}`)
}

async function sampleHeap (reload: number): Promise<void> {
  const { heapUsedBytes, rssBytes } = await meter.read()
  heap.push({ reload, bytes: heapUsedBytes ?? NaN, rssBytes })
  const failures = [...traffic.failed.values()].reduce((sum, one) => sum + one, 0)
  ;(flags.json ? process.stderr : process.stdout).write(`${reload} reloads: heap ${((heapUsedBytes ?? NaN) / 1e6).toFixed(2)} MB, RSS ${(rssBytes / 1e6).toFixed(0)} MB, ${traffic.sent} requests, ${failures} failed\n`)
}

async function keepLoading (until: AbortSignal): Promise<void> {
  while (!until.aborted) {
    const { latenciesMs, sent, failed: problems } = await load.run(rate, 500)
    for (const latency of latenciesMs) traffic.latenciesMs.push(latency)
    traffic.sent += sent
    for (const [problem, times] of problems) traffic.failed.set(problem, (traffic.failed.get(problem) ?? 0) + times)
  }
}

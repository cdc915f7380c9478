/**
 * `npm run bench:slowloris`: what a thousand slow connections cost everybody else. Normal traffic goes in turns, 250 ms each, to a gateway
 * that has them and to one that has not, so that both see the same machine. Prints the latency of both, and fails where the 99th
 * percentile more than doubles, where normal requests fail, or where slow ones are not cut off.
 */
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { startChild } from './lib/child.js'
import { createPacedLoad, type PacedSamples } from './lib/paced-load.js'
import { hasProc, processTree, ticksToMicros } from './lib/proc.js'
import { quantile } from './lib/stats.js'
import type { SlowCrowd } from './slow-crowd.js'

const HELP = `usage: npm run bench:slowloris -- [--connections N] [--seconds N] [--rate N] [--json]
  --connections N    slow connections (1000)
  --seconds N        how long (45)
  --rate N           normal requests a second, over 20 connections (500)
  --json             the result as JSON on stdout
`
const { values: flags } = parseArgs({
  options: {
    connections: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '45' }, rate: { type: 'string', default: '500' }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
const [connections, seconds, rate] = [flags.connections, flags.seconds, flags.rate].map(Number) as [number, number, number]
if (flags.help || ![connections, seconds, rate].every((value) => Number.isInteger(value) && value > 0)) {
  process.stdout.write(HELP)
  process.exit(flags.help ? 0 : 2)
}

/** Promise R7: slow clients leave the 99th percentile of everybody else below twice what it is without them. */
const MOST = 2
/** A slow head is cut off after 30 s, a slow body after 30 s of grace; looked at every 5 s. */
const CUT_OFF_SECONDS = 36

const BLOCK_MS = 250

const folder = mkdtempSync(join(tmpdir(), 'sluice-slowloris-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const origin = startChild({ args: [script('./http/origin.js')], core: null })
const originPort = (await origin.waitFor(({ event }) => event === 'ready'))['port'] as number
// What takes the slow bodies, and answers when they are whole: never.
const reader = createServer((req, res) => { req.on('end', () => { res.end() }).resume() }).listen(0, '127.0.0.1')
await once(reader, 'listening')
const file = join(folder, 'gateway.config.yaml')
writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
state: { embedded: { path: ${JSON.stringify(join(folder, 'state'))} } }
accessLog: false
projects:
  bench:
    upstreams:
      origin: { targets: [ "http://127.0.0.1:${originPort}" ] }
      reader: { targets: [ "http://127.0.0.1:${(reader.address() as AddressInfo).port}" ] }
    routes:
      - { match: { path: /normal }, upstream: origin }
      - { match: { path: /slow }, upstream: reader }
`)
const sides = await Promise.all([0, 1].map(async () => {
  const gateway = startChild({ args: [script('../bin/sluice.js'), 'start', '--config', file, '--json', '--log-level', 'error'], core: null })
  const port = (await gateway.waitFor(({ event, listener }) => event === 'ready' && listener !== 'admin'))['port'] as number
  const load = createPacedLoad({ host: '127.0.0.1', port, request: `GET /normal HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n` }, 20)
  await load.run(rate, 1_000)
  const samples: PacedSamples[] = []
  return { gateway, port, load, samples }
}))
const [quiet, crowded] = sides as [typeof sides[number], typeof sides[number]]
const [cpuBefore, begunAt] = [sides.map(({ gateway: { pid } }) => cpuMs(pid)), performance.now()]
const slow = startChild({ args: [script('./slow-crowd.js'), String(crowded.port), String(connections)], core: null })
await slow.waitFor(({ event }) => event === 'ready', 60_000)
for (let block = 0; block * 2 * BLOCK_MS < seconds * 1000; block++) for (const { load, samples } of block % 2 === 0 ? sides : [crowded, quiet]) samples.push(await load.run(rate, BLOCK_MS))
const elapsedMs = performance.now() - begunAt
const [quietShare, crowdedShare] = sides.map(({ gateway: { pid } }, i) => (cpuMs(pid) - (cpuBefore[i] as number)) / elapsedMs) as [number, number]
const crowd = slow.messages.at(-1) as unknown as SlowCrowd
await slow.stop()
for (const { load, gateway } of sides) {
  load.close()
  await gateway.stop()
}
await origin.stop()
reader.close()
reader.closeAllConnections()

const [without, during] = [quiet, crowded].map(({ samples }) => samples.flatMap(({ latenciesMs }) => latenciesMs)) as [number[], number[]]
const all = [...quiet.samples, ...crowded.samples]
const failed = all.reduce((sum, { failed: problems }) => sum + [...problems.values()].reduce((count, one) => count + one, 0), 0)
const result = {
  node: process.versions.node, connections, rate, failed, sent: all.reduce((sum, { sent }) => sum + sent, 0), without: percentiles(without), with: percentiles(during), cpuShare: { without: quietShare, with: crowdedShare },
  ratio: quantile(during, 0.99) / quantile(without, 0.99), crowd: { open: crowd.open, answered: crowd.answered, dropped: crowd.dropped }
}
const cut = seconds < CUT_OFF_SECONDS || (crowd.answered['408'] ?? 0) >= connections / 2
const busy = result.without.p99 > 20 * result.without.p50
const good = failed === 0 && result.ratio < MOST && cut
if (flags.json) process.stdout.write(`${JSON.stringify(result, null, 2)}\n`)
else {
  process.stdout.write(`
Node ${result.node}; ${connections} slow connections for ${seconds} s, half of them with a byte of a head each second, half with one of a body
normal traffic    ${rate} requests a second, ${failed} of ${result.sent} failed${problemsOf(all)}
without           ${shown(result.without)}, ${(quietShare * 100).toFixed(1)} % of a core
with              ${shown(result.with)}, ${(crowdedShare * 100).toFixed(1)} % of a core
ratio of p99      ${result.ratio.toFixed(2)} (below ${MOST})${busy ? '; the machine does other things: without slow clients the p99 is far from the p50, and the ratio says little' : ''}
slow connections  ${crowd.open} open at the end; cut off: ${Object.entries(crowd.answered).map(([status, count]) => `${count} with ${status}`).join(', ') || 'none'}, ${crowd.dropped} without an answer
${good ? 'good' : 'NOT GOOD'}
`)
}
if (!good) process.exitCode = 1

function percentiles (samples: number[]): { p50: number, p90: number, p99: number } {
  return { p50: quantile(samples, 0.5), p90: quantile(samples, 0.9), p99: quantile(samples, 0.99) }
}

function shown ({ p50, p90, p99 }: ReturnType<typeof percentiles>): string {
  return `p50 ${p50.toFixed(2)} ms, p90 ${p90.toFixed(2)} ms, p99 ${p99.toFixed(2)} ms`
}

/** CPU time of a process; NaN where the system does not tell. */
function cpuMs (pid: number): number {
  const stat = hasProc() ? processTree(pid).find((one) => one.pid === pid) : undefined
  return stat === undefined ? NaN : ticksToMicros(stat.userTicks + stat.systemTicks) / 1000
}

function problemsOf (samples: readonly PacedSamples[]): string {
  const problems = samples.flatMap(({ failed: some }) => [...some.keys()])
  return problems.length === 0 ? '' : ` (${[...new Set(problems)].join(', ')})`
}

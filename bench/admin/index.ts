/**
 * `npm run bench:admin [-- --help]`: writes through the admin API at 100 per second beside traffic, on the embedded store. Four ways to ask what they cost:
 * saturating traffic where the thread that serves has a core to itself and everything else another, which is how a gateway with a core to spare runs; the same
 * with the whole gateway on one core, writes to one record (whatever a write costs is missing for requests, and writes race) and to 20; traffic at a fixed
 * rate with each thread where the system puts it, whose latency and processor time are looked at; and what each of two workers loses to writes that the primary
 * makes. Also how long a project that was made takes to be served, and how long 10 000 projects in the store take to boot.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { onPath, startChild } from '../lib/child.js'
import { allowedCores } from '../lib/proc.js'
import { median, quantile } from '../lib/stats.js'
import { measureBoot } from './boot.js'
import { measureFixedRate } from './fixed-rate.js'
import { shownWrites, type AdminBench } from './gateway.js'
import { measureOneCore } from './one-core.js'
import { measureTwoCores, shownTwoCores, whyNoTwoCores } from './two-cores.js'
import { measureWorkers } from './workers.js'

const PARTS = ['two-cores', 'one-core', 'fixed-rate', 'workers', 'boot'] as const
const MOST_SLOWED = 0.05
const MOST_P99_MS = 50

const HELP = `npm run bench:admin -- [options]

  --rounds N         rounds with and without writes (4)
  --duration S       seconds of each (5)
  --writes N         writes per second (100)
  --rate N           requests per second of the traffic at a fixed rate (2000)
  --projects N       projects in the store for the boot (10000)
  --only PART        ${PARTS.join(', ')}; may be given again (all)
  --check            exit code 1 where traffic on two cores is slowed by more than ${MOST_SLOWED * 100} %, or the slowest hundredth of writes takes ${MOST_P99_MS} ms
  --json             the result as JSON on stdout, progress on stderr
`
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '4' }, duration: { type: 'string', default: '5' }, writes: { type: 'string', default: '100' }, rate: { type: 'string', default: '2000' }, projects: { type: 'string', default: '10000' },
    only: { type: 'string', multiple: true, default: [] }, check: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const [rounds, seconds, writes, projects, rate] = [flags.rounds, flags.duration, flags.writes, flags.projects, flags.rate].map(Number) as [number, number, number, number, number]
if (![rounds, seconds, writes, projects, rate].every((value) => Number.isInteger(value) && value > 0) || flags.only.some((part) => !PARTS.includes(part as typeof PARTS[number]))) {
  process.stderr.write(HELP)
  process.exit(2)
}

const cores = onPath('taskset') ? allowedCores() : []
const [gatewayCore, loadCore] = cores.length > 1 ? cores as [number, number] : [null, null]
const folder = mkdtempSync(join(tmpdir(), 'sluice-admin-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })
const origin = startChild({ args: [fileURLToPath(new URL('../http/origin.js', import.meta.url))], core: loadCore })
const originUrl = `http://127.0.0.1:${(await origin.waitFor(({ event }) => event === 'ready'))['port'] as number}`
const bench: AdminBench = { folder, originUrl, gatewayCore, loadCore, rounds, seconds, writes, rate, projects, say }
const wanted = (part: typeof PARTS[number]): boolean => flags.only.length === 0 || flags.only.includes(part)

const skipped = whyNoTwoCores(bench)
const twoCores = wanted('two-cores') && skipped === null ? await measureTwoCores(bench) : null
const oneCore = wanted('one-core') ? await measureOneCore(bench) : null
const fixedRate = wanted('fixed-rate') ? await measureFixedRate(bench) : null
const workers = wanted('workers') ? await measureWorkers(bench) : null
const boots = wanted('boot') ? await measureBoot(bench) : null
await origin.stop()

const kept = twoCores === null ? null : { slowed: twoCores.slowed <= MOST_SLOWED, writes: twoCores.writes.p99Ms < MOST_P99_MS && Object.keys(twoCores.writes.failed).length === 0 }
const served = oneCore === null ? null : { count: oneCore.servedMs.length, p50Ms: quantile([...oneCore.servedMs], 0.5), p99Ms: quantile([...oneCore.servedMs], 0.99), maxMs: Math.max(...oneCore.servedMs) }
if (flags.json) {
  process.stdout.write(`${JSON.stringify({
    writesPerSecond: writes, twoCores: twoCores ?? { skipped }, saturated: oneCore?.saturated, fixedRate: fixedRate === null ? undefined : { perSecond: rate, ...fixedRate }, workers, served, boot: boots === null ? null : { projects, ms: boots, medianMs: median(boots) }, kept
  }, null, 2)}\n`)
} else show()
if (flags.check && (kept === null || !kept.slowed || !kept.writes)) {
  if (kept === null) process.stderr.write(`nothing was checked: ${skipped ?? 'two-cores was not asked for'}\n`)
  process.exitCode = 1
}

function show (): void {
  if (twoCores !== null) for (const line of shownTwoCores(twoCores, writes)) say(line)
  else if (wanted('two-cores')) say(`two cores: left out, ${skipped}`)
  for (const [spread, { rateRatio, writes: made }] of Object.entries(oneCore?.saturated ?? {})) {
    say(`one core for everything, saturated, ${writes} writes per second to ${spread}: traffic keeps ${(rateRatio * 100).toFixed(1)} % of its rate, medians of rounds; ${shownWrites(made)}`)
  }
  if (fixedRate !== null) {
    const { p50Ratio, p99Ratio, writeMicros: micros } = fixedRate
    say(`${rate} req/s, no core pinned, ${writes} writes per second to 20 records: traffic's p50 is ${(p50Ratio * 100).toFixed(1)} %, its p99 ${(p99Ratio * 100).toFixed(1)} % of what they are alone (target: 105 %); ${shownWrites(fixedRate.writes)}`)
    say(`a write costs ${micros.main.toFixed(0)} us of processor time on the thread that serves, ${micros.others.toFixed(0)} us on all others`)
  }
  if (workers !== null) say(`two workers, the admin API in the primary, ${writes} writes per second to 20 records: they take ${(workers.medianShare * 100).toFixed(1)} % of a worker's core (target: 5 %); ${shownWrites(workers.writes)}`)
  if (served !== null) say(`a project that was made is served after: p50 ${served.p50Ms.toFixed(0)} ms, slowest ${served.maxMs.toFixed(0)} ms of ${served.count} (target: 1 s)`)
  if (boots !== null) say(`boot with ${projects} projects in the store: ${boots.map((ms) => ms.toFixed(0)).join(', ')} ms (target: 3 s)`)
}

function say (line: string): void {
  (flags.json ? process.stderr : process.stdout).write(`${line}\n`)
}

/**
 * `npm run bench [-- --help]`: how fast the gateway forwards, beside a bare forwarder and its peers. Every variant in a fresh process
 * per round, rounds interleaved, their order reversed each time, the gateway on one core and the load on another where there is `taskset`.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { onPath, startChild } from '../lib/child.js'
import { defaultLoadTool } from '../lib/load.js'
import { allowedCores } from '../lib/proc.js'
import type { AddedLatency } from './added-latency.js'
import type { CrowdResult } from './crowd.js'
import { measureRound, serve, type Conditions, type Round } from './measure.js'
import { compareRounds, formatReport, formatRound, summarise, type CrowdReport, type Report } from './report.js'
import { checkTargets } from './targets.js'
import { TWO_WORKERS, VARIANTS, type Variant } from './variants.js'

const HELP = `npm run bench -- [options]

  --rounds N         rounds of each variant (6)
  --duration S       seconds of load in a round (4)
  --warm-ups N       loads of 2 s before the one that counts (3)
  --variants A,B     ${VARIANTS.map(({ name }) => name).join(', ')} (all)
  --load TOOL        wrk or autocannon (wrk where it is on PATH)
  --connections N    connections of the load (64)
  --quick            2 short rounds of the four most important variants; ends within 50 s
  --check            compares with the targets; exit code 1 when one is missed
  --json             the whole result as JSON on stdout, progress on stderr
`
const QUICK = ['bare', 'sluice-bare', 'sluice-full', 'http-proxy']
// Long enough for the thread that loaded the configuration to have ended: what is weighed is a gateway that serves.
const CROWD = { connections: 1_000, perSecond: 1_000, seconds: 25 }
const PACED = { perSecond: 1_000, connections: 32 }

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string' }, duration: { type: 'string' }, 'warm-ups': { type: 'string' }, variants: { type: 'string' }, load: { type: 'string' }, connections: { type: 'string', default: '64' },
    quick: { type: 'boolean', default: false }, check: { type: 'boolean', default: false }, json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const names = flags.variants?.split(',') ?? (flags.quick ? QUICK : VARIANTS.map(({ name }) => name))
const variants = names.map((name) => VARIANTS.find((variant) => variant.name === name) ?? refuse(`there is no variant "${name}"`))
const rounds = count('rounds', flags.rounds ?? (flags.quick ? '2' : '6'))
const tool = flags.load ?? defaultLoadTool()
if (tool !== 'wrk' && tool !== 'autocannon') refuse(`there is no load generator "${tool}"`)
if (tool === 'wrk' && !onPath('wrk')) refuse('wrk is not on PATH')

const cores = onPath('taskset') ? allowedCores() : []
const [gatewayCore, loadCore] = cores.length > 1 ? cores as [number, number] : [null, null]
const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
process.on('exit', () => { rmSync(folder, { recursive: true, force: true }) })

const origin = startChild({ args: [fileURLToPath(new URL('./origin.js', import.meta.url))], core: loadCore })
const originPort = (await origin.waitFor(({ event }) => event === 'ready'))['port'] as number
const conditions: Conditions = {
  origin: `http://127.0.0.1:${originPort}`, folder, tool: tool as Conditions['tool'], connections: count('connections', flags.connections),
  warmUps: count('warm-ups', flags['warm-ups'] ?? (flags.quick ? '1' : '3')), warmUpSeconds: flags.quick ? 1 : 2, seconds: count('duration', flags.duration ?? (flags.quick ? '2' : '4')), gatewayCore, loadCore
}

const all = await runRounds(variants, rounds)
const sluiceBare = variants.find(({ name }) => name === 'sluice-bare')
const sluiceFull = variants.find(({ name }) => name === 'sluice-full')
const report: Report = {
  date: new Date().toISOString(), node: process.versions.node, cpu: cpus()[0]?.model.trim() ?? 'unknown', cores: cpus().length,
  pinned: gatewayCore !== null, load: tool, connections: conditions.connections, rounds: all, summaries: summarise(all),
  workers: sluiceBare === undefined || flags.quick ? null : await compareWorkers(sluiceBare),
  latency: sluiceFull === undefined ? null : await measureLatency(sluiceFull),
  crowd: sluiceFull === undefined ? null : await measureCrowd(sluiceFull)
}
await origin.stop()

const checks = checkTargets(report)
if (flags.json) process.stdout.write(`${JSON.stringify({ ...report, checks }, null, 2)}\n`)
else process.stdout.write(`\n${formatReport(report)}\n`)
if (flags.check) {
  say('')
  for (const { name, ok, value } of checks) say(`${ok === null ? 'not measured' : ok ? 'reached' : 'MISSED'}  ${name}${value === null ? '' : ` (${Number(value.toPrecision(3))})`}`)
}
// A round with errors is never a result, whether or not anybody checks it.
const missed = checks.filter(({ ok }) => ok === false)
if (flags.check ? missed.length > 0 : missed.some(({ name }) => name.endsWith(': none'))) process.exitCode = 1

/** Interleaves the variants, in the opposite order every other round. */
async function runRounds (which: readonly Variant[], times: number): Promise<Round[]> {
  const done: Round[] = []
  for (let round = 1; round <= times; round++) {
    for (const variant of round % 2 === 1 ? which : [...which].reverse()) {
      let result: Round
      try {
        result = await measureRound(variant, round, conditions)
      } catch (error) {
        result = { variant: variant.name, round, perSecond: NaN, cpuMicros: NaN, busy: NaN, p50Ms: NaN, p99Ms: NaN, rssBytes: NaN, errors: [error instanceof Error ? error.message : String(error)] }
      }
      done.push(result)
      say(`round ${round}/${times}  ${formatRound(result)}`)
    }
  }
  return done
}

/** Both on the one core of the gateway: what is compared is what a request costs, not how many cores there are. */
async function compareWorkers (one: Variant): Promise<Report['workers']> {
  const done = await runRounds([one, TWO_WORKERS], Math.min(rounds, 4))
  all.push(...done.filter(({ errors }) => errors.length > 0))
  const summaries = summarise(done)
  const cost = compareRounds(done, TWO_WORKERS.name, one.name, ({ cpuMicros }) => cpuMicros)
  return cost === null ? null : { one: summaries[0]?.cpuMicros ?? NaN, two: summaries[1]?.cpuMicros ?? NaN, cost }
}

async function measureLatency (variant: Variant): Promise<AddedLatency> {
  const serving = await serve(variant, conditions)
  const seconds = flags.quick ? 4 : 12
  const child = startChild({ args: [fileURLToPath(new URL('./added-latency.js', import.meta.url)), ...[originPort, serving.port, PACED.perSecond, seconds, PACED.connections].map(String)], core: loadCore })
  try {
    const latency = await child.waitFor(({ event }) => event === 'latency', 60_000) as unknown as AddedLatency
    say(`added latency: p50 ${(latency.through.p50 - latency.direct.p50).toFixed(3)} ms, p99 ${(latency.through.p99 - latency.direct.p99).toFixed(3)} ms`)
    return latency
  } finally {
    await child.stop()
    await serving.stop()
  }
}

async function measureCrowd (variant: Variant): Promise<CrowdReport> {
  const serving = await serve(variant, conditions)
  const child = startChild({ args: [fileURLToPath(new URL('./crowd.js', import.meta.url)), ...[serving.port, CROWD.connections, CROWD.perSecond, flags.quick ? 2 : CROWD.seconds].map(String)], core: loadCore })
  try {
    const { failed } = await child.waitFor(({ event }) => event === 'crowd', 60_000) as unknown as CrowdResult
    const { rssBytes } = await serving.meter.read()
    say(`${CROWD.connections} connections: ${(rssBytes / 1e6).toFixed(0)} MB`)
    return { ...CROWD, rssBytes, failed }
  } finally {
    await child.stop()
    await serving.stop()
  }
}

function count (flag: string, text: string): number {
  const value = Number(text)
  return Number.isInteger(value) && value > 0 ? value : refuse(`--${flag} takes a whole number above 0, not "${text}"`)
}

function say (line: string): void {
  (flags.json ? process.stderr : process.stdout).write(`${line}\n`)
}

function refuse (what: string): never {
  process.stderr.write(`${what}\n\n${HELP}`)
  process.exit(2)
}

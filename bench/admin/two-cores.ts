import { onPath } from '../lib/child.js'
import { pinThread, threadsOf, threadTimes } from '../lib/proc.js'
import { median, medianOfRatios } from '../lib/stats.js'
import { figuresOf, makeProjects, noWrites, saturate, shownWrites, startGateway, writeFor, type AdminBench, type BenchGateway, type WriteFigures } from './gateway.js'

/** A round of saturating traffic. */
export interface SaturatedRound {
  readonly perSecond: number
  readonly requests: number
  /** How much of its core the thread that serves had, 1 = all of it; NaN where the system does not tell. */
  readonly share: number
  /** The time that it had. */
  readonly micros: number
  readonly ms: number
}

/** What writes cost where the thread that serves has a core, and everything else another. */
export interface TwoCores {
  readonly alone: readonly SaturatedRound[]
  readonly beside: readonly SaturatedRound[]
  /** The rate beside writes as a part of that alone: the median of the rounds' ratios. */
  readonly rateRatio: number
  /** What writes take of the thread that serves, as a part of its core: what its time beside writes is more than that of so many requests alone. The median of the rounds. */
  readonly takenShare: number
  readonly microsPerWrite: number
  /** How much traffic is slowed, 0.05 = 5 %: by rates where the thread had its core; else, on a machine that others use too, by what writes take of it. */
  readonly slowed: number
  readonly by: 'rate' | 'processor time'
  readonly writes: WriteFigures
}

/** Why it can not be measured here; null = it can. */
export function whyNoTwoCores ({ gatewayCore }: AdminBench): string | null {
  if (!onPath('taskset')) return 'there is no taskset on PATH, which puts threads on cores'
  return gatewayCore === null ? 'this process may use one core only' : null
}

/** Saturating traffic on a gateway of one process, alone and beside writes, in turn. */
export async function measureTwoCores (bench: AdminBench): Promise<TwoCores> {
  const { rounds, writes, say } = bench
  const gateway = await startGateway(bench, 'two-cores', null)
  try {
    await makeProjects(bench, gateway)
    await pinApart(bench, gateway)
    await Promise.all([saturate(bench, gateway, PATH), writeFor(bench, gateway, '20 records', noWrites())])
    const [alone, beside, into] = [[] as SaturatedRound[], [] as SaturatedRound[], noWrites()]
    for (let round = 0; round < rounds; round++) {
      for (const withWrites of round % 2 === 0 ? [false, true] : [true, false]) {
        await pinApart(bench, gateway)
        const [figures] = await Promise.all([trafficFor(bench, gateway), ...withWrites ? [writeFor(bench, gateway, '20 records', into)] : []])
        ;(withWrites ? beside : alone).push(figures)
        say(`round ${round + 1}/${rounds}, two cores, ${withWrites ? `beside ${writes} writes per second` : 'alone'}: ${shownRound(figures)}`)
      }
    }
    const rateRatio = medianOfRatios(beside.map(({ perSecond }) => perSecond), alone.map(({ perSecond }) => perSecond))
    const takenShare = median(beside.map((round, i) => takenOf(round, alone[i] as SaturatedRound)))
    const by = median([...alone, ...beside].map(({ share }) => share)) < LEAST_SHARE ? 'processor time' : 'rate'
    return { alone, beside, rateRatio, takenShare, microsPerWrite: takenShare * 1e6 / writes, slowed: by === 'rate' ? 1 - rateRatio : takenShare, by, writes: figuresOf(into) }
  } finally {
    await pinAll(process.pid, [bench.gatewayCore, bench.loadCore])
    await gateway.child.stop()
  }
}

/** It as sentences. */
export function shownTwoCores ({ alone, beside, rateRatio, takenShare, microsPerWrite, slowed, by, writes }: TwoCores, perSecond: number): string[] {
  const share = median([...alone, ...beside].map((round) => round.share))
  return [
    `the thread that serves on a core of its own, saturated; ${perSecond} writes per second to 20 records: traffic keeps ${(rateRatio * 100).toFixed(1)} % of its rate, medians of rounds (target: 95 %); ${shownWrites(writes)}`,
    `a write costs the thread that serves ${microsPerWrite.toFixed(0)} us, so they take ${(takenShare * 100).toFixed(1)} % of its core (target: 5 %); it had ${(share * 100).toFixed(0)} % of it${by === 'rate' ? '' : ': others use this machine, or the load is the limit, and rates say little'}`,
    `traffic is slowed by ${(slowed * 100).toFixed(1)} %, by ${by}`
  ]
}

const LEAST_SHARE = 0.9
/** What the gateway answers itself, after the usual plugins: an origin on the core of the load would be the limit, and so would the load if an answer cost next to nothing. */
const PATH = '/direct'

/** The thread that serves, which is the process's first, on its core; all others, and who loads it, on the other one. Threads that start later are where the one that started them is. */
async function pinApart ({ gatewayCore, loadCore }: AdminBench, { child: { pid } }: BenchGateway): Promise<void> {
  for (const thread of threadsOf(pid)) await pinThread(thread, [thread === pid ? gatewayCore : loadCore])
  await pinAll(process.pid, [loadCore])
}

async function pinAll (pid: number, cores: readonly (number | null)[]): Promise<void> {
  for (const thread of threadsOf(pid)) await pinThread(thread, cores)
}

async function trafficFor (bench: AdminBench, gateway: BenchGateway): Promise<SaturatedRound> {
  const micros = (): number => threadTimes(gateway.child.pid)?.mainMicros ?? NaN
  const [before, startedAt] = [micros(), performance.now()]
  const { requests, perSecond } = await saturate(bench, gateway, PATH)
  const [used, ms] = [micros() - before, performance.now() - startedAt]
  return { perSecond, requests, share: used / 1_000 / ms, micros: used, ms }
}

function takenOf (beside: SaturatedRound, alone: SaturatedRound): number {
  return (beside.micros - beside.requests * alone.micros / alone.requests) / 1_000 / beside.ms
}

function shownRound ({ perSecond, requests, share, micros }: SaturatedRound): string {
  return `${perSecond.toFixed(0)} req/s, ${(share * 100).toFixed(0)} % of the core, ${(micros / requests).toFixed(1)} us each`
}

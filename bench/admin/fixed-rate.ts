import { createPacedLoad } from '../lib/paced-load.js'
import { threadTimes } from '../lib/proc.js'
import { median, medianOfRatios, quantile } from '../lib/stats.js'
import { figuresOf, makeProjects, noWrites, startGateway, writeFor, type AdminBench, type BenchGateway, type WriteFigures } from './gateway.js'

/** A round of traffic at a fixed rate, with what the gateway's threads used per second: NaN where the system does not tell. */
export interface PacedRound { readonly p50Ms: number, readonly p99Ms: number, readonly mainMicros: number, readonly otherMicros: number }

/** What traffic at a fixed rate notices of writes, each thread where the system puts it. */
export interface FixedRate {
  readonly alone: readonly PacedRound[]
  readonly beside: readonly PacedRound[]
  readonly p50Ratio: number
  readonly p99Ratio: number
  /** Processor time of a write, on the thread that serves and on all others. */
  readonly writeMicros: { readonly main: number, readonly others: number }
  readonly writes: WriteFigures
}

/** Traffic at the fixed rate, alone and beside writes, in turn. */
export async function measureFixedRate (bench: AdminBench): Promise<FixedRate> {
  const { rounds, rate, writes, say } = bench
  const gateway = await startGateway(bench, 'fixed-rate', null)
  await makeProjects(bench, gateway)
  await Promise.all([trafficFor(bench, gateway), writeFor(bench, gateway, '20 records', noWrites())])
  const [alone, beside, into] = [[] as PacedRound[], [] as PacedRound[], noWrites()]
  for (let round = 0; round < rounds; round++) {
    for (const withWrites of round % 2 === 0 ? [false, true] : [true, false]) {
      const [figures] = await Promise.all([trafficFor(bench, gateway), ...withWrites ? [writeFor(bench, gateway, '20 records', into)] : []])
      ;(withWrites ? beside : alone).push(figures)
      const { p50Ms, p99Ms, mainMicros, otherMicros } = figures
      say(`round ${round + 1}/${rounds}, ${rate} req/s ${withWrites ? `beside ${writes} writes per second` : 'alone'}: p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${(mainMicros / 1000).toFixed(0)} + ${(otherMicros / 1000).toFixed(0)} ms of processor time per second`)
    }
  }
  await gateway.child.stop()
  const ratioOf = (of: (round: PacedRound) => number): number => medianOfRatios(beside.map(of), alone.map(of))
  const costOf = (of: (round: PacedRound) => number): number => (median(beside.map(of)) - median(alone.map(of))) / writes
  return {
    alone, beside, writes: figuresOf(into), p50Ratio: ratioOf(({ p50Ms }) => p50Ms), p99Ratio: ratioOf(({ p99Ms }) => p99Ms),
    writeMicros: { main: costOf(({ mainMicros }) => mainMicros), others: costOf(({ otherMicros }) => otherMicros) }
  }
}

async function trafficFor ({ rate, seconds }: AdminBench, { child, data }: BenchGateway): Promise<PacedRound> {
  const paced = createPacedLoad({ host: '127.0.0.1', port: data, request: 'GET /api/v1/orders?limit=10 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n' }, 32)
  const before = threadTimes(child.pid)
  const samples = await paced.run(rate, seconds * 1000)
  const after = threadTimes(child.pid)
  paced.close()
  if (samples.failed.size > 0) throw new Error(JSON.stringify(Object.fromEntries(samples.failed)))
  const [main, all] = before === null || after === null ? [NaN, NaN] : [after.mainMicros - before.mainMicros, after.allMicros - before.allMicros]
  return { p50Ms: quantile(samples.latenciesMs, 0.5), p99Ms: quantile(samples.latenciesMs, 0.99), mainMicros: main / seconds, otherMicros: (all - main) / seconds }
}

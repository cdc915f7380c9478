import { decimals, formatTable, megabytes } from '../lib/table.js'
import { median, medianOfRatios } from '../lib/stats.js'
import type { AddedLatency } from './added-latency.js'
import type { Round } from './measure.js'
import { BASELINE, TWO_WORKERS } from './variants.js'

/** One variant over all its rounds; medians. */
export interface Summary {
  variant: string
  perSecond: number
  cpuMicros: number
  /** How many times more requests than the baseline from the same CPU time; null without a baseline. */
  cpuRatio: number | null
  /** How many times more requests per second than the baseline; says little where `busy` is below 0.9. */
  rateRatio: number | null
  busy: number
  p50Ms: number
  p99Ms: number
  rssBytes: number
  failedRounds: number
}

/** Memory with many connections. */
export interface CrowdReport {
  connections: number
  perSecond: number
  rssBytes: number
  failed: Record<string, number>
}

/** Everything that one run found; null = not measured. */
export interface Report {
  date: string
  node: string
  cpu: string
  cores: number
  pinned: boolean
  load: string
  connections: number
  rounds: Round[]
  summaries: Summary[]
  /** One worker's CPU per request by two workers', round by round. */
  workers: { one: number, two: number, cost: number } | null
  latency: AddedLatency | null
  crowd: CrowdReport | null
}

/** Takes the rounds of each variant together. */
export function summarise (rounds: readonly Round[]): Summary[] {
  const names = [...new Set(rounds.map(({ variant }) => variant))]
  return names.map((variant) => {
    const own = rounds.filter((round) => round.variant === variant)
    const clean = own.filter(({ errors }) => errors.length === 0)
    const middle = (pick: (round: Round) => number): number => median(clean.map(pick))
    return {
      variant,
      perSecond: middle(({ perSecond }) => perSecond),
      cpuMicros: middle(({ cpuMicros }) => cpuMicros),
      cpuRatio: compareRounds(rounds, BASELINE, variant, ({ cpuMicros }) => cpuMicros),
      rateRatio: compareRounds(rounds, variant, BASELINE, ({ perSecond }) => perSecond),
      busy: middle(({ busy }) => busy),
      p50Ms: middle(({ p50Ms }) => p50Ms),
      p99Ms: middle(({ p99Ms }) => p99Ms),
      rssBytes: middle(({ rssBytes }) => rssBytes),
      failedRounds: own.length - clean.length
    }
  })
}

/** The median, over the rounds in which both are without errors, of `top`'s value by `bottom`'s; null when there is none. */
export function compareRounds (rounds: readonly Round[], top: string, bottom: string, pick: (round: Round) => number): number | null {
  const clean = (variant: string): Map<number, Round> =>
    new Map(rounds.filter((round) => round.variant === variant && round.errors.length === 0).map((round) => [round.round, round]))
  const over = clean(top)
  const under = clean(bottom)
  const shared = [...over.keys()].filter((round) => under.has(round))
  const values = (of: Map<number, Round>): number[] => shared.map((round) => pick(of.get(round) as Round))
  return shared.length === 0 ? null : medianOfRatios(values(over), values(under))
}

/** One line of progress. */
export function formatRound ({ variant, perSecond, cpuMicros, busy, p50Ms, p99Ms, rssBytes, errors }: Round): string {
  if (errors.length > 0) return `${variant}: FAILED: ${errors.join('; ')}`
  return `${variant}: ${decimals(perSecond, 0)} req/s, ${decimals(cpuMicros, 1)} us CPU/request, core ${decimals(busy * 100, 0)} % busy, p50 ${decimals(p50Ms, 2)} ms, p99 ${decimals(p99Ms, 2)} ms, ${megabytes(rssBytes)} MB`
}

/** What people read at the end. */
export function formatReport (report: Report): string {
  const { summaries, workers, latency, crowd } = report
  const rows = summaries.map((one) => [
    one.variant, decimals(one.perSecond, 0), decimals(one.rateRatio, 2), decimals(one.cpuMicros, 1), decimals(one.cpuRatio, 2), `${decimals(one.busy * 100, 0)} %`,
    decimals(one.p50Ms, 2), decimals(one.p99Ms, 2), megabytes(one.rssBytes), one.failedRounds === 0 ? '' : `${one.failedRounds} failed`
  ])
  const lines = [
    `Node ${report.node}, ${report.cores} cores (${report.cpu}), ${report.pinned ? 'gateway on one core, load and origin on another' : 'not pinned'}, ${report.load}, ${report.connections} connections; medians, ratios to "${BASELINE}" round by round.`,
    '',
    formatTable(['variant', 'req/s', 'ratio', 'CPU us/req', 'ratio', 'busy', 'p50 ms', 'p99 ms', 'RSS MB', ''], rows)
  ]
  if (summaries.some(({ busy }) => busy < 0.9)) lines.push('', 'Where a core was less than 90 % busy the load was the limit: go by CPU per request there, not by requests per second.')
  if (workers !== null) lines.push('', `${TWO_WORKERS.name}: ${decimals(workers.two, 1)} us CPU/request, one worker ${decimals(workers.one, 1)}: ${decimals(workers.cost, 2)} x`)
  if (latency !== null) {
    const { direct, through } = latency
    lines.push('', `1 000 requests a second (${latency.samples} samples): direct p50 ${decimals(direct.p50, 3)} ms, p99 ${decimals(direct.p99, 3)} ms; through sluice-full p50 ${decimals(through.p50, 3)} ms, p99 ${decimals(through.p99, 3)} ms; added p50 ${decimals(through.p50 - direct.p50, 3)} ms, p99 ${decimals(through.p99 - direct.p99, 3)} ms`)
  }
  if (crowd !== null) lines.push('', `${crowd.connections} open connections at ${crowd.perSecond} requests a second: ${megabytes(crowd.rssBytes)} MB RSS`)
  return lines.join('\n')
}

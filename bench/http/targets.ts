import { compareRounds, type Report } from './report.js'

/** Whether a target was reached; `ok` is null when the run did not measure it. */
export interface Check {
  name: string
  ok: boolean | null
  value: number | null
}

/** Compares a run with what the gateway is to reach. Ratios are of CPU per request, which a busy machine disturbs least. */
export function checkTargets (report: Report): Check[] {
  const { summaries, rounds, workers, latency, crowd } = report
  const of = (variant: string) => summaries.find((summary) => summary.variant === variant)
  const failures = (failed: Record<string, number>): number => Object.values(failed).reduce((sum, count) => sum + count, 0)
  return [
    atMost('rounds with errors: none', rounds.filter(({ errors }) => errors.length > 0).length, 0),
    atLeast('sluice-full >= 10 000 req/s', of('sluice-full')?.perSecond ?? null, 10_000),
    atLeast('sluice-bare >= 1.05 x bare', of('sluice-bare')?.cpuRatio ?? null, 1.05),
    atLeast('sluice-full >= 1.0 x bare', of('sluice-full')?.cpuRatio ?? null, 1),
    atLeast('sluice-bare >= 2.5 x http-proxy', compareRounds(rounds, 'http-proxy', 'sluice-bare', ({ cpuMicros }) => cpuMicros), 2.5),
    atMost('two workers <= 1.1 x the CPU per request of one', workers?.cost ?? null, 1.1),
    atMost('added latency p50 <= 0.3 ms', latency === null ? null : latency.through.p50 - latency.direct.p50, 0.3),
    atMost('added latency p99 <= 2 ms', latency === null ? null : latency.through.p99 - latency.direct.p99, 2),
    atMost('failed paced requests: none', latency === null ? null : failures(latency.failed), 0),
    atMost('RSS per worker with 1 000 connections < 150 MB', crowd === null ? null : crowd.rssBytes / 1e6, 150),
    atMost('failed requests over 1 000 connections: none', crowd === null ? null : failures(crowd.failed), 0)
  ]
}

// A NaN (no clean round) is a failure, not a success.
function atLeast (name: string, value: number | null, least: number): Check {
  return { name, value, ok: value === null ? null : value >= least }
}

function atMost (name: string, value: number | null, most: number): Check {
  return { name, value, ok: value === null ? null : value <= most }
}

/** Closed-loop load: so many connections, each sending its next request as soon as the answer is there. */
import { createRequire } from 'node:module'
import { onPath, runCommand } from './child.js'

/** The load generators that are known. */
export type LoadTool = 'wrk' | 'autocannon'

/** What a load saw. */
export interface LoadResult {
  requests: number
  seconds: number
  perSecond: number
  p50Ms: number
  p99Ms: number
  /** What went wrong, as sentences; empty when every answer was 2xx. */
  errors: string[]
}

/** What to load, and how. */
export interface LoadPlan {
  tool: LoadTool
  url: string
  connections: number
  seconds: number
  headers: Readonly<Record<string, string>>
  core: number | null
}

/** wrk where it is on PATH: it costs a quarter of autocannon's CPU, so it can keep a fast gateway busy from one core. */
export function defaultLoadTool (): LoadTool { return onPath('wrk') ? 'wrk' : 'autocannon' }

/** Runs a load to its end, in a process of its own. */
export async function runLoad ({ tool, url, connections, seconds, headers, core }: LoadPlan): Promise<LoadResult> {
  const fields = Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`])
  if (tool === 'wrk') return parseWrk(await runCommand('wrk', ['-t', '1', '-c', String(connections), '-d', `${seconds}s`, '--latency', ...fields, url], core))
  const script = createRequire(import.meta.url).resolve('autocannon')
  const args = [script, '--json', '--no-progress', '-c', String(connections), '-d', String(seconds), ...fields, url]
  return parseAutocannon(await runCommand(process.execPath, args, core))
}

/** Reads what `wrk --latency` prints. Throws Error for anything else. */
export function parseWrk (text: string): LoadResult {
  const total = /(\d+) requests in ([\d.]+)(us|ms|s|m|h),/.exec(text)
  const p50 = /^\s+50%\s+([\d.]+)(us|ms|s|m|h) ?$/m.exec(text)
  const p99 = /^\s+99%\s+([\d.]+)(us|ms|s|m|h) ?$/m.exec(text)
  if (total === null || p50 === null || p99 === null) throw new Error(`wrk said something else: ${text.trim().slice(0, 200)}`)
  const requests = Number(total[1])
  const seconds = toMs(total[2], total[3]) / 1000
  const errors: string[] = []
  const refused = /Non-2xx or 3xx responses: (\d+)/.exec(text)
  if (refused !== null) errors.push(`${refused[1]} answers were not 2xx or 3xx`)
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  for (const [index, kind] of ['connect', 'read', 'write', 'timeout'].entries()) {
    const count = Number(sockets?.[index + 1] ?? 0)
    if (count > 0) errors.push(`${count} ${kind} errors`)
  }
  if (requests === 0) errors.push('no request was answered')
  return { requests, seconds, perSecond: requests / seconds, p50Ms: toMs(p50[1], p50[2]), p99Ms: toMs(p99[1], p99[2]), errors }
}

const UNIT_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

function toMs (value: string | undefined, unit: string | undefined): number {
  return Number(value) * (UNIT_MS[unit ?? ''] ?? NaN)
}

interface AutocannonResult {
  duration: number
  requests: { total: number }
  latency: { p50: number, p99: number }
  errors: number
  timeouts: number
  resets?: number
  non2xx: number
}

/** Reads what `autocannon --json` prints. Throws Error for anything else. */
export function parseAutocannon (text: string): LoadResult {
  const start = text.indexOf('{')
  if (start === -1) throw new Error(`autocannon said something else: ${text.trim().slice(0, 200)}`)
  const { duration, requests: { total }, latency, errors: failures, timeouts, resets = 0, non2xx } = JSON.parse(text.slice(start)) as AutocannonResult
  const errors: string[] = []
  if (non2xx > 0) errors.push(`${non2xx} answers were not 2xx`)
  if (failures - timeouts > 0) errors.push(`${failures - timeouts} connection errors`)
  if (timeouts > 0) errors.push(`${timeouts} timeout errors`)
  if (resets > 0) errors.push(`${resets} resets`)
  if (total === 0) errors.push('no request was answered')
  return { requests: total, seconds: duration, perSecond: total / duration, p50Ms: latency.p50, p99Ms: latency.p99, errors }
}

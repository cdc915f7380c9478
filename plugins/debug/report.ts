import type { TraceEntry } from '../../core/context.js'

/** What the two fields are made of. Times in milliseconds. */
export interface Report {
  readonly route: string | null
  readonly project: string | null
  readonly source: string
  readonly status: number
  readonly totalMs: number
  /** Null where the answer is not an upstream's. */
  readonly upstreamMs: number | null
  /** The Cache-Control that the answer had. */
  readonly cacheControl: string | null
  readonly steps: readonly TraceEntry[]
}

/** `X-Sluice-Trace` never is longer. */
export const MAX_TRACE_BYTES = 4096
const MAX_TEXT = 80

/** The report as a Server-Timing value (W3C Server Timing): `total`, `upstream`, then at most `maxSteps` steps, the rest as one `more`. */
export function serverTiming (report: Report, maxSteps: number): string {
  const { steps } = report
  let text = `total;dur=${milliseconds(report.totalMs)}`
  if (report.upstreamMs !== null) text += `, upstream;dur=${milliseconds(report.upstreamMs)}`
  for (const step of steps.slice(0, maxSteps)) {
    const label = step.id === step.plugin ? '' : `${step.id} `
    text += `, ${token(step.plugin)};dur=${milliseconds(step.durationMs)};desc="${quotable(`${label}${step.hook}: ${step.decision}`)}"`
  }
  const rest = steps.slice(maxSteps)
  if (rest.length > 0) text += `, more;dur=${milliseconds(rest.reduce((sum, step) => sum + step.durationMs, 0))};desc="${rest.length} more steps"`
  return text
}

/** The report as one line of ASCII JSON of at most MAX_TRACE_BYTES; steps that do not fit are left off and counted in `left`. */
export function traceJson (report: Report): string {
  const { steps, ...head } = report
  const start = asciiJson({ ...head, totalMs: round(head.totalMs), upstreamMs: head.upstreamMs === null ? null : round(head.upstreamMs), route: cut(head.route), project: cut(head.project), cacheControl: cut(head.cacheControl) }).slice(0, -1)
  // `,"left":1000000}` and the brackets.
  const budget = MAX_TRACE_BYTES - start.length - 40
  let written = ''
  let count = 0
  for (const { plugin, id, stage, hook, decision, durationMs } of steps) {
    const entry = asciiJson({ plugin: cut(plugin), ...id !== plugin && { id: cut(id) }, stage, hook, decision: cut(decision), ms: round(durationMs) })
    if (written.length + entry.length + 1 > budget) break
    written += `${count === 0 ? '' : ','}${entry}`
    count++
  }
  return `${start},"steps":[${written}]${count < steps.length ? `,"left":${steps.length - count}` : ''}}`
}

function milliseconds (ms: number): string {
  return String(round(ms))
}

function round (ms: number): number {
  return Math.round(ms * 1000) / 1000
}

function cut<T extends string | null> (text: T): T | string {
  return text !== null && text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}...` : text
}

function token (name: string): string {
  return name.replace(/[^A-Za-z0-9._-]/g, '-').slice(0, MAX_TEXT)
}

function quotable (text: string): string {
  return text.replace(/[^\x20-\x7e]|["\\]/g, '?').slice(0, MAX_TEXT)
}

function asciiJson (value: unknown): string {
  return JSON.stringify(value).replace(/[^\x20-\x7e]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

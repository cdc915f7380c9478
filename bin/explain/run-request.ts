import type { GatewayRequest } from '../../core/context.js'
import type { Logger } from '../../core/host.js'
import { MemorySink } from '../../core/memory-exchange.js'
import type { Gateway } from '../../core/gateway.js'
import type { ExplainedRun } from './explanation.js'

/** More of an answer is not read: it is told by status, fields and size. */
const MOST_BYTES = 16 * 1024 * 1024

/** Sends a request through the gateway's pipeline in this process, to its real upstream, and records what each step decided. */
export async function runRequest (gateway: Gateway, request: GatewayRequest, timeoutMs: number, log: RecordingLog): Promise<ExplainedRun> {
  const sink = new MemorySink(MOST_BYTES)
  const exchange = gateway.open(request, sink)
  exchange.startTrace()
  // An answer that never ends (server-sent events) is cut off here.
  const timer = setTimeout(() => { sink.abort() }, timeoutMs)
  exchange.begin()
  const answer = await sink.done
  clearTimeout(timer)
  const { outcome, forward, relay, trace } = exchange
  return {
    decisions: trace?.entries ?? [],
    answer: { status: answer.status, headers: [...answer.headers], bytes: answer.body.length, complete: answer.complete },
    forwarded: outcome.target === null ? null : { target: outcome.target, method: forward.method, path: `${relay?.target?.basePath ?? ''}${forward.path}`, query: forward.query },
    durationMs: outcome.durationMs,
    upstreamMs: outcome.upstreamMs,
    errorCode: outcome.errorCode,
    errorReason: outcome.errorReason,
    log: log.lines
  }
}

/** A log that keeps its lines. */
export interface RecordingLog extends Logger {
  readonly lines: readonly { readonly level: string, readonly message: string, readonly fields: Readonly<Record<string, unknown>> }[]
}

/** Makes a log that keeps its lines: what a plugin says, and the stack of what it threw. */
export function createRecordingLog (): RecordingLog {
  const lines: { level: string, message: string, fields: Readonly<Record<string, unknown>> }[] = []
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string): void => { lines.push({ level, message, fields }) }
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

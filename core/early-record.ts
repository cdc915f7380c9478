import type { Clock } from './host.js'
import type { EarlyRefusal } from './listen/http1-listener.js'
import type { AccessLog } from './observe/access-log.js'
import type { GatewayMetrics } from './observe/metrics.js'

/** A request that is answered without a route, as far as its log record tells of it. */
export interface EarlyRequest extends Pick<EarlyRefusal, 'method' | 'target' | 'httpVersion' | 'connection'> {
  /** Left out where it was not read. */
  readonly host?: string
  readonly userAgent?: string | null
}

/** What it was answered. */
export interface EarlyAnswer {
  /** The request id. */
  readonly id: string
  readonly status: number
  readonly bytesOut: number
  /** Null = it is no error. */
  readonly errorCode: string | null
  readonly errorReason: string | null
}

/** Where it is written down. */
export interface EarlyRecorders {
  readonly metrics: GatewayMetrics
  /** Null = there is none. */
  readonly accessLog: AccessLog | null
  readonly clock: Clock
}

/** Counts and logs an answer that no route gave: of no project, and without its query, which nobody has taken apart to mask what is secret in it. */
export function recordEarly ({ metrics, accessLog, clock }: EarlyRecorders, request: EarlyRequest, answer: EarlyAnswer): void {
  const { method, target, httpVersion, connection, host = '', userAgent = null } = request
  const { id, status, bytesOut, errorCode, errorReason } = answer
  metrics.route(null, null).observe(status, 0, null, 0, bytesOut)
  accessLog?.record({
    time: clock.now(), requestId: id, client: connection.remoteAddress, method, scheme: connection.encrypted ? 'https' : 'http', host,
    path: pathToLog(target), query: '', httpVersion, status, complete: true, durationMs: 0, upstreamMs: null, target: null,
    bytesIn: 0, bytesOut, project: null, route: null, consumer: null, errorCode, errorReason, userAgent, fields: null
  })
}

/** The path of a request target that may be in any form: without an authority, which may hold a password, and without the query. */
function pathToLog (target: string): string {
  const path = /^(?:[a-z][a-z0-9+.-]*:\/\/[^/?]*)?(\/[^?]*)/i.exec(target)?.[1] ?? ''
  return path.slice(0, 512)
}

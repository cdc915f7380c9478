import type { Finding } from '../core/errors.js'
import { serverOptions } from '../core/listen/http1-listener.js'
import { compilePolicy } from '../core/listen/policy.js'
import type { GatewayConfig } from '../core/route.js'

/** What came of a reload. */
export interface ReloadResult {
  readonly ok: boolean
  readonly findings: readonly Finding[]
  /** Projects that were compiled anew or taken away. */
  readonly changed: number
  readonly durationMs: number
  /** Keys that differ from what this process was started with, and take effect at the next start. */
  readonly needsRestart: readonly string[]
}

/** The last reload of a process. */
export interface LastReload extends ReloadResult {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number
}

/** The keys in which `next` differs from the configuration that a process was started with, of those that are read only then. */
export function keysThatNeedRestart (started: GatewayConfig, next: GatewayConfig): string[] {
  return Object.keys(FIXED).filter((key) => !same(FIXED[key]?.(started), FIXED[key]?.(next)))
}

const FIXED: Readonly<Record<string, (config: GatewayConfig) => unknown>> = {
  'listen.host': ({ listen }) => listen.host,
  'listen.port': ({ listen }) => listen.port,
  'listen.tls': ({ listen }) => listen.tls === null,
  'listen.redirectHttp': ({ listen }) => listen.redirectHttp,
  'listen.limits.headerBytes': ({ listen }) => serverOptions(compilePolicy(listen, [], '')).maxHeaderSize,
  admin: ({ admin }) => admin,
  state: ({ state }) => state,
  counters: ({ counters }) => counters,
  domains: ({ domains }) => domains,
  workers: ({ workers }) => workers,
  accessLog: ({ accessLog }) => accessLog,
  metrics: ({ metrics }) => metrics
}

function same (one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other)
}

/** Runs `act` one at a time; calls that come while one waits to begin share it. */
export function oneAtATime<T> (act: () => Promise<T>): () => Promise<T> {
  let running: Promise<unknown> = Promise.resolve()
  let waiting: Promise<T> | null = null
  return () => {
    if (waiting !== null) return waiting
    const next = running.then(() => {
      waiting = null
      return act()
    })
    waiting = next
    running = next.catch(() => {})
    return next
  }
}

import type { Finding } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import type { StatePorts } from './state-ports.js'

/** What the admin port shows and does; the composition root supplies it. */
export interface AdminPorts {
  /** The operator's token. */
  token: string
  /** Whether the process is worth keeping. */
  live (): boolean
  /** Whether it takes requests, and what keeps it from it. Shown to everybody: no addresses, no secrets. */
  ready (): { ready: boolean, reasons: readonly string[], /** What does not work although requests are served. */ degraded?: readonly string[] }
  status (): Promise<object>
  /** The running configuration, secrets redacted: a JSON text, or null where it can not be had now. */
  config (): Promise<string | null>
  /** `needsRestart`: keys that were changed and take effect at the next start. */
  reload (): Promise<{ ok: boolean, findings: readonly Finding[], changed: number, durationMs: number, needsRestart: readonly string[] }>
  /** All workers' metrics in Prometheus's text format. */
  metrics (): Promise<string>
  /** The store and what goes with it; null or absent = there is none, and nothing under `/admin` but what the port itself has. */
  state?: StatePorts | null
  logger: Logger
  /** Address of the page that documents error codes; null or absent = a URN. */
  docs?: string | null
}

/**
 * What a plugin is handed beside its config: ports that engines implement, scoped to the plugin's project.
 * All of it can be faked; a plugin test needs no network port.
 */

/** Structured logging. Fields first, so that a message never has to be parsed. Never pass secrets. */
export interface Logger {
  debug (fields: Readonly<Record<string, unknown>>, message: string): void
  info (fields: Readonly<Record<string, unknown>>, message: string): void
  warn (fields: Readonly<Record<string, unknown>>, message: string): void
  error (fields: Readonly<Record<string, unknown>>, message: string): void
}

/** Time, so that tests can turn it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now (): number
  /** Milliseconds that never go back, for durations. */
  monotonic (): number
  /** Calls back once after `delayMs`; returns what cancels it. Does not keep the process alive. */
  after (delayMs: number, callback: () => void): () => void
}

/** A counter with fixed labels. */
export interface CounterMetric { increment (labelValues: readonly string[], by?: number): void }

/** A histogram with fixed labels and buckets. */
export interface HistogramMetric { observe (labelValues: readonly string[], value: number): void }

/** Metrics of a plugin: `sluice_plugin_<plugin>_<name>`. Label names are fixed at creation; values beyond a bound are counted as `other`. */
export interface Metrics {
  counter (name: string, help: string, labels?: readonly string[]): CounterMetric
  histogram (name: string, help: string, buckets: readonly number[], labels?: readonly string[]): HistogramMetric
}

/** A request that a plugin makes through the gateway itself: routed, with the pipeline of the route that it finds. */
export interface Subrequest {
  method?: string
  /** Path and query. */
  target: string
  /** Default: the host of the plugin's project. */
  host?: string
  headers?: Readonly<Record<string, string>>
  body?: string | Uint8Array
  signal?: AbortSignal
}

/** The whole answer to a subrequest. */
export interface SubrequestAnswer {
  status: number
  /** Flat: name, value, … */
  headers: readonly string[]
  body: Buffer
}

/** The gateway as a plugin instance sees it. */
export interface Host {
  /** The instance: plugin name and id. */
  readonly plugin: { readonly name: string, readonly id: string }
  /** Null for a plugin of the gateway's fallback pipeline (404, 405 without a project). */
  readonly project: string | null
  readonly route: string | null
  readonly log: Logger
  readonly clock: Clock
  readonly metrics: Metrics
  /** Whether `token` is the operator's admin token; constant time, false when there is none. */
  isOperatorToken (token: string): boolean
  subrequest (request: Subrequest): Promise<SubrequestAnswer>
}

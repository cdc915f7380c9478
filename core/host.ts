/**
 * What a plugin is handed beside its config: ports that engines implement, scoped to the plugin's project.
 * All of it can be faked; a plugin test needs no network port.
 */
import type { Consumer, Credential, Plan } from './context.js'

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

/** Why a key that is known may not be used. */
export type KeyRefusal = 'revoked' | 'expired' | 'account_suspended' | 'consumer_inactive'

/** A key of this project that was found: all of it is the right one. */
export interface KeyMatch {
  readonly consumer: Consumer
  readonly credential: Credential
  readonly plan: Plan | null
  /** Null = it may be used. */
  readonly refused: KeyRefusal | null
  /** Whether requests with it have to be signed as well: without a check of that it must not be let in. */
  readonly requireSignature: boolean
  /** Whether the key works from this address. */
  isAllowedFrom (address: string): boolean
}

/** What the gateway knows of who calls this project, in memory and without waiting: up to a second old, or older while the store is gone. */
export interface Directory {
  /**
   * Looks an API key up. Null for what is no key, for unknown keys and for those of other projects, between which neither the answer nor the
   * time it takes tells. The text may be anything that a client sent.
   */
  lookUpKey (key: string): KeyMatch | null
}

/** The secrets that this project can name, in memory and without waiting: for a plugin that learns a name only while it runs. What its config names as `${secret:NAME}` is in that already. */
export interface Secrets {
  /**
   * The value that a secret has now: the project's own before its account's. Null where there is none of this name, and for a project that a file declares.
   * Throws Error where it can not be opened. To be read each time, and never kept, logged or shown.
   */
  read (name: string): string | null
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
  /** Null where there is no store, and in the gateway's fallback pipeline. */
  readonly directory: Directory | null
  /** Null where there is no store, and in the gateway's fallback pipeline. */
  readonly secrets: Secrets | null
  /** Whether `token` is the operator's admin token; constant time, false when there is none. */
  isOperatorToken (token: string): boolean
  subrequest (request: Subrequest): Promise<SubrequestAnswer>
}

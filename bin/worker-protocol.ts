import type { Finding } from '../core/errors.js'
import type { Listener, Serving } from './fleet.js'

/** What a primary may ask a worker. */
export type Question = 'reload' | 'status' | 'metrics' | 'describe' | 'ping' | { readonly served: string } | { readonly project: string, readonly tried: string | null }

/** How a worker is started: the part of the options that crosses as text. */
export interface WorkerStart {
  file: string
  environment: string | null
  logLevel: string
  operatorToken: string | null
  port: number | null
  version: string
}

/** From the primary to a worker. */
export type ToWorker =
  | { type: 'start', start: WorkerStart }
  | { type: 'ask', id: number, question: Question }
  | { type: 'reopenLogs' }
  | { type: 'stop' }

/** From a worker to its primary. */
export type FromWorker =
  /** It listens to its primary. What is sent before is lost where the entry is an ES module (tried on Node 20). */
  | { type: 'up' }
  | { type: 'ready', listeners: readonly Listener[], serving: Serving }
  /** It took up another configuration. */
  | { type: 'serving', serving: Serving }
  /** It has begun to stop, and ends by then. */
  | { type: 'stopping', deadlineMs: number }
  | { type: 'failed', message: string, findings: readonly Finding[] }
  | { type: 'answer', id: number, value: unknown }
  | { type: 'refused', id: number, message: string }

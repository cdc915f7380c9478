import type { MessagePort } from 'node:worker_threads'
import type { LogLevel } from '../core/observe/logger.js'
import type { GatewayConfig } from '../core/route.js'
import type { AdminSideOptions } from './admin-side.js'
import type { Listener } from './fleet.js'

/** What the thread of the admin API is started with. */
export interface AdminThreadData extends Omit<AdminSideOptions, 'ring' | 'admin'> {
  readonly admin: NonNullable<AdminSideOptions['admin']>
  readonly logLevel: LogLevel
  /** Where the serving thread asks for the store. */
  readonly engine: MessagePort
}

/** What is known of the serving thread without a question. */
export interface FleetState {
  readonly listeners: readonly Listener[]
  readonly root: GatewayConfig
  readonly notReady: readonly string[]
}

/** What the thread of the admin API asks. */
export type FleetQuestion = 'ping' | 'reload' | 'describe' | 'status' | 'metrics' | 'declared' | { readonly served: string } | { readonly project: string, readonly tried: string | null }

/** From the serving thread. */
export type ToAdminThread =
  | { readonly type: 'start', readonly data: AdminThreadData }
  /** It serves: the admin port may be opened. */
  | { readonly type: 'listen', readonly state: FleetState }
  | { readonly type: 'state', readonly state: FleetState }
  | { readonly type: 'answer', readonly id: number, readonly value: unknown }
  | { readonly type: 'refused', readonly id: number, readonly message: string }
  | { readonly type: 'close' }

/** From the thread of the admin API. */
export type FromAdminThread =
  /** The store is open, or is tried again and again: the serving thread can ask for it. */
  | { readonly type: 'open' }
  | { readonly type: 'listening', readonly url: string }
  | { readonly type: 'failed', readonly message: string }
  | { readonly type: 'ask', readonly id: number, readonly question: FleetQuestion }

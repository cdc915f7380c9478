import type { GatewayConfig } from '../core/route.js'
import type { DeclaredProject } from '../routes/admin/state-ports.js'
import type { MetricObject } from '../core/observe/metric-object.js'
import type { StoreStatus } from './data-node.js'
import type { LastReload, ReloadResult } from './reload-result.js'

/** What one process says of itself. */
export interface NodeStatus {
  pid: number
  ready: boolean
  uptimeSeconds: number
  requests: number
  projects: number
  routes: number
  rssBytes: number
  upstreams: { origin: string, connected: number, free: number, running: number, pending: number }[]
  lastReload: LastReload | null
  store: StoreStatus | null
}

/** Where something listens. */
export interface Listener {
  name: string
  url: string
}

/** The processes that serve, one or many, as the admin port and the signals see them. */
export interface Fleet {
  readonly listeners: readonly Listener[]
  /** The settings that serve, and the projects that files declare; null where only other processes know: then what the start found holds. */
  live (): { root: GatewayConfig, declared: DeclaredProject[] } | null
  /** The hosts of the projects that files declare, `*.suffix` too, as they serve now. Rejects with GatewayError where no process can tell. */
  declaredHosts (): Promise<readonly string[]>
  /** Why it is not ready; empty = it is. */
  notReady (): string[]
  reload (): Promise<ReloadResult>
  /** The configuration as it is written, environment laid over, secrets masked: a JSON text; null where it can not be had. */
  describe (): Promise<string | null>
  status (): Promise<NodeStatus[]>
  metrics (): Promise<MetricObject[][]>
  reopenLogs (): void
  /** Graceful; resolves to whether nothing was cut off. */
  stop (): Promise<boolean>
  kill (): Promise<void>
}

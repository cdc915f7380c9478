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

/** What serves of the files. */
export interface Serving {
  readonly root: GatewayConfig
  /** The projects that they declare. */
  readonly declared: readonly DeclaredProject[]
  /** The hosts of those and of their routes, `*.suffix` too. */
  readonly hosts: readonly string[]
}

/** The processes that serve, one or many, as the admin port and the signals see them. */
export interface Fleet {
  readonly listeners: readonly Listener[]
  /** What serves now. Where several processes serve: what the last of them said that it took up. */
  serving (): Serving
  /** Why it is not ready; empty = it is. */
  notReady (): string[]
  reload (): Promise<ReloadResult>
  /** The configuration as it is written, environment laid over, secrets masked: a JSON text; null where it can not be had. */
  describe (): Promise<string | null>
  status (): Promise<NodeStatus[]>
  /** Resolves once every process that is ready serves the project of the store, or after a second. Never rejects. */
  whenServed (projectId: string): Promise<void>
  metrics (): Promise<MetricObject[][]>
  reopenLogs (): void
  /** Graceful; resolves to whether nothing was cut off. */
  stop (): Promise<boolean>
  kill (): Promise<void>
}

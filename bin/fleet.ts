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

/** What files declare, as it serves. */
export interface Declared {
  readonly projects: readonly DeclaredProject[]
  /** The hosts of those and of their routes, `*.suffix` too. */
  readonly hosts: readonly string[]
}

/** What serves of the files. */
export interface Serving {
  readonly root: GatewayConfig
  readonly declared: Declared
}

/** The processes that serve, one or many, as the admin port sees them. */
export interface FleetView {
  readonly listeners: readonly Listener[]
  /** The settings that serve now. Where several processes serve: what the last of them said that it took up. */
  root (): GatewayConfig
  declared (): Promise<Declared>
  /** Whether this process is worth keeping. */
  alive (): boolean
  /** Why it is not ready; empty = it is. */
  notReady (): readonly string[]
  reload (): Promise<ReloadResult>
  /** The configuration as it is written, environment laid over, secrets masked: a JSON text; null where it can not be had. */
  describe (): Promise<string | null>
  /**
   * A project that files declare as it serves, or, where there is a text to try, as it would if they said that of it: the JSON of a FileProject, which
   * holds secrets. Null where they declare none, or where none can be tried now. Rejects where nobody serves.
   */
  declaredConfig (projectId: string, tried: string | null): Promise<string | null>
  status (): Promise<NodeStatus[]>
  /** Resolves once every process that is ready serves the project of the store, or after a second. Never rejects. */
  whenServed (projectId: string): Promise<void>
  metrics (): Promise<MetricObject[][]>
}

/** The processes that serve, as the signals see them. */
export interface Fleet extends FleetView {
  reopenLogs (): void
  /** Graceful; resolves to whether nothing was cut off. */
  stop (): Promise<boolean>
  kill (): Promise<void>
}

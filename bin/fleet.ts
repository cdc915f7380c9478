import type { Finding } from '../core/errors.js'
import type { MetricObject } from '../core/observe/metric-object.js'
import type { ReloadResult } from './data-node.js'

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
  findings: readonly Finding[]
}

/** Where something listens. */
export interface Listener {
  name: string
  url: string
}

/** The processes that serve, one or many, as the admin port and the signals see them. */
export interface Fleet {
  readonly listeners: readonly Listener[]
  /** Why it is not ready; empty = it is. */
  notReady (): string[]
  reload (): Promise<ReloadResult>
  status (): Promise<NodeStatus[]>
  metrics (): Promise<MetricObject[][]>
  reopenLogs (): void
  /** Graceful; resolves to whether nothing was cut off. */
  stop (): Promise<boolean>
  kill (): Promise<void>
}

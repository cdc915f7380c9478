import type { AddressInfo } from 'node:net'
import type { Logger } from '../core/host.js'
import { renderMetrics } from '../core/observe/render-metrics.js'
import { buildAdmin } from '../routes/admin.js'
import { shownFindings } from '../routes/admin/shown-findings.js'
import type { Fleet, NodeStatus } from './fleet.js'

/** What the admin port is told by who opens it. */
export interface AdminPortOptions {
  readonly host: string
  readonly port: number
  readonly token: string
  readonly log: Logger
  /** Base address of the error documentation. */
  readonly docs: string | null
  readonly version: string
  readonly config: { file: string, environment: string | null }
}

/** Opens the admin port over the serving processes. Throws Error when the port can not be opened. */
export async function openAdminPort (fleet: Fleet, options: AdminPortOptions): Promise<{ url: string, close (): Promise<void> }> {
  const { host, version, config: { file, environment } } = options
  const app = buildAdmin({
    token: options.token,
    logger: options.log,
    docs: options.docs,
    live: () => true,
    ready: () => {
      const reasons = fleet.notReady()
      return { ready: reasons.length === 0, reasons }
    },
    status: async () => {
      const workers = await fleet.status()
      return {
        version,
        node: process.version,
        pid: process.pid,
        ready: fleet.notReady().length === 0,
        uptimeSeconds: Math.round(process.uptime()),
        config: { file, environment },
        listeners: fleet.listeners,
        lastReload: shownReload(worstReload(workers)),
        workers: workers.map((worker) => ({ ...worker, lastReload: shownReload(worker.lastReload) }))
      }
    },
    config: () => fleet.describe(),
    reload: () => fleet.reload(),
    metrics: async () => renderMetrics(await fleet.metrics())
  })
  await app.listen({ host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, close: () => app.close() }
}

type Reload = NodeStatus['lastReload']

/** One that was refused, where there is one, else the last. */
function worstReload (workers: readonly NodeStatus[]): Reload {
  const reloads = workers.flatMap(({ lastReload }) => lastReload === null ? [] : [lastReload])
  return reloads.find(({ ok }) => !ok) ?? reloads.sort((a, b) => b.at - a.at)[0] ?? null
}

function shownReload (reload: Reload): object | null {
  return reload === null ? null : { ...reload, at: new Date(reload.at).toISOString(), findings: shownFindings(reload.findings) }
}

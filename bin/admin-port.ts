import type { AddressInfo } from 'node:net'
import type { Logger } from '../core/host.js'
import { renderMetrics } from '../core/observe/render-metrics.js'
import { buildAdmin } from '../routes/admin.js'
import type { Fleet } from './fleet.js'

/** Opens the admin port over the serving processes. Throws Error when the port can not be opened. */
export async function openAdminPort (
  fleet: Fleet, options: { host: string, port: number, token: string, log: Logger, config: { file: string, environment: string | null } }
): Promise<{ url: string, close (): Promise<void> }> {
  const app = buildAdmin({
    token: options.token,
    logger: options.log,
    live: () => true,
    ready: () => {
      const reasons = fleet.notReady()
      return { ready: reasons.length === 0, reasons }
    },
    status: async () => {
      const workers = await fleet.status()
      return { ready: fleet.notReady().length === 0, uptimeSeconds: Math.round(process.uptime()), listeners: fleet.listeners, findings: workers[0]?.findings ?? [], workers }
    },
    config: () => Promise.resolve({}),
    reload: () => fleet.reload(),
    metrics: async () => renderMetrics(await fleet.metrics())
  })
  await app.listen({ host: options.host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`, close: () => app.close() }
}

import type { AddressInfo } from 'node:net'
import type { Logger } from '../core/host.js'
import { renderMetrics } from '../core/observe/render-metrics.js'
import { buildAdmin } from '../routes/admin.js'
import { shownFindings } from '../routes/admin/shown-findings.js'
import type { FleetView, NodeStatus } from './fleet.js'
import type { DomainWatch } from './domain-watch.js'
import type { NodeStore } from './open-store.js'
import { createStatePorts } from './state-ports.js'
import { watchStore, type StoreHealth } from './store-health.js'
import { systemView, type ShownStatus } from './system-view.js'

/** What the admin port is told by who opens it. */
export interface AdminPortOptions {
  readonly host: string
  readonly port: number
  readonly token: string
  /** The store of this process; null = there is none. */
  readonly store: NodeStore | null
  /** What watches over the domains of the store; null = there is none. */
  readonly domains: DomainWatch | null
  readonly log: Logger
  /** Base address of the error documentation. */
  readonly docs: string | null
  readonly version: string
  readonly config: { file: string, environment: string | null }
}

/** Opens the admin port over the serving processes. Throws Error when the port can not be opened. */
export async function openAdminPort (fleet: FleetView, options: AdminPortOptions): Promise<{ url: string, close (): Promise<void> }> {
  const { host, version, config: { file, environment }, store, domains } = options
  const watch = store === null ? null : await watchStore(store.open)
  const shownStatus = (workers: readonly NodeStatus[]): ShownStatus => ({
    version,
    node: process.version,
    pid: process.pid,
    ready: fleet.notReady().length === 0,
    uptimeSeconds: Math.round(process.uptime()),
    config: { file, environment },
    listeners: fleet.listeners,
    lastReload: shownReload(worstReload(workers)),
    workers: workers.map((worker) => ({ ...worker, lastReload: shownReload(worker.lastReload), store: shownStore(worker.store) }))
  })
  const app = buildAdmin({
    token: options.token,
    logger: options.log,
    docs: options.docs,
    live: () => fleet.alive(),
    ready: () => {
      const reasons = fleet.notReady()
      const degraded = watch === null ? 'there is no store' : watch.health.ok ? null : 'the store does not answer'
      return { ready: reasons.length === 0, reasons, degraded: degraded === null ? [] : [degraded] }
    },
    status: async () => ({ ...shownStatus(await fleet.status()), dependencies: { store: watch === null ? null : shownHealth(watch.health) } }),
    config: () => fleet.describe(),
    reload: () => fleet.reload(),
    metrics: async () => renderMetrics([...await fleet.metrics(), ...domains === null ? [] : [domains.metrics()]]),
    state: store === null || domains === null
      ? null
      : createStatePorts({
        store,
        root: () => fleet.root(),
        domains,
        system: async () => {
          const workers = await fleet.status()
          return await systemView({ status: shownStatus(workers), workers, health: watch === null ? {} : shownHealth(watch.health), store, root: fleet.root() })
        },
        declared: () => fleet.declared(),
        describe: () => fleet.describe(),
        declaredConfig: (projectId, tried) => fleet.declaredConfig(projectId, tried),
        dataUrl: () => fleet.listeners.find(({ name }) => name === 'data')?.url ?? null,
        whenServed: (projectId) => fleet.whenServed(projectId)
      })
  })
  await app.listen({ host, port: options.port })
  const { port } = app.server.address() as AddressInfo
  return { url: `http://${host.includes(':') ? `[${host}]` : host}:${port}`, close: async () => {
    watch?.close()
    await app.close()
  } }
}

function shownTime (time: number | null): string | null {
  return time === null ? null : new Date(time).toISOString()
}

function shownHealth (health: StoreHealth): object {
  return { ...health, checkedAt: shownTime(health.checkedAt), failingSince: shownTime(health.failingSince) }
}

function shownStore (store: NodeStatus['store']): object | null {
  return store === null ? null : { ...store, asOf: shownTime(store.asOf), refused: store.refused.slice(0, MOST_REFUSED).map((project) => ({ ...project, findings: shownFindings(project.findings) })) }
}

const MOST_REFUSED = 100

type Reload = NodeStatus['lastReload']

/** One that was refused, where there is one, else the last. */
function worstReload (workers: readonly NodeStatus[]): Reload {
  const reloads = workers.flatMap(({ lastReload }) => lastReload === null ? [] : [lastReload])
  return reloads.find(({ ok }) => !ok) ?? reloads.sort((a, b) => b.at - a.at)[0] ?? null
}

function shownReload (reload: Reload): object | null {
  return reload === null ? null : { ...reload, at: new Date(reload.at).toISOString(), findings: shownFindings(reload.findings) }
}

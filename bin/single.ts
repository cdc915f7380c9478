import { startDataNode, type DataNode, type DataNodeOptions } from './data-node.js'
import type { DeclaredProject } from '../routes/admin/state-ports.js'
import type { Fleet, NodeStatus } from './fleet.js'

/** Serves from this very process. Throws what `startDataNode` throws. */
export async function createSingle (options: DataNodeOptions): Promise<Fleet> {
  const node = await startDataNode(options)
  return {
    listeners: node.listeners,
    live: () => ({ root: node.root, declared: declaredIn(node) }),
    declaredHosts: async () => declaredHostsOf(node),
    notReady: () => node.ready ? [] : ['the gateway is stopping'],
    reload: () => node.reload(),
    describe: () => node.describe(),
    status: () => Promise.resolve([statusOf(node)]),
    metrics: async () => [await node.metrics.toJSON()],
    reopenLogs () { node.reopenLogs() },
    stop: () => node.stop(),
    kill: () => node.kill()
  }
}

function declaredIn ({ gateway }: DataNode): DeclaredProject[] {
  return [...gateway.current?.projects.values() ?? []].filter(({ config }) => config.origin === 'operator-file').map(({ name, config }) => {
    const [upstream, second] = Object.values(config.upstreams)
    return { project_id: name, target_url: second === undefined ? upstream?.targets[0]?.url ?? null : null }
  })
}

/** The hosts of the projects that files declare. */
export function declaredHostsOf ({ gateway }: DataNode): string[] {
  return [...gateway.current?.projects.values() ?? []].flatMap(({ config: { origin, hosts } }) => origin === 'operator-file' ? hosts : [])
}

/** What a data node says of itself. */
export function statusOf (node: DataNode): NodeStatus {
  const projects = [...node.gateway.current?.projects.values() ?? []]
  return {
    pid: process.pid,
    ready: node.ready,
    uptimeSeconds: Math.round(process.uptime()),
    requests: node.gateway.requests,
    projects: projects.length,
    routes: projects.reduce((sum, project) => sum + project.config.routes.length, 0),
    rssBytes: process.memoryUsage.rss(),
    upstreams: node.gateway.pools.stats(),
    lastReload: node.lastReload,
    store: node.store
  }
}

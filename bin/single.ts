import { startDataNode, type DataNode, type DataNodeOptions } from './data-node.js'
import type { Fleet, NodeStatus, Serving } from './fleet.js'

/** Serves from this very process. Throws what `startDataNode` throws. */
export async function createSingle (options: DataNodeOptions): Promise<Fleet> {
  const node = await startDataNode(options)
  let known: { readonly of: DataNode['gateway']['current'], readonly serving: Serving } | null = null
  const whole = (): Serving => {
    const { current } = node.gateway
    if (known?.of !== current) known = { of: current, serving: servingOf(node) }
    return known.serving
  }
  return {
    listeners: node.listeners,
    // Most who ask want the settings: the rest is read of all projects, once for each snapshot and when somebody wants it.
    serving: () => ({ root: node.root, get declared () { return whole().declared }, get hosts () { return whole().hosts } }),
    notReady: () => node.ready ? [] : ['the gateway is stopping'],
    reload: () => node.reload(),
    describe: () => node.describe(),
    status: () => Promise.resolve([statusOf(node)]),
    whenServed: (projectId) => node.whenServed(projectId),
    metrics: async () => [await node.metrics.toJSON()],
    reopenLogs () { node.reopenLogs() },
    stop: () => node.stop(),
    kill: () => node.kill()
  }
}

/** What a data node serves of the files. */
export function servingOf ({ root, gateway }: DataNode): Serving {
  const projects = [...gateway.current?.projects.values() ?? []].filter(({ config }) => config.origin === 'operator-file')
  const declared = projects.map(({ name, config }) => {
    const [upstream, second] = Object.values(config.upstreams)
    return { project_id: name, target_url: second === undefined ? upstream?.targets[0]?.url ?? null : null }
  })
  return { root, declared, hosts: [...new Set(projects.flatMap(({ config: { hosts, routes } }) => [...hosts, ...routes.flatMap(({ match }) => match.hosts ?? [])]))] }
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

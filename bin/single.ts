import { startDataNode, type DataNode, type DataNodeOptions } from './data-node.js'
import type { Declared, Fleet, NodeStatus, Serving } from './fleet.js'

/** What a single process is started with. */
export interface SingleOptions extends Omit<DataNodeOptions, 'onReload'> {
  /** Told when other settings serve, before the reload is answered, and when it begins to stop. */
  readonly onChange: () => void
}

/** Serves from this very process. Throws what `startDataNode` throws. */
export async function createSingle ({ onChange, ...options }: SingleOptions): Promise<Fleet> {
  const node = await startDataNode({ ...options, onReload: onChange })
  let known: { readonly of: DataNode['gateway']['current'], readonly declared: Declared } | null = null
  // Read of all projects: once for each snapshot, and when somebody wants it.
  const declared = (): Declared => {
    const { current } = node.gateway
    if (known?.of !== current) known = { of: current, declared: declaredBy(node) }
    return known.declared
  }
  return {
    listeners: node.listeners,
    root: () => node.root,
    declared: async () => declared(),
    // Where it is not, nobody answers who asks.
    alive: () => true,
    notReady: () => node.ready ? [] : ['the gateway is stopping'],
    reload: () => node.reload(),
    describe: () => node.describe(),
    declaredConfig: (projectId, tried) => node.declaredConfig(projectId, tried),
    status: () => Promise.resolve([statusOf(node)]),
    whenServed: (projectId) => node.whenServed(projectId),
    metrics: async () => [await node.metrics.toJSON()],
    reopenLogs () { node.reopenLogs() },
    stop () {
      const stopped = node.stop()
      onChange()
      return stopped
    },
    kill: () => node.kill()
  }
}

/** What a data node serves of the files. */
export function servingOf (node: DataNode): Serving {
  return { root: node.root, declared: declaredBy(node) }
}

function declaredBy ({ gateway }: DataNode): Declared {
  const projects = [...gateway.current?.projects.values() ?? []].filter(({ config }) => config.origin === 'operator-file')
  const shown = projects.map(({ name, config }) => {
    const [upstream, second] = Object.values(config.upstreams)
    return { project_id: name, target_url: second === undefined ? upstream?.targets[0]?.url ?? null : null }
  })
  return { projects: shown, hosts: [...new Set(projects.flatMap(({ config: { hosts, routes } }) => [...hosts, ...routes.flatMap(({ match }) => match.hosts ?? [])]))] }
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

import { setTimeout as delay } from 'node:timers/promises'
import { createConfigLoader, type ConfigLoad, type ConfigLoader } from '../core/config/loader.js'
import { watchFiles, type FileWatcher } from '../core/config/watch.js'
import { ConfigError, formatFinding, type Finding } from '../core/errors.js'
import { Gateway } from '../core/gateway.js'
import { TlsContext } from '../core/listen/tls-context.js'
import { createAccessLog, type AccessLog } from '../core/observe/access-log.js'
import type { GatewayLogger } from '../core/observe/logger.js'
import { createMetrics, type GatewayMetrics } from '../core/observe/metrics.js'
import type { Plugin } from '../core/plugin.js'
import type { GatewayConfig } from '../core/route.js'
import { createUsageRecorder } from '../core/state/usage-recorder.js'
import { plugins } from '../plugins/index.js'
import { createEcho } from '../routes/builtin/echo.js'
import { registerHealth } from '../routes/health.js'
import { openDataPort, type DataPort } from '../routes/proxy.js'
import { openRedirectPort, type RedirectPort } from '../routes/redirect-http.js'
import { followStore, type FollowedStore } from './follow-store.js'
import { LiveConfig } from './live-config.js'
import { lastViewFile } from './last-view.js'
import { openStore, type NodeStore } from './open-store.js'
import { ownAddresses } from './own-addresses.js'
import { packFileProject } from './pack-file-project.js'
import { keysThatNeedRestart, oneAtATime, type LastReload, type ReloadResult } from './reload-result.js'
import type { RefusedProject } from './store-projects.js'

/** What a data node is started with. */
export interface DataNodeOptions {
  readonly file: string
  readonly environment: string | null
  readonly env: Readonly<Record<string, string | undefined>>
  readonly log: GatewayLogger
  /** The admin token, for the debug plugin; null = there is none. */
  readonly operatorToken: string | null
  /** Whether this process watches the files itself; workers are told by their primary. */
  readonly watch: boolean
  /** A loader with its first load and when that was begun, where whoever starts the node has looked into it already. Closed with the node. */
  readonly loader?: { loader: ConfigLoader, first: Extract<ConfigLoad, { ok: true }>, readAt: number }
  /** The store, where whoever starts the node has opened it already, and closes it; null = there is none. */
  readonly store?: NodeStore | null
  /** Another port than the configuration's, where a flag gives one. */
  readonly port?: number
  /** Told when another configuration serves, before the reload is answered. */
  readonly onReload?: () => void
  /** The version that the metrics tell; `unknown` when left out. */
  readonly version?: string
}

/** One process's data path with everything around it. */
export interface DataNode {
  readonly gateway: Gateway
  readonly metrics: GatewayMetrics
  readonly root: GatewayConfig
  readonly listeners: readonly { name: string, url: string }[]
  /** How the store is followed, and which of its projects can not be served; null = there is none. */
  readonly store: StoreStatus | null
  /** The last reload; null before the first. */
  readonly lastReload: LastReload | null
  /** Takes requests (not before the first configuration, not while it stops). */
  readonly ready: boolean
  reload (): Promise<ReloadResult>
  /** The configuration as it is written, environment laid over, secrets masked: a JSON text; null where it can not be had. */
  describe (): Promise<string | null>
  /** A project that the files declare as it serves, or as it would with this text: the JSON of a FileProject, which holds secrets; null where there is none or it can not be had. */
  declaredConfig (projectId: string, tried: string | null): Promise<string | null>
  /** Resolves once a project of the store is served, with all that was written before this was asked, or after a second. */
  whenServed (projectId: string): Promise<void>
  /** Opens log files anew, after a rotation. */
  reopenLogs (): void
  /** Takes nothing new, lets what is under way end within the deadline, closes everything. True when nothing had to be cut off. */
  stop (): Promise<boolean>
  /** Ends at once. */
  kill (): Promise<void>
}

/** How a node stands to its store. */
export interface StoreStatus {
  readonly engine: 'embedded' | 'mongodb'
  readonly state: 'loading' | 'fresh' | 'stale'
  /** When nothing newer was last found in it, in milliseconds since 1970; null = never. */
  readonly asOf: number | null
  readonly error: string | null
  /** The newest change that was taken over; null = nothing was read yet. */
  readonly seq: number | null
  /** How many records of each kind its view holds. */
  readonly holds: Readonly<Record<string, number>>
  /** How many of its projects are served. */
  readonly projects: number
  readonly refused: readonly RefusedProject[]
}

/** How long an idle connection is kept when the node stops: a request that was sent before its client could know is still answered. */
const IDLE_GRACE_MS = 1_000
/** How long clients may take to end their connections after the last answer. */
const LAST_BYTES_MS = 1_000

/** How long and how often somebody waits for what is new to be served. */
const SERVED_WITHIN_MS = 1_000
const SERVED_LOOK_MS = 5

/** Starts a data node. Throws ConfigError when the configuration can not be used, Error when a port can not be opened. */
export async function startDataNode (options: DataNodeOptions): Promise<DataNode> {
  const { log } = options
  const registry: ReadonlyMap<string, Plugin> = new Map(plugins.map((plugin) => [plugin.name, plugin]))
  const loader = options.loader?.loader ?? createConfigLoader({ workerUrl: new URL('./config-worker.js', import.meta.url), file: options.file, environment: options.environment, env: options.env })
  const readAt = options.loader?.readAt ?? Date.now()
  const builtins = new Map<string, { url: string, close (): Promise<void> }>()
  const first = options.loader?.first ?? await loader.load(new Map())
  if (!first.ok) { await loader.close(); throw new ConfigError(first.findings) }
  const metrics = createMetrics(first.root.metrics, { version: options.version ?? 'unknown' })
  const accessLog: AccessLog | null = first.root.accessLog === false ? null : createAccessLog(first.root.accessLog)
  const store = options.store !== undefined
    ? options.store
    : await openStore({ state: first.root.state, keys: options.env['SLUICE_KEYS'], log }).catch(async (error: unknown) => {
      await loader.close()
      throw error
    })
  if (store !== null && store.metrics !== null) metrics.addStore(store.metrics)
  const followed: FollowedStore | null = store === null ? null : followStore(store, lastViewFile(first.root.state), log)
  const usage = store === null || followed === null ? null : createUsageRecorder({ system: store.open.system, directory: followed.directory, log })
  const own = ownAddresses()
  const gateway = new Gateway({
    registry, log, accessLog, metrics, operatorToken: options.operatorToken, ownAddresses: own, directory: followed?.ports ?? null, usage,
    builtinUrl (name) {
      const builtin = builtins.get(name)
      if (builtin === undefined) throw new ConfigError([{ path: [], message: `there is no builtin upstream "${name}"`, remedy: `use ${[...builtins.keys()].join(', ')}` }])
      return builtin.url
    }
  })
  const live = new LiveConfig(gateway, registry, followed === null
    ? null
    : { source: followed.projects, load: async () => new (await import('./store-projects.js')).StoreProjects(followed.projects, registry, own, log) })
  builtins.set('echo', await createEcho({ host: '127.0.0.1', port: 0 }))
  let root = first.root
  let files: ReadonlySet<string> = new Set(first.files)
  let lastReload: LastReload | null = null
  let ready = false
  let watcher: FileWatcher | null = null
  let tls: TlsContext | null = null
  const ports: { data: DataPort, redirect: RedirectPort | null } = { data: null as unknown as DataPort, redirect: null }

  const apply = async (load: Extract<ConfigLoad, { ok: true }>): Promise<number> => {
    const useCertificates = load.root.listen.tls === null || tls === null ? null : tls.prepare(load.root.listen.tls)
    const changed = await live.applyFiles(load)
    root = load.root
    if (useCertificates?.() === true) ports.data.renewTls()
    ports.data?.setLimits(root.listen.limits)
    return changed
  }

  const located = async (error: ConfigError): Promise<Finding[]> => {
    const places = await loader.locate(error.findings.map((finding) => finding.path))
    return error.findings.map((finding, i) => ({ ...finding, position: finding.position ?? places[i] ?? null }))
  }

  const reloadNow = async (): Promise<ReloadResult> => {
    const startedAt = performance.now()
    const begunAt = Date.now()
    const known = new Map([...gateway.current?.projects ?? []].map(([name, project]) => [name, project.hash]))
    const load = await loader.load(known)
    let changed = 0
    let findings = load.ok ? [] : load.findings
    if (load.ok) {
      try {
        changed = await apply(load)
        options.onReload?.()
      } catch (error) {
        findings = error instanceof ConfigError ? await located(error) : [{ path: [], message: error instanceof Error ? error.message : String(error), remedy: 'the configuration before goes on serving' }]
      }
    }
    // What was refused may have been given up early: a change to what serves could be what mends it.
    files = new Set(load.ok ? load.files : [...files, ...load.files])
    await watcher?.setFiles(files, begunAt)
    const durationMs = performance.now() - startedAt
    const ok = findings.length === 0
    const needsRestart = ok ? keysThatNeedRestart(first.root, root) : lastReload?.needsRestart ?? []
    metrics.reload(ok, durationMs, findings.length)
    lastReload = { at: Date.now(), ok, findings, changed, durationMs, needsRestart }
    if (ok && needsRestart.length > 0) log.warn({ settings: needsRestart }, 'some of what was changed takes effect at the next start')
    if (ok) log.info({ changed, durationMs: Math.round(durationMs) }, 'the configuration was reloaded')
    else for (const finding of findings.slice(0, 100)) log.error({ finding: formatFinding(finding) }, 'the configuration was refused; the one before goes on serving')
    return lastReload
  }
  const reload = oneAtATime(reloadNow)

  const closeAll = async (): Promise<void> => {
    ready = false
    watcher?.close()
    await Promise.all([ports.data?.close(), ports.redirect?.close(), loader.close()])
    metrics.close()
    await followed?.stop()
    await gateway.close()
    await usage?.stop()
    if (options.store === undefined) await store?.open.close()
    for (const builtin of builtins.values()) await builtin.close()
    await accessLog?.close()
  }

  try {
    if (root.listen.tls !== null) tls = new TlsContext(root.listen.tls)
    await followed?.start((ids) => live.applyProjects(ids))
    await apply(first)
    ports.data = await openDataPort(gateway, { host: root.listen.host, port: options.port ?? root.listen.port, tls, metrics }, (own) => { registerHealth(own, () => ready, () => gateway.requestIdHeader) })
    if (root.listen.redirectHttp !== null) ports.redirect = await openRedirectPort({ host: root.listen.host, port: root.listen.redirectHttp, gateway, targetPort: () => ports.data.port })
  } catch (error) {
    const failure = error instanceof ConfigError ? new ConfigError(await located(error)) : error
    await closeAll()
    throw failure
  }
  metrics.addGauge('sluice_upstream_connections', 'Connections to upstreams by what they do.', ['target', 'state'], () => gateway.pools.stats().flatMap(({ origin, connected, free, running: busy, pending }): [string[], number][] => [
    [[origin, 'open'], connected], [[origin, 'free'], free], [[origin, 'running'], busy], [[origin, 'pending'], pending]
  ]))
  metrics.addGauge('sluice_requests_in_flight', 'Requests under way.', [], () => [[[], gateway.requests]])
  metrics.addCounter('sluice_access_log_dropped_total', 'Access-log records that could not be written.', [], () => [[[], accessLog?.dropped ?? 0]])
  if (options.watch) {
    watcher = watchFiles(() => { void reload() })
    await watcher.setFiles(files, readAt)
  }
  ready = true

  return {
    gateway,
    metrics,
    get root () { return root },
    get lastReload () { return lastReload },
    get ready () { return ready },
    get store () {
      if (followed === null) return null
      const { status: { state, asOf, error, seq }, engine, directory } = followed
      return { engine, state, asOf, error, seq, holds: directory.tables.sizes, projects: live.projects?.built.size ?? 0, refused: live.projects?.refused ?? [] }
    },
    listeners: [{ name: 'data', url: ports.data.url }, ...(ports.redirect === null ? [] : [{ name: 'redirect', url: ports.redirect.url }])],
    reload,
    describe: () => loader.describe(),
    async declaredConfig (projectId, tried) {
      if (tried !== null) return await loader.tryProject(projectId, tried)
      // What serves, and not what the files say by now: the thread that loads them keeps nothing for long.
      const config = gateway.current?.projects.get(projectId)?.config
      return config?.origin === 'operator-file' ? await packFileProject(config, live.lookUp) : null
    },
    async whenServed (projectId) {
      if (store === null || followed === null) return
      const until = performance.now() + SERVED_WITHIN_MS
      // What was written behind the project (a key of it) is another change.
      const seq = await store.open.system.latestSeq().catch(() => 0)
      const isOver = (): boolean => !ready || performance.now() > until || (gateway.current?.projects.has(projectId) === true && (followed.status.seq ?? 0) >= seq)
      while (!isOver()) await delay(SERVED_LOOK_MS)
    },
    reopenLogs () { accessLog?.reopen() },
    async stop () {
      ready = false
      watcher?.close()
      ports.redirect?.drain()
      const deadline = new AbortController()
      const ended = async (): Promise<boolean> => {
        // The first tells standing tunnels; the second waits for what came on connections that were kept alive.
        await Promise.all([gateway.drained(), ports.data.drain(Math.min(IDLE_GRACE_MS, root.stopMs))])
        await gateway.drained()
        return true
      }
      const finished = await Promise.race([ended(), delay(root.stopMs, false, { signal: deadline.signal }).catch(() => false)])
      deadline.abort()
      if (finished) await ports.data.ended(LAST_BYTES_MS)
      else log.warn({ requests: gateway.requests }, 'the stop deadline cuts off what is still under way')
      await closeAll()
      return finished
    },
    kill: closeAll
  }
}

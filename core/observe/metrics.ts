import { ERROR_CODES, type ErrorCode } from '../errors.js'
import type { Metrics } from '../host.js'
import { HistogramCell, sortedBounds } from './histogram.js'
import type { Aggregator, MetricObject, MetricValue } from './metric-object.js'
import { createPluginMetricsStore } from './plugin-metrics.js'
import { createPolledMetrics, type CollectValues } from './polled-metrics.js'
import { collectProcessMetrics, createLoopDelay } from './process-metrics.js'
import { createRequestMetrics } from './request-metrics.js'
import type { RouteStats } from './route-stats.js'
import type { StoreMetrics } from './store-metrics.js'

/** The gateway's metrics: what the data path counts, and how it is exposed. At most 10 000 series, whatever the configuration. */
export interface GatewayMetrics {
  /** False where the configuration says `metrics: false`: everything is there and does nothing. */
  readonly enabled: boolean
  /** The metrics of a route, the same object for the same names in every snapshot. Null: no project or route was found. */
  route (project: string | null, route: string | null): RouteStats
  /** Forgets a route that is no longer configured, so that its series are free for others. */
  release (project: string | null, route: string | null): void
  /** Counts an error answer of the gateway's own. */
  refused (code: ErrorCode): void
  /** Counts a reload, and how many findings it had. */
  reload (ok: boolean, durationMs: number, findings?: number): void
  /** Exposes what is counted of the store as well. */
  addStore (store: StoreMetrics): void
  /** +1 for a client connection that opened, -1 for one that closed. */
  connection (delta: number): void
  /** Adds (or replaces) a gauge that is read at each collection. Several workers' values are added up unless `aggregator` says else. */
  addGauge (name: string, help: string, labels: readonly string[], collect: CollectValues, aggregator?: Aggregator): void
  /** The same for a counter that somebody else keeps; its name ends in `_total`. */
  addCounter (name: string, help: string, labels: readonly string[], collect: CollectValues): void
  /** The metrics of one plugin, as its host hands them out: `sluice_plugin_<plugin>_<name>`. Asked for again, a metric is the same. */
  forPlugin (plugin: string): Metrics
  /** Everything as plain data for `renderMetrics`, here or in another process. */
  toJSON (): Promise<MetricObject[]>
  /** Stops measuring the event loop. */
  close (): void
}

/** What the build says of itself. */
export interface BuildInfo {
  version: string
}

const RELOAD_BOUNDS_MS = [5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000]

/** Makes the metrics. Bucket bounds in seconds. */
export function createMetrics (config: { buckets: readonly number[] } | false, build: BuildInfo = { version: 'unknown' }): GatewayMetrics {
  if (config === false) return DISABLED
  const requests = createRequestMetrics(sortedBounds(config.buckets, 1000))
  const polled = createPolledMetrics()
  const plugins = createPluginMetricsStore()
  let store: StoreMetrics | null = null
  const loopDelay = createLoopDelay()
  const refusals = new Map<ErrorCode, number>()
  const reloads = { ok: 0, refused: 0, findings: 0, lastOk: true, lastOkSeconds: Date.now() / 1000, duration: new HistogramCell(Float64Array.from(RELOAD_BOUNDS_MS)) }
  const connections = { open: 0, total: 0 }

  const own = (): MetricObject[] => {
    const reloadDuration: MetricValue[] = []
    reloads.duration.collect('sluice_reload_duration_seconds', {}, 1000, reloadDuration)
    return [
      one('sluice_build_info', 'The running version; the value is 1.', 'gauge', 'first', [{ labels: { version: build.version, node: process.version }, value: 1 }]),
      one('sluice_refusals_total', "Error answers of the gateway's own, by code.", 'counter', 'sum', [...refusals].map(([code, value]) => ({ labels: { code }, value }))),
      one('sluice_reloads_total', 'Reloads of the configuration, by result.', 'counter', 'sum', [{ labels: { result: 'ok' }, value: reloads.ok }, { labels: { result: 'refused' }, value: reloads.refused }]),
      one('sluice_reload_duration_seconds', 'Time from reading the configuration to serving it.', 'histogram', 'sum', reloadDuration),
      one('sluice_config_findings', 'What is wrong with the configuration as it was last read; 0 = nothing.', 'gauge', 'max', [{ labels: {}, value: reloads.findings }]),
      one('sluice_config_last_reload_successful', 'Whether what was last read is what serves (1 or 0).', 'gauge', 'min', [{ labels: {}, value: reloads.lastOk ? 1 : 0 }]),
      one('sluice_config_last_reload_success_timestamp_seconds', 'When the configuration that serves was taken.', 'gauge', 'min', [{ labels: {}, value: reloads.lastOkSeconds }]),
      one('sluice_open_connections', 'Client connections that are open.', 'gauge', 'sum', [{ labels: {}, value: connections.open }]),
      one('sluice_connections_total', 'Client connections taken.', 'counter', 'sum', [{ labels: {}, value: connections.total }])
    ]
  }

  return {
    enabled: true,
    route: requests.route,
    release: requests.release,
    refused (code) {
      if (code in ERROR_CODES) refusals.set(code, (refusals.get(code) ?? 0) + 1)
    },
    reload (ok, durationMs, findings = 0) {
      reloads.duration.observe(durationMs)
      reloads.findings = findings
      reloads.lastOk = ok
      if (ok) {
        reloads.ok++
        reloads.lastOkSeconds = Date.now() / 1000
      } else {
        reloads.refused++
      }
    },
    addStore (added) { store = added },
    connection (delta) {
      connections.open += delta
      if (delta > 0) connections.total += delta
    },
    addGauge: (name, help, labels, collect, aggregator = 'sum') => { polled.add({ name, help, labels, collect, type: 'gauge', aggregator }) },
    addCounter: (name, help, labels, collect) => { polled.add({ name, help, labels, collect, type: 'counter', aggregator: 'sum' }) },
    forPlugin: plugins.forPlugin,
    toJSON: async () => [...own(), ...await requests.collect(), ...polled.collect(), ...plugins.collect(), ...store?.collect() ?? [], ...loopDelay.collect(), ...await collectProcessMetrics()],
    close: () => { loopDelay.close() }
  }
}

function one (name: string, help: string, type: MetricObject['type'], aggregator: Aggregator, values: MetricValue[]): MetricObject {
  return { name, help, type, aggregator, values }
}

const UNCOUNTED: RouteStats = { observe () {} }

const DISABLED: GatewayMetrics = {
  enabled: false,
  route: () => UNCOUNTED,
  release () {},
  refused () {},
  reload () {},
  addStore () {},
  connection () {},
  addGauge () {},
  addCounter () {},
  forPlugin: () => ({ counter: () => ({ increment () {} }), histogram: () => ({ observe () {} }) }),
  toJSON: async () => [],
  close () {}
}

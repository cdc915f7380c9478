import { monitorEventLoopDelay } from 'node:perf_hooks'
import { collectDefaultMetrics, Registry } from 'prom-client'
import type { Aggregator, MetricObject } from './metric-object.js'

// Gauges named …_total, which promtool refuses; counting handles walks every socket. Its loop-delay numbers contain the sampling
// interval and are averaged over workers, which hides the one that is stuck: ours follow.
const LEFT_OUT = /^nodejs_(?:active_|eventloop_lag_)/

// A worker's start is not a sum, and what prom-client leaves out between workers is still of use.
const AGGREGATORS: Readonly<Record<string, Aggregator>> = { process_start_time_seconds: 'min', process_max_fds: 'min', nodejs_version_info: 'first' }

const RESOLUTION_MS = 10

let registry: Registry | null = null

/** The process's own metrics: CPU, memory, descriptors, heap, garbage collection. There is one process, so they are set up once. */
export async function collectProcessMetrics (): Promise<MetricObject[]> {
  if (registry === null) {
    registry = new Registry()
    collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: 1000 })
    for (const { name } of registry.getMetricsAsArray()) if (LEFT_OUT.test(name)) registry.removeSingleMetric(name)
  }
  const metrics = await registry.getMetricsAsJSON() as unknown as MetricObject[]
  return metrics.map((metric) => ({ ...metric, aggregator: AGGREGATORS[metric.name] ?? metric.aggregator }))
}

/** Measures how late the event loop is; each collection covers the time since the one before. */
export function createLoopDelay (): { collect (): MetricObject[], close (): void } {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  histogram.enable()
  return {
    collect () {
      const gauges = ([['p50', 50], ['p99', 99], ['max', 100]] as const).map(([name, percentile]): MetricObject => ({
        name: `sluice_event_loop_delay_${name}_seconds`,
        help: `How late the event loop was since the last collection (${name}); of several workers the worst.`,
        type: 'gauge',
        aggregator: 'max',
        // What is recorded is the time between two ticks of the sampling timer.
        values: [{ labels: {}, value: histogram.count === 0 ? 0 : Math.max(0, histogram.percentile(percentile) / 1e9 - RESOLUTION_MS / 1000) }]
      }))
      histogram.reset()
      return gauges
    },
    close () { histogram.disable() }
  }
}

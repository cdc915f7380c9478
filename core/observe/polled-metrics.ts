import { OTHER, type Aggregator, type MetricObject, type MetricValue } from './metric-object.js'

/** Reads the current values: label values (in the order of the names), value. */
export type CollectValues = () => Iterable<readonly [labelValues: readonly string[], value: number]>

/** Metrics whose values somebody else keeps (pools, drops), read at each collection. */
export interface PolledMetrics {
  /** Adds a metric, or replaces the one of that name. */
  add (definition: PolledMetric): void
  collect (): MetricObject[]
}

/** One metric that is read when metrics are collected. */
export interface PolledMetric {
  name: string
  help: string
  type: 'counter' | 'gauge'
  aggregator: Aggregator
  labels: readonly string[]
  collect: CollectValues
}

const MAX_METRICS = 60
const MAX_SERIES = 800
const NAME = /^sluice(?:_[a-z0-9]+)+$/

/** Makes the list of metrics that are read. All together are 800 series at most; what is beyond is added up as `other`. */
export function createPolledMetrics (): PolledMetrics {
  const metrics = new Map<string, PolledMetric>()
  return {
    add (metric) {
      if (!NAME.test(metric.name)) throw new TypeError(`"${metric.name}" is not a metric name (begin with sluice_; use a-z, 0-9 and single underscores)`)
      if ((metric.type === 'counter') !== metric.name.endsWith('_total')) throw new TypeError(`${metric.name} is a ${metric.type} (counters, and only these, end in _total)`)
      if (metrics.size >= MAX_METRICS && !metrics.has(metric.name)) throw new RangeError(`more than ${MAX_METRICS} metrics are read`)
      metrics.set(metric.name, metric)
    },
    collect () {
      // A fair share each: one with many rows must not leave none for the others.
      const share = Math.floor(MAX_SERIES / Math.max(1, metrics.size))
      return [...metrics.values()].map((metric) => read(metric, share))
    }
  }
}

function read ({ name, help, type, aggregator, labels, collect }: PolledMetric, share: number): MetricObject {
  const rows = new Map<string, MetricValue>()
  let rest: MetricValue | null = null
  for (const [labelValues, value] of readAll(collect)) {
    if (!Number.isFinite(value)) continue
    const key = labelValues.join('\0')
    const known = rows.get(key)
    if (known !== undefined) known.value += value
    else if (rows.size < share - 1 || labels.length === 0) rows.set(key, { labels: labelled(labels, labelValues), value })
    else if (rest === null) rest = { labels: labelled(labels, labels.map(() => OTHER)), value }
    else rest.value += value
  }
  const values = [...rows.values()]
  if (rest !== null) values.push(rest)
  return { name, help, type, aggregator, values }
}

/** One reader that fails must not take the other metrics with it: its own are missing, which is what an alert looks for. */
function readAll (collect: CollectValues): (readonly [readonly string[], number])[] {
  try {
    return [...collect()]
  } catch {
    return []
  }
}

function labelled (names: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(names.map((name, i) => [name, values[i] ?? '']))
}

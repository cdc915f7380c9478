import { setImmediate as breathe } from 'node:timers/promises'
import { AggregatorRegistry, Registry } from 'prom-client'
import { OTHER, type MetricObject, type MetricValue } from './metric-object.js'

/** The most series that are ever exposed. */
const MAX_SERIES = 10_000

/** Content type of what `renderMetrics` gives. */
export const METRICS_CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE

// What is kept apart when series are added up: a sum over statuses or buckets would say nothing.
const KEPT_LABELS = ['le', 'status']

const LINES_AT_ONCE = 500

/**
 * The metrics of all workers as one text in Prometheus's exposition format, each metric by its aggregator. Workers may know
 * different routes: what is above `maxSeries` together is added up as `other`. Written in pieces, so that requests are not held up.
 */
export async function renderMetrics (workers: readonly (readonly MetricObject[])[], maxSeries: number = MAX_SERIES): Promise<string> {
  let text = ''
  let lines = 0
  for (const { name, help, type, values } of await addUpMetrics(workers, maxSeries)) {
    if (values.length === 0) continue
    text += `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${type}\n`
    for (const value of values) {
      text += `${value.metricName ?? name}${labelsText(value.labels)} ${numberText(value.value)}\n`
      if (++lines % LINES_AT_ONCE === 0) await breathe()
    }
  }
  return text
}

/** The metrics of several workers as one list, each metric by its aggregator; what is above `maxSeries` together is added up as `other`. */
export async function addUpMetrics (workers: readonly (readonly MetricObject[])[], maxSeries: number = MAX_SERIES): Promise<MetricObject[]> {
  return boundSeries(await mergeWorkers(workers), maxSeries)
}

function labelsText (labels: Readonly<Record<string, string | number>>): string {
  let text = ''
  for (const name in labels) text += `${text === '' ? '{' : ','}${name}="${escape(String(labels[name])).replaceAll('"', '\\"')}"`
  return text === '' ? '' : `${text}}`
}

function escape (text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function numberText (value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}

async function mergeWorkers (workers: readonly (readonly MetricObject[])[]): Promise<MetricObject[]> {
  if (workers.length === 1) return [...workers[0] ?? []]
  const merged = AggregatorRegistry.aggregate(workers as unknown as object[])
  return await merged.getMetricsAsJSON() as unknown as MetricObject[]
}

/** Gives each metric a fair share of `maxSeries`; those that need less leave it to the others. */
function boundSeries (metrics: readonly MetricObject[], maxSeries: number): MetricObject[] {
  const total = metrics.reduce((sum, metric) => sum + metric.values.length, 0)
  if (total <= maxSeries) return [...metrics]
  const ascending = [...metrics].sort((a, b) => a.values.length - b.values.length)
  const bounded = new Map<string, MetricObject>()
  let left = maxSeries
  ascending.forEach((metric, i) => {
    const share = Math.floor(left / (ascending.length - i))
    const kept = metric.values.length <= share ? metric : foldMetric(metric, share)
    bounded.set(metric.name, kept)
    left -= kept.values.length
  })
  return metrics.map((metric) => bounded.get(metric.name) as MetricObject)
}

/** Keeps whole groups of labels (in the order of their names, so that each collection keeps the same) and adds up the others. */
function foldMetric (metric: MetricObject, maxSeries: number): MetricObject {
  const groups = new Map<string, MetricValue[]>()
  for (const value of metric.values) {
    const key = Object.keys(value.labels).filter((label) => !KEPT_LABELS.includes(label)).sort().map((label) => `${label}=${value.labels[label]}`).join('\0')
    const group = groups.get(key)
    if (group === undefined) groups.set(key, [value])
    else group.push(value)
  }
  const folded = new Map<string, MetricValue>()
  for (const value of metric.values) folded.set(foldedKey(value), foldedValue(value, 0))
  const kept: MetricValue[] = []
  let room = maxSeries - folded.size
  let used = false
  for (const key of [...groups.keys()].sort()) {
    const group = groups.get(key) as MetricValue[]
    if (group.length <= room) {
      room -= group.length
      kept.push(...group)
    } else {
      room = 0
      used = true
      for (const value of group) (folded.get(foldedKey(value)) as MetricValue).value += value.value
    }
  }
  return { ...metric, values: used ? mergeEqual([...kept, ...folded.values()]) : kept }
}

function foldedKey (value: MetricValue): string {
  return `${value.metricName ?? ''}|${KEPT_LABELS.map((label) => value.labels[label] ?? '').join('|')}`
}

function foldedValue (value: MetricValue, number: number): MetricValue {
  const labels = Object.fromEntries(Object.entries(value.labels).map(([label, text]) => [label, KEPT_LABELS.includes(label) ? text : OTHER]))
  return { ...value, labels, value: number }
}

/** A worker's own `other` and the folded one are the same series. */
function mergeEqual (values: readonly MetricValue[]): MetricValue[] {
  const merged = new Map<string, MetricValue>()
  for (const value of values) {
    const key = `${value.metricName ?? ''}|${JSON.stringify(Object.entries(value.labels).sort())}`
    const known = merged.get(key)
    if (known === undefined) merged.set(key, { ...value })
    else known.value += value.value
  }
  return [...merged.values()]
}

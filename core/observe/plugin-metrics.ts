import type { CounterMetric, HistogramMetric, Metrics } from '../host.js'
import { HistogramCell, histogramSeries, sortedBounds } from './histogram.js'
import { OTHER, SeriesBudget, type MetricObject, type MetricValue } from './metric-object.js'

/** Metrics that plugins make, of all plugins. */
export interface PluginMetrics {
  forPlugin (plugin: string): Metrics
  collect (): MetricObject[]
}

const MAX_SERIES = 1000
const MAX_COMBINATIONS = 100
const MAX_VALUE = 120
const MAX_BUCKETS = 50
const NAME = /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/

interface Definition {
  readonly type: 'counter' | 'histogram'
  readonly name: string
  readonly help: string
  readonly labels: readonly string[]
  readonly buckets: readonly number[]
}

interface PluginMetric {
  readonly definition: Definition
  readonly handle: CounterMetric & HistogramMetric
  collect (): MetricObject
}

/** Makes the store of the plugins' metrics: 1000 series together, 100 combinations of label values for each metric, then `other`. */
export function createPluginMetricsStore (): PluginMetrics {
  const budget = new SeriesBudget(MAX_SERIES)
  const metrics = new Map<string, PluginMetric>()

  const ask = (definition: Definition): CounterMetric & HistogramMetric => {
    const known = metrics.get(definition.name)
    if (known !== undefined) {
      if (!sameDefinition(known.definition, definition)) throw new TypeError(`metric ${definition.name} exists with another type, labels or buckets (use another name)`)
      return known.handle
    }
    checkDefinition(definition)
    const made = definition.type === 'counter' ? createCounter(definition, budget) : createHistogram(definition, budget)
    metrics.set(definition.name, made)
    return made.handle
  }

  return {
    forPlugin (plugin) {
      const prefix = `sluice_plugin_${plugin.toLowerCase().replace(/[^a-z0-9]+/g, '_').replace(/^_+|_+$/g, '')}_`
      return {
        counter: (name, help, labels = []) =>
          ask({ type: 'counter', name: prefix + (name.endsWith('_total') ? name : `${name}_total`), help, labels, buckets: [] }),
        histogram: (name, help, buckets, labels = []) => ask({ type: 'histogram', name: prefix + name, help, labels, buckets })
      }
    },
    collect: () => [...metrics.values()].map((metric) => metric.collect())
  }
}

function createCounter (definition: Definition, budget: SeriesBudget): PluginMetric {
  const counts = createCells(definition, budget, 1, () => ({ value: 0 }))
  return {
    definition,
    handle: {
      increment (labelValues, by = 1) { if (by > 0 && Number.isFinite(by)) counts.at(labelValues).value += by },
      observe () {}
    },
    collect: () => ({ ...described(definition), values: counts.all().map(([labels, cell]) => ({ labels, value: cell.value })) })
  }
}

function createHistogram (definition: Definition, budget: SeriesBudget): PluginMetric {
  const bounds = sortedBounds(definition.buckets, 1)
  const cells = createCells(definition, budget, histogramSeries(bounds.length), () => new HistogramCell(bounds))
  return {
    definition,
    handle: {
      increment () {},
      observe (labelValues, value) { cells.at(labelValues).observe(value) }
    },
    collect () {
      const values: MetricValue[] = []
      for (const [labels, cell] of cells.all()) cell.collect(definition.name, labels, 1, values)
      return { ...described(definition), values }
    }
  }
}

interface Cells<Cell> {
  at (labelValues: readonly string[]): Cell
  all (): [Record<string, string>, Cell][]
}

function createCells<Cell> (definition: Definition, budget: SeriesBudget, series: number, make: () => Cell): Cells<Cell> {
  const { labels, name } = definition
  // The one for everything beyond the bounds is paid for at once, so that no value is ever lost.
  if (!budget.take(series)) throw new RangeError(`metric ${name} does not fit: plugins may have ${MAX_SERIES} series together (use fewer metrics or buckets)`)
  const rest = make()
  let restUsed = false
  const cells = new Map<string, { values: readonly string[], cell: Cell }>()
  return {
    at (labelValues) {
      if (labels.length === 0) { restUsed = true; return rest }
      const key = labelValues.length === 1 ? labelValues[0] as string : labelValues.join('\0')
      const known = cells.get(key)
      if (known !== undefined) return known.cell
      if (labelValues.length !== labels.length) throw new TypeError(`metric ${name} has ${labels.length} labels, not ${labelValues.length}`)
      if (cells.size >= MAX_COMBINATIONS || key.length > MAX_VALUE * labels.length || !budget.take(series)) { restUsed = true; return rest }
      const cell = make()
      cells.set(key, { values: [...labelValues], cell })
      return cell
    },
    all () {
      const all = [...cells.values()].map(({ values, cell }): [Record<string, string>, Cell] => [labelled(labels, values), cell])
      if (restUsed || labels.length === 0) all.push([labelled(labels, labels.map(() => OTHER)), rest])
      return all
    }
  }
}

function labelled (labels: readonly string[], values: readonly string[]): Record<string, string> {
  return Object.fromEntries(labels.map((label, i) => [label, values[i] as string]))
}

function described (definition: Definition): Omit<MetricObject, 'values'> {
  return { name: definition.name, help: definition.help, type: definition.type, aggregator: 'sum' }
}

function sameDefinition (one: Definition, other: Definition): boolean {
  return one.type === other.type && one.labels.join() === other.labels.join() && one.buckets.join() === other.buckets.join()
}

function checkDefinition ({ name, help, labels, buckets, type }: Definition): void {
  if (!NAME.test(name)) throw new TypeError(`"${name}" is not a metric name (use a-z, 0-9 and single underscores)`)
  if (help.trim() === '') throw new TypeError(`metric ${name} needs a help text`)
  for (const label of labels) {
    if (!NAME.test(label) || label === 'le' || label === 'quantile') throw new TypeError(`"${label}" is not a label name for ${name} (use a-z, 0-9 and single underscores; not le, quantile)`)
  }
  if (new Set(labels).size !== labels.length) throw new TypeError(`metric ${name} has a label twice`)
  if (type === 'counter') return
  if (/_(?:bucket|count|sum|total)$/.test(name)) throw new TypeError(`a histogram is not called ${name} (leave its suffix out)`)
  if (buckets.length === 0 || buckets.length > MAX_BUCKETS || sortedBounds(buckets, 1).length !== buckets.length) {
    throw new TypeError(`metric ${name} needs 1 to ${MAX_BUCKETS} different buckets above 0`)
  }
}

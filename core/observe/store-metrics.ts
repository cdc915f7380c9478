import { HistogramCell, histogramSeries } from './histogram.js'
import { OTHER, SeriesBudget, type MetricObject, type MetricValue } from './metric-object.js'

/** What is counted of the store, whichever it is. */
export interface StoreMetrics {
  /** Counts a call that has ended. `collection` is empty where it is about none. */
  observe (operation: string, collection: string, outcome: string, durationMs: number): void
  collect (): MetricObject[]
}

const BOUNDS_MS = Float64Array.of(0.25, 1, 5, 10, 25, 50, 100, 1000)
const MAX_SERIES = 600

/** Makes the metrics of the store: 600 series at most, beyond which calls are counted under `other`. `pool` tells of its connections, where it has any. */
export function createStoreMetrics (pool: (() => { readonly open: number, readonly used: number }) | null = null): StoreMetrics {
  const budget = new SeriesBudget(MAX_SERIES)
  const calls = new Map<string, MetricValue>()
  const durations = new Map<string, HistogramCell>()

  const counterOf = (operation: string, collection: string, outcome: string): MetricValue => {
    const key = `${operation} ${collection} ${outcome}`
    const known = calls.get(key)
    if (known !== undefined) return known
    if (collection !== OTHER && !budget.take(1)) return counterOf(operation, OTHER, outcome)
    const counter = { labels: { operation, collection, outcome }, value: 0 }
    calls.set(key, counter)
    return counter
  }
  const cellOf = (operation: string): HistogramCell => {
    const known = durations.get(operation)
    if (known !== undefined) return known
    if (operation !== OTHER && !budget.take(histogramSeries(BOUNDS_MS.length))) return cellOf(OTHER)
    const cell = new HistogramCell(BOUNDS_MS)
    durations.set(operation, cell)
    return cell
  }
  return {
    observe (operation, collection, outcome, durationMs) {
      counterOf(operation, collection, outcome).value++
      cellOf(operation).observe(durationMs)
    },
    collect () {
      const name = 'sluice_store_call_duration_seconds'
      const values: MetricValue[] = []
      for (const [operation, cell] of durations) cell.collect(name, { operation }, 1000, values)
      const connections = Object.entries(pool?.() ?? {}).map(([state, value]) => ({ labels: { state }, value }))
      return [
        ...(pool === null ? [] : [{ name: 'sluice_store_connections', help: 'Connections to the store.', type: 'gauge' as const, aggregator: 'sum' as const, values: connections }]),
        { name: 'sluice_store_calls_total', help: 'Calls of the store, by outcome.', type: 'counter', aggregator: 'sum', values: [...calls.values()].map((call) => ({ ...call })) },
        { name, help: 'How long calls of the store take.', type: 'histogram', aggregator: 'sum', values }
      ]
    }
  }
}

/** One sample of a metric, in prom-client's shape: plain data that crosses processes. */
export interface MetricValue {
  labels: Record<string, string | number>
  value: number
  /** `…_bucket`, `…_sum`, `…_count` of a histogram. */
  metricName?: string
}

/** How the values of several workers become one. */
export type Aggregator = 'sum' | 'first' | 'min' | 'max' | 'average' | 'omit'

/** A metric with its samples, as prom-client's `getMetricsAsJSON` gives it and `AggregatorRegistry.aggregate` takes it. */
export interface MetricObject {
  name: string
  help: string
  type: 'counter' | 'gauge' | 'histogram' | 'summary'
  aggregator: Aggregator
  values: MetricValue[]
}

/** Label value of what is beyond a bound. */
export const OTHER = 'other'

/** A share of the series that may exist. */
export class SeriesBudget {
  #left: number

  constructor (series: number) {
    this.#left = series
  }

  /** Takes so many, or none and says false. */
  take (series: number): boolean {
    if (this.#left < series) return false
    this.#left -= series
    return true
  }

  give (series: number): void {
    this.#left += series
  }
}

import type { MetricValue } from './metric-object.js'

/** The samples of one histogram under one set of labels, in one typed array. */
export class HistogramCell {
  readonly #bounds: Float64Array
  /** A count for each bound, one for what is above them, and the sum. */
  readonly #numbers: Float64Array

  /** Bounds ascending, in the unit of what is observed. */
  constructor (bounds: Float64Array) {
    this.#bounds = bounds
    this.#numbers = new Float64Array(bounds.length + 2)
  }

  observe (value: number): void {
    if (!(value >= 0)) value = 0 // a clock that went back, or NaN: one bad value must not spoil the sum for good
    const bounds = this.#bounds
    const numbers = this.#numbers
    let i = 0
    while (i < bounds.length && value > (bounds[i] as number)) i++
    numbers[i] = (numbers[i] as number) + 1
    numbers[bounds.length + 1] = (numbers[bounds.length + 1] as number) + value
  }

  /** Adds the samples to `values`, buckets cumulative. Bounds and sum are divided by `unit` (1000: milliseconds to seconds). */
  collect (name: string, labels: Record<string, string>, unit: number, values: MetricValue[]): void {
    const bounds = this.#bounds
    let count = 0
    for (let i = 0; i < bounds.length; i++) {
      count += this.#numbers[i] as number
      values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: (bounds[i] as number) / unit }, value: count })
    }
    count += this.#numbers[bounds.length] as number
    values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count })
    values.push({ metricName: `${name}_sum`, labels, value: (this.#numbers[bounds.length + 1] as number) / unit })
    values.push({ metricName: `${name}_count`, labels, value: count })
  }
}

/** How many series one histogram with so many bounds is. */
export function histogramSeries (bounds: number): number {
  return bounds + 3
}

/** Bounds as a histogram wants them: finite, above 0, ascending, each once. */
export function sortedBounds (buckets: readonly number[], unit: number): Float64Array {
  const sorted = [...new Set(buckets)].filter((bound) => bound > 0 && Number.isFinite(bound)).sort((a, b) => a - b)
  return Float64Array.from(sorted, (bound) => bound * unit)
}

import { HistogramCell, histogramSeries } from './histogram.js'
import type { SeriesBudget, MetricValue } from './metric-object.js'
import { StatusCounts, statusSlot } from './status-counts.js'

/** The request metrics of one route. */
export interface RouteStats {
  /** Counts one answered request. Status 0 = the client went before there was one; upstreamMs null = no upstream gave a head. */
  observe (status: number, durationMs: number, upstreamMs: number | null, bytesIn: number, bytesOut: number): void
}

/** How many series the levels of one kind (routes, projects) may have together. */
export interface StatsBudgets {
  readonly statuses: SeriesBudget
  readonly histograms: SeriesBudget
  readonly bytes: SeriesBudget
}

/** Where collected samples go, one list for each metric. */
export interface CollectedStats {
  requests: MetricValue[]
  duration: MetricValue[]
  upstream: MetricValue[]
  bytesIn: MetricValue[]
  bytesOut: MetricValue[]
}

export const DURATION_NAME = 'sluice_request_duration_seconds'
export const UPSTREAM_NAME = 'sluice_upstream_duration_seconds'

/**
 * Request metrics of a route, of the rest of a project, or of all the rest. Each is made with the first request that needs it: its
 * own while the budget has room, else the wider level's for good. So the ones that have traffic get the detail, and a request costs
 * a few array writes.
 */
export class StatsLevel implements RouteStats {
  readonly #bounds: Float64Array
  readonly #budgets: StatsBudgets
  readonly #wider: StatsLevel | null
  readonly #statuses: StatusCounts
  #duration: HistogramCell | null = null
  #upstream: HistogramCell | null = null
  /** In, out. */
  #bytes: Float64Array | null = null
  #ownDuration = false
  #ownUpstream = false
  #ownBytes = false

  /** Bounds in milliseconds. Without a wider level the budgets have to suffice. */
  constructor (bounds: Float64Array, budgets: StatsBudgets, wider: StatsLevel | null) {
    this.#bounds = bounds
    this.#budgets = budgets
    this.#wider = wider
    this.#statuses = new StatusCounts(budgets.statuses, wider === null ? null : wider.#statuses)
  }

  observe (status: number, durationMs: number, upstreamMs: number | null, bytesIn: number, bytesOut: number): void {
    this.#statuses.count(statusSlot(status))
    const duration = this.#duration ?? this.#firstDuration()
    duration.observe(durationMs)
    if (upstreamMs !== null) {
      const upstream = this.#upstream ?? this.#firstUpstream()
      upstream.observe(upstreamMs)
    }
    const bytes = this.#bytes ?? this.#firstBytes()
    bytes[0] = (bytes[0] as number) + bytesIn
    bytes[1] = (bytes[1] as number) + bytesOut
  }

  /** Gives its series back. Requests that are still under way are counted by the wider level. */
  release (): void {
    const { histograms, bytes } = this.#budgets
    const series = histogramSeries(this.#bounds.length)
    if (this.#ownDuration) histograms.give(series)
    if (this.#ownUpstream) histograms.give(series)
    if (this.#ownBytes) bytes.give(1)
    this.#statuses.release()
    if (this.#wider === null) return
    this.#ownDuration = this.#ownUpstream = this.#ownBytes = false
    this.#duration = this.#wider.#duration ?? this.#wider.#firstDuration()
    this.#upstream = this.#wider.#upstream ?? this.#wider.#firstUpstream()
    this.#bytes = this.#wider.#bytes ?? this.#wider.#firstBytes()
  }

  collect (project: string, route: string, to: CollectedStats): void {
    const labels = { project, route }
    this.#statuses.collect(labels, to.requests)
    if (this.#ownDuration) this.#duration?.collect(DURATION_NAME, labels, 1000, to.duration)
    if (this.#ownUpstream) this.#upstream?.collect(UPSTREAM_NAME, labels, 1000, to.upstream)
    if (this.#ownBytes && this.#bytes !== null) {
      to.bytesIn.push({ labels: { project }, value: this.#bytes[0] as number })
      to.bytesOut.push({ labels: { project }, value: this.#bytes[1] as number })
    }
  }

  #firstDuration (): HistogramCell {
    const wider = this.#wider
    this.#ownDuration = this.#budgets.histograms.take(histogramSeries(this.#bounds.length))
    this.#duration = this.#ownDuration || wider === null ? new HistogramCell(this.#bounds) : wider.#duration ?? wider.#firstDuration()
    return this.#duration
  }

  #firstUpstream (): HistogramCell {
    const wider = this.#wider
    this.#ownUpstream = this.#budgets.histograms.take(histogramSeries(this.#bounds.length))
    this.#upstream = this.#ownUpstream || wider === null ? new HistogramCell(this.#bounds) : wider.#upstream ?? wider.#firstUpstream()
    return this.#upstream
  }

  #firstBytes (): Float64Array {
    const wider = this.#wider
    this.#ownBytes = this.#budgets.bytes.take(1)
    this.#bytes = this.#ownBytes || wider === null ? new Float64Array(2) : wider.#bytes ?? wider.#firstBytes()
    return this.#bytes
  }
}

import { setTimeout as delay } from 'node:timers/promises'
import type { MetricObject } from '../core/observe/metric-object.js'
import { addUpMetrics } from '../core/observe/render-metrics.js'

const COUNTED: ReadonlySet<string> = new Set(['counter', 'histogram'])

/**
 * Metrics of worker processes, those that ended included: what was counted is kept as it was last heard, because a sum that falls when a worker is
 * replaced looks to Prometheus like a restart, which counts everything of the others once more.
 */
export class WorkerMetrics<W> {
  readonly #last = new Map<W, readonly MetricObject[]>()
  #gone: Promise<readonly MetricObject[]> = Promise.resolve([])

  /**
   * Asks each worker, and gives what each said, with what ended ones counted. One that does not answer within `waitMs` (its event loop is
   * blocked) is there as it was last heard.
   */
  async collect (workers: readonly W[], ask: (worker: W) => Promise<readonly MetricObject[]>, waitMs: number): Promise<MetricObject[][]> {
    const limit = new AbortController()
    const late = delay(waitMs, undefined, { signal: limit.signal, ref: false }).catch(() => {})
    const asked = workers.map((worker) => ask(worker).then((metrics) => { this.#last.set(worker, metrics) }, () => {}))
    await Promise.race([Promise.all(asked), late])
    limit.abort()
    return [await this.#gone, ...workers.map((worker) => this.#last.get(worker) ?? [])].map((metrics) => [...metrics])
  }

  /** The worker has ended: its counts are kept, its gauges are not. */
  ended (worker: W): void {
    const last = this.#last.get(worker)
    this.#last.delete(worker)
    if (last !== undefined) this.#gone = this.#gone.then((gone) => addUpMetrics([gone, last.filter(({ type }) => COUNTED.has(type))]))
  }
}

import { test } from 'tap'
import { WorkerMetrics } from '../../bin/worker-metrics.js'
import type { MetricObject } from '../../core/observe/metric-object.js'
import { renderMetrics } from '../../core/observe/render-metrics.js'

function counted (requests: number, open: number): MetricObject[] {
  return [
    { name: 'requests', help: 'r', type: 'counter', aggregator: 'sum', values: [{ labels: { route: 'a' }, value: requests }] },
    { name: 'open', help: 'o', type: 'gauge', aggregator: 'sum', values: [{ labels: {}, value: open }] }
  ]
}

test('worker metrics: counts of a worker that ended stay in the sum, its gauges do not', async (t) => {
  const metrics = new WorkerMetrics<string>()
  const said: Record<string, MetricObject[]> = { a: counted(10, 3), b: counted(5, 1), c: counted(2, 7) }
  const text = async (...workers: string[]): Promise<string> => (await renderMetrics(await metrics.collect(workers, (worker) => Promise.resolve(said[worker] ?? []), 1_000))).replace(/^#.*\n/gm, '')
  t.equal(await text('a', 'b'), 'requests{route="a"} 15\nopen 4\n')
  metrics.ended('a')
  t.equal(await text('b'), 'requests{route="a"} 15\nopen 1\n')
  metrics.ended('b')
  metrics.ended('never heard')
  t.equal(await text('c'), 'requests{route="a"} 17\nopen 7\n')
})

test('worker metrics: one that does not answer is there as it was last heard', { timeout: 10_000 }, async (t) => {
  const metrics = new WorkerMetrics<string>()
  const stuck = new Set<string>()
  const ask = (worker: string): Promise<MetricObject[]> => stuck.has(worker) ? new Promise(() => {}) : Promise.resolve(counted(1, 1))
  const sum = async (...workers: string[]): Promise<string> => /requests.* (\d+)/.exec((await renderMetrics(await metrics.collect(workers, ask, 20))))?.[1] ?? ''
  // Whoever waits for one timer alone ends where nothing else holds the process.
  const held = setInterval(() => {}, 1_000)
  t.teardown(() => { clearInterval(held) })
  t.equal(await sum('a', 'b'), '2')
  stuck.add('a').add('new')
  t.equal(await sum('a', 'b', 'new'), '2')
  const failing = metrics.collect(['b'], () => Promise.reject(new Error('it ended')), 1_000)
  t.equal((await failing).length, 2, 'nor does one fail all of them')
})

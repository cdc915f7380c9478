import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import type { ErrorCode } from '../../../core/errors.js'
import { createMetrics, type GatewayMetrics } from '../../../core/observe/metrics.js'
import type { MetricObject } from '../../../core/observe/metric-object.js'
import { METRICS_CONTENT_TYPE, renderMetrics } from '../../../core/observe/render-metrics.js'
import { busyStore } from '../../fixtures/busy-store.js'
import { lintFamilies, parseExposition, type Family } from '../../fixtures/exposition.js'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

function made (t: { teardown (handler: () => void): void }, buckets: readonly number[] = BUCKETS): GatewayMetrics {
  const metrics = createMetrics({ buckets }, { version: '1.2.3' })
  t.teardown(() => { metrics.close() })
  return metrics
}

async function exposed (...workers: GatewayMetrics[]): Promise<Map<string, Family>> {
  const data: MetricObject[][] = []
  for (const worker of workers) data.push(structuredClone(await worker.toJSON())) // as between processes
  return parseExposition(await renderMetrics(data))
}

function value (families: Map<string, Family>, name: string, labels: Record<string, string> = {}): number | undefined {
  const family = families.get(name) ?? families.get(name.replace(/_(?:bucket|sum|count)$/, ''))
  return family?.samples.find((sample) => sample.name === name && JSON.stringify(Object.entries(sample.labels).sort()) === JSON.stringify(Object.entries(labels).sort()))?.value
}

function seriesOf (families: Map<string, Family>): number {
  return [...families.values()].reduce((sum, family) => sum + family.samples.length, 0)
}

/** Everything that a gateway does with its metrics, once. */
function exercise (metrics: GatewayMetrics): void {
  const orders = metrics.route('shop', 'orders')
  orders.observe(200, 3, 2, 10, 100)
  orders.observe(200, 30, 25, 10, 100)
  orders.observe(503, 20_000, null, 0, 50)
  metrics.route(null, null).observe(404, 0.1, null, 0, 20)
  metrics.refused('NOT_FOUND')
  metrics.refused('NOT_FOUND')
  metrics.reload(true, 12)
  metrics.reload(false, 7, 3)
  metrics.connection(1)
  metrics.connection(1)
  metrics.connection(-1)
  metrics.addGauge('sluice_pool_connections', 'Connections to targets.', ['target', 'state'], () => [[['http://a', 'open'], 3], [['say "hi"\\\nthere', 'idle'], 1]])
  metrics.addCounter('sluice_access_log_dropped_total', 'Lines dropped.', [], () => [[[], 4]])
  const plugin = metrics.forPlugin('api-key')
  plugin.counter('lookups', 'Look-ups.', ['result']).increment(['hit'], 2)
  plugin.histogram('wait_seconds', 'Waiting.', [0.1, 1], ['kind']).observe(['slow'], 0.5)
}

test('metrics: what is exposed passes a strict parser and the rules of promtool, for one worker and for several', async (t) => {
  const one = made(t)
  const two = made(t)
  exercise(one)
  exercise(two)
  for (const families of [await exposed(one), await exposed(one, two), await exposed(made(t))]) t.strictSame(lintFamilies(families), [])
  t.equal(METRICS_CONTENT_TYPE, 'text/plain; version=0.0.4; charset=utf-8')
})

test('metrics: the parser and the rules of these tests find what is planted', async (t) => {
  const good = '# HELP a_total x\n# TYPE a_total counter\na_total 1\n'
  t.strictSame(lintFamilies(parseExposition(good)), [])
  for (const bad of ['a_total 1\n', good + good, good + 'a_total 2\n', good.trimEnd(), good.replace('a_total 1', 'a_total{x=1} 1'), good.replace('a_total 1', 'a_total one'), good.replace('a_total 1', 'b 1')]) {
    t.throws(() => parseExposition(bad), JSON.stringify(bad))
  }
  const histogram = (le: string, count: number): string => `# HELP wait x\n# TYPE wait histogram\nwait_bucket{le="1"} 2\nwait_bucket{le="${le}"} 3\nwait_sum 1\nwait_count ${count}\n`
  t.strictSame(lintFamilies(parseExposition(histogram('+Inf', 3))), [])
  for (const bad of [good.replaceAll('a_total', 'a'), good.replaceAll('a_total', 'a_ms_total'), good.replace('counter', 'gauge'), histogram('2', 3), histogram('+Inf', 4)]) {
    t.not(lintFamilies(parseExposition(bad)).length, 0, bad)
  }
})

test('metrics: counts requests, durations, upstream times and bytes of a route', async (t) => {
  const metrics = made(t)
  exercise(metrics)
  const families = await exposed(metrics)
  const route = { project: 'shop', route: 'orders' }
  t.equal(value(families, 'sluice_requests_total', { ...route, status: '200' }), 2)
  t.equal(value(families, 'sluice_requests_total', { ...route, status: '503' }), 1)
  t.equal(value(families, 'sluice_requests_total', { project: '', route: '', status: '404' }), 1)
  t.equal(value(families, 'sluice_request_duration_seconds_count', route), 3)
  t.equal(value(families, 'sluice_request_duration_seconds_sum', route), 20.033)
  t.equal(value(families, 'sluice_request_duration_seconds_bucket', { ...route, le: '0.0025' }), 0)
  t.equal(value(families, 'sluice_request_duration_seconds_bucket', { ...route, le: '0.005' }), 1)
  t.equal(value(families, 'sluice_request_duration_seconds_bucket', { ...route, le: '10' }), 2)
  t.equal(value(families, 'sluice_request_duration_seconds_bucket', { ...route, le: '+Inf' }), 3)
  t.equal(value(families, 'sluice_upstream_duration_seconds_count', route), 2)
  t.equal(value(families, 'sluice_request_bytes_total', { project: 'shop' }), 20)
  t.equal(value(families, 'sluice_response_bytes_total', { project: 'shop' }), 250)
})

test('metrics: counts refusals, reloads, findings, connections and what is read', async (t) => {
  const metrics = made(t)
  exercise(metrics)
  metrics.refused('MADE_UP' as ErrorCode)
  const families = await exposed(metrics)
  t.equal(value(families, 'sluice_refusals_total', { code: 'NOT_FOUND' }), 2)
  t.equal(families.get('sluice_refusals_total')?.samples.length, 1, 'a code outside the table makes no series')
  t.equal(value(families, 'sluice_reloads_total', { result: 'ok' }), 1)
  t.equal(value(families, 'sluice_reloads_total', { result: 'refused' }), 1)
  t.equal(value(families, 'sluice_reload_duration_seconds_count'), 2)
  t.equal(value(families, 'sluice_config_findings'), 3)
  t.equal(value(families, 'sluice_config_last_reload_successful'), 0)
  t.equal(value(families, 'sluice_open_connections'), 1)
  t.equal(value(families, 'sluice_connections_total'), 2)
  t.equal(value(families, 'sluice_pool_connections', { target: 'http://a', state: 'open' }), 3)
  t.equal(value(families, 'sluice_pool_connections', { target: 'say "hi"\\\nthere', state: 'idle' }), 1)
  t.equal(value(families, 'sluice_access_log_dropped_total'), 4)
  t.equal(value(families, 'sluice_build_info', { version: '1.2.3', node: process.version }), 1)
  t.ok((value(families, 'process_resident_memory_bytes') ?? 0) > 1e6)
  t.type(value(families, 'sluice_event_loop_delay_p99_seconds'), 'number')
})

test('metrics: the event-loop delay shows a blocked loop, and each collection begins anew', async (t) => {
  const metrics = made(t)
  await delay(30)
  const until = performance.now() + 150
  while (performance.now() < until);
  await delay(30)
  const worst = value(await exposed(metrics), 'sluice_event_loop_delay_max_seconds') ?? 0
  t.ok(worst >= 0.12 && worst < 5, `${worst} s`)
  await delay(30)
  t.ok((value(await exposed(metrics), 'sluice_event_loop_delay_max_seconds') ?? 1) < worst)
})

test('metrics: statuses without a series of their own are counted as their class', async (t) => {
  const metrics = made(t)
  const route = metrics.route('shop', 'odd')
  for (let status = 0; status < 1000; status++) route.observe(status, 1, null, 0, 0)
  route.observe(-1, 1, null, 0, 0)
  route.observe(NaN, NaN, -5, 0, 0)
  const families = await exposed(metrics)
  const samples = families.get('sluice_requests_total')?.samples ?? []
  t.equal(samples.reduce((sum, sample) => sum + sample.value, 0), 1002, 'none is lost')
  t.ok(samples.length < 70, `${samples.length} series`)
  t.equal(value(families, 'sluice_requests_total', { project: 'shop', route: 'odd', status: '200' }), 1)
  t.equal(value(families, 'sluice_requests_total', { project: 'shop', route: 'odd', status: '0' }), 1)
  t.ok((value(families, 'sluice_requests_total', { project: 'shop', route: 'odd', status: '2xx' }) ?? 0) > 80)
  t.equal(value(families, 'sluice_request_duration_seconds_sum', { project: 'shop', route: 'odd' }), 1.001, 'NaN does not spoil the sum')
})

test('metrics: a route keeps its object, and a released one gives its series back', async (t) => {
  const metrics = made(t)
  const first = metrics.route('shop', 'orders')
  t.equal(metrics.route('shop', 'orders'), first)
  t.not(metrics.route('shop', 'other'), first)
  t.not(metrics.route('books', 'orders'), first)
  // Far more routes than have room at once, one after the other.
  for (let n = 0; n < 3000; n++) {
    metrics.route('shop', `r${n}`).observe(200, 1, 1, 1, 1)
    metrics.release('shop', `r${n}`)
  }
  metrics.release('shop', 'never there')
  metrics.release('nor this', 'one')
  const last = metrics.route('shop', 'last')
  last.observe(200, 1, 1, 1, 1)
  t.equal(value(await exposed(metrics), 'sluice_request_duration_seconds_count', { project: 'shop', route: 'last' }), 1, 'has detail of its own')
  metrics.release('shop', 'last')
  last.observe(200, 1, 1, 1, 1)
  const families = await exposed(metrics)
  t.equal(value(families, 'sluice_requests_total', { project: 'shop', route: 'other', status: '200' }), 1, 'what ends behind its release is counted with the project')
  t.equal(value(families, 'sluice_request_duration_seconds_count', { project: 'shop', route: 'other' }), 1)
  t.notOk(families.get('sluice_requests_total')?.samples.some((sample) => sample.labels.route === 'last'))
  t.equal(value(families, 'sluice_response_bytes_total', { project: 'shop' }), 3002)
})

test('metrics: 10 000 projects of 10 routes stay below 10 000 series, and nothing is lost', async (t) => {
  for (const buckets of [BUCKETS, Array.from({ length: 50 }, (_, n) => (n + 1) / 10)]) {
    const metrics = made(t, buckets)
    exercise(metrics)
    metrics.addGauge('sluice_many', 'Many.', ['target'], () => Array.from({ length: 5000 }, (_, n) => [[`t${n}`], 1] as const))
    metrics.addStore(busyStore())
    const plugin = metrics.forPlugin('many')
    for (let n = 0; n < 5; n++) {
      const counter = plugin.counter(`c${n}`, 'Many.', ['key'])
      for (let key = 0; key < 1000; key++) counter.increment([`k${key}`])
    }
    const statuses = [200, 201, 404, 429, 500, 502]
    let requests = 4
    for (let project = 0; project < 10_000; project++) {
      for (let route = 0; route < 10; route++) {
        const stats = metrics.route(`p${project}`, `r${route}`)
        for (const status of statuses) stats.observe(status, 3, 2, 10, 20)
        requests += statuses.length
      }
    }
    const families = await exposed(metrics)
    const series = seriesOf(families)
    t.ok(series <= 10_000, `${series} series with ${buckets.length} buckets`)
    t.ok(series > 5000, 'and makes use of them')
    t.strictSame(lintFamilies(families), [])
    const sum = (name: string): number => (families.get(name.replace(/_count$/, '')) as Family).samples.filter((sample) => sample.name === name).reduce((total, sample) => total + sample.value, 0)
    t.equal(sum('sluice_requests_total'), requests)
    t.equal(sum('sluice_request_duration_seconds_count'), requests)
    t.equal(sum('sluice_upstream_duration_seconds_count'), requests - 2)
    t.equal(sum('sluice_response_bytes_total'), (requests - 4) * 20 + 270)
    t.equal(sum('sluice_many'), 5000)
    t.equal(sum('sluice_store_calls_total'), 2000)
    t.equal(sum('sluice_plugin_many_c0_total'), 1000)
    t.equal(families.get('sluice_plugin_many_c0_total')?.samples.length, 101)
    t.equal(value(families, 'sluice_plugin_many_c0_total', { key: 'other' }), 900)
  }
})

test('metrics: several workers are added up, gauges by their aggregator', async (t) => {
  const workers = [made(t), made(t), made(t)]
  workers.forEach((worker, n) => {
    exercise(worker)
    worker.addGauge('sluice_oldest', 'Smallest.', [], () => [[[], n + 1]], 'min')
  })
  const families = await exposed(...workers)
  t.equal(value(families, 'sluice_requests_total', { project: 'shop', route: 'orders', status: '200' }), 6)
  t.equal(value(families, 'sluice_request_duration_seconds_bucket', { project: 'shop', route: 'orders', le: '+Inf' }), 9)
  t.equal(value(families, 'sluice_open_connections'), 3)
  t.equal(value(families, 'sluice_oldest'), 1)
  t.equal(value(families, 'sluice_config_findings'), 3)
  t.equal(value(families, 'sluice_build_info', { version: '1.2.3', node: process.version }), 1)
  t.equal(value(families, 'sluice_plugin_api_key_lookups_total', { result: 'hit' }), 6)
  t.ok((value(families, 'process_start_time_seconds') ?? 0) > 1e9)
})

test('metrics: workers that know different routes stay below the bound together, the same ones in each collection', async (t) => {
  const workers = Array.from({ length: 4 }, () => made(t))
  workers.forEach((worker, n) => {
    for (let route = 0; route < 1000; route++) worker.route('shop', `w${n}-${route}`).observe(200, 3, 2, 1, 1)
  })
  const first = await exposed(...workers)
  t.ok(seriesOf(first) <= 10_000, `${seriesOf(first)} series`)
  t.strictSame(lintFamilies(first), [])
  const count = (families: Map<string, Family>): number => (families.get('sluice_request_duration_seconds') as Family).samples.filter((sample) => sample.name.endsWith('_count')).reduce((sum, sample) => sum + sample.value, 0)
  t.equal(count(first), 4000)
  t.equal((first.get('sluice_requests_total') as Family).samples.reduce((sum, sample) => sum + sample.value, 0), 4000)
  const names = (families: Map<string, Family>): string[] => (families.get('sluice_request_duration_seconds') as Family).samples.map((sample) => sample.labels.route as string)
  t.strictSame(names(await exposed(...workers)), names(first))
  t.equal(value(first, 'sluice_build_info', { version: '1.2.3', node: process.version }), 1, 'small metrics are left alone')
})

test('metrics: a plugin metric asked for twice is the same, and asked for differently an error', async (t) => {
  const metrics = made(t)
  const plugin = metrics.forPlugin('Rate Limit')
  const counter = plugin.counter('rejected', 'Rejected.', ['limit'])
  t.equal(metrics.forPlugin('Rate Limit').counter('rejected_total', 'Rejected.', ['limit']), counter)
  const histogram = plugin.histogram('wait_seconds', 'Waiting.', [1, 2])
  t.equal(plugin.histogram('wait_seconds', 'Waiting.', [1, 2]), histogram)
  counter.increment(['burst'])
  counter.increment(['burst'], 2)
  counter.increment(['burst'], -5)
  counter.increment(['x'.repeat(500)])
  histogram.observe([], 1.5)
  t.throws(() => { counter.increment([]) }, /1 labels, not 0/)
  const families = await exposed(metrics)
  t.equal(value(families, 'sluice_plugin_rate_limit_rejected_total', { limit: 'burst' }), 3)
  t.equal(value(families, 'sluice_plugin_rate_limit_rejected_total', { limit: 'other' }), 1, 'a value that is too long')
  t.equal(value(families, 'sluice_plugin_rate_limit_wait_seconds_bucket', { le: '2' }), 1)

  t.throws(() => plugin.counter('rejected', 'Rejected.', ['other']), /use another name/)
  t.throws(() => plugin.histogram('wait_seconds', 'Waiting.', [1, 3]), /use another name/)
  t.throws(() => plugin.counter('no-dash', 'x'), /not a metric name/)
  t.throws(() => plugin.counter('', 'x'), /not a metric name/)
  t.throws(() => plugin.counter('fine', ' '), /help/)
  t.throws(() => plugin.counter('fine', 'x', ['le']), /label/)
  t.throws(() => plugin.counter('fine', 'x', ['a', 'a']), /twice/)
  t.throws(() => plugin.histogram('x_count', 'x', [1]), /suffix/)
  t.throws(() => plugin.histogram('fine', 'x', []), /buckets/)
  t.throws(() => plugin.histogram('fine', 'x', [1, 1]), /buckets/)
  t.throws(() => { for (let n = 0; n < 200; n++) plugin.histogram(`h${n}`, 'x', [1, 2, 3, 4, 5]) }, /does not fit/)
})

test('metrics: bad names and broken readers of added metrics', async (t) => {
  const metrics = made(t)
  const none = (): [] => []
  t.throws(() => { metrics.addGauge('pool', 'x', [], none) }, /begin with sluice_/)
  t.throws(() => { metrics.addGauge('sluice_pool_total', 'x', [], none) }, /_total/)
  t.throws(() => { metrics.addCounter('sluice_pool', 'x', [], none) }, /_total/)
  t.throws(() => { for (let n = 0; n < 100; n++) metrics.addGauge(`sluice_g${n}`, 'x', [], none) }, /more than/)
  metrics.addGauge('sluice_g1', 'Again.', ['a'], () => [[['x'], 1], [['x'], 2], [['y'], NaN]])
  const families = await exposed(metrics)
  t.equal(value(families, 'sluice_g1', { a: 'x' }), 3)
  t.strictSame(lintFamilies(families), [])
})

test('metrics: a reader that throws does not take the other metrics with it', async (t) => {
  const metrics = made(t)
  metrics.addGauge('sluice_broken', 'Breaks.', [], () => { throw new Error('gone') })
  metrics.addGauge('sluice_whole', 'Works.', [], () => [[[], 1]])
  t.equal(value(await exposed(metrics), 'sluice_whole'), 1)
})

test('metrics: switched off, everything is there and does nothing', async (t) => {
  const metrics = createMetrics(false)
  t.equal(metrics.enabled, false)
  exercise(metrics)
  metrics.release('shop', 'orders')
  t.strictSame(await metrics.toJSON(), [])
  t.equal(await renderMetrics([await metrics.toJSON()]), '')
  t.equal(await renderMetrics([]), '')
  metrics.close()
})

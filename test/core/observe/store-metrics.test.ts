import { test } from 'tap'
import { createStoreMetrics } from '../../../core/observe/store-metrics.js'

test('store metrics: calls are counted by operation, collection and outcome, and timed by operation', (t) => {
  const metrics = createStoreMetrics()
  metrics.observe('get', 'plans', 'ok', 0.2)
  metrics.observe('get', 'plans', 'ok', 7)
  metrics.observe('get', 'users', 'unavailable', 800)
  metrics.observe('ping', '', 'ok', 2_000)
  const [calls, durations] = metrics.collect()
  t.same(calls?.values, [
    { labels: { operation: 'get', collection: 'plans', outcome: 'ok' }, value: 2 },
    { labels: { operation: 'get', collection: 'users', outcome: 'unavailable' }, value: 1 },
    { labels: { operation: 'ping', collection: '', outcome: 'ok' }, value: 1 }
  ])
  const of = (operation: string, name: string, le?: number | string): number | undefined =>
    durations?.values.find(({ labels, metricName }) => labels['operation'] === operation && metricName === `sluice_store_call_duration_seconds_${name}` && labels['le'] === le)?.value
  t.same([of('get', 'bucket', 0.00025), of('get', 'bucket', 0.005), of('get', 'bucket', 0.01), of('get', 'bucket', 0.1), of('get', 'bucket', 1), of('get', 'bucket', '+Inf'), of('get', 'count')], [1, 1, 2, 2, 3, 3, 3])
  t.equal(of('get', 'sum'), 0.8072)
  t.same([of('ping', 'bucket', 1), of('ping', 'bucket', '+Inf')], [0, 1])
  t.end()
})

test('store metrics: beyond their share of series, calls are counted together', (t) => {
  const metrics = createStoreMetrics()
  for (let n = 0; n < 5_000; n++) metrics.observe(`operation${n % 30}`, `collection${n}`, 'ok', 1)
  const [calls, durations] = metrics.collect()
  t.ok((calls?.values.length ?? 0) + (durations?.values.length ?? 0) < 650)
  t.equal(calls?.values.reduce((sum, { value }) => sum + value, 0), 5_000)
  t.equal(durations?.values.filter(({ metricName }) => metricName?.endsWith('_count')).reduce((sum, { value }) => sum + value, 0), 5_000)
  t.end()
})

test('store metrics: a pool is told as it is when they are collected', (t) => {
  const pool = { open: 0, used: 0 }
  const metrics = createStoreMetrics(() => pool)
  pool.open = 3
  t.same(metrics.collect()[0]?.values, [{ labels: { state: 'open' }, value: 3 }, { labels: { state: 'used' }, value: 0 }])
  t.end()
})

/** Nanoseconds per counted request, and what a scrape costs. Run: node dist/bench/micro/core/observe/metrics.js */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { Counter, Histogram, Registry } from 'prom-client'
import { createMetrics } from '../../../../core/observe/metrics.js'
import { renderMetrics } from '../../../../core/observe/render-metrics.js'
import { nsPerCall } from '../../ns-per-call.js'

const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const LATENCIES = Float64Array.from({ length: 1024 }, (_, n) => n % 20 === 0 ? 120 : 0.4 + (n % 50) / 10)

const row = (name: string, value: number, unit: string): void => { console.log(`${name.padEnd(56)}${value.toFixed(1).padStart(9)} ${unit}`) }

const metrics = createMetrics({ buckets: BUCKETS })
const one = metrics.route('shop', 'orders')
row('one route', nsPerCall((n) => { const ms = LATENCIES[n & 1023] as number; one.observe(200, ms, ms * 0.8, 100, 1000) }, 2_000_000), 'ns')

const registers = [new Registry()]
const labelNames = ['project', 'route'] as const
const counter = new Counter({ name: 'requests_total', help: 'x', labelNames: [...labelNames, 'status'], registers })
const duration = new Histogram({ name: 'duration_seconds', help: 'x', labelNames, buckets: BUCKETS, registers })
const upstream = new Histogram({ name: 'upstream_seconds', help: 'x', labelNames, buckets: BUCKETS, registers })
row('the same through prom-client (without bytes)', nsPerCall((n) => {
  const ms = LATENCIES[n & 1023] as number
  counter.inc({ project: 'shop', route: 'orders', status: 200 })
  duration.observe({ project: 'shop', route: 'orders' }, ms / 1000)
  upstream.observe({ project: 'shop', route: 'orders' }, ms / 1250)
}), 'ns')

for (const projects of [1, 100, 10_000]) {
  const many = createMetrics({ buckets: BUCKETS })
  const routes = Array.from({ length: projects * 10 }, (_, n) => many.route(`p${n % projects}`, `r${Math.floor(n / projects)}`))
  for (const route of routes) for (const status of [200, 404, 500]) route.observe(status, 3, 2, 10, 10)
  row(`${projects * 10} routes in turn`, nsPerCall((n) => { const ms = LATENCIES[n & 1023] as number; routes[n * 7919 % routes.length]?.observe(200, ms, ms * 0.8, 100, 1000) }), 'ns')
  const delay = monitorEventLoopDelay({ resolution: 1 })
  let text = ''
  let best = Infinity
  delay.enable()
  for (let scrape = 0; scrape < 10; scrape++) {
    const start = performance.now()
    text = await renderMetrics([await many.toJSON()])
    best = Math.min(best, performance.now() - start)
  }
  delay.disable()
  const series = text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length
  row(`  a scrape of ${series} series (best of 10)`, best, 'ms')
  row('  the longest that it held up the loop (of all 10)', Math.max(0, delay.max / 1e6 - 1), 'ms')
  many.close()
}
metrics.close()

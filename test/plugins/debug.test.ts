import { test } from 'tap'
import type { TraceEntry } from '../../core/context.js'
import { FakeClock, testPlugin } from '../../core/testing.js'
import debug from '../../plugins/debug/index.js'
import { MAX_TRACE_BYTES, serverTiming, traceJson, type Report } from '../../plugins/debug/report.js'

const operatorToken = 'an-operator-token'
const fieldsOf = (headers: Iterable<[string, string]>): [string, string][] => [...headers].filter(([name]) => name !== 'x-request-id')

function step (over: Partial<TraceEntry> = {}): TraceEntry {
  return { plugin: 'rate-limit', id: 'rate-limit', stage: 'limit', hook: 'request', decision: 'next', durationMs: 0.0123456, ...over }
}

function report (steps: TraceEntry[], over: Partial<Report> = {}): Report {
  return { route: 'orders', project: 'shop', source: 'upstream', status: 200, totalMs: 12.3456, upstreamMs: 8, cacheControl: null, steps, ...over }
}

test('debug: an operator gets Server-Timing, and the trace when asked for', async (t) => {
  const clock = new FakeClock()
  const plugin = await testPlugin(debug, {}, {
    clock, operatorToken, project: 'shop', route: 'orders', upstream: () => { clock.advance(12); return { headers: { 'cache-control': 'max-age=60', 'server-timing': 'db;dur=3' }, body: 'x' } }
  })
  const result = await plugin.request({ headers: { 'x-sluice-debug': operatorToken } })
  t.equal(result.status, 200)
  t.same(result.headers.getAll('server-timing'), ['db;dur=3', 'total;dur=12, upstream;dur=12'], 'its own step is left out')
  t.notOk(result.headers.has('x-sluice-trace'))
  t.equal(result.headers.get('cache-control'), 'no-store')
  const traced = await plugin.request({ headers: { 'x-sluice-debug': operatorToken, 'x-sluice-debug-trace': '1' } })
  t.same(JSON.parse(traced.headers.get('x-sluice-trace') ?? ''), {
    route: 'orders', project: 'shop', source: 'upstream', status: 200, totalMs: 12, upstreamMs: 12, cacheControl: 'max-age=60', steps: []
  })
  const always = await testPlugin(debug, { trace: true }, { operatorToken })
  t.ok((await always.request({ headers: { 'x-sluice-debug': operatorToken } })).headers.has('x-sluice-trace'))
})

test('debug: the answer of the gateway itself is shown too, without an upstream', async (t) => {
  const plugin = await testPlugin(debug, { trace: true }, { operatorToken, upstream: () => { throw new Error('gone') } })
  const result = await plugin.request({ headers: { 'x-sluice-debug': operatorToken } })
  t.equal(result.status, 502)
  t.equal(result.headers.get('server-timing'), 'total;dur=0')
  t.match(JSON.parse(result.headers.get('x-sluice-trace') ?? ''), { source: 'error', upstreamMs: null })
})

test('debug: without the token nothing is different, and nothing leaks', async (t) => {
  const upstream = () => ({ headers: { 'content-type': 'text/plain', 'cache-control': 'max-age=60' }, body: 'x' })
  const plugin = await testPlugin(debug, { trace: true }, { operatorToken, upstream })
  const plain = await plugin.request()
  t.same(fieldsOf(plain.headers), [['content-type', 'text/plain'], ['cache-control', 'max-age=60'], ['content-length', '1']])
  for (const headers of [
    { 'x-sluice-debug': 'wrong' }, { 'x-sluice-debug': '' }, { 'x-sluice-debug': `${operatorToken}x` }, { 'x-sluice-debug': operatorToken.slice(1) },
    { 'x-sluice-debug-trace': '1' }, { 'x-sluice-debug': 'wrong', 'x-sluice-debug-trace': '1' }
  ] as Record<string, string>[]) {
    const result = await plugin.request({ headers })
    t.same(fieldsOf(result.headers), fieldsOf(plain.headers), JSON.stringify(headers))
    t.same(result.body, plain.body)
  }
  const closed = await testPlugin(debug, {}, { upstream })
  t.same(fieldsOf((await closed.request({ headers: { 'x-sluice-debug': '' } })).headers), fieldsOf(plain.headers), 'a gateway without a token has no operators')
})

test('debug: its fields never go to the upstream, whoever sends them', async (t) => {
  const plugin = await testPlugin(debug, {}, { operatorToken })
  for (const headers of [
    [['x-sluice-debug', operatorToken]], [['x-sluice-debug', 'wrong'], ['X-Sluice-Debug', operatorToken]], [['X-Sluice-Debug-Trace', '1']],
    [['x-sluice-debug-trace', '0'], ['x-sluice-debug-trace', '1'], ['x-sluice-debug', operatorToken]]
  ] as [string, string][][]) {
    const { forwarded } = await plugin.request({ headers: [...headers, ['accept', '*/*']] })
    t.same([...forwarded?.headers ?? []].filter(([name]) => name !== 'host'), [['accept', '*/*']], JSON.stringify(headers))
  }
})

test('debug: Server-Timing is bounded and can be read, whatever steps are called', (t) => {
  t.equal(serverTiming(report([step(), step({ id: 'second', decision: 'reply 429' }), step({ hook: 'response', durationMs: 1 })]), 20),
    'total;dur=12.346, upstream;dur=8, rate-limit;dur=0.012;desc="request: next", rate-limit;dur=0.012;desc="second request: reply 429", rate-limit;dur=1;desc="response: next"')
  t.equal(serverTiming(report([], { upstreamMs: null }), 20), 'total;dur=12.346')
  t.equal(serverTiming(report([step(), step({ durationMs: 1 }), step({ durationMs: 2 })]), 1), 'total;dur=12.346, upstream;dur=8, rate-limit;dur=0.012;desc="request: next", more;dur=3;desc="2 more steps"')
  const nasty = serverTiming(report(Array.from({ length: 1000 }, () => step({ plugin: 'ü"\\,;=', id: 'x\r\n"\\é', decision: `failed: ${'"\r\n€'.repeat(1000)}` }))), 100)
  t.match(nasty, /^[\x20-\x7e]*$/)
  t.ok(nasty.length < 20_000, `${nasty.length} bytes for 1000 steps`)
  t.equal(nasty.split('"').length, 2 * 101 + 1, 'quotes only around descriptions')
  t.end()
})

test('debug: X-Sluice-Trace is valid ASCII JSON of at most 4 KB', (t) => {
  for (const count of [0, 1, 10, 30, 1000]) {
    for (const decision of ['next', 'ü€\r\n"\\'.repeat(50)]) {
      const text = traceJson(report(Array.from({ length: count }, (_, index) => step({ id: `id-${index}`, decision })), { route: '€'.repeat(500), project: '"'.repeat(500), cacheControl: 'é'.repeat(5000) }))
      t.match(text, /^[\x20-\x7e]*$/)
      t.ok(text.length <= MAX_TRACE_BYTES, `${count} steps: ${text.length} bytes`)
      const parsed = JSON.parse(text) as { steps: unknown[], left?: number }
      t.equal(parsed.steps.length + (parsed.left ?? 0), count)
    }
  }
  t.end()
})

/**
 * Nanoseconds of a whole exchange in memory (context, steps, forward, answer) by the number of steps, and what one step costs.
 * Run: node dist/bench/micro/core/pipeline/steps.js [--quick]
 */
import { renderError } from '../../../../core/error-body.js'
import type { ResponseSink } from '../../../../core/context.js'
import type { Host } from '../../../../core/host.js'
import { createMemoryRequest } from '../../../../core/memory-exchange.js'
import { compilePipeline } from '../../../../core/pipeline/compile.js'
import type { CompiledRoute, ExchangeObserver } from '../../../../core/pipeline/compiled-route.js'
import { Exchange } from '../../../../core/pipeline/exchange.js'
import { orderSteps } from '../../../../core/pipeline/order.js'
import { definePlugin, type Plugin, type PluginInstance } from '../../../../core/plugin.js'
import type { RelayPlan, UpstreamCall } from '../../../../core/proxy/relay.js'
import { Tunnels } from '../../../../core/proxy/tunnels.js'
import { scriptedRoute } from '../../../../core/scripted-exchange.js'
import { Type } from 'typebox'
import { printGrowth, printSizes } from '../../growth.js'
import { nsPerCall } from '../../ns-per-call.js'
import { QUICK } from '../../quick.js'

const STEPS = [0, 6, 20]
const HEAD = ['content-type', 'application/json', 'content-length', '110', 'date', 'Thu, 01 Jan 2026 00:00:00 GMT']
const BODY = Buffer.alloc(110, 'x')
const request = createMemoryRequest({ target: '/api/v1/orders/42?page=2', headers: { accept: '*/*', 'user-agent': 'bench', 'accept-encoding': 'gzip' } })

const observer: ExchangeObserver = {
  requestIdHeader: 'x-request-id',
  tunnels: new Tunnels(),
  renderError: (refusal, requestId, accept) => renderError(refusal, { requestId, timestamp: 0, accept, docs: null }),
  bug (error) { throw error instanceof Error ? error : new Error(String(error)) },
  upstreamFailed () {}
}

/** Takes an answer and forgets it. */
function createSink (): ResponseSink {
  const sink: ResponseSink & { headSent: boolean, closed: boolean, bytesWritten: number } = {
    headSent: false,
    closed: false,
    bytesWritten: 0,
    onDrain: null,
    onClose: null,
    tunnel: null,
    inform () {},
    head () { sink.headSent = true },
    write (chunk) { sink.bytesWritten += chunk.length; return true },
    flushed: true,
    end () { sink.closed = true; sink.onClose?.(true, null) },
    answer (_status, _headers, body) { sink.bytesWritten += body?.length ?? 0; sink.closed = true; sink.onClose?.(true, null) },
    abort () { throw new Error('the answer was broken off') }
  }
  return sink
}

/** An exchange whose upstream answers at once, so that nothing but the engine is measured. */
class InstantExchange extends Exchange {
  protected override createCall ({ target }: RelayPlan): UpstreamCall {
    return {
      target, dispatchedAt: 0, headAt: 0, resume () {}, abort () {},
      start: () => { if (this.relayHead(200, 'OK', HEAD.slice(), false)) this.relayData(BODY); this.relayEnd(null) }
    }
  }
}

async function routeOf (count: number, hooks: PluginInstance): Promise<CompiledRoute> {
  const plugins: Plugin[] = Array.from({ length: count }, (_, n) => definePlugin({ name: `step-${n}`, stage: 'transform', config: Type.Object({}), create: () => hooks }))
  const byName = new Map(plugins.map((plugin) => [plugin.name, plugin]))
  const uses = plugins.map(({ name }) => ({ name, id: name, hasId: false, use: null, remove: false, config: {}, stage: null, locked: false, timeoutMs: 5_000, at: [] }))
  const { steps } = orderSteps({ gateway: [], project: [], route: uses }, (use) => byName.get(use.name), plugins)
  return scriptedRoute('bench', 'bench', await compilePipeline(steps, () => ({}) as Host))
}

function run (route: CompiledRoute): ResponseSink {
  const sink = createSink()
  new InstantExchange('id', request, sink, route, null, observer, () => {}, 0).begin()
  return sink
}

const kinds: [string, PluginInstance][] = [
  ['a request hook that looks and goes on', { request: (ctx) => { if (ctx.request.headers.has('x-none')) throw new Error('it is not there') } }],
  ['a request and a response hook that do so', { request: (ctx) => { if (ctx.request.path === '') throw new Error('no path') }, response: (ctx) => { if (ctx.response.status === 0) throw new Error('no status') } }],
  ['a request hook that sets a header', { request: (ctx) => { ctx.forward.headers.set('x-bench', '1') } }]
]
printSizes('steps', STEPS)
for (const [title, hooks] of kinds) {
  const costs: number[] = []
  for (const count of STEPS) {
    const route = await routeOf(count, hooks)
    if (!run(route).closed) throw new Error(`${title}: the exchange did not end`)
    costs.push(nsPerCall(() => { run(route) }))
  }
  printGrowth(title, costs)
  console.log(`    one such step: ${(((costs[2] as number) - (costs[0] as number)) / 20).toFixed(0)} ns`)
}

const calls = QUICK ? 5_000 : 50_000
const waiting: number[] = []
for (const count of STEPS) {
  const route = await routeOf(count, { request: () => Promise.resolve() })
  let best = Infinity
  for (let round = 0; round < 4; round++) {
    const start = process.hrtime.bigint()
    for (let n = 0; n < calls; n++) {
      const sink = run(route)
      if (!sink.closed) await new Promise<void>((resolve) => { const { onClose } = sink; sink.onClose = (complete, unwritable) => { onClose?.(complete, unwritable); resolve() } })
    }
    if (round > 0) best = Math.min(best, Number(process.hrtime.bigint() - start) / calls)
  }
  waiting.push(best)
}
printGrowth('a request hook that returns a promise', waiting)
console.log(`    one such step: ${(((waiting[2] as number) - (waiting[0] as number)) / 20).toFixed(0)} ns, its timer included`)

import { Type } from 'typebox'
import type { GatewayRequest } from '../../core/context.js'
import { definePlugin } from '../../core/plugin.js'
import { serverTiming, traceJson, type Report } from './report.js'

const TOKEN_FIELD = 'x-sluice-debug'
const TRACE_FIELD = 'x-sluice-debug-trace'

const config = Type.Object({
  trace: Type.Boolean({
    default: false,
    description: 'Whether `X-Sluice-Trace` is always added for an operator, and not only on `X-Sluice-Debug-Trace: 1`.',
    examples: [true]
  }),
  maxSteps: Type.Integer({
    default: 20,
    minimum: 1,
    maximum: 100,
    description: 'How many steps `Server-Timing` lists; the rest is summed up.',
    examples: [50]
  })
}, { additionalProperties: false })

/** Tells an operator how a request went, in `Server-Timing` and `X-Sluice-Trace`; tells nobody else anything. */
export default definePlugin({
  name: 'debug',
  description: 'Adds Server-Timing and a trace of the steps to the answers of requests that carry the operator\'s token in X-Sluice-Debug.',
  stage: 'edge',
  // A route that any tenant can make would be a place to guess the token at that nothing limits.
  operatorOnly: true,
  config,
  create ({ trace, maxSteps }, host) {
    /** When the requests of operators that are under way came here. */
    const since = new WeakMap<GatewayRequest, number>()
    return {
      request (ctx) {
        const { headers } = ctx.request
        const token = headers.get(TOKEN_FIELD)
        if (token === undefined && !headers.has(TRACE_FIELD)) return
        // Whoever sent it and whatever it is worth: an operator's secret is not for upstreams.
        ctx.forward.headers.delete(TOKEN_FIELD)
        ctx.forward.headers.delete(TRACE_FIELD)
        if (token === undefined || !host.isOperatorToken(token)) return
        ctx.startTrace()
        since.set(ctx.request, host.clock.monotonic())
      },

      response (ctx) {
        const began = ctx.request.headers.has(TOKEN_FIELD) ? since.get(ctx.request) : undefined
        if (began === undefined) return
        const { response, request } = ctx
        const { headers } = response
        // This plugin's own step began before the trace did: its time means nothing.
        const steps = (ctx.trace?.entries ?? []).filter(({ plugin, id }) => plugin !== host.plugin.name || id !== host.plugin.id)
        const totalMs = host.clock.monotonic() - began
        const report: Report = {
          route: ctx.route?.id ?? null,
          project: ctx.project,
          source: response.source,
          status: response.status,
          totalMs,
          // What is left of the total: the way to the upstream, its head, and the body where a step wanted it whole.
          upstreamMs: response.source === 'upstream' ? Math.max(0, totalMs - steps.reduce((sum, step) => sum + step.durationMs, 0)) : null,
          cacheControl: headers.joined('cache-control') ?? null,
          steps
        }
        headers.append('server-timing', serverTiming(report, maxSteps))
        if (trace || request.headers.get(TRACE_FIELD) === '1') headers.set('x-sluice-trace', traceJson(report))
        // A shared cache must not hand this answer to somebody without the token.
        headers.set('cache-control', 'no-store')
      }
    }
  }
})

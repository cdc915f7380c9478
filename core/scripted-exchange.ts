import type { BodyConsumer, GatewayRequest, ResponseSink } from './context.js'
import { GatewayError } from './errors.js'
import { HeaderList } from './lib/header-list.js'
import type { CompiledPipeline } from './pipeline/compile.js'
import type { CompiledRoute, ExchangeObserver } from './pipeline/compiled-route.js'
import { Exchange } from './pipeline/exchange.js'
import type { RelayPlan, UpstreamCall } from './proxy/relay.js'
import type { Target, Upstream } from './proxy/upstream.js'
import { refuse } from './reply.js'

/** What the scripted upstream answers. */
export interface TestUpstreamAnswer {
  status?: number
  headers?: Readonly<Record<string, string | readonly string[]>>
  body?: string | Uint8Array | null
}

/** What was forwarded, as the upstream would have seen it. */
export interface TestForwarded {
  method: string
  path: string
  query: string
  headers: HeaderList
  body: Buffer | null
  /** What `ctx.forward.target` was set to. */
  target: string | null
}

/** A function in the place of an upstream. */
export type TestUpstream = (request: TestForwarded) => TestUpstreamAnswer | Promise<TestUpstreamAnswer>

/** A route whose upstream is played by a script: for plugin tests and `explain`. */
export function scriptedRoute (project: string, route: string, pipeline: CompiledPipeline): CompiledRoute {
  const upstream: Upstream = {
    config: {
      name: 'test', targets: [], builtin: null, host: 'target', connectMs: 0, timeouts: { headersMs: 0, idleMs: 0, totalMs: 0 }, connections: null, tls: null, at: []
    },
    targets: [],
    next: () => null,
    release () {}
  }
  return {
    info: { id: route, project, path: '/*', upstream: 'test' }, projectName: project, pipeline, upstream, rewrite: null, headersMs: 0, idleMs: 0, totalMs: 0,
    upgrades: new Set(), upgradeIdleMs: 0, stats: { observe () {} }, accessLog: {}, allowsOptions: true, allowEncodedSlashes: true, fallback: refuse('NOT_FOUND'),
    targetFor: (url) => ({ origin: url }) as Target
  }
}

/** An exchange whose upstream is a function. */
export class ScriptedExchange extends Exchange {
  /** What the script was called with; null when a step answered instead. */
  forwarded: TestForwarded | null = null
  private readonly script: TestUpstream

  constructor (id: string, request: GatewayRequest, sink: ResponseSink, compiled: CompiledRoute, observer: ExchangeObserver, script: TestUpstream, params: Readonly<Record<string, string>> | null = null) {
    super(id, request, sink, compiled, params, observer, () => {}, performance.now())
    this.script = script
  }

  protected override createCall (plan: RelayPlan): UpstreamCall {
    let aborted = false
    const call = { target: plan.target, dispatchedAt: 0, headAt: 0, resume () {}, abort () { aborted = true }, start: (nowMs: number) => { call.dispatchedAt = nowMs } }
    const play = async (): Promise<void> => {
      const body = await readAll(plan.body)
      this.forwarded = {
        method: plan.method, path: plan.path, query: plan.query, headers: new HeaderList(plan.fields.slice()), body, target: plan.target?.origin ?? null
      }
      const answer = await this.script(this.forwarded)
      if (aborted) return
      call.headAt = performance.now()
      const status = answer.status ?? 200
      const bytes = answer.body === undefined || answer.body === null ? null : Buffer.from(answer.body as string)
      const bodyless = plan.method === 'HEAD' || status === 204 || status === 304
      const headers = Object.entries(answer.headers ?? {}).flatMap(([name, value]) => (typeof value === 'string' ? [value] : value).flatMap((one) => [name.toLowerCase(), one]))
      if (bytes !== null && !headers.includes('content-length')) headers.push('content-length', String(bytes.length))
      this.relayHead(status, '', headers, bodyless)
      if (bytes !== null && !bodyless && !aborted) this.relayData(bytes)
      if (!aborted) this.relayEnd(null)
    }
    play().catch((error: unknown) => {
      if (!aborted) this.relayFail(error instanceof GatewayError ? error : new GatewayError('UPSTREAM_UNREACHABLE', { cause: error }))
    })
    return call
  }
}

async function readAll (body: RelayPlan['body']): Promise<Buffer | null> {
  if (body === null || Buffer.isBuffer(body)) return body
  const pieces: Buffer[] = []
  if (!('start' in body)) {
    for await (const piece of body) pieces.push(piece as Buffer)
    return Buffer.concat(pieces)
  }
  return new Promise((resolve, reject) => {
    const consumer: BodyConsumer = {
      data (chunk) { pieces.push(chunk); return true },
      end () { resolve(Buffer.concat(pieces)) },
      error: reject
    }
    body.start(consumer)
  })
}

import { randomUUID } from 'node:crypto'
import type { BaseContext, ConnectionInfo, GatewayRequest, ResponseSink, Slots, Trace, TraceEntry } from '../context.js'
import type { RouteInfo } from '../route.js'
import type { RequestHook } from './compile.js'
import type { CompiledRoute } from './compiled-route.js'
import { type AnswerDraft, ForwardDraft } from './drafts.js'

const NO_PARAMS: Readonly<Record<string, string>> = Object.freeze({})

/** What steps see of a request: one object for its whole life, born with all its fields so that its shape never changes. */
export abstract class ContextBase implements BaseContext {
  readonly request: GatewayRequest
  readonly sink: ResponseSink
  readonly compiled: CompiledRoute
  readonly params: Readonly<Record<string, string>>
  /** `performance.now()` at birth. */
  readonly startedAt: number
  body: Buffer | null = null
  trace: { entries: TraceEntry[] } | null = null
  /** What steps said for the access log. */
  annotations: Record<string, string | number | boolean> | null = null
  protected forwardDraft: ForwardDraft | null = null
  protected answer: AnswerDraft | null = null
  private knownId: string | null
  private slots: Partial<Slots> | null = null
  private controller: AbortController | null = null
  private aborted = false
  private tracedSince = 0

  constructor (id: string | null, request: GatewayRequest, sink: ResponseSink, compiled: CompiledRoute, params: Readonly<Record<string, string>> | null, nowMs: number) {
    this.knownId = id
    this.request = request
    this.sink = sink
    this.compiled = compiled
    this.params = params ?? NO_PARAMS
    this.startedAt = nowMs
  }

  /** Made when it is first asked for: where ids are off, only errors ask. */
  get id (): string { return this.knownId ??= randomUUID() }
  get route (): RouteInfo | null { return this.compiled.info }
  get project (): string | null { return this.compiled.projectName }
  get rawTarget (): string { return this.request.rawTarget }
  get connection (): ConnectionInfo { return this.request.connection }

  get forward (): ForwardDraft {
    return this.forwardDraft ??= new ForwardDraft(this.request, this.compiled.rewrite === null ? this.request.path : this.compiled.rewrite(this.request.path, this.params))
  }

  get response (): AnswerDraft {
    if (this.answer === null) throw new TypeError('there is no answer yet: ctx.response is for the response hook')
    return this.answer
  }

  get signal (): AbortSignal {
    if (this.controller === null) {
      this.controller = new AbortController()
      if (this.aborted) this.controller.abort()
    }
    return this.controller.signal
  }

  get<K extends keyof Slots> (slot: K): Slots[K] {
    // Undefined for optional slots is in the types that plugins see; a required one is checked when the route is compiled.
    return this.slots?.[slot] as Slots[K]
  }

  set<K extends keyof Slots> (slot: K, value: Slots[K]): void {
    (this.slots ??= {})[slot] = value
  }

  startTrace (): Trace {
    if (this.trace === null) {
      this.trace = { entries: [] }
      // The hook that starts it ran before anybody took the time: its duration counts from here.
      this.tracedSince = performance.now()
    }
    return this.trace
  }

  annotate (key: string, value: string | number | boolean): void {
    (this.annotations ??= {})[key] = value
  }

  /** The client went, or the time is over: what waits for this request may stop. */
  protected abortSignal (): void {
    this.aborted = true
    this.controller?.abort()
  }

  protected note (position: number, hook: TraceEntry['hook'], decision: string, sinceMs: number): void {
    const step = this.compiled.pipeline.steps[position]
    if (step === undefined) return
    this.trace?.entries.push({ plugin: step.plugin, id: step.id, stage: step.stage, hook, decision, durationMs: performance.now() - Math.max(sinceMs, this.tracedSince) })
  }
}

/** Hooks take the contract's typed contexts; the engine's one object is all of them. */
export function asContext<C> (exchange: ContextBase): C {
  return exchange as unknown as C
}

/** The context type of `request` hooks, for calls from the engine. */
export type HookContext = Parameters<RequestHook>[0]

import { GatewayError } from '../errors.js'
import { asError } from '../lib/as-error.js'
import { Refusal, Reply, refuse } from '../reply.js'
import type { CompiledPipeline, ErrorHook, RequestHook, StepInfo } from './compile.js'
import { ContextBase, asContext, type HookContext } from './context-base.js'
import type { ExchangeObserver } from './compiled-route.js'

/** One wording for all failures of plugins: what went wrong inside is in the log, under the request id. */
export const BUG = refuse('INTERNAL_ERROR')

/**
 * Runs the steps of a pipeline over a context: request steps in order, error steps innermost first, response steps in reverse.
 * Plain loops that stay synchronous until a hook returns a promise; then the rest runs from its callback.
 */
export abstract class StepRunner extends ContextBase {
  abstract readonly observer: ExchangeObserver
  /** Bumped whenever what is awaited no longer matters; a late promise sees an old ticket. */
  private ticket = 0
  private timer: NodeJS.Timeout | null = null
  /** The total time was over before there was an answer. */
  private overdue = false

  /** All request steps let the request through. */
  protected abstract goUpstream (): void
  /** An answer that is not the upstream's takes over; the response steps before `position` come next. */
  protected abstract takeReply (reply: Reply, position: number): void
  /** The response steps are done: the draft can be sent. */
  protected abstract sendAnswer (): void

  /** Runs request hooks from index `from`. */
  protected runRequest (from: number): void {
    const { request, requestBuffer } = this.compiled.pipeline
    if (request === null) { this.goUpstream(); return }
    const { hooks, positions } = request
    for (let i = from; i < hooks.length; i++) {
      if (requestBuffer !== null && requestBuffer.before === i && this.body === null && this.request.body !== null) {
        const at = i
        this.await(this.collectBody(requestBuffer), (refusal) => {
          if (refusal instanceof Reply) this.takeReply(refusal, positions[at] as number)
          else this.continueRequest(at)
        }, (error) => { this.failStep(error, positions[at] as number) })
        this.limit(null, (error) => { this.failStep(error, positions[at] as number) })
        return
      }
      if (!this.callRequest(hooks[i] as RequestHook, i, positions[i] as number)) return
    }
    this.goUpstream()
  }

  /** Collects the whole request body into `this.body`; resolves to a refusal where it is too large or not readable. */
  protected abstract collectBody (plan: NonNullable<CompiledPipeline['requestBuffer']>): Promise<Reply | undefined>

  private continueRequest (i: number): void {
    const { hooks, positions } = this.compiled.pipeline.request as NonNullable<CompiledPipeline['request']>
    if (this.callRequest(hooks[i] as RequestHook, i, positions[i] as number)) this.runRequest(i + 1)
  }

  /** Runs one request hook; true when the next may run at once. */
  private callRequest (hook: RequestHook, i: number, position: number): boolean {
    const since = this.trace === null ? 0 : performance.now()
    let decision
    try {
      decision = hook(asContext<HookContext>(this))
    } catch (error) {
      if (this.trace !== null) this.note(position, 'request', 'failed', since)
      this.failStep(error, position)
      return false
    }
    if (decision === undefined) {
      if (this.trace !== null) this.note(position, 'request', 'next', since)
      return true
    }
    if (decision instanceof Reply) {
      if (this.trace !== null) this.note(position, 'request', `reply ${decision.status}`, since)
      this.takeReply(decision, position)
      return false
    }
    const failed = (error: unknown): void => {
      if (this.trace !== null) this.note(position, 'request', 'failed', since)
      this.failStep(error, position)
    }
    if (!isPromise(decision)) { failed(strayReturn('request', decision)); return false }
    this.awaitHook(decision, position, (late) => {
      if (late !== undefined && !(late instanceof Reply)) { failed(strayReturn('request', late)); return }
      if (this.trace !== null) this.note(position, 'request', late instanceof Reply ? `reply ${late.status}` : 'next', since)
      if (late instanceof Reply) this.takeReply(late, position)
      else this.runRequest(i + 1)
    }, failed)
    return false
  }

  /** A step or (position = number of steps) the upstream failed: error hooks of the steps entered, innermost first. */
  protected failStep (error: unknown, position: number): void {
    this.reportBug(error, position)
    this.runError(asError(error), position, 0)
  }

  private runError (error: Error, failedAt: number, from: number): void {
    const { error: errors } = this.compiled.pipeline
    if (errors !== null) {
      for (let i = from; i < errors.hooks.length; i++) {
        const position = errors.positions[i] as number
        if (position > failedAt) continue
        const since = this.trace === null ? 0 : performance.now()
        const failed = (second: unknown): void => {
          if (this.trace !== null) this.note(position, 'error', 'failed', since)
          this.reportBug(second, position)
        }
        let decision
        try {
          decision = (errors.hooks[i] as ErrorHook)(asContext<HookContext>(this), error)
        } catch (second) {
          failed(second)
          continue
        }
        if (decision === undefined) { if (this.trace !== null) this.note(position, 'error', 'next', since); continue }
        if (decision instanceof Reply) {
          if (this.trace !== null) this.note(position, 'error', `reply ${decision.status}`, since)
          this.takeReply(decision, position)
          return
        }
        if (!isPromise(decision)) { failed(strayReturn('error', decision)); continue }
        this.awaitHook(decision, position, (late) => {
          if (late instanceof Reply) {
            if (this.trace !== null) this.note(position, 'error', `reply ${late.status}`, since)
            this.takeReply(late, position)
            return
          }
          if (late !== undefined) failed(strayReturn('error', late))
          else if (this.trace !== null) this.note(position, 'error', 'next', since)
          this.runError(error, failedAt, i + 1)
        }, (second) => {
          failed(second)
          this.runError(error, failedAt, i + 1)
        })
        return
      }
    }
    this.takeReply(error instanceof GatewayError ? refusalOf(error) : BUG, failedAt)
  }

  /** Runs response hooks of steps before `below`, innermost first, then sends. Returns false when one has to be waited for. */
  protected runResponse (below: number, from: number): boolean {
    const { response } = this.compiled.pipeline
    if (response !== null) {
      const { hooks, positions } = response
      for (let i = from; i < hooks.length; i++) {
        const position = positions[i] as number
        if (position >= below) continue
        const since = this.trace === null ? 0 : performance.now()
        let pass
        try {
          pass = (hooks[i] as (ctx: unknown) => void | Promise<void>)(this)
        } catch (error) {
          if (this.trace !== null) this.note(position, 'response', 'failed', since)
          this.failStep(error, position)
          return true
        }
        if (pass === undefined) { if (this.trace !== null) this.note(position, 'response', 'next', since); continue }
        const failed = (error: unknown): void => {
          if (this.trace !== null) this.note(position, 'response', 'failed', since)
          this.failStep(error, position)
        }
        if (!isPromise(pass)) { failed(strayReturn('response', pass)); return true }
        this.awaitHook(pass, position, (late: unknown) => {
          if (late !== undefined) { failed(strayReturn('response', late)); return }
          if (this.trace !== null) this.note(position, 'response', 'next', since)
          this.runResponse(below, i + 1)
        }, failed)
        return false
      }
    }
    this.sendAnswer()
    return true
  }

  /** Runs the log hooks; what they throw is a bug of theirs and stops nothing. */
  protected runLog (): void {
    const { log } = this.compiled.pipeline
    if (log === null) return
    for (const hook of log) {
      try {
        hook(asContext(this))
      } catch (error) {
        this.observer.bug(error, this.id, 'log hook')
      }
    }
  }

  /** Forgets whatever is being waited for. */
  protected forget (): void {
    this.ticket++
    if (this.timer !== null) { clearTimeout(this.timer); this.timer = null }
  }

  /** Waits for a promise; a value or error that comes after `forget` counts for nothing. */
  private await<T> (promise: PromiseLike<T>, onValue: (value: T) => void, onError: (error: unknown) => void): void {
    const ticket = ++this.ticket
    const settle = (act: () => void): void => {
      if (ticket !== this.ticket) return
      this.forget()
      act()
    }
    // Also for a thenable that is none of Node's, and throws.
    Promise.resolve(promise).then((value) => { settle(() => { onValue(value) }) }, (error: unknown) => { settle(() => { onError(error) }) })
  }

  /** Waits for a hook's promise, as long as `limit` allows. Only the first of value, error and time-out counts. */
  private awaitHook<T> (promise: PromiseLike<T>, position: number, onValue: (value: T) => void, onError: (error: unknown) => void): void {
    this.await(promise, onValue, onError)
    this.limit(this.compiled.pipeline.steps[position] ?? null, onError)
  }

  /** Bounds what is being waited for by the step's time-out (0 = none) and, until there is an answer, by the route's total time. */
  private limit (step: StepInfo | null, onError: (error: GatewayError) => void): void {
    const { totalMs } = this.compiled
    const stepMs = step === null || step.timeoutMs === 0 ? Infinity : step.timeoutMs
    const totalLeftMs = totalMs === 0 || this.answer !== null || this.overdue ? 0 : this.startedAt + totalMs - performance.now()
    // Once it is over, the error steps that it brings on have their own time.
    const leftMs = totalLeftMs > 0 ? totalLeftMs : Infinity
    if (stepMs === Infinity && leftMs === Infinity) return
    this.timer = setTimeout(() => {
      this.forget()
      if (leftMs < stepMs) {
        this.overdue = true
        this.abortSignal()
        onError(new GatewayError('UPSTREAM_TIMEOUT', { message: 'The request was not answered in time.', details: { reason: 'total_timeout' } }))
        return
      }
      this.observer.bug(new Error(`its promise did not settle within ${stepMs} ms`), this.id, step?.plugin ?? 'gateway')
      onError(new GatewayError('INTERNAL_ERROR', { details: { reason: 'plugin_timeout' } }))
    }, Math.min(stepMs, leftMs))
  }

  /** Expected failures are no bugs. */
  private reportBug (error: unknown, position: number): void {
    if (!(error instanceof GatewayError)) this.observer.bug(error, this.id, this.compiled.pipeline.steps[position]?.plugin ?? 'gateway')
  }
}

function isPromise (value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function'
}

/**
 * What a hook may not return. Taking it for "go on" would let a step through that meant to refuse; authors' plugins are bundled without
 * a type check, so it does come.
 */
function strayReturn (hook: 'request' | 'response' | 'error', value: unknown): TypeError {
  const allowed = hook === 'response' ? 'nothing, or a promise of nothing' : 'nothing, a Reply, or a promise of either'
  return new TypeError(`the ${hook} hook returned ${value instanceof Reply ? 'a Reply' : value === null ? 'null' : `a value of type ${typeof value}`}; it may return ${allowed}`)
}

/** The refusal that a failure becomes when no error step answers. */
function refusalOf (error: GatewayError): Refusal {
  return new Refusal(error.code, error.status, error.message, error.details, error.headers ?? [])
}

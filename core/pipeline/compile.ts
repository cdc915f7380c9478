import type { RequestContext, ResponseContext, LogContext, BodyMode, Decision, Pass, PluginInstance } from '../plugin.js'
import type { ConfigPath } from '../errors.js'
import { parseSize } from '../lib/units.js'
import { Reply } from '../reply.js'
import { closeInstances, createInstances, CreateError, type HostFactory } from './instances.js'
import type { ResolvedUse } from './order.js'

/** How much of a body is collected before the steps that want it whole. */
export interface BufferPlan {
  readonly maxBytes: number
  readonly inflate: boolean
}

/** One step as the engine shows it: explain, traces, logs. */
export interface StepInfo {
  readonly plugin: string
  readonly id: string
  readonly stage: string
  readonly level: ResolvedUse['level']
  readonly locked: boolean
  readonly timeoutMs: number
  /** Where the configuration has it. */
  readonly at: ConfigPath
  /** Where the outer use is that it replaced, or null. */
  readonly replaces: ConfigPath | null
}

/** The hooks of one kind in the order in which they run, with the position of the step that each belongs to. */
export interface HookList<F> {
  readonly hooks: readonly F[]
  readonly positions: readonly number[]
}

/** A `request` hook, bound to its instance. */
export type RequestHook = (ctx: RequestContext) => Decision
/** A `response` hook, bound to its instance. */
export type ResponseHook = (ctx: ResponseContext) => Pass
/** An `error` hook, bound to its instance. */
export type ErrorHook = (ctx: RequestContext, error: Error) => Decision
/** A `log` hook, bound to its instance. */
export type LogHook = (ctx: LogContext) => void

/** A route's steps, flat. What is absent is null and costs one comparison. */
export interface CompiledPipeline {
  readonly steps: readonly StepInfo[]
  /** Outermost first. */
  readonly request: HookList<RequestHook> | null
  /** Innermost first. */
  readonly response: HookList<ResponseHook> | null
  /** Innermost first. */
  readonly error: HookList<ErrorHook> | null
  readonly log: readonly LogHook[] | null
  /** Before which entry of `request.hooks` the body is collected; null = never. */
  readonly requestBuffer: (BufferPlan & { readonly before: number }) | null
  readonly responseBuffer: BufferPlan | null
  readonly instances: readonly PluginInstance[]
  /** Ends every instance; called once. */
  close (): Promise<void>
}

/**
 * Creates the instances of a route's steps (`createInstances`) and folds their hooks into flat arrays. Asynchronous only when a plugin's
 * `create` is. With `endpoint` the last step only serves: its endpoint of that name stands where its request hook would.
 */
export function compilePipeline (steps: readonly ResolvedUse[], hostFor: HostFactory, endpoint: string | null = null): CompiledPipeline | Promise<CompiledPipeline> {
  const instances = createInstances(steps, hostFor)
  return instances instanceof Promise ? instances.then((all) => fold(steps, all, endpoint)) : fold(steps, instances, endpoint)
}

/** Like `compilePipeline`; gives `alike`, a pipeline of the same steps, where their plugins create the very same instances again. */
export function compileAlike (steps: readonly ResolvedUse[], hostFor: HostFactory, alike: CompiledPipeline | null): CompiledPipeline | Promise<CompiledPipeline> {
  const instances = createInstances(steps, hostFor)
  const finish = (all: readonly PluginInstance[]): CompiledPipeline =>
    alike !== null && alike.instances.length === all.length && alike.instances.every((instance, i) => instance === all[i]) ? alike : fold(steps, all, null)
  return instances instanceof Promise ? instances.then(finish) : finish(instances)
}

function fold (steps: readonly ResolvedUse[], created: readonly PluginInstance[], endpoint: string | null): CompiledPipeline {
  const instances = endpoint === null ? created : created.map((instance, i) => i === created.length - 1 ? endpointOnly(instance, endpoint, steps[i] as ResolvedUse) : instance)
  const request: RequestHook[] = []
  const requestAt: number[] = []
  const response: ResponseHook[] = []
  const responseAt: number[] = []
  const error: ErrorHook[] = []
  const errorAt: number[] = []
  const log: LogHook[] = []
  let requestBuffer: (BufferPlan & { before: number }) | null = null
  let responseBuffer: BufferPlan | null = null
  instances.forEach((instance, position) => {
    const { plugin, use } = steps[position] as ResolvedUse
    const modes = plugin.body(use.config)
    const collect = bufferOf(modes.request)
    if (instance.request !== undefined) {
      if (collect !== null) requestBuffer = { ...smaller(requestBuffer, collect), before: requestBuffer === null ? request.length : (requestBuffer as { before: number }).before }
      request.push(instance.request.bind(instance) as RequestHook)
      requestAt.push(position)
    }
    if (instance.response !== undefined) {
      const whole = bufferOf(modes.response)
      if (whole !== null) responseBuffer = smaller(responseBuffer, whole)
      response.unshift(instance.response.bind(instance) as ResponseHook)
      responseAt.unshift(position)
    }
    if (instance.error !== undefined) {
      error.unshift(instance.error.bind(instance) as ErrorHook)
      errorAt.unshift(position)
    }
    if (instance.log !== undefined) log.push(instance.log.bind(instance) as LogHook)
  })
  const closing = instances.filter((instance) => instance.close !== undefined)
  return {
    steps: steps.map(({ use, stage, level, replaces }) => ({
      plugin: use.name, id: use.id, stage, level, locked: use.locked, timeoutMs: use.timeoutMs, at: use.at, replaces: replaces?.at ?? null
    })),
    request: request.length === 0 ? null : { hooks: request, positions: requestAt },
    response: response.length === 0 ? null : { hooks: response, positions: responseAt },
    error: error.length === 0 ? null : { hooks: error, positions: errorAt },
    log: log.length === 0 ? null : log,
    requestBuffer,
    responseBuffer,
    instances,
    close: closing.length === 0 ? nothingToClose : () => closeInstances(closing)
  }
}

async function nothingToClose (): Promise<void> {}

function endpointOnly (instance: PluginInstance, endpoint: string, step: ResolvedUse): PluginInstance {
  const handler = instance.endpoints?.[endpoint]
  if (handler === undefined) throw new CreateError(step, new TypeError(`it declares the endpoint "${endpoint}" and its create returns no handler for it`))
  // Behind it there is nothing: what would let another step through is no answer here.
  const replyOf = (decision: unknown): Reply => {
    if (decision instanceof Reply) return decision
    throw new TypeError(`the endpoint "${endpoint}" gave no Reply`)
  }
  return {
    request (ctx) {
      const decision = handler.call(instance.endpoints, ctx)
      return decision instanceof Promise ? decision.then(replyOf) : replyOf(decision)
    },
    close: () => instance.close?.()
  }
}

function bufferOf (mode: BodyMode): BufferPlan | null {
  if (mode === 'none' || mode === 'stream') return null
  return { maxBytes: typeof mode.buffer === 'number' ? mode.buffer : parseSize(mode.buffer), inflate: mode.inflate ?? false }
}

/** Several steps that want the whole body share one collection, at the smallest maximum. */
function smaller (a: BufferPlan | null, b: BufferPlan): BufferPlan {
  return a === null ? b : { maxBytes: Math.min(a.maxBytes, b.maxBytes), inflate: a.inflate || b.inflate }
}

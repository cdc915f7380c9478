import { ConfigError, type Finding } from '../errors.js'
import type { Host } from '../host.js'
import type { PluginInstance } from '../plugin.js'
import type { ResolvedUse } from './order.js'

/** Makes the host for one step. */
export type HostFactory = (step: ResolvedUse) => Host

/** How long plugins may take. */
export interface InstanceLimits {
  /** To come up: a reload waits for it, while what was there before goes on serving. */
  readonly createMs: number
  /** To close: a stop waits for it. */
  readonly closeMs: number
}

const LIMITS: InstanceLimits = { createMs: 30_000, closeMs: 5_000 }

/**
 * Creates the instances of a route's steps, in their order. Asynchronous only when a plugin's `create` is. What a `create` throws, returns
 * wrongly or does not come to the end of is a CreateError; the instances made so far are closed then.
 */
export function createInstances (steps: readonly ResolvedUse[], hostFor: HostFactory, limits: InstanceLimits = LIMITS): PluginInstance[] | Promise<PluginInstance[]> {
  const made: (PluginInstance | Promise<PluginInstance>)[] = []
  let waits = false
  try {
    for (const step of steps) {
      const instance = step.plugin.create(step.use.config, hostFor(step))
      if (instance instanceof Promise) {
        waits = true
        made.push(cameUp(instance, limits))
      } else made.push(checked(instance))
    }
  } catch (error) {
    closeInstances(made, limits).catch(() => {})
    throw new CreateError(steps[made.length] as ResolvedUse, error)
  }
  if (!waits) return made as PluginInstance[]
  return Promise.allSettled(made).then((results) => {
    const failed = results.findIndex((result) => result.status === 'rejected')
    if (failed === -1) return results.map((result) => (result as PromiseFulfilledResult<PluginInstance>).value)
    closeInstances(made, limits).catch(() => {})
    throw new CreateError(steps[failed] as ResolvedUse, (results[failed] as PromiseRejectedResult).reason)
  })
}

/** Closes every instance, whatever becomes of the others; one that takes too long is given up. Rejects with the first error, after all. */
export async function closeInstances (made: readonly (PluginInstance | Promise<PluginInstance>)[], limits: InstanceLimits = LIMITS): Promise<void> {
  const closed = await Promise.allSettled((await Promise.allSettled(made)).map(async (result) => {
    if (result.status === 'rejected') return
    await within(Promise.resolve(result.value.close?.()), limits.closeMs, 'its close')
  }))
  for (const result of closed) if (result.status === 'rejected') throw result.reason
}

/** A plugin's `create` failed: which step, and why. */
export class CreateError extends Error {
  readonly step: ResolvedUse

  constructor (step: ResolvedUse, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.name = 'CreateError'
    this.step = step
  }

  /** What to tell who wrote the configuration: what the plugin found wrong with its config, or that it could not be created. */
  get findings (): Finding[] {
    const { at, name, use } = this.step.use
    if (this.cause instanceof ConfigError) return this.cause.findings.map((finding) => ({ ...finding, path: [...at, use === null ? name : 'config', ...finding.path] }))
    return [{ path: at, message: `plugin "${name}" could not be created: ${this.message}`, remedy: 'correct its configuration' }]
  }
}

async function cameUp (creating: Promise<PluginInstance>, limits: InstanceLimits): Promise<PluginInstance> {
  try {
    return checked(await within(creating, limits.createMs, 'its create'))
  } catch (error) {
    // One that comes up after it was given up has nobody else to close it.
    creating.then((late) => late?.close?.()).catch(() => {})
    throw error
  }
}

function checked (instance: PluginInstance): PluginInstance {
  if (typeof instance !== 'object' || instance === null) throw new TypeError('its create returned no instance (it returns an object with the hooks)')
  return instance
}

async function within<T> (promise: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => { reject(new Error(`${what} did not come to an end within ${limitMs} ms`)) }, limitMs)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}

import { startChild, type BenchChild } from '../lib/child.js'
import { runLoad, type LoadTool } from '../lib/load.js'
import { createMeter, METER_ARGUMENTS, type Meter } from '../lib/meter.js'
import { hasProc } from '../lib/proc.js'
import { REQUEST_HEADERS, REQUEST_PATH } from './request.js'
import type { Variant } from './variants.js'

/** Where things run, and how hard they are driven. */
export interface Conditions {
  origin: string
  folder: string
  tool: LoadTool
  connections: number
  /** How often the warm-up load comes: connections that go and come make V8 compile some things anew, which is no part of steady work. */
  warmUps: number
  warmUpSeconds: number
  seconds: number
  gatewayCore: number | null
  loadCore: number | null
}

/** One variant in one round. */
export interface Round {
  variant: string
  /** Counted from 1. */
  round: number
  perSecond: number
  /** CPU of the gateway's processes per request, in microseconds. */
  cpuMicros: number
  /** How much of one core the gateway used, 0 to 1 (more with several workers). */
  busy: number
  p50Ms: number
  p99Ms: number
  rssBytes: number
  /** Empty in a round that counts. */
  errors: string[]
}

/** A variant that serves. */
export interface Serving {
  readonly child: BenchChild
  readonly meter: Meter
  readonly port: number
  stop (): Promise<void>
}

/** Starts a variant in a fresh process and waits until it listens. */
export async function serve (variant: Variant, { origin, folder, gatewayCore }: Conditions): Promise<Serving> {
  const ipc = !hasProc()
  const child = startChild({ args: [...(ipc ? METER_ARGUMENTS : []), ...variant.command(origin, folder)], core: gatewayCore, ipc })
  const ready = await child.waitFor((message) => message['event'] === 'ready' && message['listener'] !== 'admin')
  return { child, meter: createMeter(child.child), port: ready['port'] as number, stop: () => child.stop() }
}

/** Measures one variant for one round: a fresh process, warm-ups, then the load that counts. */
export async function measureRound (variant: Variant, round: number, conditions: Conditions): Promise<Round> {
  const { tool, connections, warmUps, warmUpSeconds, seconds, loadCore: core } = conditions
  const serving = await serve(variant, conditions)
  try {
    const plan = { tool, url: `http://127.0.0.1:${serving.port}${REQUEST_PATH}`, connections, headers: REQUEST_HEADERS, core }
    const warmUpErrors: string[] = []
    for (let n = 0; n < warmUps; n++) warmUpErrors.push(...(await runLoad({ ...plan, seconds: warmUpSeconds })).errors)
    const before = await serving.meter.read()
    const startedAt = performance.now()
    const load = await runLoad({ ...plan, seconds })
    const elapsedMicros = (performance.now() - startedAt) * 1_000
    const after = await serving.meter.read()
    const cpu = after.cpuMicros - before.cpuMicros
    return {
      variant: variant.name,
      round,
      perSecond: load.perSecond,
      cpuMicros: cpu / load.requests,
      busy: cpu / elapsedMicros,
      p50Ms: load.p50Ms,
      p99Ms: load.p99Ms,
      rssBytes: after.rssBytes,
      errors: [...warmUpErrors.map((error) => `warm-up: ${error}`), ...load.errors]
    }
  } finally {
    await serving.stop()
  }
}

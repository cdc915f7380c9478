import type { UpstreamConfig } from '../route.js'
import type { Pools, SharedPool } from './pools.js'

/** One server behind an upstream, ready to be dispatched to. */
export interface Target {
  readonly shared: SharedPool
  /** `http://host:port`, for logs and `forward.target`. */
  readonly origin: string
  /** Put before the forwarded path; `''` or `/prefix`. */
  readonly basePath: string
  /** `host` or `host:port` as the Host header names it. */
  readonly authority: string
  readonly weight: number
}

/** A named upstream, compiled: its targets and how to choose among them. */
export interface Upstream {
  readonly config: UpstreamConfig
  readonly targets: readonly Target[]
  /** The next target of the rotation that is not in `tried`; null when all were. */
  next (tried: readonly Target[] | null): Target | null
  /** Gives the pools back. */
  release (): void
}

/** One target with its pool acquired; release `shared` when it is no longer used. */
export function createTarget (url: string, weight: number, config: UpstreamConfig, pools: Pools): Target {
  const parsed = new URL(url)
  const shared = pools.acquire({
    origin: parsed.origin, connectMs: config.connectMs, connections: config.connections, tls: parsed.protocol === 'https:' ? config.tls : null
  })
  return { shared, origin: parsed.origin, basePath: parsed.pathname.replace(/\/+$/, ''), authority: parsed.host, weight }
}

/**
 * Compiles an upstream. Targets take turns by smooth weighted round robin, whose cycle is computed here once: over any whole
 * cycle each target gets exactly its share, and heavy targets do not get theirs in bursts.
 */
export function createUpstream (config: UpstreamConfig, urls: readonly { url: string, weight: number }[], pools: Pools): Upstream {
  const targets = urls.map(({ url, weight }) => createTarget(url, weight, config, pools))
  const cycle = smoothCycle(targets)
  let turn = 0
  return {
    config,
    targets,
    next (tried) {
      for (let i = 0; i < cycle.length; i++) {
        const target = cycle[turn] as Target
        turn = turn + 1 === cycle.length ? 0 : turn + 1
        if (tried === null || !tried.includes(target)) return target
      }
      return null
    },
    release () { for (const target of targets) target.shared.release() }
  }
}

/** Cycles longer than this are shortened by scaling the weights: 3 % is what is promised, not exactness at weight 65 537. */
const MAX_CYCLE = 1_000

function smoothCycle (targets: readonly Target[]): readonly Target[] {
  const live = targets.filter((target) => target.weight > 0)
  if (live.length <= 1) return live
  const divisor = live.reduce((common, target) => greatestCommonDivisor(common, target.weight), 0)
  let weights = live.map((target) => target.weight / divisor)
  const sum = weights.reduce((total, weight) => total + weight, 0)
  if (sum > MAX_CYCLE) weights = weights.map((weight) => Math.max(1, Math.round(weight * MAX_CYCLE / sum)))
  const total = weights.reduce((all, weight) => all + weight, 0)
  const current = weights.map(() => 0)
  const cycle: Target[] = []
  for (let turn = 0; turn < total; turn++) {
    let best = 0
    for (let i = 0; i < current.length; i++) {
      current[i] = (current[i] as number) + (weights[i] as number)
      if ((current[i] as number) > (current[best] as number)) best = i
    }
    current[best] = (current[best] as number) - total
    cycle.push(live[best] as Target)
  }
  return cycle
}

function greatestCommonDivisor (a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}

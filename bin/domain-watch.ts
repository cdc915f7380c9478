import { randomUUID } from 'node:crypto'
import type { Logger } from '../core/host.js'
import { asError } from '../core/lib/as-error.js'
import type { LookUpTxt } from '../core/lib/txt-lookup.js'
import { createDomainMetrics } from '../core/observe/domain-metrics.js'
import type { MetricObject } from '../core/observe/metric-object.js'
import { DomainChecks } from '../core/state/domain-checks.js'
import type { OpenStore } from '../core/state/store.js'
import { audited } from '../routes/admin/audited.js'

/** What watches over the domains of a store. */
export interface DomainWatchOptions {
  readonly open: OpenStore
  readonly lookUp: LookUpTxt
  readonly log: Logger
  /** Milliseconds since 1970. */
  readonly now?: () => number
  /** How often it is asked what is due, a fifth more or less. Default 5 min. */
  readonly everyMs?: number
}

/** The checks of verified domains, made again and again by one node of all that share the store. */
export interface DomainWatch {
  readonly checks: DomainChecks
  metrics (): MetricObject[]
  /** Makes the checks that are due, where no other node does. Resolves to how many, null where another node does. */
  pass (): Promise<number | null>
  /** Ends it: resolves when nothing more is looked up. */
  stop (): Promise<void>
}

const LEASE = 'domains'
const EVERY_MS = 5 * 60_000
/** Soon, where a pass did not get through. */
const SOON_MS = 1_000
const FULL_PASS = 1_000

/** Starts to watch. The first pass is made after `everyMs`: nodes that start together do not begin by looking everything up. */
export function watchDomains ({ open, lookUp, log, now = Date.now, everyMs = EVERY_MS }: DomainWatchOptions): DomainWatch {
  const holder = randomUUID()
  // One that died is waited for so long; one that works prolongs it with each domain that it looks up.
  const leaseMs = 2 * everyMs
  const metrics = createDomainMetrics()
  let stopped = false
  let timer: NodeJS.Timeout | undefined
  let running: Promise<unknown> = Promise.resolve()

  const checks = new DomainChecks({
    open, lookUp, log, now,
    audited: (turn, before, after, make) => audited(
      open.audit, log, { actor: 'system', action: `domains.${turn}`, requestId: randomUUID(), peer: '' }, { customerId: before.customer_id, targetId: before.domain_id, before, after }, make
    ),
    onLookUp: (outcome) => { metrics.lookedUp(outcome) },
    onTurn: (turn) => { metrics.turned(turn) }
  })

  const pass = async (): Promise<number | null> => {
    if (await open.system.takeLease(LEASE, holder, leaseMs) === null) return null
    let prolongAt = performance.now() + leaseMs / 2
    let ours = true
    const prolong = async (): Promise<void> => { ours = await open.system.takeLease(LEASE, holder, leaseMs).catch(() => null) !== null }
    return await checks.pass(() => {
      if (performance.now() > prolongAt) {
        prolongAt = performance.now() + leaseMs / 2
        void prolong()
      }
      return ours && !stopped
    })
  }

  const next = (afterMs: number): void => {
    if (stopped) return
    timer = setTimeout(() => {
      running = pass().then((done) => { next(done !== null && done >= FULL_PASS ? SOON_MS : jittered(everyMs)) }, (error: unknown) => {
        log.warn({ error: asError(error).message }, 'domains could not be looked up again; they are tried later')
        next(jittered(everyMs))
      })
    }, afterMs)
    timer.unref()
  }
  next(jittered(everyMs))

  return {
    checks,
    metrics: () => metrics.collect(),
    pass,
    async stop () {
      stopped = true
      clearTimeout(timer)
      await running
      await open.system.releaseLease(LEASE, holder).catch(() => {})
    }
  }
}

function jittered (ms: number): number {
  return ms * (0.8 + 0.4 * Math.random())
}

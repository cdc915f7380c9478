import type { Logger } from '../host.js'
import { isPlainId } from './record-values.js'
import { LOCAL_ACCOUNT } from './records.js'
import { StoreUnavailableError } from './store-errors.js'
import type { SystemStore, TenantUsageDay } from './store.js'

/** Counts what API keys are used for: in memory at once, in the store within a second or so. */
export interface UsageRecorder {
  /** Counts one request that a key of this project was let in with, by the status of its answer. */
  count (projectId: string, credentialId: string, status: number): void
  /** Ends it, and adds what is left. Never rejects. */
  stop (): Promise<void>
}

/** What a recorder works with. */
export interface UsageRecorderOptions {
  readonly system: Pick<SystemStore, 'addUsage'>
  /** Whose a project is. */
  readonly directory: { project (projectId: string): { readonly customer_id: string } | null }
  readonly log: Logger
  /** Milliseconds since 1970. */
  now? (): number
  /** How often what was counted is added. Default 1 000. */
  readonly everyMs?: number
}

interface Count { readonly customerId: string, readonly projectId: string, readonly credentialId: string, readonly day: number, requests: number, errors: number, lastMs: number }

const DAY_MS = 86_400_000
const AT_ONCE = 500
/** Adding takes at most about this part of the time, however many keys are in use. */
const SHARE = 1 / 20

/**
 * Makes a recorder. While the store does not answer it keeps counting, and adds later: one count for each key and day, so it holds no more than there are keys.
 * What was counted and not added yet is lost with the process; a call of which the store did not say whether it was made is made again.
 */
export function createUsageRecorder ({ system, directory, log, now = Date.now, everyMs = 1_000 }: UsageRecorderOptions): UsageRecorder {
  /** By project, then by key: what plugins of two projects let in may be called alike. */
  let counts = new Map<string, Map<string, Count>>()
  /** Of days that were over before they were added. */
  let over: Count[] = []
  let failing = false
  let timer: NodeJS.Timeout | null = null
  let adding: Promise<void> = Promise.resolve()
  let stopped = false

  const set = (count: Count): void => {
    const ofProject = counts.get(count.projectId)
    if (ofProject === undefined) counts.set(count.projectId, new Map([[count.credentialId, count]]))
    else ofProject.set(count.credentialId, count)
  }
  const keep = (count: Count): void => {
    const there = counts.get(count.projectId)?.get(count.credentialId)
    if (there === undefined) set(count)
    else if (there.day !== count.day) over.push(count)
    else {
      there.requests += count.requests
      there.errors += count.errors
      there.lastMs = Math.max(there.lastMs, count.lastMs)
    }
  }

  const add = async (): Promise<void> => {
    const due = [...over, ...[...counts.values()].flatMap((ofProject) => [...ofProject.values()])]
    over = []
    counts = new Map()
    for (let from = 0; from < due.length; from += AT_ONCE) {
      const piece = due.slice(from, from + AT_ONCE)
      try {
        await system.addUsage(piece.map(toDay))
        failing = false
      } catch (error) {
        if (!(error instanceof StoreUnavailableError)) {
          log.error({ error: error instanceof Error ? error.stack : String(error), keys: piece.length }, 'what keys were used for could not be counted')
          continue
        }
        if (!failing) log.warn({ error: error.message }, 'what keys are used for is counted in memory until the store answers')
        failing = true
        for (const count of due.slice(from)) keep(count)
        return
      }
    }
  }

  const schedule = (afterMs: number): void => {
    if (stopped || timer !== null) return
    timer = setTimeout(() => {
      const startedAt = performance.now()
      adding = add().then(() => {
        timer = null
        if (counts.size > 0 || over.length > 0) schedule(Math.max(everyMs, (performance.now() - startedAt) / SHARE))
      })
    }, afterMs).unref()
  }

  return {
    count (projectId, credentialId, status) {
      const at = now()
      const day = Math.floor(at / DAY_MS)
      let count = counts.get(projectId)?.get(credentialId)
      if (count === undefined || count.day !== day) {
        // A plugin may name what the store would not take: it must not be in the way of others.
        if (!isPlainId(credentialId)) return
        if (count !== undefined) over.push(count)
        count = { customerId: directory.project(projectId)?.customer_id ?? LOCAL_ACCOUNT, projectId, credentialId, day, requests: 0, errors: 0, lastMs: at }
        set(count)
        schedule(everyMs)
      }
      count.requests++
      if (status >= 400) count.errors++
      count.lastMs = at
    },
    async stop () {
      stopped = true
      if (timer !== null) clearTimeout(timer)
      await adding
      await add()
    }
  }
}

function toDay ({ customerId, projectId, credentialId, day, requests, errors, lastMs }: Count): TenantUsageDay {
  return { customer_id: customerId, project_id: projectId, credential_id: credentialId, day: new Date(day * DAY_MS).toISOString().slice(0, 10), requests, errors, last_used_at: new Date(lastMs).toISOString() }
}

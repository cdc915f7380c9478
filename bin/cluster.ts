import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { ConfigError, formatFinding } from '../core/errors.js'
import type { GatewayLogger } from '../core/observe/logger.js'
import type { MetricObject } from '../core/observe/metric-object.js'
import type { StoreMetrics } from '../core/observe/store-metrics.js'
import type { Fleet, Listener, NodeStatus, Serving } from './fleet.js'
import type { ReloadResult } from './reload-result.js'
import { WorkerMetrics } from './worker-metrics.js'
import type { FromWorker, Question, ToWorker, WorkerStart } from './worker-protocol.js'

/** How a cluster is watched; tests shorten these. */
export interface ClusterOptions {
  readonly start: WorkerStart
  readonly count: number
  readonly log: GatewayLogger
  /** What is counted of the store of this process, beside those of the workers. */
  readonly store?: StoreMetrics | null
  /** How often workers are asked whether they live. Default 1 s. */
  readonly pingMs?: number
  /** How long one may be silent before it is replaced. Default 10 s. */
  readonly stuckMs?: number
  /** How long one may take to start. Default 2 min. */
  readonly startMs?: number
  /** First delay before a crashed worker is replaced; doubles up to 30 s while it keeps crashing. Default 100 ms. */
  readonly backoffMs?: number
}

interface Member {
  worker: Worker
  ready: boolean
  bornAt: number
  /** Whether it said something since it was last looked at, and for how long it did not. */
  heard: boolean
  silentMs: number
  overdue: NodeJS.Timeout | null
  waiting: Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>
}

const LONGEST_BACKOFF_MS = 30_000
/**
 * A worker's young generation grows to two halves of 8 MB in place of Node's 16: 14 MB less in each, at the same CPU per request. Half of that again costs a tenth
 * more, for what is under way is then taken for long-lived. A flag of whoever starts the gateway comes after it, and wins.
 */
const WORKER_FLAGS = ['--max-semi-space-size=8']
/** A worker that lived this long did not crash at once. */
const STABLE_MS = 30_000
/** How long after its own deadline a worker that stops may take. */
const STOP_SLACK_MS = 5_000
/** How long metrics wait for a worker: less than the 10 s after which Prometheus gives up. */
const METRICS_WAIT_MS = 2_000

/**
 * Serves from several processes that share the ports. A worker that crashes or whose event loop is stuck is replaced. Throws ConfigError
 * (with the findings) or Error when the first worker can not start.
 */
export async function createCluster (options: ClusterOptions): Promise<Fleet> {
  const { log, start, count, store = null, pingMs = 1_000, stuckMs = 10_000, startMs = 120_000, backoffMs = 100 } = options
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.js', import.meta.url)), args: [], serialization: 'advanced', execArgv: [...WORKER_FLAGS, ...process.execArgv] })
  const members = new Set<Member>()
  let listeners: readonly Listener[] = []
  // Told by the first worker before there is anybody to ask for it.
  let serving: Serving | null = null
  let stopping = false
  let crashes = 0
  let replaced = 0
  let lastId = 0
  const timers = new Set<NodeJS.Timeout>()
  const metrics = new WorkerMetrics<Member>()

  const tell = (member: Member, message: ToWorker): void => {
    if (member.worker.isConnected()) member.worker.send(message, () => {})
  }

  const ask = (member: Member, question: Question): Promise<unknown> => new Promise((resolve, reject) => {
    const id = ++lastId
    member.waiting.set(id, { resolve, reject })
    tell(member, { type: 'ask', id, question })
  })

  const end = (member: Member, message: string): void => {
    log.error({ worker: member.worker.process.pid, silentMs: Math.round(member.silentMs) }, message)
    member.worker.process.kill('SIGKILL')
  }

  const launch = (): Promise<void> => new Promise((resolve, reject) => {
    const worker = cluster.fork()
    const member: Member = { worker, ready: false, bornAt: performance.now(), heard: true, silentMs: 0, overdue: null, waiting: new Map() }
    members.add(member)
    worker.on('message', (message: FromWorker) => {
      member.heard = true
      if (message.type === 'up') tell(member, { type: 'start', start })
      else if (message.type === 'ready') {
        member.ready = true
        listeners = message.listeners
        serving = message.serving
        resolve()
      } else if (message.type === 'serving') serving = message.serving
      else if (message.type === 'failed') reject(message.findings.length > 0 ? new ConfigError(message.findings) : new Error(message.message))
      else if (message.type === 'stopping') {
        if (member.overdue !== null) clearTimeout(member.overdue)
        member.overdue = setTimeout(() => { end(member, 'a worker did not stop in time; it is ended') }, message.deadlineMs + STOP_SLACK_MS)
      } else {
        const waiting = member.waiting.get(message.id)
        member.waiting.delete(message.id)
        if (message.type === 'answer') waiting?.resolve(message.value)
        else waiting?.reject(new Error(message.message))
      }
    })
    worker.on('exit', (code, signal) => {
      members.delete(member)
      metrics.ended(member)
      if (member.overdue !== null) clearTimeout(member.overdue)
      for (const { reject: giveUp } of member.waiting.values()) giveUp(new Error('the worker ended'))
      reject(new Error(`a worker ended before it was ready (${signal ?? `exit code ${code}`})`))
      if (stopping || !member.ready) return
      crashes = performance.now() - member.bornAt > STABLE_MS ? 0 : crashes + 1
      const delayMs = backoff()
      log.error({ worker: worker.process.pid, code, signal, delayMs }, 'a worker ended; it is being replaced')
      replaceAfter(delayMs)
    })
  })

  const backoff = (): number => Math.min(LONGEST_BACKOFF_MS, backoffMs * 2 ** Math.min(crashes, 12))

  const replaceAfter = (delayMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (stopping) return
      replaced++
      launch().then(() => { log.info({ workers: members.size }, 'a replacement worker is ready') }, (error: unknown) => {
        if (stopping) return
        crashes++
        const again = backoff()
        for (const text of error instanceof ConfigError ? error.findings.map(formatFinding) : [String(error)]) log.error({ error: text, delayMs: again }, 'a replacement worker could not start; it is tried again')
        replaceAfter(again)
      })
    }, delayMs)
    timers.add(timer)
  }

  let lookedAt = performance.now()
  const watchdog = setInterval(() => {
    const now = performance.now()
    // Where this process itself was held up, the workers are not to blame for more than a round or two.
    const passedMs = Math.min(now - lookedAt, 2 * pingMs)
    lookedAt = now
    for (const member of members) {
      member.silentMs = member.heard ? 0 : member.silentMs + passedMs
      if (!member.ready) {
        if (member.silentMs > startMs) end(member, 'a worker does not come to start; it is ended')
        member.heard = false
        continue
      }
      if (member.silentMs > stuckMs) end(member, 'a worker does not answer any more; it is ended')
      member.heard = false
      void ask(member, 'ping').catch(() => {})
    }
  }, pingMs)

  const endWatch = (): void => {
    stopping = true
    clearInterval(watchdog)
    for (const timer of timers) clearTimeout(timer)
  }

  const kill = async (): Promise<void> => {
    endWatch()
    await Promise.all([...members].map((member) => ended(member, () => { member.worker.process.kill('SIGKILL') })))
  }

  try {
    // The first one alone: what is wrong with the configuration is said once.
    await launch()
    await Promise.all(Array.from({ length: count - 1 }, launch))
  } catch (error) {
    await kill()
    throw error
  }

  const everyone = async <T>(question: Question): Promise<T[]> => {
    const answers = await Promise.allSettled([...members].filter((member) => member.ready).map((member) => ask(member, question)))
    return answers.flatMap((answer) => answer.status === 'fulfilled' ? [answer.value as T] : [])
  }

  const own = (): MetricObject[] => [
    { name: 'sluice_workers', help: 'Worker processes that serve.', type: 'gauge', aggregator: 'sum', values: [{ labels: {}, value: [...members].filter((member) => member.ready).length }] },
    { name: 'sluice_worker_replacements_total', help: 'Workers started in place of ones that ended.', type: 'counter', aggregator: 'sum', values: [{ labels: {}, value: replaced }] }
  ]

  return {
    get listeners () { return listeners },
    root: () => (serving as Serving).root,
    declared: async () => (serving as Serving).declared,
    // This one does nothing but watch over the others.
    alive: () => true,
    notReady () {
      if (stopping) return ['the gateway is stopping']
      return [...members].some((member) => member.ready) ? [] : ['no worker is ready']
    },
    async reload () {
      const results = await everyone<ReloadResult>('reload')
      const refused = results.find((result) => !result.ok)
      const worst = refused ?? results[0]
      if (worst === undefined) return { ok: false, findings: [{ path: [], message: 'no worker is ready to reload', remedy: 'try again' }], changed: 0, durationMs: 0, needsRestart: [] }
      return { ...worst, durationMs: Math.max(...results.map((result) => result.durationMs)) }
    },
    async describe () {
      for (const member of members) if (member.ready) return await (ask(member, 'describe') as Promise<string | null>).catch(() => null)
      return null
    },
    async declaredConfig (project, tried) {
      for (const member of members) if (member.ready) return await (ask(member, { project, tried }) as Promise<string | null>)
      // Nothing would say that there is no such project.
      throw new Error('no worker is ready to tell what it serves')
    },
    status: () => everyone<NodeStatus>('status'),
    whenServed: async (projectId) => { await everyone({ served: projectId }) },
    metrics: async () => [
      ...await metrics.collect([...members].filter((member) => member.ready), (member) => ask(member, 'metrics') as Promise<MetricObject[]>, METRICS_WAIT_MS),
      [...own(), ...store?.collect() ?? []]
    ],
    reopenLogs () { for (const member of members) tell(member, { type: 'reopenLogs' }) },
    async stop () {
      endWatch()
      const codes = await Promise.all([...members].map((member) => {
        // One that does not even say that it stops is stuck.
        member.overdue = setTimeout(() => { end(member, 'a worker does not stop; it is ended') }, STOP_SLACK_MS)
        return ended(member, () => { tell(member, { type: 'stop' }) })
      }))
      return codes.every((code) => code === 0)
    },
    kill
  }
}

function ended (member: Member, act: () => void): Promise<number | null> {
  return new Promise((resolve) => {
    if (member.worker.isDead()) { resolve(member.worker.process.exitCode); return }
    member.worker.once('exit', (code: number | null) => { resolve(code) })
    act()
  })
}

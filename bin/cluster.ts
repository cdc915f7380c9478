import cluster, { type Worker } from 'node:cluster'
import { fileURLToPath } from 'node:url'
import { ConfigError, type Finding } from '../core/errors.js'
import type { GatewayLogger } from '../core/observe/logger.js'
import type { MetricObject } from '../core/observe/metric-object.js'
import type { ReloadResult } from './data-node.js'
import type { Fleet, Listener, NodeStatus } from './fleet.js'
import type { FromWorker, Question, ToWorker, WorkerStart } from './worker-protocol.js'

/** How a cluster is watched; tests shorten these. */
export interface ClusterOptions {
  readonly start: WorkerStart
  readonly count: number
  readonly log: GatewayLogger
  /** How often workers are asked whether they live. Default 1 s. */
  readonly pingMs?: number
  /** How long one may be silent before it is replaced. Default 10 s. */
  readonly stuckMs?: number
  /** First delay before a crashed worker is replaced; doubles up to 30 s while it keeps crashing. Default 100 ms. */
  readonly backoffMs?: number
}

interface Member {
  worker: Worker
  ready: boolean
  bornAt: number
  heardAt: number
  waiting: Map<number, { resolve: (value: unknown) => void, reject: (error: Error) => void }>
}

const LONGEST_BACKOFF_MS = 30_000
/** A worker that lived this long did not crash at once. */
const STABLE_MS = 30_000

/**
 * Serves from several processes that share the ports. A worker that crashes or whose event loop is stuck is replaced. Throws ConfigError
 * (with the findings) or Error when the first worker can not start.
 */
export async function createCluster (options: ClusterOptions): Promise<Fleet> {
  const { log, start, count, pingMs = 1_000, stuckMs = 10_000, backoffMs = 100 } = options
  cluster.setupPrimary({ exec: fileURLToPath(new URL('./worker.js', import.meta.url)), args: [] })
  const members = new Set<Member>()
  let listeners: readonly Listener[] = []
  let stopMs = 30_000
  let stopping = false
  let crashes = 0
  let lastId = 0
  const timers = new Set<NodeJS.Timeout>()

  const tell = (member: Member, message: ToWorker): void => {
    if (member.worker.isConnected()) member.worker.send(message, () => {})
  }

  const ask = (member: Member, question: Question): Promise<unknown> => new Promise((resolve, reject) => {
    const id = ++lastId
    member.waiting.set(id, { resolve, reject })
    tell(member, { type: 'ask', id, question })
  })

  const launch = (): Promise<void> => new Promise((resolve, reject) => {
    const worker = cluster.fork()
    const member: Member = { worker, ready: false, bornAt: Date.now(), heardAt: Date.now(), waiting: new Map() }
    members.add(member)
    worker.on('message', (message: FromWorker) => {
      member.heardAt = Date.now()
      if (message.type === 'ready') {
        member.ready = true
        listeners = message.listeners
        stopMs = message.stopMs
        resolve()
      } else if (message.type === 'failed') reject(failure(message.message, message.findings))
      else {
        const waiting = member.waiting.get(message.id)
        member.waiting.delete(message.id)
        if (message.type === 'answer') waiting?.resolve(message.value)
        else waiting?.reject(new Error(message.message))
      }
    })
    worker.on('exit', (code, signal) => {
      members.delete(member)
      for (const { reject: giveUp } of member.waiting.values()) giveUp(new Error('the worker ended'))
      reject(new Error(`a worker ended before it was ready (${signal ?? code})`))
      if (stopping || !member.ready) return
      crashes = Date.now() - member.bornAt > STABLE_MS ? 0 : crashes + 1
      const delayMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2 ** Math.min(crashes, 12))
      log.error({ worker: worker.process.pid, code, signal, delayMs }, 'a worker ended; it is being replaced')
      replaceAfter(delayMs)
    })
    worker.once('online', () => { tell(member, { type: 'start', start }) })
  })

  const replaceAfter = (delayMs: number): void => {
    const timer = setTimeout(() => {
      timers.delete(timer)
      if (stopping) return
      launch().catch((error: unknown) => {
        crashes++
        log.error({ error: String(error) }, 'a replacement worker could not start')
        replaceAfter(Math.min(LONGEST_BACKOFF_MS, backoffMs * 2 ** Math.min(crashes, 12)))
      })
    }, delayMs)
    timers.add(timer)
  }

  const watchdog = setInterval(() => {
    for (const member of members) {
      if (!member.ready) continue
      if (Date.now() - member.heardAt > stuckMs) {
        log.error({ worker: member.worker.process.pid, silentMs: Date.now() - member.heardAt }, 'a worker does not answer any more; it is ended')
        member.worker.process.kill('SIGKILL')
      } else void ask(member, 'ping').catch(() => {})
    }
  }, pingMs)

  const kill = async (): Promise<void> => {
    stopping = true
    clearInterval(watchdog)
    for (const timer of timers) clearTimeout(timer)
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

  return {
    get listeners () { return listeners },
    notReady () {
      if (stopping) return ['the gateway is stopping']
      return [...members].some((member) => member.ready) ? [] : ['no worker is ready']
    },
    async reload () {
      const results = await everyone<ReloadResult>('reload')
      const refused = results.find((result) => !result.ok)
      const worst = refused ?? results[0]
      if (worst === undefined) return { ok: false, findings: [{ path: [], message: 'no worker is ready to reload', remedy: 'try again' }], changed: 0, durationMs: 0 }
      return { ...worst, durationMs: Math.max(...results.map((result) => result.durationMs)) }
    },
    status: () => everyone<NodeStatus>('status'),
    metrics: () => everyone<MetricObject[]>('metrics'),
    reopenLogs () { for (const member of members) tell(member, { type: 'reopenLogs' }) },
    async stop () {
      stopping = true
      clearInterval(watchdog)
      for (const timer of timers) clearTimeout(timer)
      const codes = await Promise.all([...members].map((member) => {
        const overdue = setTimeout(() => { member.worker.process.kill('SIGKILL') }, stopMs + 5_000)
        return ended(member, () => { tell(member, { type: 'stop' }) }).finally(() => { clearTimeout(overdue) })
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

function failure (message: string, findings: readonly Finding[]): Error {
  return findings.length > 0 ? new ConfigError(findings) : new Error(message)
}

import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads'
import type { GatewayLogger, LogLevel } from '../core/observe/logger.js'
import { openDocumentStore } from '../core/state/document-store.js'
import type { FromEngine } from '../core/state/engine-protocol.js'
import type { KeyRing } from '../core/state/key-ring.js'
import { RemoteEngine } from '../core/state/remote-engine.js'
import { StoreUnavailableError } from '../core/state/store-errors.js'
import type { AdminSide, AdminSideOptions } from './admin-side.js'
import type { AdminThreadData, FleetQuestion, FromAdminThread, ToAdminThread } from './admin-thread-protocol.js'
import type { FleetView } from './fleet.js'

/** What the thread is started with. */
export interface AdminThreadOptions extends Omit<AdminSideOptions, 'admin' | 'ring'> {
  readonly admin: NonNullable<AdminSideOptions['admin']>
  readonly ring: KeyRing
  readonly log: GatewayLogger
  readonly logLevel: LogLevel
  /** A thread that is being started already, for the first time that one is needed. */
  readonly prepared?: Worker | null
  /** The module that the thread runs; tests have one of their own. */
  readonly workerUrl?: URL
}

/** One run of the thread. */
interface Run { readonly worker: Worker, readonly ended: Promise<void> }

const YOUNG_GENERATION_MB = 8
const FIRST_BACKOFF_MS = 100
const LONGEST_BACKOFF_MS = 30_000

const ENTRY = new URL('./admin-thread-entry.js', import.meta.url)

/** Begins to start the thread: it loads its code, and waits to be told what to do. Whoever does not need it in the end terminates it. */
export function prepareAdminThread (workerUrl = ENTRY): Worker {
  return new Worker(workerUrl, { name: 'sluice-admin', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } })
}

/**
 * Opens store and admin API in a thread of its own: what a write through it costs is not missing for requests, which notice only what of the change they are
 * served by. The store of this thread is that of the other, asked over messages. A thread that ends is started again, on the same port. Rejects with Error
 * where it can not be started.
 */
export async function startAdminThread ({ ring, log, prepared = null, workerUrl = ENTRY, ...options }: AdminThreadOptions): Promise<AdminSide> {
  let run: Run | null = null
  let first = prepared
  /** The one whose port is open: what it ends with is nobody's but ours. */
  let up: Run | null = null
  /** The way to its store, while there is one at the other end: that is known of the port before it is of the thread. */
  let enginePort: MessagePort | null = null
  let fleet: FleetView | null = null
  let port = options.admin.port
  let closing = false
  let retry: NodeJS.Timeout | undefined
  let backoffMs = FIRST_BACKOFF_MS
  /** Who waits for the next thing that the thread says of its start. */
  let starting: { resolve (message: FromAdminThread): void, reject (error: Error): void } | null = null

  const stateOf = (view: FleetView) => ({ listeners: view.listeners, root: view.root(), notReady: view.notReady() })
  const tell = (message: ToAdminThread): void => { run?.worker.postMessage(message) }

  const launch = async (): Promise<void> => {
    const channel = new MessageChannel()
    const { admin, ...rest } = options
    const data: AdminThreadData = { ...rest, admin: { ...admin, port }, engine: channel.port2 }
    const worker = first ?? prepareAdminThread(workerUrl)
    first = null
    let failure = 'it ended'
    const { port1 } = channel
    port1.once('close', () => { if (enginePort === port1) enginePort = null })
    port1.unref()
    enginePort = port1
    const ended = new Promise<void>((resolve) => {
      worker.on('error', (error) => { failure = error.stack ?? error.message })
      worker.on('exit', () => {
        run = null
        port1.close()
        starting?.reject(new Error(`the thread of the admin API can not be started: ${failure}`))
        if (up?.worker === worker) again(failure)
        resolve()
      })
    })
    worker.on('message', (message: FromAdminThread) => {
      if (message.type === 'ask') void answer(message.id, message.question)
      else if (message.type === 'failed') starting?.reject(new Error(message.message))
      else starting?.resolve(message)
    })
    run = { worker, ended }
    worker.postMessage({ type: 'start', data } satisfies ToAdminThread, [channel.port2])
    await said()
  }

  const said = async (): Promise<FromAdminThread> => {
    try {
      return await new Promise((resolve, reject) => { starting = { resolve, reject } })
    } finally {
      starting = null
    }
  }

  const listen = async (view: FleetView): Promise<string> => {
    tell({ type: 'listen', state: stateOf(view) })
    const listening = run
    if (listening === null) throw new Error('the thread of the admin API ended')
    const message = await said()
    up = listening
    if (message.type !== 'listening') throw new Error(`the thread of the admin API said "${message.type}"`)
    return message.url
  }

  const end = async (): Promise<void> => {
    const { worker, ended } = run ?? {}
    await worker?.terminate()
    await ended
  }

  const again = (why: string): void => {
    if (closing) return
    log.error({ error: why, delayMs: backoffMs }, 'the thread of the admin API ended; it is started again')
    retry = setTimeout(() => {
      start().then(() => { backoffMs = FIRST_BACKOFF_MS }, async (error: Error) => {
        await end()
        again(error.message)
      })
    }, backoffMs)
    backoffMs = Math.min(LONGEST_BACKOFF_MS, 2 * backoffMs)
  }
  const start = async (): Promise<void> => {
    await launch()
    if (fleet !== null) await listen(fleet)
  }

  const valueOf = async (view: FleetView, question: FleetQuestion): Promise<unknown> => {
    if (question === 'ping') return null
    if (typeof question === 'string') return await view[question]()
    return await ('served' in question ? view.whenServed(question.served) : view.declaredConfig(question.project, question.tried))
  }
  const answer = async (id: number, question: FleetQuestion): Promise<void> => {
    try {
      tell({ type: 'answer', id, value: fleet === null ? null : await valueOf(fleet, question) })
    } catch (error) {
      tell({ type: 'refused', id, message: String(error) })
    }
  }

  const remote = new RemoteEngine({
    name: options.state.kind,
    connect (receive, lost) {
      const linked = enginePort
      if (linked === null) throw new StoreUnavailableError('the thread of the store is being started')
      linked.on('message', (message: FromEngine) => { receive(message) })
      linked.once('close', () => { lost('it ended') })
      linked.unref()
      return { post: (message) => { linked.postMessage(message) }, ref: () => { linked.ref() }, unref: () => { linked.unref() } }
    }
  })

  try {
    await launch()
  } catch (error) {
    closing = true
    await end()
    throw error
  }
  const engine = remote.engine()
  return {
    store: { open: openDocumentStore(engine), engine, ring, metrics: null },
    async listen (view) {
      fleet = view
      const url = await listen(view)
      port = Number(new URL(url).port)
      return url
    },
    changed () { if (fleet !== null) tell({ type: 'state', state: stateOf(fleet) }) },
    async close () {
      closing = true
      clearTimeout(retry)
      tell({ type: 'close' })
      await run?.ended
    }
  }
}

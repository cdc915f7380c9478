/** The life of the config thread: started when it is needed, ended when it is idle, and replaced when it is lost. */
import { Worker } from 'node:worker_threads'
import { ConfigError } from '../errors.js'
import type { FromConfigThread, ToConfigThread } from './loader-protocol.js'

/** What may be chosen about the thread. */
export interface ConfigThreadOptions {
  /** The module that the thread runs; it calls `serveConfigLoads`. */
  workerUrl: URL
  /** How long one answer may take. Default 60 000. */
  timeoutMs?: number
  /** After how long without work it is ended: its cache makes a reload fast, and costs 50 MB. Default 5 000. */
  idleMs?: number
  /** The most memory that its objects may take. Default 2 048. */
  maxMemoryMb?: number
}

/** A thread that answers each message with one. */
export interface ConfigThread {
  /** A number for a message that begins something. */
  nextId (): number
  /** Sends a message and resolves with its answer. Rejects with ConfigError when the thread is lost or takes too long: it is then replaced. */
  ask (message: ToConfigThread): Promise<FromConfigThread>
  /** Sends a message that has no answer; nothing happens where there is no thread. */
  tell (message: ToConfigThread): void
  /** Keeps the thread, with what it has begun, although nothing is asked of it for a while; returns what ends that. A thread that is lost is lost all the same. */
  hold (): () => void
  close (): Promise<void>
}

interface Waiting { resolve: (answer: FromConfigThread) => void, reject: (error: ConfigError) => void, timer: NodeJS.Timeout }

/** Creates the keeper of a config thread; the thread itself is started by the first message. */
export function createConfigThread (options: ConfigThreadOptions): ConfigThread {
  const { workerUrl, timeoutMs = 60_000, idleMs = 5_000, maxMemoryMb = 2_048 } = options
  /** By the id of the message. */
  const waiting = new Map<number, Waiting>()
  let worker: Worker | null = null
  let idle: NodeJS.Timeout | undefined
  let holds = 0
  let ids = 0
  let closed = false

  const lose = (lost: Worker, message: string, remedy: string): void => {
    if (worker !== lost) return
    worker = null
    clearTimeout(idle)
    void lost.terminate()
    for (const [id, { reject, timer }] of waiting) {
      waiting.delete(id)
      clearTimeout(timer)
      reject(new ConfigError([{ path: [], message, remedy }]))
    }
  }

  const start = (): Worker => {
    const started = new Worker(workerUrl, { name: 'sluice-config', resourceLimits: { maxOldGenerationSizeMb: maxMemoryMb } })
    started.on('message', (answer: FromConfigThread) => {
      const asked = waiting.get(answer.id)
      if (asked === undefined) return
      waiting.delete(answer.id)
      clearTimeout(asked.timer)
      if (waiting.size === 0) rest(started)
      asked.resolve(answer)
    })
    started.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_WORKER_OUT_OF_MEMORY') lose(started, `the configuration takes more than ${maxMemoryMb} MB to load`, 'make it smaller, or look for a plugin that takes the memory')
      else lose(started, `the thread that loads the configuration broke off: ${error.message}`, 'look for a plugin of your own that throws outside of its hooks')
    })
    started.on('exit', (code) => { lose(started, `the thread that loads the configuration ended (code ${code})`, 'look for a plugin of your own that ends the process') })
    worker = started
    return started
  }

  /** Nothing to do: it may be dropped, and keeps no process alive. */
  const rest = (resting: Worker): void => {
    resting.unref()
    clearTimeout(idle)
    if (holds > 0) return
    idle = setTimeout(() => { lose(resting, '', '') }, idleMs)
    idle.unref()
  }

  return {
    nextId: () => ids++,
    async ask (message) {
      if (closed) throw new ConfigError([{ path: [], message: 'the loader is closed', remedy: 'create another' }])
      const asked = worker ?? start()
      clearTimeout(idle)
      asked.ref()
      return await new Promise<FromConfigThread>((resolve, reject) => {
        const timer = setTimeout(() => {
          lose(asked, `the configuration was not loaded within ${timeoutMs} ms`, 'look for a plugin of your own that never comes to an end while it is loaded')
        }, timeoutMs)
        waiting.set(message.id, { resolve, reject, timer })
        asked.postMessage(message)
      })
    },
    tell (message) {
      worker?.postMessage(message)
    },
    hold () {
      let held = true
      holds++
      clearTimeout(idle)
      return () => {
        if (!held) return
        held = false
        holds--
        if (holds === 0 && worker !== null && waiting.size === 0) rest(worker)
      }
    },
    async close () {
      closed = true
      const last = worker
      if (last === null) return
      lose(last, 'the loader was closed', 'create another')
      await last.terminate()
    }
  }
}

import { Worker } from 'node:worker_threads'
import type { DocumentEngine, KeptDocument } from './document-engine.js'
import type { SqliteOptions } from './sqlite-engine.js'
import type { Call, EngineMethod, FromThread, ThreadError, ToThread } from './sqlite-thread-protocol.js'
import { StoreTooNewError, StoreUnavailableError } from './store-errors.js'

interface Waiting { readonly resolve: (value: unknown) => void, readonly reject: (error: Error) => void }

/** Batches of records are short-lived; the rest of what the thread does needs little. */
const YOUNG_GENERATION_MB = 8

/**
 * Opens the embedded store in a thread of its own. SQLite works while its caller waits, and a write waits for the disk: on the thread that
 * serves requests a hundred writes a second would stop all traffic. Rejects as `openSqliteEngine` does. A thread that dies takes the calls
 * that it had with it (StoreUnavailableError); the next call starts another.
 */
export async function openSqliteThread (options: SqliteOptions): Promise<DocumentEngine> {
  const thread = new EngineThread(options)
  const engine = thread.engine()
  try {
    await engine.ping()
  } catch (error) {
    await thread.end()
    throw error
  }
  return engine
}

class EngineThread {
  readonly #options: SqliteOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<() => void>()
  #worker: Worker | null = null
  #calls = 0
  #closed = false

  constructor (options: SqliteOptions) {
    this.#options = options
  }

  engine (): DocumentEngine {
    const remote = <M extends EngineMethod>(method: M): Required<DocumentEngine>[M] => ((...args: unknown[]) => this.#call({ kind: 'method', method, args })) as Required<DocumentEngine>[M]
    return {
      name: 'embedded',
      insert: remote('insert'),
      get: remote('get'),
      find: remote('find'),
      count: remote('count'),
      replace: remote('replace'),
      insertAll: remote('insertAll'),
      removeAll: remote('removeAll'),
      writeAll: remote('writeAll'),
      latestSeq: remote('latestSeq'),
      changesSince: remote('changesSince'),
      addUsage: remote('addUsage'),
      usageDays: remote('usageDays'),
      lastUses: remote('lastUses'),
      removeUsage: remote('removeUsage'),
      takeLease: remote('takeLease'),
      releaseLease: remote('releaseLease'),
      getMeta: remote('getMeta'),
      setMeta: remote('setMeta'),
      removeMeta: remote('removeMeta'),
      scrub: remote('scrub'),
      ping: remote('ping'),
      readAll: (collection, batch) => this.#readAll(collection, batch),
      onChange: (callback) => {
        this.#listeners.add(callback)
        if (this.#listeners.size === 1) this.#send({ kind: 'watch' })
        return () => {
          if (this.#listeners.delete(callback) && this.#listeners.size === 0) this.#send({ kind: 'unwatch' })
        }
      },
      close: () => this.end()
    }
  }

  async end (): Promise<void> {
    if (this.#closed) return
    const worker = this.#worker
    if (worker !== null) {
      const exited = new Promise((resolve) => worker.once('exit', resolve))
      await this.#call({ kind: 'close' }).catch(() => {})
      this.#closed = true
      worker.ref()
      await exited
    }
    this.#closed = true
  }

  async * #readAll (...args: Parameters<DocumentEngine['readAll']>): AsyncIterable<KeptDocument[]> {
    const reading = await this.#call({ kind: 'read', args }) as number
    try {
      for (;;) {
        const batch = await this.#call({ kind: 'next', reading }) as KeptDocument[] | null
        if (batch === null) return
        yield batch
      }
    } finally {
      this.#send({ kind: 'stop', reading })
    }
  }

  #call (call: Call): Promise<unknown> {
    if (this.#closed) return Promise.reject(new StoreUnavailableError('the store is closed'))
    const id = ++this.#calls
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      const worker = this.#worker ??= this.#start()
      // A process may end while nobody asks anything, and not before an answer that somebody waits for.
      if (this.#waiting.size === 1) worker.ref()
      worker.postMessage({ ...call, id } satisfies ToThread)
    })
  }

  #send (message: ToThread): void {
    if (!this.#closed) this.#worker?.postMessage(message)
  }

  #start (): Worker {
    const worker = new Worker(new URL('./sqlite-thread-entry.js', import.meta.url), {
      workerData: this.#options, name: 'store', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB }
    })
    let failure = 'it ended'
    worker.on('message', (message: FromThread) => { this.#receive(message) })
    worker.on('error', (error) => { failure = error.message })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#worker = null
      for (const { reject } of this.#waiting.values()) reject(new StoreUnavailableError(`the thread of the store does not answer: ${failure}`))
      this.#waiting.clear()
    })
    if (this.#listeners.size > 0) worker.postMessage({ kind: 'watch' } satisfies ToThread)
    return worker
  }

  #receive (message: FromThread): void {
    if (message.kind === 'change') {
      for (const callback of this.#listeners) callback()
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#worker?.unref()
    if (message.kind === 'value') waiting?.resolve(message.value)
    else waiting?.reject(errorOf(message.error))
  }
}

function errorOf ({ name, message, stack, version, known }: ThreadError): Error {
  if (name === 'StoreUnavailableError') return new StoreUnavailableError(message)
  if (name === 'StoreTooNewError') return new StoreTooNewError(version ?? NaN, known ?? NaN)
  const error = new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  return error
}

import type { DocumentEngine, KeptDocument } from './document-engine.js'
import type { Call, EngineError, EngineMethod, FromEngine, ToEngine } from './engine-protocol.js'
import { StoreTooNewError, StoreUnavailableError } from './store-errors.js'

/** A way to the thread that has the engine. */
export interface EngineLink {
  post (message: ToEngine): void
  /** Keeps the process from ending. */
  ref (): void
  unref (): void
}

/** How a remote engine comes by its link. */
export interface RemoteEngineOptions {
  readonly name: DocumentEngine['name']
  /**
   * Called with the first call, and with the next after the link was lost. `receive` takes what the thread sends, `lost` says once why nothing more comes of
   * it. Throws StoreUnavailableError where there is no thread to link to.
   */
  connect (receive: (message: FromEngine) => void, lost: (why: string) => void): EngineLink
  /** Resolves when the engine is closed and the thread has ended, where that ends it. */
  closed? (): Promise<void>
}

interface Waiting { readonly resolve: (value: unknown) => void, readonly reject: (error: Error) => void }

/**
 * An engine that works in another thread, which `serve-engine.ts` answers from. A thread that dies takes the calls that it had with it
 * (StoreUnavailableError); the next call asks for another link.
 */
export class RemoteEngine {
  readonly #options: RemoteEngineOptions
  readonly #waiting = new Map<number, Waiting>()
  readonly #listeners = new Set<() => void>()
  #link: EngineLink | null = null
  #calls = 0
  #closed = false

  constructor (options: RemoteEngineOptions) {
    this.#options = options
  }

  /** The engine as others see it. */
  engine (): DocumentEngine {
    const remote = <M extends EngineMethod>(method: M): Required<DocumentEngine>[M] => ((...args: unknown[]) => this.#call({ kind: 'method', method, args })) as Required<DocumentEngine>[M]
    const { name } = this.#options
    return {
      name,
      insert: remote('insert'),
      get: remote('get'),
      find: remote('find'),
      count: remote('count'),
      replace: remote('replace'),
      insertAll: remote('insertAll'),
      removeAll: remote('removeAll'),
      ...(name === 'embedded' ? { writeAll: remote('writeAll') } : {}),
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

  /** Closes the engine; calls that come later reject. */
  async end (): Promise<void> {
    if (this.#closed) return
    const link = this.#link
    if (link !== null) {
      const closed = this.#options.closed?.()
      await this.#call({ kind: 'close' }).catch(() => {})
      this.#closed = true
      link.ref()
      await closed
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

  async #call (call: Call): Promise<unknown> {
    if (this.#closed) throw new StoreUnavailableError('the store is closed')
    const link = this.#link ??= this.#connect()
    const id = ++this.#calls
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      // A process may end while nobody asks anything, and not before an answer that somebody waits for.
      if (this.#waiting.size === 1) link.ref()
      link.post({ ...call, id })
    })
  }

  #send (message: ToEngine): void {
    if (!this.#closed) this.#link?.post(message)
  }

  #connect (): EngineLink {
    const link: EngineLink = this.#options.connect((message) => { this.#receive(message) }, (why) => {
      if (this.#link === link) this.#link = null
      for (const { reject } of this.#waiting.values()) reject(new StoreUnavailableError(`the thread of the store does not answer: ${why}`))
      this.#waiting.clear()
    })
    if (this.#listeners.size > 0) link.post({ kind: 'watch' })
    return link
  }

  #receive (message: FromEngine): void {
    if (message.kind === 'change') {
      for (const callback of this.#listeners) callback()
      return
    }
    const waiting = this.#waiting.get(message.id)
    this.#waiting.delete(message.id)
    if (this.#waiting.size === 0) this.#link?.unref()
    if (message.kind === 'value') waiting?.resolve(message.value)
    else waiting?.reject(errorOf(message.error))
  }
}

function errorOf ({ name, message, stack, version, known }: EngineError): Error {
  if (name === 'StoreUnavailableError') return new StoreUnavailableError(message)
  if (name === 'StoreTooNewError') return new StoreTooNewError(version ?? NaN, known ?? NaN)
  const error = new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  return error
}

import type { DocumentEngine, KeptDocument } from './document-engine.js'
import type { Call, EngineError, EngineMethod, FromEngine, ToEngine } from './engine-protocol.js'
import { createSilence, type Patience, type Silence } from './silence.js'
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
  /** What it is that does not answer where the thread says nothing, which then counts as gone. Left out = calls are waited for: the thread has limits of its own. */
  readonly silence?: string
  /**
   * Called with the first call, and with the next after the link was lost. `receive` takes what the thread sends, `lost` says once why nothing more comes of
   * it. Throws StoreUnavailableError where there is no thread to link to.
   */
  connect (receive: (message: FromEngine) => void, lost: (why: string) => void): EngineLink
  /** Resolves when the engine is closed and the thread has ended, where that ends it. */
  closed? (): Promise<void>
}

interface Waiting { readonly resolve: (value: unknown) => void, readonly reject: (error: Error) => void, readonly scans: boolean }

/** How long the thread may say nothing before it counts as gone: its disk does not answer. */
const SILENT_MS = 700
/** The same while it reads or writes many records, which others wait for. */
const SCAN_MS = 5_000
const PATIENT_MS = 10_000
/** To rewrite a store, or make the indexes of another version, takes its time. */
const LONGEST_MS = 600_000
const SCANS: ReadonlySet<EngineMethod> = new Set<EngineMethod>(['find', 'count', 'insertAll', 'removeAll', 'addUsage', 'usageDays', 'lastUses', 'removeUsage', 'scrub'])
const PATIENCE: { readonly [M in EngineMethod]?: Patience } = {
  // What follows the store, and finds out that it is back.
  latestSeq: { patient: true }, changesSince: { patient: true }, ping: { patient: true },
  scrub: { patient: true, longestMs: LONGEST_MS }, removeAll: { patient: true, longestMs: LONGEST_MS }, removeUsage: { patient: true, longestMs: LONGEST_MS }
}

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
  #openings: number | null = null
  readonly #silence: Silence | null

  constructor (options: RemoteEngineOptions) {
    this.#options = options
    this.#silence = options.silence === undefined
      ? null
      : createSilence({ name: options.silence, limitMs: () => this.#scans() ? SCAN_MS : SILENT_MS, longestMs: SCAN_MS, patientMs: PATIENT_MS, isAnswer: () => false })
  }

  /** Waits until the engine is open, as long as that takes. Rejects as opening it does. */
  async opened (): Promise<void> {
    await this.#bounded({ kind: 'method', method: 'ping', args: [] }, { patient: true, longestMs: LONGEST_MS })
  }

  /** The engine as others see it. */
  engine (): DocumentEngine {
    const remote = <M extends EngineMethod>(method: M): Required<DocumentEngine>[M] => ((...args: unknown[]) => this.#bounded({ kind: 'method', method, args }, PATIENCE[method])) as Required<DocumentEngine>[M]
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
      openings: () => this.#openings ?? 1,
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
    const reading = await this.#bounded({ kind: 'read', args }, { patient: true }) as number
    try {
      for (;;) {
        const batch = await this.#bounded({ kind: 'next', reading }, { patient: true }) as KeptDocument[] | null
        if (batch === null) return
        yield batch
      }
    } finally {
      this.#send({ kind: 'stop', reading })
    }
  }

  async #bounded (call: Call, patience?: Patience): Promise<unknown> {
    return await (this.#silence === null ? this.#call(call) : this.#silence.bounded(() => this.#call(call), patience))
  }

  /** Whether what the thread is at reads or writes many records. */
  #scans (): boolean {
    for (const { scans } of this.#waiting.values()) return scans
    return false
  }

  async #call (call: Call): Promise<unknown> {
    if (this.#closed) throw new StoreUnavailableError('the store is closed')
    const link = this.#link ??= this.#connect()
    const id = ++this.#calls
    return await new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, scans: call.kind === 'next' || (call.kind === 'method' && SCANS.has(call.method)) })
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
    this.#silence?.heard()
    this.#openings = message.openings ?? this.#openings
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

function errorOf ({ name, message, stack, version, known, reopen }: EngineError): Error {
  if (name === 'StoreUnavailableError') return new StoreUnavailableError(message, { reopen })
  if (name === 'StoreTooNewError') return new StoreTooNewError(version ?? NaN, known ?? NaN)
  const error = new Error(message)
  error.name = name
  if (stack !== undefined) error.stack = stack
  return error
}

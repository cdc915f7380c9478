import type { Logger } from '../host.js'
import { asError } from '../lib/as-error.js'
import { createSlices } from '../lib/slices.js'
import { spread } from '../lib/spread.js'
import type { Directory } from './directory.js'
import type { DirectorySnapshot } from './directory-snapshot.js'
import { DIRECTORY_COLLECTIONS, type DirectoryCollection, DirectoryTables } from './directory-tables.js'
import { ID_FIELDS, type CollectionName, type Records } from './records.js'
import type { NamesSecret } from './sealed-config.js'
import type { Change, SystemStore } from './store.js'
import { StoreUnavailableError } from './store-errors.js'

const BATCH = 1_000
/** How much is asked for at once of a store that did not manage more in its time. */
const LEAST_BATCH = 50
const FIRST_RETRY_MS = 250
/** How late it is seen at most that a store is back which does not signal it. */
const LONGEST_RETRY_MS = 2_000
/** How far apart reads are that signals ask for: a store that is written to a hundred times a second signals each time. The first is not held back. */
const LEAST_APART_MS = 25
/** How often the store is asked whether it has gone back behind what was read of it, as one that was replaced by a backup. */
const LOOK_BACK_MS = 60_000

/** How often the store is polled, beside what it signals: another process's changes to an embedded store are seen by polling alone. */
export const POLL_MS = { embedded: 250, mongodb: 1_000 } as const

/** What a feed is made of. */
export interface FeedOptions {
  readonly system: SystemStore
  readonly directory: Directory
  readonly log: Logger
  readonly pollMs: number
  /** Left out: any project may name any secret of its account. */
  readonly namesSecret?: NamesSecret
  /** Milliseconds since 1970. */
  readonly now?: () => number
}

/** How a directory stands to its store. */
export interface FeedStatus {
  /** `loading`: there is no view yet; `stale`: the store does not answer, and the last view is kept, or that of a snapshot on disk. */
  readonly state: 'loading' | 'fresh' | 'stale'
  /** When the store was last found to hold nothing newer, in milliseconds since 1970; null = never. */
  readonly asOf: number | null
  /** The newest change that was taken over; null = nothing was read of the store yet. */
  readonly seq: number | null
  /** Why it is not fresh; null while it is. */
  readonly error: string | null
}

/**
 * Keeps a directory fresh from a store: reads all of it once, then what changed, whenever the store signals and at every poll. While the store
 * does not answer the directory stays as it is; the feed tries again, at most 2 s apart.
 */
export class DirectoryFeed {
  readonly #options: Required<FeedOptions>
  readonly #listeners = new Set<(projectIds: readonly string[]) => void>()
  readonly #touched = new Set<string>()
  #seq: number | null = null
  #asOf: number | null = null
  #error: string | null = null
  #failures = 0
  #batch = BATCH
  #openings = 0
  #readAt = -Infinity
  #lookedBackAt = 0
  #stopped = false
  #signalled = false
  #wake: (() => void) | null = null
  #whenRead: () => void = () => {}
  #running: Promise<void> | null = null
  #unsubscribe: () => void = () => {}

  constructor (options: FeedOptions) {
    this.#options = { now: Date.now, namesSecret: () => true, ...options }
  }

  get status (): FeedStatus {
    return { state: this.#asOf === null ? 'loading' : this.#error === null ? 'fresh' : 'stale', asOf: this.#asOf, seq: this.#seq, error: this.#error }
  }

  /** Begins. Resolves to whether the store could be read at once; where it could not, the feed goes on trying. */
  async start (): Promise<boolean> {
    this.#unsubscribe = this.#options.system.onChange(() => { this.#signal() })
    const loaded = await this.#round()
    this.#running = this.#run()
    return loaded
  }

  /**
   * Serves the last view that was kept on disk until the store can be read, which then is read anew. False, and nothing happens, where the
   * store was read already.
   */
  useSnapshot ({ tables, asOf }: DirectorySnapshot): boolean {
    if (this.#seq !== null) return false
    this.#asOf = asOf
    this.#replace(tables)
    this.#tell()
    return true
  }

  /** Waits until the store was read; resolves to whether it was within `ms`. */
  async whenRead (ms: number): Promise<boolean> {
    if (this.#seq !== null) return true
    return await new Promise((resolve) => {
      const timer = setTimeout(() => { done(false) }, ms)
      const done = (read: boolean): void => {
        clearTimeout(timer)
        this.#whenRead = () => {}
        resolve(read)
      }
      this.#whenRead = () => { done(true) }
    })
  }

  /** Ends: nothing is read of the store any more, and the directory stays as it is. */
  async stop (): Promise<void> {
    this.#stopped = true
    this.#unsubscribe()
    this.#wake?.()
    await this.#running
  }

  /**
   * Calls back with the ids of projects of which something changed that what is served is made of (the project, its domains, whether its
   * account is suspended), once the directory shows it; with all ids, those of projects that are gone too, after everything was read
   * anew. Returns what ends that.
   */
  onProjects (listener: (projectIds: readonly string[]) => void): () => void {
    this.#listeners.add(listener)
    return () => { this.#listeners.delete(listener) }
  }

  #signal (): void {
    this.#signalled = true
    this.#wake?.()
  }

  async #run (): Promise<void> {
    while (!this.#stopped) {
      await this.#pause(this.#failures === 0 ? this.#options.pollMs : spread(Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** (this.#failures - 1))))
      if (!this.#stopped) await this.#round()
    }
  }

  /** Waits until it is time, or until there is a signal, which may have come meanwhile, and the read before is some time ago. */
  async #pause (ms: number): Promise<void> {
    if (!this.#signalled) await this.#sleep(ms, () => this.#signalled)
    if (this.#signalled) await this.#sleep(this.#readAt + LEAST_APART_MS - performance.now(), () => false)
  }

  async #sleep (ms: number, isOver: () => boolean): Promise<void> {
    if (ms <= 0 || this.#stopped) return
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms)
      timer.unref()
      this.#wake = () => {
        if (!this.#stopped && !isOver()) return
        clearTimeout(timer)
        resolve()
      }
    })
    this.#wake = null
  }

  async #round (): Promise<boolean> {
    this.#signalled = false
    this.#readAt = performance.now()
    const { now, log } = this.#options
    try {
      const at = now()
      if (this.#seq === null || await this.#hasGoneBack(at)) await this.#load()
      else this.#seq = await this.#catchUp(this.#options.directory.tables, this.#seq)
      this.#asOf = at
      if (this.#failures > 0) log.info({ failures: this.#failures }, 'the store answers again: the directory is fresh')
      this.#failures = 0
      this.#error = null
    } catch (error) {
      this.#failed(asError(error))
    }
    this.#tell()
    if (this.#error === null) this.#whenRead()
    return this.#error === null
  }

  #failed (error: Error): void {
    const { log, now } = this.#options
    this.#error = error.message
    const fields = { error: error instanceof StoreUnavailableError ? error.message : error.stack, ageMs: this.#asOf === null ? null : now() - this.#asOf }
    if (this.#failures === 0) log.warn(fields, 'the store can not be read: the directory stays as it is')
    else log.debug(fields, 'the store still can not be read')
    this.#failures++
  }

  async #hasGoneBack (at: number): Promise<boolean> {
    if (this.#openings !== this.#options.system.openings()) return true
    if (this.#failures === 0 && at - this.#lookedBackAt < LOOK_BACK_MS) return false
    const latest = await this.#options.system.latestSeq()
    this.#lookedBackAt = at
    return this.#seq !== null && latest < this.#seq
  }

  /** Reads everything into tables of its own, which take the place of the present ones when they are complete. */
  async #load (): Promise<void> {
    const { system, now } = this.#options
    const tables = new DirectoryTables()
    const slices = createSlices()
    // What changes while everything is read has a number behind this one, and is read again.
    let seq = await system.latestSeq()
    const openings = system.openings()
    for (const collection of DIRECTORY_COLLECTIONS) {
      for await (const records of system.readAll(collection)) {
        for (const record of records) this.#put(tables, collection, record)
        if (slices.due()) await slices.next()
      }
    }
    seq = await this.#catchUp(tables, seq)
    this.#replace(tables)
    this.#seq = seq
    this.#openings = openings
    this.#lookedBackAt = now()
  }

  #replace (tables: DirectoryTables): void {
    const { directory, namesSecret } = this.#options
    for (const id of directory.tables.projects.keys()) this.#touched.add(id)
    for (const id of tables.projects.keys()) this.#touched.add(id)
    tables.onProject = (id) => { this.#touched.add(id) }
    tables.namesSecret = namesSecret
    directory.adopt(tables)
  }

  async #catchUp (tables: DirectoryTables, from: number): Promise<number> {
    let seq = from
    for (;;) {
      const batch = this.#batch
      const changes = await this.#changesSince(seq, batch)
      for (const change of changes) {
        this.#apply(tables, change)
        seq = change.seq
      }
      if (changes.length < batch) return seq
      // What was applied is not asked for again where the next piece fails.
      if (this.#seq !== null && tables === this.#options.directory.tables) this.#seq = seq
    }
  }

  /** Asks for less the next time where it was too much at once, until that goes well. */
  async #changesSince (seq: number, batch: number): Promise<readonly Change[]> {
    try {
      const changes = await this.#options.system.changesSince(seq, batch)
      this.#batch = Math.min(BATCH, 2 * batch)
      return changes
    } catch (error) {
      this.#batch = Math.max(LEAST_BATCH, Math.floor(batch / 2))
      throw error
    }
  }

  #apply (tables: DirectoryTables, { collection, id, record }: Change): void {
    if (!isKept(collection)) return
    if (record === null) tables.remove(collection, id)
    else this.#put(tables, collection, record)
  }

  #put (tables: DirectoryTables, collection: DirectoryCollection, record: Records[CollectionName]): void {
    try {
      tables.put(collection, record as never)
    } catch (error) {
      // One record that can not be read must not hold back all others; it is good for nothing, so that what it was before is not either.
      const id = (record as unknown as Record<string, string>)[ID_FIELDS[collection]] as string
      this.#options.log.error({ collection, id, error: asError(error).message }, 'a record of the store can not be read')
      tables.remove(collection, id)
    }
  }

  #tell (): void {
    if (this.#touched.size === 0) return
    const ids = [...this.#touched]
    this.#touched.clear()
    for (const listener of this.#listeners) {
      try {
        listener(ids)
      } catch (error) {
        this.#options.log.error({ error: asError(error).stack }, 'what follows the directory failed')
      }
    }
  }
}

function isKept (collection: CollectionName): collection is DirectoryCollection {
  return (DIRECTORY_COLLECTIONS as readonly CollectionName[]).includes(collection)
}

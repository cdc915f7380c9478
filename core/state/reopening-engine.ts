import type { DocumentEngine, Refusal, Write } from './document-engine.js'
import { StoreUnavailableError } from './store-errors.js'
import { writeInTurn } from './write-in-turn.js'

/** How long after a failed try the next call tries again. */
const RETRY_MS = 1_000
/** How long who does not follow the store waits for it to be opened. */
const PATIENCE_MS = 700

/**
 * An engine that need not be there yet: calls open it, and reject with StoreUnavailableError while that fails. Where an error says so (`reopen`) it is opened
 * anew (`again`). Whoever made it closes it, which closes what was opened. `opened` is told each time when it is there.
 */
export function createReopeningEngine (name: DocumentEngine['name'], open: (again: boolean) => Promise<DocumentEngine>, opened: () => void, now: () => number = Date.now): DocumentEngine {
  let engine: DocumentEngine | null = null
  let opening: Promise<DocumentEngine> | null = null
  let failedAt = -Infinity
  let failure: unknown = null
  let closed = false
  let openings = 0
  /** Who listens before there is anything to hear. */
  const waiting = new Map<() => void, (() => void) | null>()

  const tryOpen = async (): Promise<DocumentEngine> => {
    try {
      const fresh = await open(openings > 0)
      if (closed) {
        await fresh.close()
        throw new StoreUnavailableError('the store is closed')
      }
      engine = fresh
      openings++
      for (const callback of waiting.keys()) waiting.set(callback, fresh.onChange(callback))
      opened()
      if (openings > 1) for (const callback of waiting.keys()) callback()
      return fresh
    } catch (error) {
      failedAt = now()
      failure = error
      throw error instanceof StoreUnavailableError ? error : new StoreUnavailableError(`the store can not be opened: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    } finally {
      opening = null
    }
  }

  const ready = async (): Promise<DocumentEngine> => {
    if (engine !== null) return engine
    if (closed) throw new StoreUnavailableError('the store is closed')
    if (opening === null && now() - failedAt < RETRY_MS) throw new StoreUnavailableError('the store can not be opened', { cause: failure })
    opening ??= tryOpen()
    return await opening
  }

  const soon = async (): Promise<DocumentEngine> => {
    if (engine !== null) return engine
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => { timer = setTimeout(() => { reject(new StoreUnavailableError('the store is being opened')) }, PATIENCE_MS) })
    const answer = ready()
    answer.catch(() => {})
    try {
      return await Promise.race([answer, late])
    } finally {
      clearTimeout(timer)
    }
  }

  /** Lets go of an engine whose store is another by now. The next call opens what is there. */
  const letGo = (of: DocumentEngine): void => {
    if (engine !== of) return
    engine = null
    for (const [callback, end] of waiting) {
      end?.()
      waiting.set(callback, null)
    }
    // Not before it has ended: what it has open lies beside what is opened next.
    opening = of.close().catch(() => {}).then(tryOpen)
    opening.catch(() => {})
  }

  const made = async <T>(there: DocumentEngine, act: (engine: DocumentEngine) => Promise<T>): Promise<T> => {
    try {
      return await act(there)
    } catch (error) {
      if (error instanceof StoreUnavailableError && error.reopen) letGo(there)
      throw error
    }
  }
  const call = async <T>(act: (engine: DocumentEngine) => Promise<T>): Promise<T> => await made(await soon(), act)
  /** Of what follows the store. */
  const follow = async <T>(act: (engine: DocumentEngine) => Promise<T>): Promise<T> => await made(await ready(), act)

  const writeAll = (writes: readonly Write[]): Promise<(Refusal | null)[]> => call((there) => there.writeAll?.(writes) ?? writeInTurn(there, writes))

  return {
    name,
    insert: (...args) => call((there) => there.insert(...args)),
    get: (...args) => call((there) => there.get(...args)),
    find: (...args) => call((there) => there.find(...args)),
    count: (...args) => call((there) => there.count(...args)),
    replace: (...args) => call((there) => there.replace(...args)),
    insertAll: (...args) => call((there) => there.insertAll(...args)),
    removeAll: (...args) => call((there) => there.removeAll(...args)),
    ...(name === 'embedded' ? { writeAll } : {}),
    async * readAll (...args) { yield * (await ready()).readAll(...args) },
    latestSeq: () => follow((there) => there.latestSeq()),
    changesSince: (...args) => follow((there) => there.changesSince(...args)),
    onChange (callback) {
      waiting.set(callback, engine === null ? null : engine.onChange(callback))
      return () => {
        waiting.get(callback)?.()
        waiting.delete(callback)
      }
    },
    addUsage: (...args) => call((there) => there.addUsage(...args)),
    usageDays: (...args) => call((there) => there.usageDays(...args)),
    lastUses: (...args) => call((there) => there.lastUses(...args)),
    removeUsage: (...args) => call((there) => there.removeUsage(...args)),
    takeLease: (...args) => call((there) => there.takeLease(...args)),
    releaseLease: (...args) => call((there) => there.releaseLease(...args)),
    getMeta: (...args) => call((there) => there.getMeta(...args)),
    setMeta: (...args) => call((there) => there.setMeta(...args)),
    removeMeta: (...args) => call((there) => there.removeMeta(...args)),
    ...(name === 'embedded' ? { scrub: () => call(async (there) => { await there.scrub?.() }) } : {}),
    ping: () => follow((there) => there.ping()),
    openings: () => openings,
    ...(name === 'mongodb' ? { pool: () => engine?.pool?.() ?? { open: 0, used: 0 } } : {}),
    async close () {
      closed = true
      await opening?.catch(() => {})
      await engine?.close()
    }
  }
}

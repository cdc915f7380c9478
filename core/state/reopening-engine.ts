import type { DocumentEngine, Refusal, Write } from './document-engine.js'
import { StoreUnavailableError } from './store-errors.js'
import { writeInTurn } from './write-in-turn.js'

/** How long after a failed try the next call tries again. */
const RETRY_MS = 1_000

/**
 * An engine that need not be there yet: calls open it, and reject with StoreUnavailableError while that fails. Whoever made it closes it, which
 * closes what was opened. `opened` is told once, when it is there.
 */
export function createReopeningEngine (name: DocumentEngine['name'], open: () => Promise<DocumentEngine>, opened: () => void, now: () => number = Date.now): DocumentEngine {
  let engine: DocumentEngine | null = null
  let opening: Promise<DocumentEngine> | null = null
  let failedAt = -Infinity
  let failure: unknown = null
  let closed = false
  /** Who listens before there is anything to hear. */
  const waiting = new Map<() => void, (() => void) | null>()

  const tryOpen = async (): Promise<DocumentEngine> => {
    try {
      const made = await open()
      if (closed) {
        await made.close()
        throw new StoreUnavailableError('the store is closed')
      }
      engine = made
      for (const callback of waiting.keys()) waiting.set(callback, made.onChange(callback))
      opened()
      return made
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

  const writeAll = async (writes: readonly Write[]): Promise<(Refusal | null)[]> => {
    const opened = await ready()
    return await (opened.writeAll?.(writes) ?? writeInTurn(opened, writes))
  }

  return {
    name,
    insert: async (...args) => await (await ready()).insert(...args),
    get: async (...args) => await (await ready()).get(...args),
    find: async (...args) => await (await ready()).find(...args),
    count: async (...args) => await (await ready()).count(...args),
    replace: async (...args) => await (await ready()).replace(...args),
    insertAll: async (...args) => await (await ready()).insertAll(...args),
    removeAll: async (...args) => await (await ready()).removeAll(...args),
    ...(name === 'embedded' ? { writeAll } : {}),
    async * readAll (...args) { yield * (await ready()).readAll(...args) },
    latestSeq: async () => await (await ready()).latestSeq(),
    changesSince: async (...args) => await (await ready()).changesSince(...args),
    onChange (callback) {
      waiting.set(callback, engine === null ? null : engine.onChange(callback))
      return () => {
        waiting.get(callback)?.()
        waiting.delete(callback)
      }
    },
    addUsage: async (...args) => { await (await ready()).addUsage(...args) },
    usageDays: async (...args) => await (await ready()).usageDays(...args),
    lastUses: async (...args) => await (await ready()).lastUses(...args),
    removeUsage: async (...args) => { await (await ready()).removeUsage(...args) },
    takeLease: async (...args) => await (await ready()).takeLease(...args),
    releaseLease: async (...args) => { await (await ready()).releaseLease(...args) },
    getMeta: async (...args) => await (await ready()).getMeta(...args),
    setMeta: async (...args) => await (await ready()).setMeta(...args),
    removeMeta: async (...args) => { await (await ready()).removeMeta(...args) },
    ...(name === 'embedded' ? { scrub: async () => { await (await ready()).scrub?.() } } : {}),
    ping: async () => { await (await ready()).ping() },
    ...(name === 'mongodb' ? { pool: () => engine?.pool?.() ?? { open: 0, used: 0 } } : {}),
    async close () {
      closed = true
      await opening?.catch(() => {})
      await engine?.close()
    }
  }
}

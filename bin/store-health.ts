import type { OpenStore } from '../core/state/store.js'

/** Whether the store answers this process. */
export interface StoreHealth {
  readonly engine: 'embedded' | 'mongodb'
  readonly ok: boolean
  /** How long it took to answer last, in milliseconds; null = it did not. */
  readonly latencyMs: number | null
  /** When it was last asked, in milliseconds since 1970; null = not yet. */
  readonly checkedAt: number | null
  /** Since when it does not answer. */
  readonly failingSince: number | null
  readonly error: string | null
}

/** Asks a store again and again whether it answers. Whoever starts the watch closes it. */
export interface StoreWatch {
  readonly health: StoreHealth
  close (): void
}

const EVERY_MS = 2_000

/** Starts to watch. The first answer is there when this resolves. */
export async function watchStore ({ engine, system }: OpenStore, everyMs = EVERY_MS): Promise<StoreWatch> {
  let health: StoreHealth = { engine, ok: false, latencyMs: null, checkedAt: null, failingSince: null, error: null }
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const look = async (): Promise<void> => {
    const startedAt = performance.now()
    try {
      await system.ping()
      health = { engine, ok: true, latencyMs: Math.round((performance.now() - startedAt) * 100) / 100, checkedAt: Date.now(), failingSince: null, error: null }
    } catch (error) {
      const at = Date.now()
      health = { engine, ok: false, latencyMs: null, checkedAt: at, failingSince: health.failingSince ?? at, error: error instanceof Error ? error.message : String(error) }
    }
    if (closed) return
    timer = setTimeout(() => { void look() }, everyMs)
    timer.unref()
  }
  await look()
  return {
    get health () { return health },
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}

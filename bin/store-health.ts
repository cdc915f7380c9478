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

const EVERY_MS = 1_000
/** While it does not answer. */
const AGAIN_MS = 500
/** After so long without an answer it counts as failing, as it does to whoever writes; the answer is waited for all the same. */
const LATE_MS = 800

/** Starts to watch. When this resolves it is known whether the store answers. */
export async function watchStore ({ engine, system }: OpenStore, everyMs = EVERY_MS): Promise<StoreWatch> {
  let health: StoreHealth = { engine, ok: false, latencyMs: null, checkedAt: null, failingSince: null, error: null }
  let timer: NodeJS.Timeout | undefined
  let closed = false
  const failing = (error: string): void => {
    const at = Date.now()
    health = { engine, ok: false, latencyMs: null, checkedAt: at, failingSince: health.failingSince ?? at, error }
  }
  const look = async (known: () => void): Promise<void> => {
    const startedAt = performance.now()
    const late = setTimeout(() => {
      failing(`it has not answered for ${LATE_MS} ms`)
      known()
    }, LATE_MS)
    try {
      await system.ping()
      const latencyMs = Math.round((performance.now() - startedAt) * 100) / 100
      if (latencyMs >= LATE_MS) failing(`it answers after ${Math.round(latencyMs)} ms`)
      else health = { engine, ok: true, latencyMs, checkedAt: Date.now(), failingSince: null, error: null }
    } catch (error) {
      failing(error instanceof Error ? error.message : String(error))
    }
    clearTimeout(late)
    known()
    if (closed) return
    timer = setTimeout(() => { void look(() => {}) }, health.ok ? everyMs : Math.min(everyMs, AGAIN_MS))
    timer.unref()
  }
  await new Promise<void>((resolve) => { void look(resolve) })
  return {
    get health () { return health },
    close () {
      closed = true
      clearTimeout(timer)
    }
  }
}

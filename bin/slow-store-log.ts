import type { Logger } from '../core/host.js'
import type { EngineCall } from '../core/state/observed-engine.js'

/** A call of the store that takes so many milliseconds is logged. */
export const SLOW_STORE_MS = 200

const LEAST_MS_BETWEEN = 1_000

/** Makes what logs slow calls of the store: one a second at most, with how many were left out since the one before. No value of a call is logged. */
export function createSlowStoreLog (log: Logger, now: () => number = () => performance.now()): (call: EngineCall) => void {
  let last = -Infinity
  let leftOut = 0
  return ({ operation, collection, shape, outcome, durationMs }) => {
    if (now() - last < LEAST_MS_BETWEEN) {
      leftOut++
      return
    }
    last = now()
    log.warn({ operation, collection, shape, outcome, durationMs: Math.round(durationMs), leftOut }, 'a call of the store was slow')
    leftOut = 0
  }
}

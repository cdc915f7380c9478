/** How long one slice of work may keep the event loop. */
const SLICE_MS = 4

/** Long work in slices: between two of them the event loop comes round, and requests get their turn. */
export interface Slices {
  /** Whether this slice has taken its time. Costs a look at the clock. */
  due (): boolean
  /** Resolves when the event loop has come round: the next slice begins. */
  next (): Promise<void>
}

/** Begins the first slice. */
export function createSlices (): Slices {
  let end = performance.now() + SLICE_MS
  return {
    due: () => performance.now() > end,
    next: () => new Promise((resolve) => {
      setImmediate(() => {
        end = performance.now() + SLICE_MS
        resolve()
      })
    })
  }
}

/** Those who want to hear that the store changed. */
export interface ChangeListeners {
  /** Calls them in the next turn, once for all that happens in this one. */
  tell (): void
  /** Adds one; returns what takes it away. */
  onChange (callback: () => void): () => void
  close (): void
}

/** Keeps listeners. `watch` looks for changes that others make, and runs only while somebody listens: it returns what ends it. */
export function createChangeListeners (watch: () => () => void): ChangeListeners {
  const listeners = new Set<() => void>()
  let unwatch: (() => void) | null = null
  let pending = false
  const stop = (): void => {
    unwatch?.()
    unwatch = null
  }
  return {
    tell () {
      if (pending || listeners.size === 0) return
      pending = true
      setImmediate(() => {
        pending = false
        for (const listener of listeners) listener()
      })
    },
    onChange (callback) {
      // Of its own: one function may listen twice.
      const listener = (): void => { callback() }
      listeners.add(listener)
      unwatch ??= watch()
      return () => {
        if (listeners.delete(listener) && listeners.size === 0) stop()
      }
    },
    close () {
      listeners.clear()
      stop()
    }
  }
}

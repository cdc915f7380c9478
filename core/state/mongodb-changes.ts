/** Where changes of the store are noticed. */
export interface ChangeSource {
  /** Calls back at each change, until `signal` ends it or it breaks. */
  stream (callback: () => void, signal: AbortSignal): Promise<'unsupported' | 'ended'>
  /** A number that another change makes another one. */
  look (): Promise<number>
}

/** Tells whoever listens that something changed. */
export interface ChangeSignal {
  onChange (callback: () => void): () => void
  /** Something was changed here. */
  changed (): void
  close (): void
}

const AGAIN_MS = 500

/**
 * Makes the signal: from a stream where there are streams, else from looking every `pollMs`. Neither runs while nobody listens. A stream that broke
 * is opened anew, and listeners are called then, since something may have been missed.
 */
export function createChangeSignal (source: ChangeSource, pollMs: number): ChangeSignal {
  const listeners = new Set<() => void>()
  let running: AbortController | null = null
  let told = false
  const changed = (): void => {
    if (told || listeners.size === 0) return
    told = true
    setImmediate(() => {
      told = false
      for (const listener of listeners) listener()
    })
  }
  const run = async (signal: AbortSignal): Promise<void> => {
    while (!signal.aborted) {
      const outcome = await source.stream(changed, signal).catch(() => 'ended' as const)
      if (outcome === 'unsupported') { await poll(signal); return }
      await pause(AGAIN_MS, signal)
      changed()
    }
  }
  const poll = async (signal: AbortSignal): Promise<void> => {
    for (let seen: number | null = null; !signal.aborted; await pause(pollMs, signal)) {
      const now = await source.look().catch(() => null)
      if (now !== null && seen !== null && now !== seen) changed()
      seen = now ?? seen
    }
  }
  const stop = (): void => {
    running?.abort()
    running = null
  }
  return {
    changed,
    onChange (callback) {
      const listener = (): void => { callback() }
      listeners.add(listener)
      if (running === null) {
        running = new AbortController()
        void run(running.signal)
      }
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

/** Waits, but not after the signal, and without keeping the process alive. */
export function pause (ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms).unref()
    signal.addEventListener('abort', done)
    if (signal.aborted) done()
  })
}

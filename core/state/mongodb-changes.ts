import { spread } from '../lib/spread.js'
import { createChangeListeners } from './change-listeners.js'

/** Where changes of the store are noticed. */
export interface ChangeSource {
  /** Calls back when it is open and at each change, until `signal` ends it or it breaks. */
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
const LONGEST_AGAIN_MS = 2_000

/**
 * Makes the signal: from a stream where there are streams, else from looking every `pollMs`. Neither runs while nobody listens. A stream that broke
 * is opened anew, at most 2 s later, and listeners are called once it is open, since something may have been missed.
 */
export function createChangeSignal (source: ChangeSource, pollMs: number): ChangeSignal {
  const { tell, onChange, close } = createChangeListeners(() => {
    const running = new AbortController()
    void run(running.signal)
    return () => { running.abort() }
  })
  const run = async (signal: AbortSignal): Promise<void> => {
    for (let failures = 0; !signal.aborted;) {
      const opened = (): void => {
        failures = 0
        tell()
      }
      const outcome = await source.stream(opened, signal).catch(() => 'ended' as const)
      if (outcome === 'unsupported') { await poll(signal); return }
      await pause(spread(Math.min(LONGEST_AGAIN_MS, AGAIN_MS * 2 ** failures)), signal)
      failures++
    }
  }
  const poll = async (signal: AbortSignal): Promise<void> => {
    for (let seen: number | null = null; !signal.aborted; await pause(pollMs, signal)) {
      const now = await source.look().catch(() => null)
      if (now !== null && seen !== null && now !== seen) tell()
      seen = now ?? seen
    }
  }
  return { changed: tell, onChange, close }
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

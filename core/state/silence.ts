import { StoreUnavailableError } from './store-errors.js'

/** What is waited for, and how long. */
export interface SilenceOptions {
  /** What does not answer, as errors name it. */
  readonly name: string
  /** How long nothing may be heard before a call is given up, and it counts as gone; asked for again and again. */
  readonly limitMs: () => number
  /** How long a step of a call may take while something is heard. */
  readonly longestMs: number
  /** How long one may take of a call that is patient. */
  readonly patientMs: number
  /** Whether a call that failed was answered all the same. */
  readonly isAnswer: (error: unknown) => boolean
  /** Told when it is heard again. */
  readonly onBack?: () => void
  /** Told of a call that was given up and that has not ended half a minute later, as each does that what leads to the store has not lost. */
  readonly onLost?: () => void
}

/** Another patience than a caller's. */
export interface Patience {
  /** It waits for its time whether anything is heard or not, and is made also while the store is gone. */
  readonly patient: true
  /** Default `patientMs`. */
  readonly longestMs?: number
}

/** Tells a store that is gone from one that is slow. */
export interface Silence {
  /** Something was heard: an answer, whosever it is, or another sign of life. `afterMs` = how long it took; what took longer than a silence is none. */
  heard (afterMs?: number): void
  /** It is known to be gone, without waiting. */
  lost (): void
  /** Whether it is. Calls are refused at once then, one a second excepted. */
  readonly gone: boolean
  /**
   * Makes a call, which is given up with StoreUnavailableError once nothing was heard for `limitMs`. A step that begins says so with `inTime`, which throws
   * where the call was given up meanwhile, so that nothing more is made of it. What follows the store, and so finds out when it is back, is patient.
   */
  bounded<T> (act: (inTime: () => void) => Promise<T>, patience?: Patience): Promise<T>
}

/** How often a call is let through while the store is gone: what else is heard tells sooner that it is back. */
const ASK_MS = 1_000
const LOST_MS = 30_000

/**
 * Makes what watches over calls of one store. What is slow answers, however late, and then calls go on; of what is gone nothing is heard, and then none has to
 * wait for its own time to pass: those that wait for each other would take many times that.
 */
export function createSilence (options: SilenceOptions): Silence {
  const { name, limitMs, patientMs, isAnswer, onBack = () => {}, onLost = () => {} } = options
  let heardAt = -Infinity
  let goneAt: number | null = null

  /** Calls back once it is too late for a call that begins now. */
  const watch = (patience: Patience | undefined, tooLate: (error: StoreUnavailableError) => void): { step (): void, stepMs (): number, end (): void } => {
    const longestMs = patience === undefined ? options.longestMs : patience.longestMs ?? patientMs
    let stepAt = performance.now()
    let timer: NodeJS.Timeout
    let ended = false
    const quietSince = (): number => Math.max(stepAt, heardAt)
    const lastsUntil = (): number => patience === undefined ? Math.min(stepAt + longestMs, quietSince() + limitMs()) : stepAt + longestMs
    const wait = (): void => { timer = setTimeout(look, Math.max(1, lastsUntil() - performance.now())) }
    const giveUp = (): void => {
      if (ended) return
      const now = performance.now()
      if (now < lastsUntil()) { wait(); return }
      if (now - quietSince() >= limitMs()) goneAt ??= now
      tooLate(new StoreUnavailableError(`${name} did not answer within ${Math.round(now - stepAt)} ms`))
    }
    // Where this process itself was held up, the answer may be here and only not be read yet.
    const look = (): void => { setImmediate(() => { setImmediate(giveUp) }) }
    wait()
    return {
      step () { stepAt = performance.now() },
      stepMs: () => performance.now() - stepAt,
      end () {
        ended = true
        clearTimeout(timer)
      }
    }
  }

  const silence: Silence = {
    heard (afterMs = 0) {
      if (afterMs >= limitMs()) return
      heardAt = performance.now()
      if (goneAt === null) return
      goneAt = null
      onBack()
    },
    lost () { goneAt ??= performance.now() },
    get gone () { return goneAt !== null },
    async bounded (act, patience) {
      if (patience === undefined && goneAt !== null) {
        const now = performance.now()
        if (now - goneAt < ASK_MS) throw new StoreUnavailableError(`${name} does not answer`)
        goneAt = now
      }
      let late: StoreUnavailableError | null = null
      let reject: (error: StoreUnavailableError) => void = () => {}
      const tooLate = new Promise<never>((_, refuse) => { reject = refuse })
      let lost: NodeJS.Timeout | undefined
      const { step, stepMs, end } = watch(patience, (error) => {
        late = error
        reject(error)
        lost = setTimeout(onLost, LOST_MS).unref()
      })
      const acting = act(() => {
        if (late !== null) throw late
        step()
      })
      // Also of one that was given up meanwhile.
      acting.then(() => { silence.heard(stepMs()) }, (error: unknown) => { if (isAnswer(error)) silence.heard(stepMs()) }).finally(() => { clearTimeout(lost) })
      try {
        return await Promise.race([acting, tooLate])
      } finally {
        end()
      }
    }
  }
  return silence
}

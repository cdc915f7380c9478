import { randomBytes } from 'node:crypto'

/** The one document of the sequence: what may be done to it, each atomic. */
export interface SequenceDocument {
  /** Adds `count` to the value and enters the token with its floor; resolves to the value that was before. */
  enter (token: string, floor: number, count: number): Promise<number>
  /** Takes the token out. False when it was not there any more. */
  leave (token: string): Promise<boolean>
  read (): Promise<{ readonly value: number, readonly pending: Readonly<Record<string, number>> }>
}

/** Numbers the changes of a store that several nodes write to. */
export interface ChangeSequence {
  /**
   * Makes a write under the next number, or under the next `count` ones, of which it is told the first. `renumber` gives what carries the number `from`
   * another one, if something still carries it; it may be called after this has settled.
   */
  write<T> (write: (seq: number) => Promise<T>, renumber: (from: number, to: number) => Promise<void>, count?: number): Promise<T>
  /** The number up to which no write is under way any more. Never less than before. */
  settled (): Promise<number>
  close (): void
}

/** How long the sequence waits for what. */
export interface SequenceOptions {
  /** How long a write of a node that died holds up the changes behind it. */
  readonly abandonedMs: number
  /** How long a write that was made waits for its number to be given back, before it is done without. */
  readonly settleMs: number
}

const RETRY_MS = [500, 1_000, 2_000, 4_000, 8_000]

/**
 * Makes the sequence over its document. Numbers are taken before the write that carries them, so a later number can be readable before an
 * earlier one, and numbers of writes that failed are nobody's: looking at the records does not tell the two apart. So a writer enters a token with
 * its number, in one atomic update, and takes it out when its write is made. Readers stop below the tokens that are entered.
 *
 * What is entered is a floor, the highest number that the writer knew, since the update can not refer to the value that it makes: it is below
 * the number that the writer gets, which is all that a reader needs.
 *
 * The token of a writer that died is taken out by a reader that saw it for `abandonedMs`. A writer that was only slow finds its token gone, and
 * gives its record a new number: readers may be beyond the old one.
 */
export function createChangeSequence (document: SequenceDocument, { abandonedMs, settleMs }: SequenceOptions): ChangeSequence {
  let known = 0
  let settledUpTo = 0
  const firstSeen = new Map<string, number>()
  const retries = new Set<NodeJS.Timeout>()
  let closed = false

  const settle = async (token: string, first: number | null, count: number, renumber: (from: number, to: number) => Promise<void>): Promise<void> => {
    if (await document.leave(token) || first === null) return
    for (let seq = first; seq < first + count; seq++) await sequence.write((next) => renumber(seq, next), renumber)
  }
  const retry = (act: () => Promise<void>, attempt = 0): void => {
    const wait = RETRY_MS[attempt]
    if (closed || wait === undefined) return
    const timer = setTimeout(() => {
      retries.delete(timer)
      act().catch(() => { retry(act, attempt + 1) })
    }, wait).unref()
    retries.add(timer)
  }

  const sequence: ChangeSequence = {
    async write (write, renumber, count = 1) {
      const token = randomBytes(12).toString('hex')
      let seq: number | null = null
      try {
        seq = await document.enter(token, known, count) + 1
        known = Math.max(known, seq + count - 1)
        const written = await write(seq)
        const settling = settle(token, seq, count, renumber)
        settling.catch(() => { retry(() => settle(token, seq, count, renumber)) })
        await within(settling, settleMs)
        return written
      } catch (error) {
        // Whether it was made is not known, or will be a moment later: the token stays a while.
        retry(() => settle(token, seq, count, renumber))
        throw error
      }
    },
    async settled () {
      let { value, pending } = await document.read()
      const now = performance.now()
      for (const token of firstSeen.keys()) if (!(token in pending)) firstSeen.delete(token)
      for (const token of Object.keys(pending)) if (!firstSeen.has(token)) firstSeen.set(token, now)
      const abandoned = Object.keys(pending).filter((token) => now - (firstSeen.get(token) ?? now) > abandonedMs)
      if (abandoned.length > 0) {
        for (const token of abandoned) await document.leave(token);
        ({ value, pending } = await document.read())
      }
      known = Math.max(known, value)
      settledUpTo = Math.max(settledUpTo, Math.min(value, ...Object.values(pending)))
      return settledUpTo
    },
    close () {
      closed = true
      for (const timer of retries) clearTimeout(timer)
    }
  }
  return sequence
}

/** Waits for a promise, however it ends, but no longer than this. */
async function within (promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => { timer = setTimeout(resolve, ms) })
  await Promise.race([promise.then(() => {}, () => {}), late])
  clearTimeout(timer)
}

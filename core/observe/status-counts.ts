import type { MetricValue, SeriesBudget } from './metric-object.js'

/** Statuses that have a series of their own; others are counted as their class. 0: the client went before there was one. */
const KNOWN = [
  0, 101, 200, 201, 202, 203, 204, 205, 206, 207, 301, 302, 303, 304, 307, 308,
  400, 401, 402, 403, 404, 405, 406, 407, 408, 409, 410, 411, 412, 413, 414, 415, 416, 417, 418, 421, 422, 423, 424, 425, 426, 428, 429, 431, 451, 499,
  500, 501, 502, 503, 504, 505, 507, 508, 511
]
const CLASSES = ['other', '1xx', '2xx', '3xx', '4xx', '5xx']

/** The label value of each slot. */
const LABELS: readonly string[] = [...CLASSES, ...KNOWN.map(String)]

/** The slot of each status from 0 to 999. */
const SLOTS = Uint8Array.from({ length: 1000 }, (_, status) => {
  const known = KNOWN.indexOf(status)
  if (known !== -1) return CLASSES.length + known
  const hundreds = Math.floor(status / 100)
  return hundreds >= 1 && hundreds <= 5 ? hundreds : 0
})

/** The most series that one of these can be. */
const STATUS_SERIES = LABELS.length

/** The slot under which a status is counted. */
export function statusSlot (status: number): number {
  return SLOTS[status] ?? 0
}

/** Counts answers by status under one pair of labels; what the budget does not allow is counted by the wider one. */
export class StatusCounts {
  readonly #budget: SeriesBudget
  #wider: StatusCounts | null
  /** Made with the first request: most of 100 000 routes have none. */
  #counts: Float64Array | null = null
  #series = 0
  #released = false

  constructor (budget: SeriesBudget, wider: StatusCounts | null) {
    this.#budget = budget
    this.#wider = wider
  }

  count (slot: number): void {
    const counts = this.#counts
    if (counts === null || counts[slot] === 0) this.#first(slot)
    else counts[slot] = (counts[slot] as number) + 1
  }

  /** Gives its series back; what is counted from here on is the wider one's. */
  release (): void {
    this.#budget.give(this.#series)
    this.#series = 0
    this.#counts = null
    this.#released = this.#wider !== null
  }

  collect (labels: Record<string, string>, values: MetricValue[]): void {
    const counts = this.#counts
    if (counts === null) return
    for (let slot = 0; slot < counts.length; slot++) {
      if (counts[slot] !== 0) values.push({ labels: { ...labels, status: LABELS[slot] as string }, value: counts[slot] as number })
    }
  }

  #first (slot: number): void {
    if (this.#released || !this.#budget.take(1)) {
      this.#wider?.count(slot)
      return
    }
    this.#series++
    this.#counts ??= new Float64Array(STATUS_SERIES)
    this.#counts[slot] = 1
  }
}

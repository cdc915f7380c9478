/** Something with a deadline that is looked at a few times a second. Links are the ticker's. */
export interface Ticking {
  /** Called on every tick with the current `performance.now()`. */
  tick (nowMs: number): void
  tickPrevious: Ticking | null
  tickNext: Ticking | null
}

/** How often deadlines are looked at: what a time limit may be late by. */
const TICK_MS = 100

/**
 * One timer for all time limits of the data path. Setting and clearing a Node timer for each request costs more than
 * everything else that its limits need; a doubly linked list that one interval walks costs two pointer writes.
 */
class Ticker {
  private head: Ticking | null = null
  private timer: NodeJS.Timeout | null = null

  /** Looks at `item` from now on. Adding twice is a bug of the caller. */
  add (item: Ticking): void {
    item.tickPrevious = null
    item.tickNext = this.head
    if (this.head !== null) this.head.tickPrevious = item
    this.head = item
    if (this.timer === null) {
      this.timer = setInterval(() => { this.tick() }, TICK_MS)
      this.timer.unref()
    }
  }

  /** Looks at `item` no longer. Removing what is not there does nothing. */
  remove (item: Ticking): void {
    const { tickPrevious, tickNext } = item
    if (tickPrevious !== null) tickPrevious.tickNext = tickNext
    else if (this.head === item) this.head = tickNext
    else return
    if (tickNext !== null) tickNext.tickPrevious = tickPrevious
    item.tickPrevious = null
    item.tickNext = null
  }

  private tick (): void {
    if (this.head === null) {
      clearInterval(this.timer as NodeJS.Timeout)
      this.timer = null
      return
    }
    const now = performance.now()
    let item: Ticking | null = this.head
    while (item !== null) {
      // An item may remove itself while it is looked at.
      const next: Ticking | null = item.tickNext
      item.tick(now)
      item = next
    }
  }
}

/** The process's ticker. */
export const ticker = new Ticker()

/** Bodies up to this size wait (within one turn of the event loop) to leave with their head in one write. */
export const HOLD_BYTES = 8 * 1024

/** Something that holds an answer's head until there is a body to send it with. */
export interface Holder {
  /** Sends what is being held. */
  flush (): void
}

let waiting: Holder[] = []

function flushWaiting (): void {
  const holders = waiting
  waiting = []
  for (const holder of holders) holder.flush()
}

/**
 * Has what is held sent at the end of this turn of the event loop, so that no byte is held longer than the turn in which it came. One
 * immediate serves all of a turn.
 */
export function flushThisTurn (holder: Holder): void {
  waiting.push(holder)
  if (waiting.length === 1) setImmediate(flushWaiting)
}

/** Watches over the heartbeats of a driver. Whoever made it closes it. */
export interface HeartbeatWatch {
  /** A heartbeat of this server begins, or has ended in any way. */
  heard (address: string): void
  /** There will be no more of this server. */
  left (address: string): void
  /** Whether there are none any more of some server: then the driver does not find out when that one is back. */
  readonly ended: boolean
  close (): void
}

const LOOK_MS = 500

/**
 * Begins to watch. The driver waits for ever where it is about to write a heartbeat to a socket that has just ended and has not said so yet (`connection.ts`,
 * `writeCommand`: a stream that is destroyed never drains); from then on it knows of no server, whatever comes back. `silentMs` is how long a heartbeat can take
 * that is well, with the pause before it. Time that this process was held up does not count.
 */
export function watchHeartbeats (silentMs: number): HeartbeatWatch {
  const silent = new Map<string, number>()
  let ended = false
  const timer = setInterval(() => {
    for (const [address, ms] of silent) {
      silent.set(address, ms + LOOK_MS)
      if (ms + LOOK_MS > silentMs) ended = true
    }
  }, LOOK_MS)
  timer.unref()
  return {
    heard (address) { silent.set(address, 0) },
    left (address) { silent.delete(address) },
    get ended () { return ended },
    close () { clearInterval(timer) }
  }
}

import type { Duplex } from 'node:stream'

/** How long what nobody will read is read away. */
const LINGER_MS = 1_000

/**
 * Ends our side of a connection and reads away what the client still sends, for a second: closing at once would reset the connection
 * before the client has read the answer (RFC 9112 section 9.6). Put in the place of a socket's `destroySoon` it does so for the answer
 * that Node is about to close behind.
 */
export function endGently (this: Duplex): void {
  this.end()
  this.resume()
  const timer = setTimeout(() => { this.destroy() }, LINGER_MS)
  this.once('close', () => { clearTimeout(timer) })
}

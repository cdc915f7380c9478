import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { endGently } from './end-gently.js'

/** How much a client may send before its upgrade is decided; then it has to wait. */
const EARLY_BYTES = 64 * 1024

/**
 * A connection whose request asked for an upgrade: Node has taken its parser away, and what is left is a socket. It is read from the start:
 * that is the only way to see the client go, and what a client sends early belongs to the tunnel, or (no tunnel) to nobody.
 */
export class UpgradeSocket {
  /** Where an answer that is no 101 is written. It closes the connection: what follows on it was never parsed. */
  readonly response: ServerResponse
  readonly socket: Socket
  private early: Buffer[] | null
  private earlyBytes = 0

  constructor (req: IncomingMessage, socket: Socket, head: Buffer) {
    this.socket = socket
    this.early = head.length === 0 ? [] : [head]
    this.earlyBytes = head.length
    const res = this.response = new ServerResponse(req)
    res.assignSocket(socket)
    res.shouldKeepAlive = false
    res.on('finish', this.refused)
    socket.setTimeout(0)
    socket.on('data', this.take)
    socket.on('end', this.gone)
  }

  private readonly take = (chunk: Buffer): void => {
    if (this.early === null) return
    this.early.push(chunk)
    this.earlyBytes += chunk.length
    if (this.earlyBytes > EARLY_BYTES) this.socket.pause()
  }

  private readonly gone = (): void => { this.socket.destroy() }

  // Closing a connection on which there is something unread resets it, and takes the answer with it (RFC 9112 section 9.6).
  private readonly refused = (): void => {
    this.early = null
    endGently.call(this.socket)
  }

  /** The connection becomes a tunnel: gives what came early, and is read by somebody else from here on. */
  release (): Buffer {
    const { socket, early } = this
    socket.off('data', this.take)
    socket.off('end', this.gone)
    this.response.off('finish', this.refused)
    this.response.detachSocket(socket)
    this.early = null
    return early === null ? Buffer.alloc(0) : Buffer.concat(early)
  }
}

/**
 * Tells the answers in front of a pipelined upgrade that their client reads again: with the parser Node has taken away what did. Returns
 * what ends it.
 */
export function forwardDrain (socket: Socket): () => void {
  const drain = (): void => { (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage?.emit('drain') }
  socket.on('drain', drain)
  return () => { socket.off('drain', drain) }
}

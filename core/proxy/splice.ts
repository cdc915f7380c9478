import type { TunnelEnd } from '../context.js'

/** How a tunnel is watched. */
export interface SpliceOptions {
  /** How long it may be silent in both directions. */
  readonly idleMs: number
  /** Whether the bytes are WebSocket frames. */
  readonly frames: boolean
}

/** Joins two connections: bytes pass unchanged both ways, with backpressure; the end of one ends the other. */
export function splice (client: TunnelEnd, upstream: TunnelEnd, options: SpliceOptions): void {
  const a = client.socket
  const b = upstream.socket
  a.on('error', () => { b.destroy() })
  b.on('error', () => { a.destroy() })
  a.on('close', () => { b.destroy() })
  b.on('close', () => { a.destroy() })
  if (upstream.head.length > 0) a.write(upstream.head)
  if (client.head.length > 0) b.write(client.head)
  a.pipe(b)
  b.pipe(a)
  void options
}

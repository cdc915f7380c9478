import type { Duplex } from 'node:stream'
import type { TunnelEnd } from '../context.js'
import { ticker, type Ticking } from '../lib/ticker.js'
import { FrameTracker } from './frame-tracker.js'
import type { Drainable, Tunnels } from './tunnels.js'

/** How a tunnel is watched. */
export interface SpliceOptions {
  /** How long it may be silent in both directions; 0 = for ever. */
  readonly idleMs: number
  /** Whether the bytes are WebSocket frames: then draining says 1001 at a frame boundary. */
  readonly frames: boolean
  /** Where the tunnel can be found while it stands. */
  readonly open: Tunnels
}

/** RFC 6455 section 7.4.1: 1001, the endpoint is going away; unmasked, as servers send. */
const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9])
/** How long the peers have to end a connection that was told to go away, or that has nobody at its other end. */
const FAREWELL_MS = 5_000
/** How long the rest of what came from an end that has gone may take to leave. */
const REST_MS = 60_000

/** How much has passed through a tunnel. */
export interface SpliceCounts {
  readonly bytesUp: number
  readonly bytesDown: number
}

/**
 * Joins two connections: bytes pass unchanged both ways, with backpressure; the end of one ends the other, behind what came before it. What it
 * gives goes on counting.
 */
export function splice (client: TunnelEnd, upstream: TunnelEnd, options: SpliceOptions): SpliceCounts {
  const joined = new Splice(client.socket, upstream.socket, options)
  joined.begin(client.head, upstream.head)
  return joined
}

class Splice implements Drainable, Ticking, SpliceCounts {
  bytesUp = 0
  bytesDown = 0
  tickPrevious: Ticking | null = null
  tickNext: Ticking | null = null
  private readonly client: Duplex
  private readonly upstream: Duplex
  private readonly options: SpliceOptions
  private readonly frames = new FrameTracker()
  private activeAt = performance.now()
  private draining = false
  private farewellAt = 0
  /** The end that is left when the other has gone in order. */
  private left: Duplex | null = null
  private leftAt = 0

  constructor (client: Duplex, upstream: Duplex, options: SpliceOptions) {
    this.client = client
    this.upstream = upstream
    this.options = options
  }

  begin (clientHead: Buffer, upstreamHead: Buffer): void {
    const { client, upstream } = this
    ticker.add(this)
    for (const [here, there] of [[client, upstream], [upstream, client]] as const) {
      here.on('error', () => { this.close() })
      here.on('close', () => { this.leave(here, there) })
      here.on('end', () => { there.end() })
      here.on('drain', () => { there.resume() })
    }
    if (upstreamHead.length > 0) this.down(upstreamHead)
    if (clientHead.length > 0) this.up(clientHead)
    client.on('data', (chunk: Buffer) => { this.up(chunk) })
    upstream.on('data', (chunk: Buffer) => { this.down(chunk) })
    // Either may have been paused while the upgrade was undecided.
    if (!upstream.writableNeedDrain) client.resume()
    if (!client.writableNeedDrain) upstream.resume()
    this.options.open.add(this)
  }

  private up (chunk: Buffer): void {
    if (this.left !== null) return
    this.activeAt = performance.now()
    this.bytesUp += chunk.length
    if (!this.upstream.write(chunk)) this.client.pause()
  }

  private down (chunk: Buffer): void {
    if (this.left !== null) return
    this.activeAt = performance.now()
    // The client was told that this is the end: what the upstream still says would come behind a close frame.
    if (this.farewellAt !== 0) return
    let piece = chunk
    if (this.options.frames) {
      const followed = this.frames.follow(chunk, this.draining)
      if (this.draining) piece = chunk.subarray(0, followed)
    }
    this.bytesDown += piece.length
    if (!this.client.write(piece)) this.upstream.pause()
    if (this.draining && this.frames.atBoundary) this.sayFarewell()
  }

  /** The gateway stops. A WebSocket gets its close frame between two frames, never inside one; anything else can only be closed. */
  drain (): void {
    if (this.draining) return
    this.draining = true
    if (this.left !== null) return
    if (!this.options.frames) this.close()
    else if (this.frames.atBoundary) this.sayFarewell()
    else this.activeAt = performance.now()
  }

  private sayFarewell (): void {
    this.farewellAt = performance.now()
    this.client.write(GOING_AWAY)
    this.upstream.resume()
  }

  /** Ends tunnels that are silent for too long, or that do not end after the farewell. */
  tick (nowMs: number): void {
    const { idleMs } = this.options
    if (this.left !== null) {
      if (nowMs - this.leftAt > (this.left.writableFinished ? FAREWELL_MS : REST_MS)) this.close()
    } else if (this.draining ? nowMs - this.activeAt > FAREWELL_MS || (this.farewellAt !== 0 && nowMs - this.farewellAt > FAREWELL_MS) : idleMs > 0 && nowMs - this.activeAt > idleMs) this.close()
  }

  /** One end has gone: if in order, the other still gets what came from it. What that one says is read away, or a reset would overtake the rest. */
  private leave (gone: Duplex, there: Duplex): void {
    if (!gone.readableEnded || this.left !== null || there.destroyed) { this.close(); return }
    this.left = there
    this.leftAt = performance.now()
    there.end()
    there.resume()
  }

  private close (): void {
    ticker.remove(this)
    this.options.open.delete(this)
    this.client.destroy()
    this.upstream.destroy()
  }
}

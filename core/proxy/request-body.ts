import { Readable } from 'node:stream'
import type { BodyConsumer, BodySource } from '../context.js'
import type { GatewayError } from '../errors.js'
import type { ChunkLender } from '../lib/chunk-buffers.js'

/**
 * A client's body as the stream that `BodyWriter` pumps. The client's own message is never handed over: what is given up when an upstream
 * answers early would take the client's connection with it. Pulling from the client begins at the first read, which comes once there is a
 * connection; an attempt that never got one leaves the source untouched.
 */
export class RequestBodyStream extends Readable implements BodyConsumer {
  private readonly source: BodySource
  private readonly progress: () => void
  /** Whether the client was asked for its body: from then on the request can not be sent to another target. */
  started = false
  /** Whether the upstream takes no more at the moment. */
  stalled = false

  constructor (source: BodySource, progress: () => void) {
    super({ highWaterMark: 64 * 1024 })
    this.source = source
    this.progress = progress
  }

  data (chunk: Buffer): boolean {
    this.progress()
    this.stalled = !this.push(chunk)
    return !this.stalled
  }

  end (): void {
    this.progress()
    this.push(null)
  }

  error (error: GatewayError): void {
    this.destroy(error)
  }

  /** Tells the source that a chunk is written, and nobody holds it. */
  giveBack (chunk: Buffer): void {
    const { source } = this
    if ('giveBack' in source) (source as BodySource & ChunkLender).giveBack(chunk)
  }

  override _read (): void {
    if (this.started) {
      if (!this.stalled) return
      this.stalled = false
      this.progress()
      this.source.resume()
      return
    }
    this.started = true
    this.source.start(this)
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    if (this.started && !this.source.complete) this.source.abandon()
    callback(error)
  }
}

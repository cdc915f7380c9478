import { Readable, finished, pipeline, type Duplex } from 'node:stream'
import type { BodySource } from '../context.js'
import { GatewayError } from '../errors.js'
import { RequestBodyStream } from './request-body.js'

/**
 * What transforms make of a body, as the stream that `BodyWriter` pumps. Like `RequestBodyStream` it begins with the first read, so that an attempt
 * without a connection leaves the client's body untouched. That this stream stands between tells the connection's errors from the transforms' own, which become INTERNAL_ERROR with that cause. A GatewayError stays what it is.
 */
export class TransformedBody extends Readable {
  /** Whether the body has been asked for. */
  started = false
  /** Whether the upstream takes no more at the moment. */
  stalled = false
  /** Told of everything that comes from the client; whoever pumps sets it. */
  progress: () => void = () => {}
  private readonly source: BodySource | Buffer
  private readonly transforms: readonly Duplex[]

  constructor (source: BodySource | Buffer, transforms: readonly Duplex[]) {
    super({ highWaterMark: 64 * 1024 })
    this.source = source
    this.transforms = transforms
  }

  private get exit (): Duplex { return this.transforms[this.transforms.length - 1] as Duplex }

  override _read (): void {
    if (!this.started) {
      this.started = true
      this.open()
    } else if (this.stalled) {
      this.stalled = false
      this.progress()
      this.exit.resume()
    }
  }

  private open (): void {
    const { source, exit } = this
    const first = Buffer.isBuffer(source) ? Readable.from([source]) : new RequestBodyStream(source, () => { this.progress() })
    const settled = (error: Error | null | undefined): void => {
      if (error !== null && error !== undefined) this.fail(error)
    }
    pipeline([first, ...this.transforms] as unknown as [Readable, Duplex], settled)
    // The pipeline takes a last stream for done once everything is written to it.
    finished(exit, { writable: false }, settled)
    exit.on('data', (chunk: unknown) => {
      if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) { this.fail(new TypeError(`a transform gave a value of type ${typeof chunk}, not bytes`)); return }
      if (this.push(chunk)) return
      this.stalled = true
      exit.pause()
    })
    exit.on('end', () => { this.push(null) })
  }

  private fail (error: Error): void {
    if (this.destroyed) return
    this.destroy(error instanceof GatewayError ? error : new GatewayError('INTERNAL_ERROR', { details: { reason: 'request_transform' }, cause: error }))
  }

  override _destroy (error: Error | null, callback: (error?: Error | null) => void): void {
    for (const transform of this.transforms) transform.destroy()
    callback(error)
  }
}

import type { Socket } from 'node:net'
import type { Readable } from 'node:stream'
import { LARGE_BYTES } from '../lib/chunk-buffers.js'
import { RequestBodyStream } from './request-body.js'
import { UpstreamFault } from './upstream-fault.js'

/**
 * Pumps the body of one request into an upstream's connection, with backpressure: as many bytes as the head says, or in chunks (RFC 9112
 * section 7.1) where that says none. The head waits for the first of them for one turn of the event loop, to leave in one write.
 */
export class BodyWriter {
  /** Everything is written. */
  done = false
  private readonly socket: Socket
  private readonly body: Readable
  /** Bytes that are still to come; null = in chunks. */
  private left: number | null
  private readonly failed: (error: Error) => void
  private corked = true

  /** Writes `head`, which ends with the empty line, and begins. `failed` is called at most once, and not after `stop`. */
  constructor (socket: Socket, head: string, body: Readable, length: number | null, failed: (error: Error) => void) {
    this.socket = socket
    this.body = body
    this.left = length
    this.failed = failed
    socket.cork()
    socket.write(head, 'latin1')
    setImmediate(this.uncork)
    body.on('data', this.write).on('end', this.end).on('error', this.fail).on('close', this.closed)
    socket.on('drain', this.drained)
  }

  /** Writes no more, and ends the body: the answer is complete, or there will be none. */
  giveUp (): void {
    this.stop()
    this.body.destroy()
  }

  private stop (): void {
    this.done = true
    this.uncork()
    // Errors are still listened to: those of a body that nobody wants are nobody's.
    this.body.off('data', this.write).off('end', this.end).off('close', this.closed)
    this.socket.off('drain', this.drained)
  }

  private readonly write = (chunk: Buffer): void => {
    const { socket } = this
    let more: boolean
    if (this.left !== null) {
      this.left -= chunk.length
      if (this.left < 0) { this.fail(new UpstreamFault({ kind: 'body', reason: 'invalid_forward', message: 'the body is longer than its Content-Length' })); return }
      more = this.pass(chunk)
    } else {
      if (chunk.length === 0) return
      if (!this.corked) socket.cork()
      socket.write(`${chunk.length.toString(16)}\r\n`, 'latin1')
      this.pass(chunk)
      more = socket.write('\r\n', 'latin1')
      if (!this.corked) socket.uncork()
    }
    this.uncork()
    if (!more) this.body.pause()
  }

  /** A body of a gigabyte is 16 000 chunks: those that are written are read into again. */
  private pass (chunk: Buffer): boolean {
    const { socket, body } = this
    return body instanceof RequestBodyStream && chunk.length >= LARGE_BYTES
      ? socket.write(chunk, () => { body.giveBack(chunk) })
      : socket.write(chunk)
  }

  private readonly end = (): void => {
    if (this.left === null) this.socket.write('0\r\n\r\n', 'latin1')
    else if (this.left > 0) { this.fail(new UpstreamFault({ kind: 'body', reason: 'invalid_forward', message: 'the body is shorter than its Content-Length' })); return }
    this.stop()
  }

  private readonly fail = (error: Error): void => {
    if (this.done) return
    this.stop()
    this.failed(error)
  }

  private readonly closed = (): void => { this.fail(new UpstreamFault({ kind: 'body', reason: 'invalid_forward', message: 'the body was given up' })) }

  private readonly drained = (): void => { this.body.resume() }

  private readonly uncork = (): void => {
    if (!this.corked) return
    this.corked = false
    this.socket.uncork()
  }
}

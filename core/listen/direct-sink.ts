import type { Socket } from 'node:net'
import type { ResponseSink } from '../context.js'
import { answerLines } from '../lib/header-lines.js'
import { latin1 } from '../lib/latin1.js'
import { dateNow, statusLine } from './answer-text.js'
import { type ClientBody, endsConnection, leavesMuch } from './client-body.js'
import { flushThisTurn, HOLD_BYTES } from './flush-turn.js'
import type { SinkState } from './sink-state.js'

/** Whose the answer is. */
export interface AnswerOwner {
  readonly socket: Socket
  readonly state: SinkState
  /** Whether the connection is TLS's, which takes what is written later. */
  readonly encrypted: boolean
  /** The answer is out. `closes`: it said that the connection ends; `gently`: what the client still sends is read away. */
  answered (closes: boolean, gently: boolean): void
}

const CLOSE_FIELD = 'connection: close\r\n\r\n'
/** Larger chunks are not copied into one string with what stands around them. */
const JOINED_BYTES = 16 * 1024

/** Writes an answer straight to a connection (RFC 9112). Fields are known to be good: an upstream's by its parser, a step's by `HeaderList.verify`. */
export class DirectSink implements ResponseSink {
  headSent = false
  closed = false
  bytesWritten = 0
  onDrain: (() => void) | null = null
  onClose: ((complete: boolean, unwritable: unknown) => void) | null = null
  readonly tunnel = null

  private readonly owner: AnswerOwner
  private readonly body: ClientBody | null
  private closes: boolean
  private gently = false
  /** The head, until it is sent. */
  private held = ''
  private heldBody: Buffer | null = null
  /** Bytes of a body that is short enough to wait for; -1 = of any other. */
  private heldLength = -1
  private chunked = false
  /** What Content-Length says of a body that is sent; -1 = nothing. */
  private declared = -1
  private unwritable: Error | null = null
  private draining = false
  private ended = false

  constructor (owner: AnswerOwner, body: ClientBody | null, closes: boolean) {
    this.owner = owner
    this.body = body
    this.closes = closes
  }

  /** Whether the last byte was written, be it on its way still. */
  get over (): boolean { return this.ended }

  inform (status: number, headers: readonly string[]): void {
    if (this.headSent || this.closed) return
    if (status === 102) { this.owner.socket.write('HTTP/1.1 102 Processing\r\n\r\n', 'latin1'); return }
    // Other interim answers are news to most clients; 103 without Link says nothing.
    if (status !== 103 || !headers.some((name, i) => i % 2 === 0 && name === 'link')) return
    let text = 'HTTP/1.1 103 Early Hints\r\n'
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i] as string}: ${headers[i + 1] as string}\r\n`
    this.owner.socket.write(`${text}\r\n`, 'latin1')
  }

  head (status: number, reason: string, headers: string[], bodyless: boolean): void {
    this.headSent = true
    if (this.closed) return
    const length = this.compose(status, reason, headers, bodyless)
    if (!bodyless) this.declared = length
    if (!bodyless && length >= 0 && length <= HOLD_BYTES) this.heldLength = length
    flushThisTurn(this)
  }

  /** Makes the head. Gives the length of the body that it tells, -1 where it tells none. */
  private compose (status: number, reason: string, headers: readonly string[], bodyless: boolean): number {
    const { state } = this.owner
    let text = statusLine(status, reason)
    let length = -1
    let dated = false
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string
      const value = headers[i + 1] as string
      if (name === 'content-length') length = Number(value)
      else if (name === 'date') dated = true
      else if (name === 'connection') {
        if (value.toLowerCase() === 'close') this.closes = true
        continue
      } else if (name === 'transfer-encoding' || name === 'keep-alive') continue
      text += answerLines.of(name, value)
    }
    if (!dated) text += `date: ${dateNow()}\r\n`
    if (length === -1 && !bodyless && status !== 204 && status !== 304) {
      this.chunked = true
      text += 'transfer-encoding: chunked\r\n'
    }
    if (state.draining || endsConnection(this.body)) this.closes = true
    this.held = text + (this.closes ? CLOSE_FIELD : state.keepAlive)
    return length
  }

  flush (): void {
    const { held, heldBody } = this
    if (held === '' || this.closed) return
    this.held = ''
    this.heldBody = null
    this.owner.socket.write(heldBody === null ? held : held + latin1(heldBody), 'latin1')
  }

  get flushed (): boolean { return this.heldBody === null && this.owner.socket.writableLength === 0 }

  write (chunk: Buffer): boolean {
    if (this.closed) return true
    this.bytesWritten += chunk.length
    if (this.declared !== -1 && this.bytesWritten > this.declared) { this.breakOff(); return true }
    if (this.held !== '' && this.heldBody === null && chunk.length === this.heldLength) { this.heldBody = chunk; return true }
    this.flushBody()
    if (chunk.length === 0) return true
    if (this.put(chunk)) return true
    if (!this.draining) {
      this.draining = true
      this.owner.socket.once('drain', () => { this.draining = false; this.onDrain?.() })
    }
    return false
  }

  /** A second chunk behind one that was thought to be all of the body. */
  private flushBody (): void {
    if (this.heldBody !== null) this.flush()
  }

  /** Sends a chunk, with the head in front where that is still there. */
  private put (chunk: Buffer): boolean {
    const { socket } = this.owner
    const { held } = this
    this.held = ''
    const before = this.chunked ? `${held}${chunk.length.toString(16)}\r\n` : held
    if (chunk.length <= JOINED_BYTES) return socket.write(`${before}${latin1(chunk)}${this.chunked ? '\r\n' : ''}`, 'latin1')
    if (before === '') return socket.write(chunk)
    socket.cork()
    socket.write(before, 'latin1')
    socket.write(chunk)
    if (this.chunked) socket.write('\r\n', 'latin1')
    socket.uncork()
    return !socket.writableNeedDrain
  }

  end (trailers: readonly string[] | null): void {
    if (this.closed) return
    if (this.declared !== -1 && this.bytesWritten !== this.declared) { this.breakOff(); return }
    let text = this.held
    this.held = ''
    const { heldBody } = this
    this.heldBody = null
    if (heldBody !== null) text += latin1(heldBody)
    else if (this.chunked) {
      text += '0\r\n'
      if (trailers !== null) for (let i = 0; i < trailers.length; i += 2) text += `${trailers[i] as string}: ${trailers[i + 1] as string}\r\n`
      text += '\r\n'
    }
    this.finish(text)
  }

  answer (status: number, headers: string[], body: Buffer | null, bodyless: boolean): void {
    this.headSent = true
    if (this.closed) return
    if (this.body !== null && leavesMuch(this.body)) this.closes = this.gently = true
    this.compose(status, '', headers, bodyless)
    const text = this.held
    this.held = ''
    if (bodyless || body === null) { this.finish(this.chunked ? `${text}0\r\n\r\n` : text); return }
    this.bytesWritten = body.length
    if (body.length <= JOINED_BYTES && !this.chunked) { this.finish(text + latin1(body)); return }
    this.held = text
    if (body.length > 0) this.put(body)
    this.end(null)
  }

  /** A step has set a length that is not the body's: what the client takes for the next answer would be a part of this one. */
  private breakOff (): void {
    if (this.owner.socket.destroyed) return
    this.unwritable = new Error(`the answer's Content-Length says ${this.declared}, and its body is ${this.bytesWritten > this.declared ? 'longer' : 'shorter'}`)
    this.abort()
  }

  /** Sends what is the last of the answer; empty = it is out already. */
  private finish (text: string): void {
    const { socket, encrypted } = this.owner
    this.ended = true
    if (socket.destroyed) this.settle(false)
    else if (encrypted) socket.write(text, 'latin1', this.written)
    else {
      if (text !== '') socket.write(text, 'latin1')
      if (socket.writableLength === 0) { this.settle(true); return }
      socket.write('', 'latin1', this.written)
    }
  }

  private readonly written = (error?: Error | null): void => {
    if (!this.closed) this.settle(error === null || error === undefined)
  }

  /** The connection has gone. */
  gone (): void {
    if (!this.closed) this.settle(false)
  }

  private settle (complete: boolean): void {
    this.closed = true
    this.held = ''
    this.heldBody = null
    const { body } = this
    if (body !== null && !body.complete) body.abandon()
    try {
      this.onClose?.(complete, this.unwritable)
    } finally {
      this.owner.answered(this.closes, this.gently)
    }
  }

  abort (): void {
    this.held = ''
    this.heldBody = null
    this.owner.socket.destroy()
  }
}

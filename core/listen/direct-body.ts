import { GatewayError } from '../errors.js'
import { TOKEN, FORBIDDEN_IN_VALUE } from '../lib/check-field.js'
import { type ChunkLender, copyChunk, giveBackChunk } from '../lib/chunk-buffers.js'
import { ChunkDecoder, ChunkError } from '../lib/chunk-decoder.js'
import { latin1 } from '../lib/latin1.js'
import type { ListenConfig } from '../route.js'
import { ClientBody } from './client-body.js'

/** What a body needs of the connection that it comes on. */
export interface BodyOwner {
  readonly limits: ListenConfig['limits']
  readonly answering: boolean
  readonly gone: boolean
  /** Reads again, what it holds first. */
  readOn (): void
  stopReading (): void
  /** Sends the 100 that the client waits for; false where the answer is on its way already. */
  sayContinue (): boolean
  endGently (): void
  cut (): void
}

const FRAMING = /^(?:content-length|transfer-encoding)$/i

/** A body on a connection that the gateway reads itself: of known length, or in chunks (RFC 9112 sections 6.2 and 7.1). */
export class DirectBody extends ClientBody implements ChunkLender {
  private readonly owner: BodyOwner
  private readonly decoder: ChunkDecoder | null
  /** Bytes that are still to come; of chunks nobody knows. */
  private left: number
  private trailers = ''
  private opened = false
  private held = false

  constructor (owner: BodyOwner, length: number | null, awaitsContinue: boolean) {
    super(length, awaitsContinue, owner.limits)
    this.owner = owner
    this.left = length ?? Infinity
    this.decoder = length === null ? new ChunkDecoder() : null
  }

  get received (): boolean { return this.left === 0 }

  /** Whether bytes are taken at the moment. */
  get flows (): boolean { return this.opened && !this.held }

  protected get broken (): boolean { return this.owner.gone && this.left > 0 }

  protected get answered (): boolean { return !this.owner.answering }

  /**
   * Takes what is the body's of the bytes from `from` to `to`, which may be written over afterwards; gives where that ends. Throws GatewayError for what
   * can not be a body's.
   */
  take (bytes: Buffer, from: number, to: number): number {
    if (this.decoder !== null) return this.takeChunks(this.decoder, bytes, from, to)
    const end = Math.min(to, from + this.left)
    this.left -= end - from
    this.took(copyChunk(bytes, from, end))
    if (this.left === 0) this.tookAll()
    return end
  }

  private takeChunks (decoder: ChunkDecoder, bytes: Buffer, from: number, to: number): number {
    let at = from
    if (!decoder.over) {
      let data: Buffer | null
      try {
        data = decoder.decode(bytes, from, to)
      } catch (error) {
        throw error instanceof ChunkError ? malformed() : error
      }
      at = decoder.at
      if (data !== null) this.took(data)
    }
    return decoder.over && at < to ? this.takeTrailers(bytes, at, to) : at
  }

  private takeTrailers (bytes: Buffer, from: number, to: number): number {
    const most = this.owner.limits.headerBytes
    const before = this.trailers.length
    const text = this.trailers + latin1(bytes, from, Math.min(to, from + most + 4))
    const end = text.startsWith('\r\n') ? 2 : text.indexOf('\r\n\r\n') + 4
    if (end === 3) {
      if (text.length > most) throw new GatewayError('HEADERS_TOO_LARGE', { details: { reason: 'fields_too_large' } })
      this.trailers = text
      return to
    }
    for (const line of text.slice(0, end - 2).split('\r\n').slice(0, -1)) if (line !== '' && !isTrailer(line)) throw malformed()
    this.left = 0
    this.tookAll()
    return from + end - before
  }

  giveBack (chunk: Buffer): void { giveBackChunk(chunk) }

  /** The connection has gone. */
  lost (): void {
    if (this.opened) this.brokeOff()
  }

  protected open (): void {
    this.opened = true
    this.owner.readOn()
  }

  protected hold (): void {
    this.held = true
    this.owner.stopReading()
  }

  protected flow (): void {
    this.held = false
    this.owner.readOn()
  }

  protected sayContinue (): boolean { return this.owner.sayContinue() }

  protected endBehindAnswer (): void { this.owner.endGently() }

  protected cutConnection (): void { this.owner.cut() }
}

function isTrailer (line: string): boolean {
  const colon = line.indexOf(':')
  const name = line.slice(0, Math.max(0, colon))
  return TOKEN.test(name) && !FRAMING.test(name) && !FORBIDDEN_IN_VALUE.test(line.slice(colon + 1))
}

function malformed (): GatewayError {
  return new GatewayError('VALIDATION_ERROR', { message: 'The request is not valid HTTP.', details: { reason: 'malformed_http' } })
}

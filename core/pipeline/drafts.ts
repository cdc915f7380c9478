import type { Duplex } from 'node:stream'
import type { Forward, GatewayRequest, ResponseDraft } from '../context.js'
import { asError } from '../lib/as-error.js'
import { HeaderList } from '../lib/header-list.js'

/** Fields that describe the bytes of a body: wrong once the body is another one (RFC 9110 section 8, RFC 9530). */
const BODY_FIELDS = ['content-length', 'content-md5', 'digest', 'content-digest', 'repr-digest']

function dropBodyFields (headers: HeaderList): void {
  for (const name of BODY_FIELDS) headers.delete(name)
}

/** Throws TypeError for what is no body; authors' plugins are bundled without a type check. */
function checkBody (body: unknown): asserts body is string | Uint8Array {
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) throw new TypeError(`a body is a string or bytes, not a value of type ${typeof body}`)
}

/** An empty body. */
export const NOTHING = Buffer.alloc(0)
const ignoreError = (): void => {}

/**
 * Lets a stream fail alone. What `_transform` throws becomes the stream's error: Node would throw it into whoever wrote, out of reach of
 * any route. And an error that comes when nobody listens any more (the upstream has answered already) stays without effect.
 */
function guardStream (stream: Duplex): Duplex {
  const { _write } = stream
  stream._write = function (chunk: unknown, encoding, done) {
    try {
      _write.call(this, chunk, encoding, done)
    } catch (error) {
      done(asError(error))
    }
  }
  return stream.on('error', ignoreError)
}

/** What a step changes of the way upstream; made when a step first asks for it. */
export class ForwardDraft implements Forward {
  target: string | null = null
  method: string
  path: string
  query: string
  readonly headers: HeaderList
  transforms: Duplex[] | null = null
  private replaced: string | Uint8Array | null | undefined = undefined

  constructor (request: GatewayRequest, path: string) {
    this.method = request.method
    this.path = path
    this.query = request.query
    this.headers = request.headers.clone()
  }

  get body (): string | Uint8Array | null | undefined { return this.replaced }

  set body (body: string | Uint8Array | null | undefined) {
    if (body !== null && body !== undefined) checkBody(body)
    this.replaced = body
    if (body === undefined) return
    dropBodyFields(this.headers)
    this.headers.delete('content-encoding')
  }

  transform (stream: Duplex): void {
    dropBodyFields(this.headers)
    ;(this.transforms ??= []).push(guardStream(stream))
  }
}

/** An answer while response steps may still change it. */
export class AnswerDraft implements ResponseDraft {
  readonly reason: string
  readonly headers: HeaderList
  readonly source: 'upstream' | 'reply' | 'error'
  /** The upstream's answer has no body: HEAD, 204, 304. */
  readonly empty: boolean
  transforms: Duplex[] | null = null
  private changed = false
  private readonly forHead: boolean
  private code: number
  private whole: Buffer | null

  constructor (source: AnswerDraft['source'], status: number, reason: string, flat: string[], body: Buffer | null, forHead: boolean, empty: boolean) {
    this.source = source
    this.code = status
    this.reason = reason
    this.headers = new HeaderList(flat)
    this.whole = body
    this.forHead = forHead
    this.empty = empty
  }

  /** Nothing follows the head, whatever the fields say. A step that sets the status or changes the method decides this too. */
  get bodyless (): boolean { return this.forHead || this.code === 204 || this.code === 304 }

  get status (): number { return this.code }

  set status (status: number) {
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new TypeError(`${status} is not a final HTTP status`)
    this.code = status
  }

  get body (): Buffer | null { return this.whole }

  set body (body: string | Uint8Array | null) {
    if (body !== null) checkBody(body)
    this.forgetBody()
    this.headers.delete('content-encoding')
    // What an answer to HEAD stands for was never here: how long the changed one would be is not known.
    if (!this.forHead || !this.empty) this.whole = body === null ? NOTHING : asBuffer(body)
  }

  transform (stream: Duplex): void {
    this.forgetBody()
    ;(this.transforms ??= []).push(guardStream(stream))
  }

  /** Throws TypeError for a status or a field that can not be sent. */
  verify (): void {
    // Upstreams are known to answer 999: theirs goes on as it is (RFC 9110 section 15 reads it as a 5xx). Steps can set none beyond 599.
    if (!Number.isInteger(this.status) || this.status < 200 || this.status > 999) throw new TypeError(`${this.status} is not a final HTTP status`)
    this.headers.verify()
  }

  /** Hands over the collected body without counting it as a change. */
  collected (body: Buffer): void { this.whole = body }

  /** Trailers as they may follow: behind a body that a step has changed without those that tell of the one before. */
  trailersOf (trailers: string[] | null): readonly string[] | null {
    if (trailers === null || !this.changed) return trailers
    const rest = new HeaderList(trailers)
    forgetBodyIn(rest)
    return rest.flat.length === 0 ? null : rest.flat
  }

  private forgetBody (): void {
    this.changed = true
    forgetBodyIn(this.headers)
  }
}

function forgetBodyIn (fields: HeaderList): void {
  dropBodyFields(fields)
  fields.delete('etag')
}

/** What a transform gave, as bytes: one in object mode, or with an encoding, gives texts and typed arrays. Throws TypeError for anything else. */
export function chunkBytes (chunk: unknown): Buffer {
  if (Buffer.isBuffer(chunk)) return chunk
  checkBody(chunk)
  return asBuffer(chunk)
}

/** The same bytes as a Buffer. */
export function asBuffer (body: string | Uint8Array): Buffer {
  return typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.buffer, body.byteOffset, body.byteLength)
}

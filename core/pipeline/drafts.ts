import type { Duplex } from 'node:stream'
import type { Forward, GatewayRequest, ResponseDraft } from '../context.js'
import { HeaderList } from '../lib/header-list.js'

/** Fields that describe the bytes of a body: wrong once the body is another one (RFC 9110 section 8, RFC 9530). */
const BODY_FIELDS = ['content-length', 'content-md5', 'digest', 'content-digest', 'repr-digest']

function dropBodyFields (headers: HeaderList): void {
  for (const name of BODY_FIELDS) headers.delete(name)
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
    this.replaced = body
    dropBodyFields(this.headers)
  }

  transform (stream: Duplex): void {
    dropBodyFields(this.headers)
    ;(this.transforms ??= []).push(stream)
  }
}

/** An answer while response steps may still change it. */
export class AnswerDraft implements ResponseDraft {
  status: number
  readonly reason: string
  readonly headers: HeaderList
  readonly source: 'upstream' | 'reply' | 'error'
  /** Nothing follows the head, whatever the fields say. */
  readonly bodyless: boolean
  transforms: Duplex[] | null = null
  private whole: Buffer | null

  constructor (source: AnswerDraft['source'], status: number, reason: string, flat: string[], body: Buffer | null, bodyless: boolean) {
    this.source = source
    this.status = status
    this.reason = reason
    this.headers = new HeaderList(flat)
    this.whole = body
    this.bodyless = bodyless
  }

  get body (): Buffer | null { return this.whole }

  set body (body: Buffer | null) {
    this.whole = body
    this.forgetBody()
  }

  transform (stream: Duplex): void {
    this.forgetBody()
    ;(this.transforms ??= []).push(stream)
  }

  /** Hands over the collected body without counting it as a change. */
  collected (body: Buffer): void { this.whole = body }

  private forgetBody (): void {
    dropBodyFields(this.headers)
    this.headers.delete('etag')
  }
}

import { checkField } from './lib/check-field.js'
import { ERROR_CODES, type ErrorCode, type ErrorOptions } from './errors.js'

/**
 * An answer that a step gives instead of going on. Immutable, so that one built in `create` can be returned for every request;
 * response steps change the draft made of it (`ctx.response`), never the Reply.
 */
export class Reply {
  readonly status: number
  /** Flat: name, value, name, value; names lower-case. */
  readonly headers: readonly string[]
  readonly body: string | Uint8Array | null

  /** Throws TypeError for what is no answer: authors' plugins are bundled without a type check. The fields are not looked at. */
  constructor (status: number, headers: readonly string[], body: string | Uint8Array | null) {
    if (!Number.isInteger(status) || status < 200 || status > 599) throw new TypeError(`${status} is not a final HTTP status`)
    if (!Array.isArray(headers)) throw new TypeError('the headers of a Reply are a flat list: name, value, …')
    if (body !== null && typeof body !== 'string' && !(body instanceof Uint8Array)) throw new TypeError('the body of a Reply is a string, bytes or null; reply() takes other values')
    this.status = status
    this.headers = headers
    this.body = body
  }
}

/** A refusal: a Reply whose body is made per request, in the error shape that the client asked for. */
export class Refusal extends Reply {
  readonly code: ErrorCode
  readonly message: string
  readonly details: Readonly<Record<string, unknown>> | undefined

  constructor (code: ErrorCode, status: number, message: string, details: Readonly<Record<string, unknown>> | undefined, headers: readonly string[]) {
    super(status, headers, null)
    this.code = code
    this.message = message
    this.details = details
  }
}

/** What `reply` takes beside a status. */
export interface ReplyInit {
  headers?: Readonly<Record<string, string | readonly string[]>>
  /** A string or bytes go out as they are; anything else as JSON. */
  body?: unknown
}

/** Makes a Reply: `reply(200, { body: { ok: true } })`. Throws TypeError for a header that can not be written. */
export function reply (status: number, init: ReplyInit = {}): Reply {
  const headers: string[] = []
  let typed = false
  for (const [name, value] of Object.entries(init.headers ?? {})) {
    const lower = name.toLowerCase()
    if (lower === 'content-type') typed = true
    for (const one of typeof value === 'string' ? [value] : value) {
      checkField(lower, one)
      headers.push(lower, one)
    }
  }
  const { body } = init
  if (body === undefined || body === null) return new Reply(status, headers, null)
  if (typeof body === 'string' || body instanceof Uint8Array) {
    if (!typed) headers.push('content-type', typeof body === 'string' ? 'text/plain; charset=utf-8' : 'application/octet-stream')
    return new Reply(status, headers, body)
  }
  if (!typed) headers.push('content-type', 'application/json; charset=utf-8')
  return new Reply(status, headers, JSON.stringify(body))
}

/**
 * Makes a refusal of the error table: `refuse('RATE_LIMIT_EXCEEDED', { details: { reason: 'burst' }, headers: ['retry-after', '1'] })`.
 * Build it once and return it often: no stack is captured.
 */
export function refuse (code: ErrorCode, options: ErrorOptions = {}): Refusal {
  return new Refusal(code, options.status ?? ERROR_CODES[code].status, options.message ?? ERROR_CODES[code].message, options.details, options.headers ?? [])
}

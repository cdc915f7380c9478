import { FORBIDDEN_IN_VALUE, TOKEN } from '../lib/check-field.js'
import { UpstreamFault } from './upstream-fault.js'

/** How the body of an answer is delimited (RFC 9112 section 6.3), as the number of its bytes or one of these. */
export const CHUNKED = -1
/** The body ends with the connection. */
export const UNTIL_CLOSE = -2

/** The head of an answer, final or interim. */
export interface AnswerHead {
  readonly status: number
  readonly reason: string
  /** Every field as it came, flat; values without the white space around them. */
  readonly fields: string[]
  /** Bytes, `CHUNKED` or `UNTIL_CLOSE`; says nothing where the method or the status leave no body. */
  readonly length: number
  /** Whether the connection stays open behind this answer, as far as `Connection` and the version tell. */
  readonly keepsOpen: boolean
  /** How long the upstream keeps the connection idle, in seconds (`Keep-Alive: timeout=5`); null = it does not say. */
  readonly keepAliveSeconds: number | null
}

/** Most names come again and again, and most of their values too: both are looked at closely only where they are new. */
interface KnownName { readonly role: number, value: string }

const PLAIN = 0
const CONTENT_LENGTH = 1
const TRANSFER_ENCODING = 2
const CONNECTION = 3
const KEEP_ALIVE = 4
const ROLES: ReadonlyMap<string, number> = new Map([['content-length', CONTENT_LENGTH], ['transfer-encoding', TRANSFER_ENCODING], ['connection', CONNECTION], ['keep-alive', KEEP_ALIVE]])

/** An upstream may not grow the map without bound by inventing names. */
const MAX_NAMES = 1_024
const MAX_NAME_LENGTH = 64
const MAX_VALUE_LENGTH = 256

// What JavaScript could not tell apart from a smaller number is no length. Leading zeros are digits.
const LENGTH = /^[0-9]{1,15}$/
const FORBIDDEN_IN_REASON = /[\r\n\0]/

const names = new Map<string, KnownName>()

/**
 * Parses a head (RFC 9112 sections 4 and 5), latin1, with the line feed of its last field and without the empty line behind it. As strict as
 * the standard lets a recipient be: CRLF alone ends a line, there are no folded lines, no white space before the colon, and one Content-Length
 * at most, of digits, and not beside a Transfer-Encoding. Throws UpstreamFault.
 */
export function parseHead (text: string): AnswerHead {
  const lineEnd = text.indexOf('\r\n')
  // `HTTP/1.1 200 OK`: the reason may be left out, also with its blank.
  const minor = text.charCodeAt(7) - 0x30
  const status = statusOf(text)
  const behind = text.charCodeAt(12)
  if (!text.startsWith('HTTP/1.') || (minor !== 1 && minor !== 0) || text.charCodeAt(8) !== 0x20 || status < 100 || (lineEnd !== 12 && behind !== 0x20) || (minor === 0 && status < 200)) throw notHttp('status line')
  const reason = text.slice(13, lineEnd)
  if (FORBIDDEN_IN_REASON.test(reason)) throw notHttp('status line')

  const fields: string[] = []
  let length = UNTIL_CLOSE
  let sized = false
  let closes = false
  let keeps = minor === 1
  let keepAliveSeconds: number | null = null
  for (let at = lineEnd + 2; at < text.length;) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon > end) throw notHttp('field line')
    const name = text.slice(at, colon)
    const value = trimmed(text, colon + 1, end)
    fields.push(name, value)
    at = end + 2
    const role = roleOf(name, value)
    // Tabs around them are white space to the standard, and something else to some parsers.
    if ((role === CONTENT_LENGTH || role === TRANSFER_ENCODING) && text.slice(colon, end).includes('\t')) throw notHttp('white space of a framing field')
    switch (role) {
      case CONTENT_LENGTH:
        if (sized || length === CHUNKED || !LENGTH.test(value)) throw notHttp('Content-Length')
        sized = true
        length = Number(value)
        break
      case TRANSFER_ENCODING:
        // Another coding, or one more, is for who reads the fields to refuse; nothing but one `chunked` delimits a body here.
        if (minor === 0) throw notHttp('Transfer-Encoding in HTTP/1.0')
        if (sized) throw notHttp('Content-Length')
        if (length === CHUNKED || value.toLowerCase() !== 'chunked') throw new UpstreamFault({ kind: 'invalid', reason: 'transfer_coding' })
        length = CHUNKED
        break
      case CONNECTION: {
        const listed = value.toLowerCase()
        if (listed === 'keep-alive') keeps = true
        else if (listed.split(',').some((token) => token.trim() === 'close')) closes = true
        break
      }
      case KEEP_ALIVE:
        keepAliveSeconds = timeoutOf(value)
    }
  }
  return { status, reason, fields, length, keepsOpen: keeps && !closes, keepAliveSeconds }
}

/** Parses the fields behind the last chunk, with the line feed of the last one. Those that frame a message have no place there. Throws UpstreamFault. */
export function parseTrailers (text: string): string[] {
  const fields: string[] = []
  for (let at = 0; at < text.length;) {
    const end = text.indexOf('\r\n', at)
    const colon = text.indexOf(':', at)
    if (colon === -1 || colon > end) throw notHttp('trailer')
    const name = text.slice(at, colon)
    const value = trimmed(text, colon + 1, end)
    const role = roleOf(name, value)
    if (role === CONTENT_LENGTH || role === TRANSFER_ENCODING) throw notHttp('trailer')
    fields.push(name, value)
    at = end + 2
  }
  return fields
}

function statusOf (text: string): number {
  let status = 0
  for (let i = 9; i < 12; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (!(digit >= 0 && digit <= 9)) return -1
    status = status * 10 + digit
  }
  return status
}

function trimmed (text: string, from: number, to: number): string {
  while (from < to && isBlank(text.charCodeAt(from))) from++
  while (to > from && isBlank(text.charCodeAt(to - 1))) to--
  return text.slice(from, to)
}

function isBlank (code: number): boolean { return code === 0x20 || code === 0x09 }

/** Checks a field and tells what its name does. */
function roleOf (name: string, value: string): number {
  let known = names.get(name)
  if (known === undefined) {
    if (!TOKEN.test(name)) throw notHttp('field name')
    known = { role: ROLES.get(name.toLowerCase()) ?? PLAIN, value: '' }
    if (names.size < MAX_NAMES && name.length <= MAX_NAME_LENGTH) names.set(name, known)
  }
  if (known.value !== value) {
    if (FORBIDDEN_IN_VALUE.test(value)) throw notHttp('field value')
    if (value.length <= MAX_VALUE_LENGTH) known.value = value
  }
  return known.role
}

let lastKeepAlive = ''
let lastSeconds: number | null = null

function timeoutOf (value: string): number | null {
  if (value === lastKeepAlive) return lastSeconds
  const [, digits] = /(?:^|[,;\s])timeout=([0-9]{1,9})/i.exec(value) ?? []
  lastKeepAlive = value
  lastSeconds = digits === undefined ? null : Number(digits)
  return lastSeconds
}

function notHttp (where: string): UpstreamFault {
  return new UpstreamFault({ kind: 'invalid', reason: 'invalid_http', message: `the ${where} of the answer is not HTTP/1.1` })
}

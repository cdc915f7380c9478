import type { BodySource, GatewayRequest } from '../context.js'
import { HeaderList } from '../lib/header-list.js'
import { FieldKind, connectionNames, removeNames } from '../lib/header-names.js'
import { hostNameOf } from '../lib/host-name.js'
import { normalizePath, pathProblem } from '../lib/path.js'
import { type Refusal, refuse } from '../reply.js'
import { clientAddressOf } from './client-address.js'
import type { Connection } from './connection.js'
import type { ListenPolicy } from './policy.js'

/** A request as the data path takes it, with the id that a trusted peer gave it. */
export interface AcceptedRequest extends GatewayRequest {
  readonly givenId: string | null
  /** Whether the client asks for the connection to be closed behind the answer. */
  readonly closes: boolean
}

/** The head of a request as a parser gives it; what Node calls an IncomingMessage is one. */
export interface RequestHead {
  readonly method?: string | undefined
  readonly url?: string | undefined
  readonly httpVersionMajor: number
  readonly httpVersionMinor: number
  /** Flat, as they came; values without the white space around them. */
  readonly rawHeaders: readonly string[]
}

/** Makes the body of a request that has one. `length`: its Content-Length; null = it comes in chunks. */
export interface BodyMaker {
  makeBody (length: number | null, awaitsContinue: boolean): BodySource
}

const invalid = (reason: string, message: string): Refusal => refuse('VALIDATION_ERROR', { message, details: { reason } })

const TOO_MANY_FIELDS = refuse('HEADERS_TOO_LARGE', { details: { reason: 'too_many_fields' } })
const FIELDS_TOO_LARGE = refuse('HEADERS_TOO_LARGE', { details: { reason: 'fields_too_large' } })
const URI_TOO_LONG = refuse('URI_TOO_LONG', { details: { reason: 'target_too_long' } })
const BAD_VERSION = invalid('http_version', 'The HTTP version is not valid.')
const OTHER_VERSION = refuse('HTTP_VERSION_NOT_SUPPORTED', { details: { reason: 'http_version' } })
const BAD_TRANSFER_ENCODING = invalid('transfer_encoding', 'Transfer-Encoding has to be "chunked", once, on HTTP/1.1, and without Content-Length.')
const BAD_CONTENT_LENGTH = invalid('content_length', 'Content-Length has to be one decimal number.')
const BAD_HOST = invalid('host', 'Exactly one valid Host field is needed.')
const HOST_MISMATCH = invalid('host_mismatch', 'The request target names another host than the Host field.')
const MISDIRECTED = refuse('MISDIRECTED_REQUEST', { details: { reason: 'server_name' } })
const BAD_TARGET = invalid('request_target', 'The request target has to begin with "/" or "http://".')
const NO_TRACE = refuse('METHOD_NOT_ALLOWED', { details: { reason: 'method' } })
const BAD_EXPECT = refuse('EXPECTATION_FAILED', { details: { reason: 'expect' } })

// RFC 9110 section 8.6 allows leading zeros; some parsers read them as octal, so a length with one is two lengths. Fifteen
// digits are exact in a double.
const CONTENT_LENGTH = /^(0|[1-9][0-9]{0,14})$/
// Members of comma-separated lists.
const UPGRADE = /(?:^|[\s,])upgrade(?:$|[\s,])/i
const CLOSE = /(?:^|[\s,])close(?:$|[\s,])/i
const TRAILERS = /(?:^|[\s,])trailers(?:$|[\s,;])/i
const GIVEN_ID = /^[\x21-\x7e]{1,128}$/

/**
 * Reads a parsed head as a gateway request, or says why it is refused. Node's parser is strict about framing; what it
 * lets through although two servers could read it differently is refused here (attacks 1-12).
 */
export function readRequest (req: RequestHead, connection: Connection, policy: ListenPolicy, bodies: BodyMaker): AcceptedRequest | Refusal {
  const { limits } = policy
  const { rawHeaders } = req
  const target = req.url as string
  const method = req.method as string
  if (req.httpVersionMajor !== 1 || req.httpVersionMinor > 1) return req.httpVersionMajor === 0 ? BAD_VERSION : OTHER_VERSION
  if (rawHeaders.length > limits.headerFields * 2) return TOO_MANY_FIELDS
  if (target.length > limits.urlBytes) return URI_TOO_LONG

  const flat: string[] = []
  let authority: string | null = null
  let contentLength: string | null = null
  let chunked = false
  let expect = false
  let upgrade: string | null = null
  let listed: string[] | null = null
  let connectionUpgrade = false
  let closes = false
  let givenId: string | null = null
  let bytes = 0
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    const value = rawHeaders[i + 1] as string
    bytes += name.length + value.length + 4
    const field = policy.fields.lookUp(name)
    switch (field.kind) {
      case FieldKind.plain:
      case FieldKind.date:
        flat.push(field.lower, value)
        break
      case FieldKind.host:
        if (authority !== null) return BAD_HOST
        authority = value
        flat.push('host', value)
        break
      case FieldKind.contentLength:
        if (contentLength !== null || !CONTENT_LENGTH.test(value)) return BAD_CONTENT_LENGTH
        contentLength = value
        flat.push('content-length', value)
        break
      case FieldKind.transferEncoding:
        if (chunked || value.toLowerCase() !== 'chunked' || req.httpVersionMinor === 0) return BAD_TRANSFER_ENCODING
        chunked = true
        break
      case FieldKind.connection: {
        const names = connectionNames(value)
        if (names !== null) listed = listed === null ? names : listed.concat(names)
        if (value !== 'keep-alive') {
          if (UPGRADE.test(value)) connectionUpgrade = true
          if (CLOSE.test(value)) closes = true
        }
        break
      }
      case FieldKind.upgrade:
        upgrade = upgrade === null ? value.trim().toLowerCase() : `${upgrade}, ${value.toLowerCase()}`
        break
      case FieldKind.expect:
        if (value.toLowerCase() !== '100-continue') return BAD_EXPECT
        expect = true
        break
      case FieldKind.te:
        if (TRAILERS.test(value)) flat.push('te', 'trailers')
        break
      case FieldKind.forwarded:
      case FieldKind.via:
        if (connection.trusted) flat.push(field.lower, value)
        break
      case FieldKind.requestId:
        if (connection.trusted && GIVEN_ID.test(value)) givenId = value
        break
    }
  }
  if (bytes > limits.headerBytes) return FIELDS_TOO_LARGE
  if (chunked && contentLength !== null) return BAD_TRANSFER_ENCODING
  if (method === 'TRACE') return NO_TRACE
  if (listed !== null) removeNames(flat, listed)

  const host = authority === null ? (req.httpVersionMinor === 0 ? '' : null) : hostNameOf(authority)
  if (host === null) return BAD_HOST
  // What a client names in TLS chose its certificate; another Host behind it is out for what that name may not reach. Proxies that
  // are trusted name themselves there.
  if (connection.serverName !== null && connection.serverName !== host && host !== '' && !connection.trusted) return MISDIRECTED

  let origin = target
  if (target.charCodeAt(0) !== 0x2f) {
    const absolute = /^(https?):\/\/([^/?#]*)(.*)$/i.exec(target)
    if (absolute === null) return BAD_TARGET
    const [, scheme, named, rest] = absolute as unknown as [string, string, string, string]
    // RFC 9112 section 3.2.2: the target's authority counts; one that contradicts Host is a confusion nobody needs.
    if (hostNameOf(named) !== host || (authority !== null && portOf(named, scheme) !== portOf(authority, scheme))) return HOST_MISMATCH
    origin = rest.startsWith('/') ? rest : `/${rest}`
  }
  if (origin.includes('#')) return BAD_TARGET
  const mark = origin.indexOf('?')
  const rawPath = mark === -1 ? origin : origin.slice(0, mark)
  const path = normalizePath(rawPath, policy.keepRepeatedSlashes)
  if (path === null) return invalid('path', pathProblem(rawPath))
  const query = mark === -1 ? '' : origin.slice(mark + 1)
  if (!QUERY.test(query)) return BAD_TARGET

  const hasBody = chunked || (contentLength !== null && contentLength !== '0')
  const length = chunked || contentLength === null ? null : Number(contentLength)
  const headers = new HeaderList(flat)
  return {
    method,
    rawTarget: target,
    path,
    query,
    host,
    authority: authority ?? '',
    scheme: connection.encrypted ? 'https' : 'http',
    httpVersion: req.httpVersionMinor === 0 ? '1.0' : '1.1',
    headers,
    connection,
    clientAddress: connection.trusted ? clientAddressOf(headers, connection, policy.isTrusted) : connection.remoteAddress,
    // RFC 9110 section 7.8: HTTP/1.0 knows no upgrade.
    upgrade: connectionUpgrade && req.httpVersionMinor === 1 ? upgrade : null,
    body: hasBody ? bodies.makeBody(length, expect) : null,
    givenId,
    closes
  }
}

function portOf (authority: string, scheme: string): number {
  const port = /:([0-9]+)$/.exec(authority)?.[1]
  return port === undefined ? (scheme.length === 5 ? 443 : 80) : Number(port)
}

// What may stand raw in a query: a CR or LF would end the request line, a blank its target.
const QUERY = /^[\x21-\x7e\x80-\xff]*$/

import type { ConnectionInfo, GatewayRequest } from '../context.js'
import { TOKEN } from '../lib/check-field.js'
import { FieldKind, createRequestFieldTable } from '../lib/header-names.js'

/** RFC 9110 section 7.6.3: the pseudonym by which this gateway names itself in Via. */
const VIA_NAME = 'sluice'
const RECEIVED = { '1.0': `1.0 ${VIA_NAME}`, '1.1': `1.1 ${VIA_NAME}`, '2.0': `2.0 ${VIA_NAME}` } as const

// Identity headers are gone from a request at its birth; what a step sets of them is meant. This table only tells what a field is.
const kinds = createRequestFieldTable([], null)

/** What goes on of the client's fields, and the id under which the request is known. */
export interface SentFields {
  /** Flat, lower-case. */
  readonly fields: readonly string[]
  /** Null = the upstream is told none. */
  readonly requestIdHeader: string | null
  readonly requestId: string
}

const elements = new WeakMap<ConnectionInfo, { authority: string, element: string }>()

/**
 * The header list for the upstream: the request's (or a step's changed) fields with Host, Via and the forwarding fields of
 * RFC 7239 and the X-Forwarded-* convention put right. A peer that is not trusted had its own taken away at birth, so what is
 * still there is from a trusted one, and is continued. What delimits the body is for who sends it.
 */
export function upstreamHeaders (request: GatewayRequest, sent: SentFields, host: string): string[] {
  const { connection } = request
  const { fields } = sent
  const out: string[] = ['host', host]
  let forwardedFor: string | null = null
  let forwarded: string | null = null
  let via: string | null = null
  let sentHost: string | null = null
  let sentProto: string | null = null
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string
    const value = fields[i + 1] as string
    switch (kinds.lookUp(name).kind) {
      case FieldKind.host:
      case FieldKind.contentLength:
      case FieldKind.transferEncoding:
      case FieldKind.connection:
      case FieldKind.hopByHop:
      case FieldKind.upgrade:
      case FieldKind.expect:
        break
      case FieldKind.via:
        via = via === null ? value : `${via}, ${value}`
        break
      case FieldKind.forwarded:
        if (name === 'x-forwarded-for') forwardedFor = forwardedFor === null ? value : `${forwardedFor}, ${value}`
        else if (name === 'forwarded') forwarded = forwarded === null ? value : `${forwarded}, ${value}`
        else if (name === 'x-forwarded-host') sentHost = value
        else if (name === 'x-forwarded-proto') sentProto = value
        else out.push(name, value)
        break
      default:
        out.push(name, value)
    }
  }
  const address = connection.remoteAddress
  const element = elementOf(request)
  const received = RECEIVED[request.httpVersion]
  if (sent.requestIdHeader !== null) out.push(sent.requestIdHeader, sent.requestId)
  out.push(
    'x-forwarded-for', forwardedFor === null ? address : `${forwardedFor}, ${address}`,
    'x-forwarded-host', sentHost ?? request.authority,
    'x-forwarded-proto', sentProto ?? request.scheme,
    'forwarded', forwarded === null ? element : `${forwarded}, ${element}`,
    'via', via === null ? received : `${via}, ${received}`
  )
  return out
}

/** The element of Forwarded (RFC 7239) for this hop. The requests of a connection mostly name one host. */
function elementOf ({ connection, authority, scheme }: GatewayRequest): string {
  const known = elements.get(connection)
  if (known !== undefined && known.authority === authority) return known.element
  const { remoteAddress: address } = connection
  const element = `for=${address.includes(':') ? `"[${address}]"` : address};host=${quoteHost(authority)};proto=${scheme}`
  elements.set(connection, { authority, element })
  return element
}

// RFC 7239 section 4: a value that is no token is quoted (a port's colon makes it none).
function quoteHost (authority: string): string {
  return TOKEN.test(authority) ? authority : `"${authority}"`
}

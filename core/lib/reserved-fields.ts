const CONNECTION = 'it belongs to one connection, and the gateway sets or takes it away itself'
const FRAMING = 'it belongs to the framing of a message, which the gateway makes itself'

const RESERVED: Readonly<Record<string, string>> = {
  connection: CONNECTION,
  'keep-alive': CONNECTION,
  'proxy-connection': CONNECTION,
  'proxy-authenticate': CONNECTION,
  'proxy-authorization': CONNECTION,
  'proxy-authentication-info': CONNECTION,
  te: CONNECTION,
  upgrade: CONNECTION,
  'http2-settings': CONNECTION,
  expect: CONNECTION,
  trailer: FRAMING,
  'transfer-encoding': FRAMING,
  'content-length': FRAMING
}

/**
 * Why configuration may not name this header field (lower-case), as half a sentence; null when it may. Fields of one connection or of the
 * framing of a message (RFC 9110 section 7.6.1, RFC 9112 section 6): if they could be edited, two readers could see different messages.
 */
export function whyReserved (name: string): string | null {
  return Object.hasOwn(RESERVED, name) ? RESERVED[name] as string : null
}

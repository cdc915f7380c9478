import { Socket } from 'node:net'
import type { BodySource, GatewayRequest } from '../../core/context.js'
import { Connection } from '../../core/listen/connection.js'
import { readRequest } from '../../core/listen/http1-request.js'
import type { ListenPolicy } from '../../core/listen/policy.js'
import { createMemoryRequest } from '../../core/memory-exchange.js'
import type { Refusal } from '../../core/reply.js'
import { CommandError } from '../command.js'
import { EXIT } from '../exit-codes.js'

/** A request as somebody asks about it. */
export interface AskedRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** What the Host field says. */
  readonly authority: string
  /** Path and query, as they would be sent. */
  readonly target: string
  /** Name and value, as they would be sent, Host not among them. */
  readonly headers: readonly (readonly [string, string])[]
  readonly data: string | null
  /** The client's address. */
  readonly from: string
}

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
const FRAMING = new Set(['content-length', 'transfer-encoding', 'expect'])

/** Reads what the command line says of a request. Throws CommandError for what is none. */
export function parseAsked (method: string, url: string, fields: readonly string[], data: string | null, from: string): AskedRequest {
  if (!TOKEN.test(method)) throw usage(`"${method}" is not a method`, 'write one like GET')
  const parts = /^(?:(https?):\/\/([^/?#]*))?([/?][^#]*)?(?:#.*)?$/i.exec(url)
  if (parts === null || url === '') throw usage(`"${url}" is neither a URL nor a path`, /^[\w.-]+(:\d+)?\//.test(url) ? `write "http://${url}", or "/${url}" for a path` : 'write "http://host/path", or "/path"')
  let authority = parts[2] ?? null
  const rest = parts[3] ?? '/'
  const headers: [string, string][] = []
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon).trim()
    const value = field.slice(colon + 1).trim()
    if (colon < 1 || !TOKEN.test(name)) throw usage(`"${field}" is not a header`, "write it like 'name: value'")
    if (/[\0\r\n]/.test(value)) throw usage(`the header ${name} holds a line break`, 'no request can carry one')
    if (FRAMING.has(name.toLowerCase())) throw usage(`the header ${name} follows from the body`, 'leave it out, and give a body with --data')
    // A browser that is sent to a URL names its host; who gives a Host field means it.
    if (name.toLowerCase() === 'host') authority = value
    else headers.push([name, value])
  }
  return {
    method: method.toUpperCase(), scheme: parts[1]?.toLowerCase() === 'https' ? 'https' : 'http', authority: authority ?? 'localhost', target: rest.startsWith('/') ? rest : `/${rest}`, headers, data, from
  }
}

function usage (message: string, remedy: string): CommandError {
  return new CommandError(message, remedy, EXIT.usage)
}

/** The request as the listener would hand it on, or its refusal: the same code reads it, with the policy of the configuration. */
export function readAsked (asked: AskedRequest, policy: ListenPolicy): GatewayRequest | Refusal {
  const { authority, data, method, target } = asked
  const socket = new Socket()
  Object.defineProperty(socket, 'remoteAddress', { value: asked.from })
  if (asked.scheme === 'https') Object.defineProperty(socket, 'encrypted', { value: true })
  const rawHeaders = ['host', authority, ...asked.headers.flat()]
  if (data !== null) rawHeaders.push('content-length', String(Buffer.byteLength(data)))
  return readRequest({ method, url: target, httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders }, new Connection(socket, policy.isTrusted), policy, {
    makeBody: () => createMemoryRequest({ target: '/', body: data ?? '' }).body as BodySource
  })
}

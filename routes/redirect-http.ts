import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionInfo } from '../core/context.js'
import type { EarlyRequest } from '../core/early-record.js'
import type { Gateway } from '../core/gateway.js'
import { hostNameOf } from '../core/lib/host-name.js'
import { endGently } from '../core/listen/end-gently.js'
import type { EarlyRefusal, RenderedRefusal } from '../core/listen/http1-listener.js'
import { refuse, type Refusal } from '../core/reply.js'

/** A plain port that only sends clients to the TLS one. */
export interface RedirectPort {
  readonly url: string
  drain (): void
  close (): Promise<void>
}

/** Where the port listens and leads to. */
export interface RedirectPortOptions {
  readonly host: string
  readonly port: number
  /** Counts and logs every answer, and renders what is refused. */
  readonly gateway: Pick<Gateway, 'refuseEarly' | 'answerEarly'>
  targetPort (): number
}

const TARGET = /^\/[\x21-\x7e]*$/
const NO_HOST = refuse('VALIDATION_ERROR', { message: 'The request names no host to send it on to.', details: { reason: 'host' } })
const NO_TARGET = refuse('VALIDATION_ERROR', { message: 'The request target is not a path.', details: { reason: 'request_target' } })
const NO_CONNECT = refuse('METHOD_NOT_ALLOWED', { message: 'CONNECT is not served here.', details: { reason: 'method' } })
const MALFORMED = refuse('VALIDATION_ERROR', { message: 'The request is not valid HTTP.', details: { reason: 'malformed_http' } })
const UNREADABLE: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: refuse('HEADERS_TOO_LARGE', { details: { reason: 'fields_too_large' } }),
  ERR_HTTP_REQUEST_TIMEOUT: refuse('REQUEST_TIMEOUT', { details: { reason: 'headers_too_slow' } })
}

/** Opens the port: 308 to `https://` with the same host and target, 400 in the house shape for a request that names none. The host is not looked up: whoever asks is sent back to the name that he used. */
export async function openRedirectPort (options: RedirectPortOptions): Promise<RedirectPort> {
  const { gateway } = options
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    const host = req.headers.host === undefined ? null : hostNameOf(req.headers.host)
    const target = req.url ?? ''
    const refusal = host === null ? NO_HOST : !TARGET.test(target) || target.startsWith('//') ? NO_TARGET : null
    if (host === null || refusal !== null) {
      const { status, headers, body } = gateway.refuseEarly(earlyRefusal(req, refusal ?? NO_HOST))
      res.writeHead(status, [...headers, 'connection', 'close', 'content-length', String(Buffer.byteLength(body))]).end(req.method === 'HEAD' ? undefined : body)
      return
    }
    const port = options.targetPort()
    const location = `https://${host}${port === 443 ? '' : `:${port}`}${target}`
    const headers = gateway.answerEarly({ ...earlyRequest(req), host, userAgent: req.headers['user-agent'] ?? null }, 308)
    res.writeHead(308, ['location', location, ...headers, 'connection', 'close', 'content-length', '0']).end()
  }
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 5_000, requireHostHeader: false }, answer)
  // Node would answer for itself, and close without a word.
  server.on('checkExpectation', answer)
  server.on('connect', (req: IncomingMessage, socket: Duplex) => { answerRaw(socket, gateway.refuseEarly(earlyRefusal(req, NO_CONNECT))) })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') { socket.destroy(); return }
    const refusal = UNREADABLE[error.code ?? ''] ?? MALFORMED
    answerRaw(socket, gateway.refuseEarly({ refusal, method: '', target: '', accept: undefined, httpVersion: '1.1', connection: connectionOf(socket) }))
  })
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(options.port, options.host, resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    drain () { server.close() },
    close () { return new Promise((resolve) => { server.closeAllConnections(); server.close(() => { resolve() }) }) }
  }
}

function answerRaw (socket: Duplex, { status, headers, body }: RenderedRefusal): void {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i] as string}: ${headers[i + 1] as string}\r\n`
  socket.on('error', () => { socket.destroy() })
  socket.write(`${head}connection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  endGently.call(socket)
}

function earlyRefusal (req: IncomingMessage, refusal: Refusal): EarlyRefusal {
  return { ...earlyRequest(req), refusal, accept: req.headers.accept }
}

function earlyRequest ({ method = '', url = '', httpVersion, socket }: IncomingMessage): EarlyRequest {
  return { method, target: url, httpVersion, connection: connectionOf(socket) }
}

function connectionOf ({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): ConnectionInfo {
  return { remoteAddress: remoteAddress.replace(/^::ffff:(?=.*\.)/, ''), remotePort, localPort, encrypted: false, serverName: null, trusted: false }
}

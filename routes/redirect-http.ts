import { randomUUID } from 'node:crypto'
import { createServer, STATUS_CODES, type IncomingMessage } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { ConnectionInfo } from '../core/context.js'
import { hostNameOf } from '../core/lib/host-name.js'
import type { ListenerTarget } from '../core/listen/http1-listener.js'
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
  /** Renders what is refused, counts and logs it. */
  readonly gateway: Pick<ListenerTarget, 'refuseEarly'>
  targetPort (): number
}

const TARGET = /^\/[\x21-\x7e]*$/
const NO_HOST = refuse('VALIDATION_ERROR', { message: 'The request names no host to send it on to.', details: { reason: 'host' } })
const NO_TARGET = refuse('VALIDATION_ERROR', { message: 'The request target is not a path.', details: { reason: 'request_target' } })

const MALFORMED = refuse('VALIDATION_ERROR', { message: 'The request is not valid HTTP.', details: { reason: 'malformed_http' } })
const UNREADABLE: Readonly<Record<string, Refusal>> = {
  HPE_HEADER_OVERFLOW: refuse('HEADERS_TOO_LARGE', { details: { reason: 'fields_too_large' } }),
  ERR_HTTP_REQUEST_TIMEOUT: refuse('REQUEST_TIMEOUT', { details: { reason: 'headers_too_slow' } })
}

/** Opens the port: 308 to `https://` with the same host and target, 400 in the house shape for a request that names none. The host is not looked up: whoever asks is sent back to the name that he used. */
export async function openRedirectPort (options: RedirectPortOptions): Promise<RedirectPort> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 5_000, requireHostHeader: false }, (req, res) => {
    const host = req.headers.host === undefined ? null : hostNameOf(req.headers.host)
    const target = req.url ?? ''
    const refusal = host === null ? NO_HOST : !TARGET.test(target) || target.startsWith('//') ? NO_TARGET : null
    if (refusal !== null) {
      const { status, headers, body } = options.gateway.refuseEarly(earlyRefusal(req, refusal))
      res.writeHead(status, [...headers, 'connection', 'close', 'content-length', String(Buffer.byteLength(body))]).end(req.method === 'HEAD' ? undefined : body)
      return
    }
    const port = options.targetPort()
    const location = `https://${host}${port === 443 ? '' : `:${port}`}${target}`
    res.writeHead(308, { location, 'x-request-id': randomUUID(), connection: 'close', 'content-length': 0 }).end()
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (!socket.writable || error.code === 'ECONNRESET') { socket.destroy(); return }
    const refusal = UNREADABLE[error.code ?? ''] ?? MALFORMED
    const { status, headers, body } = options.gateway.refuseEarly({ refusal, method: '', target: '', accept: undefined, httpVersion: '1.1', connection: connectionOf(socket) })
    let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`
    for (let i = 0; i < headers.length; i += 2) head += `${headers[i] as string}: ${headers[i + 1] as string}\r\n`
    socket.end(`${head}connection: close\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  })
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(options.port, options.host, resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    drain () { server.close() },
    close () { return new Promise((resolve) => { server.closeAllConnections(); server.close(() => { resolve() }) }) }
  }
}

function earlyRefusal ({ method = '', url = '', httpVersion, headers, socket }: IncomingMessage, refusal: Refusal): Parameters<ListenerTarget['refuseEarly']>[0] {
  return { refusal, method, target: url, accept: headers.accept, httpVersion, connection: connectionOf(socket) }
}

function connectionOf ({ remoteAddress = '', remotePort = 0, localPort = 0 }: Socket): ConnectionInfo {
  return { remoteAddress: remoteAddress.replace(/^::ffff:(?=.*\.)/, ''), remotePort, localPort, encrypted: false, serverName: null, trusted: false }
}

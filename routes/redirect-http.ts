import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
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

/** Opens the port: 308 to `https://` with the same host and target, 400 in the house shape for a request that names none. The host is not looked up: whoever asks is sent back to the name that he used. */
export async function openRedirectPort (options: RedirectPortOptions): Promise<RedirectPort> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 5_000 }, (req, res) => {
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
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(options.port, options.host, resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    drain () { server.close() },
    close () { return new Promise((resolve) => { server.closeAllConnections(); server.close(() => { resolve() }) }) }
  }
}

function earlyRefusal ({ method = '', url = '', httpVersion, headers, socket }: IncomingMessage, refusal: Refusal): Parameters<ListenerTarget['refuseEarly']>[0] {
  const { remoteAddress = '', remotePort = 0, localPort = 0 } = socket
  return { refusal, method, target: url, accept: headers.accept, httpVersion, connection: { remoteAddress: remoteAddress.replace(/^::ffff:(?=.*\.)/, ''), remotePort, localPort, encrypted: false, serverName: null, trusted: false } }
}

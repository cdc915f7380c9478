import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { hostNameOf } from '../core/lib/host-name.js'

/** A plain port that only sends clients to the TLS one. */
export interface RedirectPort {
  readonly url: string
  drain (): void
  close (): Promise<void>
}

const TARGET = /^\/[\x21-\x7e]*$/

/** Opens the port: 308 to `https://` with the same host and target, 400 for a request that names none. The host is not looked up: whoever asks is sent back to the name that he used. */
export async function openRedirectPort (options: { host: string, port: number, targetPort: () => number }): Promise<RedirectPort> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024, connectionsCheckingInterval: 5_000 }, (req, res) => {
    const host = req.headers.host === undefined ? null : hostNameOf(req.headers.host)
    const target = req.url ?? ''
    if (host === null || !TARGET.test(target) || target.startsWith('//')) {
      res.writeHead(400, { connection: 'close', 'content-length': 0 }).end()
      return
    }
    const port = options.targetPort()
    const location = `https://${host}${port === 443 ? '' : `:${port}`}${target}`
    res.writeHead(308, { location, connection: 'close', 'content-length': 0 }).end()
  })
  await new Promise<void>((resolve, reject) => { server.once('error', reject).listen(options.port, options.host, resolve) })
  const { port } = server.address() as AddressInfo
  return {
    url: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    drain () { server.close() },
    close () { return new Promise((resolve) => { server.closeAllConnections(); server.close(() => { resolve() }) }) }
  }
}

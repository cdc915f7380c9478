/**
 * The baseline: what a careful person writes with node:http and undici alone. A handler object, flat header lists, hop-by-hop fields
 * removed as RFC 9110 section 7.6.1 wants, backpressure, abort when the client goes; nothing else.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Pool, type Dispatcher } from 'undici'
import { CONNECTIONS, originFromArguments } from './conditions.js'

const pool = new Pool(originFromArguments(), { connections: CONNECTIONS, pipelining: 1 })
const HOP_BY_HOP = new Set(['connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade', 'expect', 'host'])

class Forward {
  private readonly res: ServerResponse
  private abort: ((error?: Error) => void) | null = null

  constructor (res: ServerResponse) {
    this.res = res
    res.on('close', () => { if (!res.writableFinished) this.abort?.() })
  }

  onConnect (abort: (error?: Error) => void): void { this.abort = abort }

  onHeaders (status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) return true
    const headers: string[] = []
    for (let i = 0; i < raw.length; i += 2) {
      const name = (raw[i] as Buffer).toString('latin1')
      if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, (raw[i + 1] as Buffer).toString('latin1'))
    }
    this.res.writeHead(status, headers)
    this.res.on('drain', resume)
    return true
  }

  onData (chunk: Buffer): boolean { return this.res.write(chunk) }

  onComplete (): void { this.res.end() }

  onError (error: Error): void {
    if (this.res.headersSent) this.res.destroy(error)
    else this.res.writeHead(502).end()
  }
}

function forward (req: IncomingMessage, res: ServerResponse): void {
  const { rawHeaders } = req
  const headers: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i] as string
    if (!HOP_BY_HOP.has(name.toLowerCase())) headers.push(name, rawHeaders[i + 1] as string)
  }
  const method = req.method as Dispatcher.HttpMethod
  pool.dispatch({ path: req.url ?? '/', method, headers, body: method === 'GET' || method === 'HEAD' ? null : req }, new Forward(res))
}

const server = createServer(forward)
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ event: 'ready', listener: 'data', port: (server.address() as AddressInfo).port }))
})

/** The built-in echo service: an upstream for the first request, for demonstrations and for tests of a gateway in front of it. */
import { once } from 'node:events'
import { createServer, STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { answerBytes, answerEvents, answerJson, answerLines, answerStatus, BadRequest, describe, wait } from './echo-answers.js'

/** Where the echo service listens: loopback and a free port unless said otherwise. */
export interface EchoOptions {
  host?: string
  port?: number
}

/** A running echo service. */
export interface EchoService {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Ends every connection and stops listening. */
  close (): Promise<void>
}

const LONGEST_MS = 60_000
const MOST_BYTES = 2 * 1024 ** 3
const MOST_LINES = 1_000_000
const LARGEST_MESSAGE_BYTES = 16 * 1024 ** 2

/**
 * Starts the echo service. Any path answers 200 with what was received, as JSON; these answer otherwise, with any method:
 * `/status/{code}`, `/delay/{ms}`, `/bytes/{n}` (`?chunked=1` for no Content-Length), `/stream/{n}` (`?interval=ms`),
 * `/sse` (`?events=n&interval=ms`) and `/ws`. A number that makes no sense or is too large is a 400.
 * Rejects when the address can't be listened on.
 */
export async function createEcho ({ host = '127.0.0.1', port = 0 }: EchoOptions = {}): Promise<EchoService> {
  // Larger than a gateway's own limits, so that it is the gateway that refuses. Idle connections outlive those of a client's pool.
  const server = createServer({ maxHeaderSize: 256 * 1024, requestTimeout: 0, keepAliveTimeout: 120_000 })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: LARGEST_MESSAGE_BYTES })
  const upgraded = new Set<Duplex>()

  server.on('request', (req, res) => { void serve(req, res) })
  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => { socket.destroy() })
    upgraded.add(socket)
    socket.once('close', () => upgraded.delete(socket))
    if (pathOf(req) !== '/ws' || req.headers.upgrade?.toLowerCase() !== 'websocket') { refuseUpgrade(socket); return }
    sockets.handleUpgrade(req, socket, head, (ws) => {
      ws.on('message', (data, isBinary) => {
        ws.send(data, { binary: isBinary }, () => { if (ws.isPaused) ws.resume() })
        if (ws.bufferedAmount > LARGEST_MESSAGE_BYTES) ws.pause()
      })
      // ws itself closes with 1002, 1007 or 1009 when the peer broke the protocol.
      ws.on('error', () => undefined)
    })
  })

  // Not shared with other workers: each has its own.
  server.listen({ port, host, exclusive: true })
  await once(server, 'listening')
  const address = server.address() as AddressInfo
  return {
    url: `http://${address.family === 'IPv6' ? `[${address.address}]` : address.address}:${address.port}`,
    port: address.port,
    async close () {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
      sockets.close()
      await closed
    }
  }
}

async function serve (req: IncomingMessage, res: ServerResponse): Promise<void> {
  const gone = new AbortController()
  res.once('close', () => { gone.abort() })
  // A client that goes in the middle of its body is no reason to stop.
  req.on('error', () => undefined)
  try {
    await answer(req, res, gone.signal)
  } catch (error) {
    if (gone.signal.aborted) return
    if (res.headersSent) res.destroy()
    else if (error instanceof BadRequest) answerJson(res, 400, { error: error.message })
    else answerJson(res, 500, { error: 'the echo service failed' })
  }
}

async function answer (req: IncomingMessage, res: ServerResponse, gone: AbortSignal): Promise<void> {
  const path = pathOf(req)
  const query = queryOf(req)
  const [, kind = '', given = ''] = /^\/(status|delay|bytes|stream)\/([^/]*)$/.exec(path) ?? /^\/(sse|ws)$/.exec(path) ?? []
  if (kind === '' || kind === 'delay') {
    const delayMs = kind === 'delay' ? wholeNumber('delay', given, 0, LONGEST_MS) : 0
    const report = await describe(req, path, query)
    if (delayMs > 0) await wait(delayMs, gone)
    answerJson(res, 200, report)
    return
  }
  req.resume()
  const options = new URLSearchParams(query)
  const option = (name: string, usual: number, most: number): number => wholeNumber(name, options.get(name) ?? `${usual}`, 0, most)
  switch (kind) {
    case 'status': answerStatus(res, wholeNumber('status', given, 200, 599)); return
    case 'bytes': await answerBytes(res, wholeNumber('bytes', given, 0, MOST_BYTES), option('chunked', 0, 1) === 1, gone); return
    case 'stream': await answerLines(res, wholeNumber('stream', given, 0, MOST_LINES), option('interval', 0, LONGEST_MS), gone); return
    case 'sse': await answerEvents(res, option('events', 10, MOST_LINES), option('interval', 100, LONGEST_MS), gone); return
    default: answerJson(res, 426, { error: 'this is a WebSocket' }, { upgrade: 'websocket', connection: 'upgrade' })
  }
}

function refuseUpgrade (socket: Duplex): void {
  const body = JSON.stringify({ error: 'only /ws can be upgraded, to websocket' })
  socket.once('finish', () => { socket.destroy() })
  socket.end(`HTTP/1.1 400 ${STATUS_CODES[400]}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`)
}

function wholeNumber (name: string, text: string, least: number, most: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : NaN
  if (value >= least && value <= most) return value
  throw new BadRequest(`${name} must be a whole number from ${least} to ${most}`)
}

function pathOf (req: IncomingMessage): string {
  const target = req.url ?? '/'
  const mark = target.indexOf('?')
  return mark === -1 ? target : target.slice(0, mark)
}

function queryOf (req: IncomingMessage): string {
  const target = req.url ?? '/'
  const mark = target.indexOf('?')
  return mark === -1 ? '' : target.slice(mark + 1)
}

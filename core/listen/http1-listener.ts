import { type IncomingMessage, type Server, type ServerOptions, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server as TlsServer } from 'node:tls'
import type { ConnectionInfo, ResponseSink } from '../context.js'
import { GatewayError } from '../errors.js'
import { Refusal, refuse } from '../reply.js'
import { connectionOf, type Connection } from './connection.js'
import { endGently } from './end-gently.js'
import { keepAliveFields } from './answer-text.js'
import { DirectConnection, type DirectServer } from './direct-connection.js'
import { Http1Body } from './http1-body.js'
import { type AcceptedRequest, readRequest } from './http1-request.js'
import { Http1Sink } from './http1-sink.js'
import { forwardDrain, UpgradeSocket } from './http1-upgrade.js'
import type { ListenPolicy } from './policy.js'
import type { SinkState } from './sink-state.js'

/** What was refused before it became a request: enough for a log record and an answer in the right shape. */
export interface EarlyRefusal {
  readonly refusal: Refusal
  readonly method: string
  readonly target: string
  readonly accept: string | undefined
  readonly connection: ConnectionInfo
  readonly httpVersion: string
}

/** An error answer ready to be written. */
export interface RenderedRefusal {
  readonly status: number
  /** Flat. */
  readonly headers: string[]
  readonly body: string
}

/** Where a listener brings what comes in. */
export interface ListenerTarget {
  /** Read per request: a reload replaces it. */
  readonly policy: ListenPolicy
  /** The gateway takes the request, or (false) leaves it to the handler behind. */
  handle (request: AcceptedRequest, sink: ResponseSink): void
  /** Whether this request is for the gateway's own routes on the data port. */
  isOwn (request: AcceptedRequest): boolean
  refuseEarly (early: EarlyRefusal): RenderedRefusal
}

/** Options for `http.createServer` and `https.createServer` under which Node's parser is strict and its limits are wider than ours, so that ours answer. */
export function serverOptions (policy: ListenPolicy): ServerOptions {
  return {
    insecureHTTPParser: false,
    maxHeaderSize: Math.max(32 * 1024, policy.limits.headerBytes + policy.limits.urlBytes + 1024),
    // Our own check answers in our shape.
    requireHostHeader: false,
    joinDuplicateHeaders: false,
    headersTimeout: policy.limits.headersMs,
    // Bodies have their own watch, which knows a slow client from a slow upstream.
    requestTimeout: 0,
    keepAliveTimeout: policy.limits.keepAliveMs,
    // What a slow head may be late by; Node's default is as long as the limit itself.
    connectionsCheckingInterval: Math.min(5_000, Math.max(50, Math.ceil(policy.limits.headersMs / 6))),
    noDelay: true,
    highWaterMark: 64 * 1024
  }
}

/** What can be done with all connections of a listener. */
export interface Listener {
  /** Every further answer closes its connection. */
  drain (): void
  /** What answers tell of how long an idle connection is kept. */
  setKeepAlive (keepAliveMs: number): void
  /** Ends those on which nothing is under way. */
  closeIdle (): void
  closeAll (): void
}

/**
 * Puts the data path in front of a server: its requests come to `target` first. `own` is the handler for the gateway's own routes. Connections are
 * read here for as long as what comes is of the usual kind, and are the server's from then on.
 */
export function attachListener (server: Server, target: ListenerTarget, own: (req: IncomingMessage, res: ServerResponse) => void): Listener {
  const upgraded = new Set<Socket>()
  const state: SinkState = { draining: false, keepAlive: keepAliveFields(server.keepAliveTimeout), stallMs: () => target.policy.limits.stallMs }
  // More than the limit is refused by count; Node would cut the list silently instead.
  server.maxHeadersCount = 0

  const accept = (req: IncomingMessage, res: ServerResponse): void => {
    const connection = connectionOf(req.socket, target.policy.isTrusted)
    if (connection.busy) inTurn(req.socket, connection, () => { serve(req, res, connection) })
    else serve(req, res, connection)
  }

  const serve = (req: IncomingMessage, res: ServerResponse, connection: Connection): void => {
    if (connection.poisoned) return
    connection.busy = true
    const request = read(req, res, connection)
    if (request instanceof Refusal) { refuseRequest(req, res, connection, request); return }
    if (connection.failure !== null && !req.complete) connection.body?.breakOff(connection.failure)
    if (target.isOwn(request)) {
      res.once('close', () => { connection.done() })
      own(req, res)
      return
    }
    target.handle(request, new Http1Sink(res, connection.body, state, connection))
  }

  const read = (req: IncomingMessage, res: ServerResponse, connection: Connection): AcceptedRequest | Refusal => readRequest(req, connection, target.policy, {
    makeBody: (length, awaitsContinue) => connection.body = new Http1Body(req, res, length, awaitsContinue, target.policy.limits)
  })

  const refuseRequest = (req: IncomingMessage, res: ServerResponse, connection: Connection, refusal: Refusal): void => {
    connection.poisoned = true
    const rendered = target.refuseEarly({ refusal, method: req.method ?? '', target: req.url ?? '', accept: req.headers.accept, connection, httpVersion: req.httpVersion })
    res.writeHead(rendered.status, [...rendered.headers, 'content-length', String(Buffer.byteLength(rendered.body)), 'connection', 'close'])
    // Node's own closes at once, behind the last byte.
    req.socket.destroySoon = endGently
    res.end(req.method === 'HEAD' ? undefined : rendered.body)
  }

  server.on('request', accept)
  server.on('checkContinue', accept)
  server.on('checkExpectation', accept)

  const upgrade = (req: IncomingMessage, socket: Socket, head: Buffer, connection: Connection): void => {
    if (connection.poisoned) { socket.destroy(); return }
    connection.busy = true
    const upgrading = new UpgradeSocket(req, socket, head)
    const res = upgrading.response
    upgraded.add(socket)
    socket.once('close', () => { upgraded.delete(socket) })
    const request = read(req, res, connection)
    if (request instanceof Refusal) { refuseRequest(req, res, connection, request); return }
    // Node hands over every request with an Upgrade field raw: its body, if it has one, was never parsed.
    if (request.body !== null) { refuseRequest(req, res, connection, UPGRADE_WITH_BODY); return }
    if (target.isOwn(request)) { own(req, res); return }
    const sink = new Http1Sink(res, null, state, connection)
    sink.allowTunnel(upgrading)
    target.handle(request, sink)
  }

  server.on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    const client = socket as Socket
    // Node has taken its own listener away; an error that nobody hears would end the process.
    client.on('error', () => { client.destroy() })
    const connection = connectionOf(client, target.policy.isTrusted)
    const stop = forwardDrain(client)
    inTurn(client, connection, () => {
      stop()
      upgrade(req, client, head, connection)
    })
  })

  const refuseRaw = (socket: Duplex, connection: Connection, refusal: Refusal, head: Pick<EarlyRefusal, 'method' | 'target' | 'accept'>): void => {
    if (connection.poisoned) return
    connection.poisoned = true
    answerRaw(socket, target.refuseEarly({ ...head, refusal, connection, httpVersion: '1.1' }), head.method === 'HEAD')
  }

  server.on('connect', (req: IncomingMessage, socket: Duplex) => {
    const connection = connectionOf(socket as Socket, target.policy.isTrusted)
    inTurn(socket, connection, () => { refuseRaw(socket, connection, NO_CONNECT, { method: 'CONNECT', target: req.url ?? '', accept: req.headers.accept }) })
  })

  server.on('clientError', (error: NodeJS.ErrnoException & { rawPacket?: Buffer }, socket: Duplex) => {
    const connection = connectionOf(socket as Socket, target.policy.isTrusted)
    // Known already: the parser says it again for each packet that comes behind.
    if (connection.poisoned || connection.failure !== null) return
    const packet = error.rawPacket?.toString('latin1', 0, 4096) ?? ''
    const refusal = parserRefusal(error.code ?? '', packet)
    connection.failure = new GatewayError(refusal.code, { message: refusal.message, ...(refusal.details === undefined ? {} : { details: refusal.details }) })
    if (!socket.writable || error.code === 'ECONNRESET') { socket.destroy(); return }
    const { body } = connection
    if (body !== null && !body.received) {
      // Inside the body of a request: it becomes that request's answer, unless the client has gone, there is one, or nobody reads the body any more.
      if (error.code === 'HPE_INVALID_EOF_STATE' || (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage?.headersSent === true || !body.breakOff(connection.failure)) socket.destroy()
      return
    }
    const line = /^([A-Z]+) ([^ \r\n]*)/.exec(packet)
    inTurn(socket, connection, () => { refuseRaw(socket, connection, refusal, { method: line?.[1] ?? '', target: line?.[2]?.slice(0, 200) ?? '', accept: undefined }) })
  })

  const direct = new Set<DirectConnection>()
  const event = server instanceof TlsServer ? 'secureConnection' : 'connection'
  const nodes = server.listeners(event) as ((this: Server, socket: Socket) => void)[]
  server.removeAllListeners(event)
  const directServer: DirectServer = {
    state,
    get policy () { return target.policy },
    isOwn: (request) => target.isOwn(request),
    handle (request, sink) { target.handle(request, sink) },
    left (connection) { direct.delete(connection) },
    handOver (socket) { for (const serve of nodes) serve.call(server, socket) },
    refuseSlow (socket, connection) { refuseRaw(socket, connection, TIMEOUT, { method: '', target: '', accept: undefined }) }
  }
  server.on(event, (socket: Socket) => { direct.add(new DirectConnection(socket, directServer)) })

  return {
    drain () { state.draining = true },
    setKeepAlive (keepAliveMs) { state.keepAlive = keepAliveFields(keepAliveMs) },
    closeIdle () {
      for (const connection of direct) connection.closeIdle()
      server.closeIdleConnections()
    },
    closeAll () {
      for (const connection of direct) connection.cut()
      server.closeAllConnections()
      for (const socket of upgraded) socket.destroy()
    }
  }
}

const UPGRADE_WITH_BODY = refuse('VALIDATION_ERROR', { message: 'A request that asks for an upgrade has no body here.', details: { reason: 'upgrade_with_body' } })
const NO_CONNECT = refuse('METHOD_NOT_ALLOWED', { message: 'CONNECT is not served here.', details: { reason: 'method' } })
const MALFORMED = refuse('VALIDATION_ERROR', { message: 'The request is not valid HTTP.', details: { reason: 'malformed_http' } })
const TIMEOUT = refuse('REQUEST_TIMEOUT', { details: { reason: 'headers_too_slow' } })
const FIELDS_OVERFLOW = refuse('HEADERS_TOO_LARGE', { details: { reason: 'fields_too_large' } })
const TARGET_OVERFLOW = refuse('URI_TOO_LONG', { details: { reason: 'target_too_long' } })

/** Acts once nothing is being answered on the connection any more. */
function inTurn (socket: Duplex, connection: Connection, act: () => void): void {
  if (!connection.busy) { act(); return }
  // An answer may have ended the connection: what waited behind it is not served.
  if (!connection.later(() => { if (socket.writable) act() })) socket.destroy()
}

function parserRefusal (code: string, packet: string): Refusal {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return TIMEOUT
  if (code !== 'HPE_HEADER_OVERFLOW') return MALFORMED
  // No end of the first line within the first pieces: the target is what is too long.
  return packet.includes('\r\n') ? FIELDS_OVERFLOW : TARGET_OVERFLOW
}

function answerRaw (socket: Duplex, rendered: RenderedRefusal, bodyless: boolean): void {
  let head = `HTTP/1.1 ${rendered.status} ${STATUS_CODES[rendered.status] ?? ''}\r\n`
  for (let i = 0; i < rendered.headers.length; i += 2) head += `${rendered.headers[i] as string}: ${rendered.headers[i + 1] as string}\r\n`
  socket.on('error', () => { socket.destroy() })
  socket.write(`${head}content-length: ${Buffer.byteLength(rendered.body)}\r\nconnection: close\r\ndate: ${new Date().toUTCString()}\r\n\r\n${bodyless ? '' : rendered.body}`)
  endGently.call(socket)
}

/**
 * A small Orders API, as a team might have it running already: two versions, one in-memory order book, no gateway in sight.
 * `node dist/examples/orders/server.js [PORT]` serves it on loopback, on 9001 unless told otherwise.
 */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pathToFileURL } from 'node:url'
import { createOrderBook, isStatus, type FieldError, type OrderBook } from './orders.js'
import { LATEST, readStatus, VERSIONS, type ApiVersion } from './versions.js'

/** A running Orders API. */
export interface OrdersApi {
  readonly url: string
  readonly port: number
  close (): Promise<void>
}

const LARGEST_BODY_BYTES = 64 * 1024

class ApiError extends Error {
  readonly status: number
  readonly errors: FieldError[]

  constructor (status: number, message: string, errors: FieldError[] = []) {
    super(message)
    this.status = status
    this.errors = errors
  }
}

/** Starts the API on loopback; port 0 picks a free one. Every start has the same three orders. */
export async function createOrdersApi ({ port = 0 }: { port?: number } = {}): Promise<OrdersApi> {
  const book = createOrderBook()
  const server = createServer((req, res) => { void serve(book, req, res) })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  const bound = (server.address() as AddressInfo).port
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    async close () {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    }
  }
}

async function serve (book: OrderBook, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const [path = '', query = ''] = (req.url ?? '/').split('?', 2)
  // `/v1/orders/` is `/v1/orders`.
  const [name = '', collection = '', id, ...rest] = path.split('/').filter((part) => part !== '')
  const version = VERSIONS.get(name)
  try {
    if (version === undefined || collection !== 'orders' || rest.length > 0) throw new ApiError(404, 'there is nothing at this path')
    if (id === undefined) await serveCollection(book, version, name, new URLSearchParams(query), req, res)
    else await serveOrder(book, version, id, req, res)
  } catch (error) {
    req.resume()
    const known = error instanceof ApiError ? error : new ApiError(500, 'the orders are out of order')
    send(res, known.status, (version ?? LATEST).error(known.status, known.message, known.errors))
  }
}

async function serveCollection (book: OrderBook, version: ApiVersion, name: string, query: URLSearchParams, req: IncomingMessage, res: ServerResponse): Promise<void> {
  if (req.method === 'GET' || req.method === 'HEAD') {
    const status = query.get('status')
    if (status !== null && !isStatus(status)) throw new ApiError(400, 'the query makes no sense', [{ field: 'status', problem: 'must be new, paid, shipped or cancelled' }])
    send(res, 200, version.list(book.list(status)))
    return
  }
  if (req.method !== 'POST') throw notAllowed(res, 'GET, HEAD, POST')
  const read = version.readNew(await readJson(req))
  if (Array.isArray(read)) throw new ApiError(422, 'the order is not valid', read)
  const order = book.create(read.customer, read.lines)
  const shown = version.order(order) as { id: number | string }
  res.setHeader('location', `/${name}/orders/${shown.id}`)
  send(res, 201, shown)
}

async function serveOrder (book: OrderBook, version: ApiVersion, id: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const number = version.idOf(id)
  const order = number === null ? undefined : book.find(number)
  if (order === undefined) throw new ApiError(404, `there is no order ${id}`)
  switch (req.method) {
    case 'GET':
    case 'HEAD':
      send(res, 200, version.order(order))
      return
    case 'PATCH': {
      const status = readStatus(await readJson(req))
      if (typeof status !== 'string') throw new ApiError(422, 'the change is not valid', status)
      if (!book.advance(order, status)) throw new ApiError(409, `an order that is ${order.status} can't become ${status}`)
      send(res, 200, version.order(order))
      return
    }
    case 'DELETE':
      book.remove(order.number)
      res.writeHead(204).end()
      return
    default:
      throw notAllowed(res, 'GET, HEAD, PATCH, DELETE')
  }
}

function notAllowed (res: ServerResponse, allow: string): ApiError {
  res.setHeader('allow', allow)
  return new ApiError(405, `only ${allow} work here`)
}

async function readJson (req: IncomingMessage): Promise<unknown> {
  if (!/^application\/json\s*(?:;|$)/i.test(req.headers['content-type'] ?? '')) throw new ApiError(415, 'the body must be application/json')
  const chunks: Buffer[] = []
  let size = 0
  // Not `of req`: leaving the loop would destroy the connection, and the 413 with it.
  for await (const chunk of req.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > LARGEST_BODY_BYTES) throw new ApiError(413, `the body is larger than ${LARGEST_BODY_BYTES} bytes`)
    chunks.push(chunk)
  }
  try {
    return JSON.parse(Buffer.concat(chunks).toString())
  } catch {
    throw new ApiError(400, 'the body is not JSON')
  }
}

function send (res: ServerResponse, status: number, value: unknown): void {
  const body = Buffer.from(JSON.stringify(value))
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length }).end(body)
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { url } = await createOrdersApi({ port: Number(process.argv[2] ?? 9001) })
  console.log(`Orders API on ${url}`)
}

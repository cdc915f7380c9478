import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

/** What a client asked for makes no sense; the message says why. */
export class BadRequest extends Error {}

const LONGEST_TEXT_BYTES = 16 * 1024

// 251 is prime and the block a multiple of it: repeating the block goes on with the pattern, and a lost or doubled piece shows.
const BLOCK = Buffer.alloc(251 * 256)
for (let i = 0; i < BLOCK.length; i++) BLOCK[i] = i % 251

/** Answers with a JSON value, of known length. */
export function answerJson (res: ServerResponse, status: number, value: unknown, headers: OutgoingHttpHeaders = {}): void {
  const body = Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'content-length': body.length, ...headers })
  res.end(body)
}

/** Answers with that status, and a body where the status may have one. */
export function answerStatus (res: ServerResponse, status: number): void {
  // RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: no content; Content-Length is 0 for 205 and absent from the others.
  if (status === 204 || status === 304) res.writeHead(status).end()
  else if (status === 205) res.writeHead(status, { 'content-length': 0 }).end()
  else answerJson(res, status, { status })
}

/** Answers with `count` bytes, the one at i being i modulo 251; only as much in memory as the socket takes. */
export async function answerBytes (res: ServerResponse, count: number, chunked: boolean, gone: AbortSignal): Promise<void> {
  res.writeHead(200, { 'content-type': 'application/octet-stream', ...(chunked ? {} : { 'content-length': count }) })
  const blocks = function * (): Generator<Buffer> {
    for (let left = count; left > 0; left -= BLOCK.length) yield left >= BLOCK.length ? BLOCK : BLOCK.subarray(0, left)
  }
  await send(res, blocks(), 0, gone)
}

/** Answers with `count` lines of JSON, each its own chunk. */
export async function answerLines (res: ServerResponse, count: number, intervalMs: number, gone: AbortSignal): Promise<void> {
  res.writeHead(200, { 'content-type': 'application/x-ndjson' })
  const lines = function * (): Generator<string> {
    for (let n = 0; n < count; n++) yield `${JSON.stringify({ n })}\n`
  }
  await send(res, lines(), intervalMs, gone)
}

/** Answers with `count` server-sent events named `tick`, each with its number as id and data. */
export async function answerEvents (res: ServerResponse, count: number, intervalMs: number, gone: AbortSignal): Promise<void> {
  res.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  res.flushHeaders()
  const events = function * (): Generator<string> {
    for (let n = 0; n < count; n++) yield `id: ${n}\nevent: tick\ndata: ${JSON.stringify({ n })}\n\n`
  }
  await send(res, events(), intervalMs, gone)
}

/** What the echo service tells of a request. */
export interface EchoReport {
  method: string
  path: string
  /** As it came, without the `?`. */
  query: string
  /** The query's parameters; a list where one is repeated. */
  parameters: Record<string, string | string[]>
  httpVersion: string
  /** Name and value in the order and the case in which they came. */
  headers: [string, string][]
  /** `sha256` in hex; `text` where the body is short and UTF-8, or null. */
  body: { size: number, sha256: string, text: string | null }
  trailers: [string, string][]
}

/** Reads a request to its end and describes it; a long body is hashed as it streams and not kept. */
export async function describe (req: IncomingMessage, path: string, query: string): Promise<EchoReport> {
  const hash = createHash('sha256')
  let start: Buffer[] | null = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    hash.update(chunk)
    size += chunk.length
    if (size > LONGEST_TEXT_BYTES) start = null
    else start?.push(chunk)
  }
  const bytes = start === null ? null : Buffer.concat(start)
  return {
    method: req.method ?? '',
    path,
    query,
    parameters: parametersOf(query),
    httpVersion: req.httpVersion,
    headers: pairs(req.rawHeaders),
    body: { size, sha256: hash.digest('hex'), text: bytes !== null && isUtf8(bytes) ? bytes.toString() : null },
    trailers: pairs(req.rawTrailers)
  }
}

/** Waits; rejects when the client goes first. */
export async function wait (ms: number, gone: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal: gone })
}

/** Sends the pieces at the given interval, and no faster than the client reads. */
async function send (res: ServerResponse, pieces: Iterable<string | Buffer>, intervalMs: number, gone: AbortSignal): Promise<void> {
  if (res.req.method === 'HEAD') { res.end(); return }
  let first = true
  for (const piece of pieces) {
    if (!first && intervalMs > 0) await wait(intervalMs, gone)
    first = false
    if (!res.write(piece)) await once(res, 'drain', { signal: gone })
  }
  res.end()
}

/** `a=1&b=2&b=3` as `{ a: '1', b: ['2', '3'] }`. */
function parametersOf (query: string): Record<string, string | string[]> {
  const search = new URLSearchParams(query)
  return Object.fromEntries([...new Set(search.keys())].map((name) => {
    const values = search.getAll(name)
    return [name, values.length === 1 ? values[0] as string : values]
  }))
}

function pairs (flat: readonly string[]): [string, string][] {
  const list: [string, string][] = []
  for (let i = 0; i + 1 < flat.length; i += 2) list.push([flat[i] as string, flat[i + 1] as string])
  return list
}

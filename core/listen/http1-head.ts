import { type ServerResponse, STATUS_CODES } from 'node:http'
import { answerLines } from '../lib/header-lines.js'

/** What Node keeps of an answer's head. It is Node's own business: where it does not look as expected, Node's own way is taken. */
interface Internals {
  /** The serialised head; null before there is one. */
  _header?: unknown
  _headerSent?: unknown
}

/** A reason phrase as it may be written; another one is left out, since the status says the same. */
export const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** The fields of a connection that stays open, serialised, as Node would add them. */
export function keepAliveFields (keepAliveMs: number): string {
  return `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`
}

/**
 * Serialises the head of the most common kind of answer: one whose length is known, on a connection that stays open. `writeHead` does
 * the same for every kind, and checks each name and value, which costs an eighth of a whole request; here the fields are known to be
 * good: an upstream's by its parser, a step's by `HeaderList.verify`. Returns false, having done nothing, for any other answer.
 */
export function composeHead (res: ServerResponse, status: number, reason: string, headers: readonly string[], keepAlive: string): boolean {
  const internals = res as ServerResponse & Internals
  if (internals._header !== null || !res.shouldKeepAlive || res.req.httpVersionMinor !== 1 || status < 200 || status > 599 || status === 204 || status === 304) return false
  let text = reason === '' ? standardLine(status) : `HTTP/1.1 ${status} ${REASON.test(reason) ? reason : STATUS_CODES[status] ?? 'unknown'}\r\n`
  let sized = false
  let dated = false
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string
    if (name === 'content-length') sized = true
    else if (name === 'date') dated = true
    else if (name === 'connection' || name === 'transfer-encoding' || name === 'trailer') return false
    text += answerLines.of(name, headers[i + 1] as string)
  }
  if (!sized) return false
  internals._header = dated ? text + keepAlive : `${text}date: ${dateNow()}\r\n${keepAlive}`
  res.statusCode = status
  return true
}

/**
 * Ends an answer whose body is one short latin1 string, head and body in one write. `res.end(body)` corks the socket and sends two
 * pieces, which become a vector of two strings; one plain write saves about a tenth of the whole request's time. Where another answer is
 * in front on this connection, `res.end(body)` does the same more slowly. A test holds that the fast path is taken.
 */
export function endInOneWrite (res: ServerResponse, body: string): void {
  const internals = res as ServerResponse & Internals
  const { socket } = res
  if (socket === null || typeof internals._header !== 'string' || internals._headerSent !== false || socket.writableCorked !== 0) {
    res.end(body, 'latin1')
    return
  }
  internals._headerSent = true
  socket.write(internals._header + body, 'latin1')
  res.end()
}

const lines = new Map<number, string>()

function standardLine (status: number): string {
  let line = lines.get(status)
  if (line === undefined) lines.set(status, line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`)
  return line
}

let dateSecond = 0
let dateText = ''

/** The Date field's value (RFC 9110 section 6.6.1), written once a second. */
function dateNow (): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}

import { STATUS_CODES } from 'node:http'

/** A reason phrase as it may be written; another one is left out, since the status says the same. */
export const REASON = /^[\t\x20-\x7e\x80-\xff]*$/

/** The fields of a connection that stays open, serialised, with the empty line behind them. */
export function keepAliveFields (keepAliveMs: number): string {
  return `connection: keep-alive\r\nkeep-alive: timeout=${Math.floor(keepAliveMs / 1000)}\r\n\r\n`
}

const lines = new Map<number, string>()

/** The first line of an answer, `reason` in it where that can be written. */
export function statusLine (status: number, reason: string): string {
  if (reason !== '') return `HTTP/1.1 ${status} ${REASON.test(reason) ? reason : STATUS_CODES[status] ?? 'unknown'}\r\n`
  let line = lines.get(status)
  if (line === undefined) lines.set(status, line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`)
  return line
}

let dateSecond = 0
let dateText = ''

/** The Date field's value (RFC 9110 section 6.6.1), written once a second. */
export function dateNow (): string {
  const second = Math.floor(Date.now() / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateText = new Date(second * 1000).toUTCString()
  }
  return dateText
}

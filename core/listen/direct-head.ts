import { METHODS } from 'node:http'
import { FieldKind, type FieldTable } from '../lib/header-names.js'
import { latin1 } from '../lib/latin1.js'
import type { RequestHead } from './http1-request.js'

/** A head that was read directly: it has a method and a target, always. */
export interface DirectHead extends RequestHead {
  readonly method: string
  readonly url: string
}

/** The head is not whole yet. */
export const INCOMPLETE = 0
/** Node's parser has to say what this is. */
export const LEFT_TO_NODE = -1

const CR = 0x0d
const LF = 0x0a
const BLANK = 0x20
const TAB = 0x09
const SLASH = 0x2f

// 1 where a byte may not stand in a target or a value: controls but the tab. CR is among them, so that lines end there.
const STOPS = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) if ((byte < BLANK && byte !== TAB) || byte === 0x7f) STOPS[byte] = 1

const METHOD_NAMES: ReadonlySet<string> = new Set(METHODS.filter((method) => method !== 'CONNECT'))
const TARGET = /^[\x21-\x7e]+$/
const VERSION = ' HTTP/1.1'

// Where the lines of the head that is being read end, counted from its beginning; one for all, since most heads come whole.
const lineEnds: number[] = []

/**
 * Reads heads of requests of the usual kind (RFC 9112 sections 3 and 5) straight from what a connection has read: a known method, a target
 * that begins with a slash, HTTP/1.1, fields on lines that end in CRLF, none that asks for another protocol. Whatever is
 * otherwise, and whatever is wrong, is left to Node's parser: what is taken here is a part of what that takes, and is read alike (a property test
 * holds both).
 */
export class DirectHeadReader {
  /** The head that the last call found. */
  head: DirectHead | null = null
  /** What was seen of a head that is not whole yet: its lines, and where the next begins, counted from the head's beginning. */
  private seen: number[] | null = null
  private seenTo = 0

  /**
   * Reads the head that begins at `from`. Gives where it ends, behind its empty line, or `INCOMPLETE` or `LEFT_TO_NODE`. After `INCOMPLETE` the next call
   * is for the same head, and more of it.
   */
  read (bytes: Buffer, from: number, to: number, fields: FieldTable): number {
    this.head = null
    let lines = 0
    let lineStart = from
    if (this.seen !== null) {
      for (const end of this.seen) lineEnds[lines++] = end
      lineStart = from + this.seenTo
      this.seen = null
    }
    for (let i = lineStart; i < to; i++) {
      if (STOPS[bytes[i] as number] === 0) continue
      if (bytes[i] !== CR) return LEFT_TO_NODE
      if (i + 1 === to) break
      if (bytes[i + 1] !== LF) return LEFT_TO_NODE
      if (i === lineStart) {
        this.head = lines === 0 ? null : parse(latin1(bytes, from, i), lines, fields)
        return this.head === null ? LEFT_TO_NODE : i + 2
      }
      lineEnds[lines++] = i - from
      lineStart = ++i + 1
    }
    this.seen = lineEnds.slice(0, lines)
    this.seenTo = lineStart - from
    return INCOMPLETE
  }
}

function parse (text: string, lines: number, fields: FieldTable): DirectHead | null {
  const lineEnd = lineEnds[0] as number
  const blank = text.indexOf(' ')
  const targetEnd = lineEnd - VERSION.length
  if (blank === -1 || targetEnd <= blank + 1 || !text.startsWith(VERSION, targetEnd)) return null
  const method = text.slice(0, blank)
  const url = text.slice(blank + 1, targetEnd)
  if (!METHOD_NAMES.has(method) || url.charCodeAt(0) !== SLASH || !TARGET.test(url)) return null
  const rawHeaders: string[] = []
  let start = lineEnd + 2
  for (let line = 1; line < lines; line++) {
    const stop = lineEnds[line] as number
    const colon = text.indexOf(':', start)
    if (colon === -1 || colon >= stop) return null
    const name = text.slice(start, colon)
    const { isToken, kind } = fields.lookUp(name)
    if (!isToken || kind === FieldKind.upgrade) return null
    let valueStart = colon + 1
    let valueEnd = stop
    // Tabs around what frames a body are white space to the standard, and something else to some parsers.
    if ((kind === FieldKind.contentLength || kind === FieldKind.transferEncoding) && text.slice(colon, stop).includes('\t')) return null
    while (valueStart < valueEnd && isSpace(text.charCodeAt(valueStart))) valueStart++
    while (valueEnd > valueStart && isSpace(text.charCodeAt(valueEnd - 1))) valueEnd--
    rawHeaders.push(name, text.slice(valueStart, valueEnd))
    start = stop + 2
  }
  return { method, url, httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders }
}

function isSpace (code: number): boolean { return code === BLANK || code === TAB }

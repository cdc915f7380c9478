import { decodeFormText } from './form-text.js'

const HEX = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/** The name of a query parameter, ready to be looked for. */
export type QueryName = Uint8Array

/** Prepares a parameter's name (decoded) for `QueryReader`. */
export function queryName (name: string): QueryName {
  return new TextEncoder().encode(name)
}

/**
 * Reads parameters out of a raw query, names and values decoded as forms are. A parameter that comes twice means its first value to some
 * servers and its last to others: `repeated` tells that there was one with different values, `last` chooses which one is read.
 */
export class QueryReader {
  last = false
  repeated = false

  /** The value of a parameter, or undefined where there is none; `''` for one without `=`. Linear in the query. */
  read (query: string, name: QueryName): string | undefined {
    const { length } = query
    let found: string | undefined
    let equals = -1
    for (let from = 0; from < length;) {
      let to = query.indexOf('&', from)
      if (to === -1) to = length
      if (equals < from) {
        equals = query.indexOf('=', from)
        if (equals === -1) equals = length
      }
      const end = Math.min(equals, to)
      if (isName(query, from, end, name)) {
        const value = end === to ? '' : decodeFormText(query.slice(end + 1, to))
        if (found === undefined) found = value
        else if (value !== found) {
          this.repeated = true
          if (this.last) found = value
        }
      }
      from = to + 1
    }
    return found
  }
}

// Compares byte for byte, decoding on the way: no allocation, and nothing that throws for what is wrongly escaped.
function isName (query: string, from: number, to: number, name: QueryName): boolean {
  let at = from
  for (const byte of name) {
    if (at >= to) return false
    let code = query.charCodeAt(at++)
    if (code === 0x2b) code = 0x20
    else if (code === 0x25 && at + 1 < to) {
      const high = HEX[query.charCodeAt(at)] ?? 255
      const low = HEX[query.charCodeAt(at + 1)] ?? 255
      if (high < 16 && low < 16) {
        code = high * 16 + low
        at += 2
      }
    }
    if (code !== byte) return false
  }
  return at === to
}

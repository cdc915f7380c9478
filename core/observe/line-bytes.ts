import { jsonText } from './json-text.js'

const FIRST_SIZE = 4 * 1024
const QUOTE = 0x22
const BACKSLASH = 0x5c
const ZERO = 0x30
const DOT = 0x2e
/** Enough for any number. */
const NUMBER_ROOM = 32
const TIME_LOW = 100_000

/** A text that is ASCII already, as the bytes that `LineBytes.piece` takes. */
export function asciiPiece (text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

/**
 * Composes a line of JSON as bytes, in one buffer that every line uses again. Joining strings makes some fifty small objects of each
 * line, and as many pieces to be gathered when it is written; bytes are written once.
 */
export class LineBytes {
  #bytes = Buffer.allocUnsafeSlow(FIRST_SIZE)
  #length = 0
  readonly #start: string
  #timeHigh = -1
  /** The start with what changes seldom of the time; null where that is no usual time. */
  #timePiece: Uint8Array | null = null

  /** Every line begins with this (ASCII), the time behind it. */
  constructor (start: string) {
    this.#start = start
  }

  /** What was composed, good until the next `begin`. */
  get composed (): Uint8Array { return this.#bytes.subarray(0, this.#length) }

  /** Begins a line: its start and the time, in milliseconds since 1970. */
  begin (timeMs: number): void {
    this.#length = 0
    const high = Math.floor(timeMs / TIME_LOW)
    if (high !== this.#timeHigh) {
      this.#timeHigh = high
      this.#timePiece = high > 0 && Number.isSafeInteger(timeMs) ? asciiPiece(this.#start + String(high)) : null
    }
    if (this.#timePiece === null) { this.raw(this.#start + String(timeMs)); return }
    this.piece(this.#timePiece)
    this.#reserve(NUMBER_ROOM)
    this.#digits(timeMs - high * TIME_LOW, 5)
  }

  /** Adds bytes as they are. */
  piece (bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#bytes.set(bytes, this.#length)
    this.#length += bytes.length
  }

  /** Adds a text as it is: JSON already. */
  raw (text: string): void {
    this.#reserve(text.length * 3)
    this.#length += this.#bytes.write(text, this.#length)
  }

  /** Adds a string of any origin as JSON, safe to show (`jsonText`). */
  text (text: string): void {
    this.#reserve(text.length + 2)
    const bytes = this.#bytes
    let at = this.#length
    bytes[at++] = QUOTE
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code < 0x20 || code > 0x7e || code === QUOTE || code === BACKSLASH) {
        this.raw(jsonText(text))
        return
      }
      bytes[at++] = code
    }
    bytes[at++] = QUOTE
    this.#length = at
  }

  /** Adds a whole number; what is none, or is negative, is written as JavaScript does. */
  integer (value: number): void {
    if (!(value >= 0 && value <= 0x7fffffff && Number.isInteger(value))) { this.raw(String(value)); return }
    this.#reserve(NUMBER_ROOM)
    this.#digits(value, digitsOf(value))
  }

  /** Adds a duration with at most three decimals; 0 for what is no number. */
  milliseconds (ms: number): void {
    const micros = Math.round(ms * 1000)
    if (!(micros >= 0 && micros <= 0x7fffffff)) { this.raw(Number.isFinite(ms) ? String(Math.round(ms)) : '0'); return }
    this.#reserve(NUMBER_ROOM)
    const whole = (micros / 1000) | 0
    const rest = micros - whole * 1000
    this.#digits(whole, digitsOf(whole))
    if (rest === 0) return
    this.#bytes[this.#length++] = DOT
    this.#digits(rest, 3)
  }

  #digits (value: number, count: number): void {
    const bytes = this.#bytes
    const from = this.#length
    let left = value | 0
    for (let at = from + count - 1; at >= from; at--) {
      const tenth = (left / 10) | 0
      bytes[at] = ZERO + left - tenth * 10
      left = tenth
    }
    this.#length = from + count
  }

  #reserve (count: number): void {
    if (this.#length + count <= this.#bytes.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#length + count))
    this.#bytes.copy(grown, 0, 0, this.#length)
    this.#bytes = grown
  }
}

function digitsOf (value: number): number {
  let digits = 1
  for (let limit = 10; limit <= value; limit *= 10) digits++
  return digits
}

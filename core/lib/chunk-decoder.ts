import { takeChunk } from './chunk-buffers.js'

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const LAST = 6

/** Digits of a chunk's size; more would be beyond what a number holds. */
const MAX_DIGITS = 12
/** Extensions say nothing to anybody here: all of a body's together may be this long. */
const MAX_EXTENSION_BYTES = 16 * 1024
// Without the white space that RFC 9112 calls bad: nobody sends it but to find out who reads a line differently.
const EXTENSIONS = /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*"))?)+$/

const CR = 0x0d
const LF = 0x0a
const SEMICOLON = 0x3b

/** What is thrown for bytes that are no chunk. */
export class ChunkError extends Error {}

/** Takes the chunks of a body apart (RFC 9112 section 7.1), as strictly as that says: CRLF alone ends a line, and nothing stands around a size. */
export class ChunkDecoder {
  /** Where the bytes stop that the last call took. */
  at = 0
  private state = SIZE
  private size = 0
  private digits = 0
  private extensions = ''
  private extensionBytes = 0

  /** Whether the last chunk was seen: what follows are trailers. */
  get over (): boolean { return this.state === LAST }

  /**
   * Takes the bytes from `from` to `to` and gives what is data among them, null for none: one copy however many chunks there are, since whoever
   * reads uses the buffer again. Throws ChunkError for what is no chunk.
   */
  decode (bytes: Buffer, from: number, to: number): Buffer | null {
    let data: Buffer | null = null
    let filled = 0
    let at = from
    while (at < to && this.state !== LAST) {
      if (this.state === DATA) {
        const end = Math.min(to, at + this.size)
        data ??= takeChunk(to - at)
        filled += bytes.copy(data, filled, at, end)
        this.size -= end - at
        at = end
        if (this.size === 0) this.state = DATA_CR
      } else this.step(bytes[at++] as number)
    }
    this.at = at
    return data === null ? null : data.subarray(0, filled)
  }

  private step (byte: number): void {
    switch (this.state) {
      case SIZE: {
        const digit = hexDigit(byte)
        if (digit !== -1) {
          if (++this.digits > MAX_DIGITS) throw notHttp()
          this.size = this.size * 16 + digit
        } else if (this.digits === 0) throw notHttp()
        else if (byte === CR) this.state = SIZE_LF
        else if (byte === SEMICOLON) { this.state = EXTENSION; this.extensions = ';' }
        else throw notHttp()
        return
      }
      case EXTENSION:
        if (byte === CR) {
          if (!EXTENSIONS.test(this.extensions)) throw notHttp()
          this.state = SIZE_LF
        } else {
          if (++this.extensionBytes > MAX_EXTENSION_BYTES) throw notHttp()
          this.extensions += String.fromCharCode(byte)
        }
        return
      case SIZE_LF:
        if (byte !== LF) throw notHttp()
        this.state = this.size === 0 ? LAST : DATA
        this.digits = 0
        return
      case DATA_CR:
        if (byte !== CR) throw notHttp()
        this.state = DATA_LF
        return
      default:
        if (byte !== LF) throw notHttp()
        this.state = SIZE
    }
  }
}

function hexDigit (byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

function notHttp (): ChunkError {
  return new ChunkError('a chunk is not HTTP/1.1')
}

import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib'

/** Why a body could not be inflated. */
export type InflateFailure = 'unsupported' | 'too large' | 'corrupt'

/** Thrown by `inflateBody`; `reason` says which of three things is wrong. */
export class InflateError extends Error {
  readonly reason: InflateFailure

  constructor (reason: InflateFailure, message: string) {
    super(message)
    this.name = 'InflateError'
    this.reason = reason
  }
}

/** How much a body may grow. */
export interface InflateLimits {
  /** The most bytes that the inflated body may have. */
  readonly maxBytes: number
  /** The most inflated bytes per byte of the body; the first 64 KB are free, so that small, repetitive bodies pass. */
  readonly maxRatio: number
}

/** What every body may inflate to, whatever its ratio. */
const FREE_BYTES = 64 * 1024
// zlib's default of 16 KB would mean four times as many trips to the thread pool.
const CHUNK_BYTES = 64 * 1024

/**
 * The body without its Content-Encoding (RFC 9110 section 8.4): `gzip`, `x-gzip`, `deflate` (with or without a zlib header), `br`, `identity`
 * or `''`. Never inflates more than one chunk (64 KB) beyond the limits.
 *
 * Rejects with InflateError: `unsupported` for an unknown coding or a list of several; `too large` for more than `maxBytes` or a ratio
 * above `maxRatio`; `corrupt` for a body that is not in that coding, breaks off, or has something behind its end.
 */
export async function inflateBody (body: Buffer, encoding: string, limits: InflateLimits): Promise<Buffer> {
  const coding = encoding.trim().toLowerCase()
  if (coding === '' || coding === 'identity') return withinLimit(body, limits)
  const run = decoderFor(coding, body)
  if (run === undefined) throw new InflateError('unsupported', 'the content coding is not one of gzip, deflate, br')
  if (body.length === 0) return body
  const byRatio = Math.max(FREE_BYTES, Math.floor(body.length * limits.maxRatio))
  const most = Math.min(limits.maxBytes, byRatio)
  const tooLarge = byRatio < limits.maxBytes ? `the body inflates to more than ${limits.maxRatio} times its size` : `the inflated body is larger than ${limits.maxBytes} bytes`
  const { buffer, consumed } = await inflateAtMost(run, body, most, tooLarge)
  // zlib ignores what follows the compressed data: two readers of such a body may see different things.
  if (consumed !== body.length) throw new InflateError('corrupt', 'there is something behind the compressed body')
  return withinLimit(buffer, limits)
}

function withinLimit (body: Buffer, limits: InflateLimits): Buffer {
  if (body.length > limits.maxBytes) throw new InflateError('too large', `the body is larger than ${limits.maxBytes} bytes`)
  return body
}

/** What every one-shot decoder of `node:zlib` takes. With `info` the result is not a Buffer but `{ buffer, engine }`. */
interface DecoderOptions { maxOutputLength: number, chunkSize: number, info: true }
type Decoder = (body: Buffer, options: DecoderOptions, done: (error: NodeJS.ErrnoException | null, result: Buffer) => void) => void

function decoderFor (coding: string, body: Buffer): Decoder | undefined {
  switch (coding) {
    case 'gzip': case 'x-gzip': return gunzip
    // RFC 9110 section 8.4.1.2: zlib format is what is meant, but senders of bare deflate data exist.
    case 'deflate': return hasZlibHeader(body) ? inflate : inflateRaw
    case 'br': return brotliDecompress
    default: return undefined
  }
}

/** RFC 1950 section 2.2: method 8 in the low bits, and the first two bytes a multiple of 31. */
function hasZlibHeader (body: Buffer): boolean {
  const [first = 0, second = 0] = body
  return (first & 0x0f) === 8 && ((first << 8) | second) % 31 === 0
}

function inflateAtMost (run: Decoder, body: Buffer, most: number, tooLarge: string): Promise<{ buffer: Buffer, consumed: number }> {
  return new Promise((resolve, reject) => {
    // zlib takes no limit of 0; who asked for it checks what came.
    run(body, { maxOutputLength: Math.max(1, most), chunkSize: CHUNK_BYTES, info: true }, (error, result) => {
      if (error === null) {
        const { buffer, engine } = result as unknown as { buffer: Buffer, engine: { bytesWritten: number } }
        resolve({ buffer, consumed: engine.bytesWritten })
      } else if (error.code === 'ERR_BUFFER_TOO_LARGE') {
        reject(new InflateError('too large', tooLarge))
      } else if (error.code === 'Z_MEM_ERROR') {
        reject(error)
      } else {
        reject(new InflateError('corrupt', 'the body is not what its content coding says'))
      }
    })
  })
}

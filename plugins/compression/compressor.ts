import { Duplex } from 'node:stream'
import {
  brotliCompressSync, constants, createBrotliCompress, createDeflate, createGzip, deflateSync, gzipSync,
  type BrotliCompress, type BrotliOptions, type Deflate, type Gzip, type ZlibOptions
} from 'node:zlib'
import type { Coding } from './negotiate.js'

/** How hard each coding tries: gzip and deflate 1-9, br 0-11. */
export type Levels = Readonly<Record<Coding, number>>

/** Opens compressors of one coding and level. */
export interface CompressorFactory {
  /** For a whole small body at once, on this thread; null where that could take long. */
  readonly atOnce: ((body: Buffer) => Buffer) | null
  open (): BrotliCompress | Deflate | Gzip
}

// Up to here the trips to the thread pool cost two to three times the compression itself (16 KB: 36 us of CPU here, 75 us there).
const AT_ONCE_BYTES = 16 * 1024
// Beyond this brotli takes milliseconds for 16 KB.
const AT_ONCE_MAX_BROTLI = 5
// 512 KB: the default of 4 MB is memory that every open response would hold.
const BROTLI_WINDOW_BITS = 19

/** Prepares a coding once, so that a response only has to open it. */
export function compressorFactory (coding: Coding, levels: Levels): CompressorFactory {
  if (coding === 'br') {
    const options: BrotliOptions = {
      flush: constants.BROTLI_OPERATION_FLUSH,
      params: { [constants.BROTLI_PARAM_QUALITY]: levels.br, [constants.BROTLI_PARAM_LGWIN]: BROTLI_WINDOW_BITS }
    }
    return { atOnce: levels.br > AT_ONCE_MAX_BROTLI ? null : (body) => brotliCompressSync(body, { params: options.params }), open: () => createBrotliCompress(options) }
  }
  const level = levels[coding]
  const options: ZlibOptions = { level, flush: constants.Z_SYNC_FLUSH }
  if (coding === 'gzip') return { atOnce: (body) => gzipSync(body, { level }), open: () => createGzip(options) }
  return { atOnce: (body) => deflateSync(body, { level }), open: () => createDeflate(options) }
}

/**
 * Compresses a body so that nothing is held back: each write is flushed, and what arrives while one is being compressed is one write together
 * (alone, pieces of 256 bytes cost 40 % more output and 20 times the CPU of pieces of 16 KB; there the flush costs under 1 %).
 */
export class Compressor extends Duplex {
  readonly #factory: CompressorFactory
  /** The body's length, or -1 when nobody knows. */
  readonly #expectedBytes: number
  #bytes = 0
  #stream: BrotliCompress | Deflate | Gzip | null = null

  constructor (factory: CompressorFactory, expectedBytes: number | null) {
    super({ writableHighWaterMark: 64 * 1024 })
    this.#factory = factory
    this.#expectedBytes = expectedBytes ?? -1
  }

  override _write (chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#compress(chunk, done)
  }

  override _writev (chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#compress(Buffer.concat(chunks.map(({ chunk }) => chunk)), done)
  }

  override _read (): void {
    this.#stream?.resume()
  }

  override _final (done: (error?: Error | null) => void): void {
    if (this.#bytes === this.#expectedBytes && this.#bytes > 0) { done(); return }
    this.#open().end()
    done()
  }

  override _destroy (error: Error | null, done: (error?: Error | null) => void): void {
    this.#stream?.destroy()
    done(error)
  }

  #compress (data: Buffer, done: (error?: Error | null) => void): void {
    this.#bytes += data.length
    const isLast = this.#bytes === this.#expectedBytes
    const { atOnce } = this.#factory
    if (isLast && this.#stream === null && atOnce !== null && data.length <= AT_ONCE_BYTES) {
      this.push(atOnce(data))
      this.push(null)
      done()
    } else if (isLast) {
      // The last bytes and the end of the coding in one job, without a flush between them.
      this.#open().end(data, () => { done() })
    } else {
      this.#open().write(data, done)
    }
  }

  #open (): BrotliCompress | Deflate | Gzip {
    if (this.#stream !== null) return this.#stream
    const stream = this.#factory.open()
    stream.on('data', (chunk: Buffer) => { if (!this.push(chunk)) stream.pause() })
    stream.on('end', () => { this.push(null) })
    stream.on('error', (error) => { this.destroy(error) })
    return this.#stream = stream
  }
}

import type { BodyConsumer, BodySource } from '../context.js'
import type { GatewayError } from '../errors.js'
import { InflateError, inflateBody } from '../lib/inflate.js'
import { type Refusal, refuse } from '../reply.js'

const TOO_LARGE = refuse('PAYLOAD_TOO_LARGE', { details: { reason: 'body_too_large' } })
const BOMB = refuse('PAYLOAD_TOO_LARGE', { details: { reason: 'inflated_body_too_large' } })
const UNSUPPORTED = refuse('UNSUPPORTED_MEDIA_TYPE', { details: { reason: 'content_encoding_not_supported' }, headers: ['accept-encoding', 'gzip, deflate, br'] })
const CORRUPT = refuse('VALIDATION_ERROR', { details: { reason: 'content_encoding_corrupt' } })

/** A body may be this many times larger inflated than it came: text gzips 5-20 fold, a bomb 1 000 fold. */
const MAX_RATIO = 100

/**
 * All of a body, or the refusal for one that is larger than `maxBytes`: at once when its Content-Length says so, else as soon as it
 * crosses. Rejects with the source's error when it breaks off.
 */
export function collect (source: BodySource, maxBytes: number): Promise<Buffer | Refusal> {
  if (source.length !== null && source.length > maxBytes) return Promise.resolve(TOO_LARGE)
  return new Promise((resolve, reject) => {
    const pieces: Buffer[] = []
    let bytes = 0
    const consumer: BodyConsumer = {
      data (chunk) {
        bytes += chunk.length
        if (bytes > maxBytes) {
          source.abandon()
          resolve(TOO_LARGE)
          return true
        }
        pieces.push(chunk)
        return true
      },
      end () { resolve(pieces.length === 1 ? pieces[0] as Buffer : Buffer.concat(pieces, bytes)) },
      error (error: GatewayError) { reject(error) }
    }
    source.start(consumer)
  })
}

/** The body without its Content-Encoding, or the refusal: 415 for encodings that are not taken, 413 for bombs, 400 for broken ones. */
export async function inflateCollected (raw: Buffer, encoding: string | undefined, maxBytes: number): Promise<Buffer | Refusal> {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return raw
  try {
    return await inflateBody(raw, encoding, { maxBytes, maxRatio: MAX_RATIO })
  } catch (error) {
    if (!(error instanceof InflateError)) throw error
    return error.reason === 'unsupported' ? UNSUPPORTED : error.reason === 'too large' ? BOMB : CORRUPT
  }
}

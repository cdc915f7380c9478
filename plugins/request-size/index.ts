import { Transform } from 'node:stream'
import { Type } from 'typebox'
import type { BodySource } from '../../core/context.js'
import { GatewayError, type ErrorOptions } from '../../core/errors.js'
import { Size } from '../../core/lib/schema-types.js'
import { parseSize } from '../../core/lib/units.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse } from '../../core/reply.js'

const config = Type.Object({
  maxBody: Size({
    default: '1mb',
    description: 'The largest request body, as it is sent (a compressed one counts compressed). `0` allows none.',
    examples: ['64kb', '10mb']
  })
}, { additionalProperties: false })

/** Refuses request bodies beyond a size: by Content-Length before anything is forwarded, chunked ones as soon as they cross it. */
export default definePlugin({
  name: 'request-size',
  description: 'Refuses request bodies beyond a size with 413: by Content-Length before anything is forwarded, chunked ones as soon as they cross it.',
  stage: 'edge',
  body: { request: 'stream' },
  config,
  create ({ maxBody }) {
    const maxBytes = parseSize(maxBody)
    const told = { message: `The request body is larger than the ${maxBytes} bytes that are allowed here.`, details: { reason: 'body_too_large', maxBytes } }
    const refusal = refuse('PAYLOAD_TOO_LARGE', told)
    return {
      request (ctx) {
        const { body } = ctx.request
        if (body === null) return
        if (body.length !== null) return body.length > maxBytes ? refusal : undefined
        // Another plugin may have asked for the whole body: then it is here already.
        if (body.complete) return body.bytesRead > maxBytes ? refusal : undefined
        const { headers } = ctx.forward
        const digests = DIGESTS.map((name) => headers.get(name))
        ctx.forward.transform(new Guard(body, maxBytes, told))
        // A transformed body loses its digests, but this one comes out as it went in.
        for (const [index, digest] of digests.entries()) if (digest !== undefined) headers.set(DIGESTS[index] as string, digest)
      }
    }
  }
})

const DIGESTS = ['content-digest', 'repr-digest', 'digest', 'content-md5']

/** Lets a body through, and fails as soon as more of it has come over the wire than is allowed; holds none of it. */
class Guard extends Transform {
  readonly #body: BodySource
  readonly #maxBytes: number
  readonly #told: ErrorOptions

  constructor (body: BodySource, maxBytes: number, told: ErrorOptions) {
    super()
    this.#body = body
    this.#maxBytes = maxBytes
    this.#told = told
  }

  override _transform (chunk: Buffer, _encoding: string, done: (error?: Error | null, chunk?: Buffer) => void): void {
    // Not the length of what comes by: another plugin may have had it inflated.
    if (this.#body.bytesRead > this.#maxBytes) done(new GatewayError('PAYLOAD_TOO_LARGE', this.#told))
    else done(null, chunk)
  }
}

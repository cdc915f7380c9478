import { Transform } from 'node:stream'
import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { parseSize, SIZE_PATTERN } from '../../core/lib/units.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse } from '../../core/reply.js'

const config = Type.Object({
  maxBody: Type.String({
    default: '1mb',
    pattern: SIZE_PATTERN,
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
        ctx.forward.transform(new Counter(maxBytes, told))
      }
    }
  }
})

/** Lets a body through and fails as soon as it is larger than allowed; holds none of it. */
class Counter extends Transform {
  readonly #maxBytes: number
  readonly #told: { message: string, details: Readonly<Record<string, unknown>> }
  #bytes = 0

  constructor (maxBytes: number, told: { message: string, details: Readonly<Record<string, unknown>> }) {
    super()
    this.#maxBytes = maxBytes
    this.#told = told
  }

  override _transform (chunk: Buffer, _encoding: string, done: (error?: Error | null, chunk?: Buffer) => void): void {
    this.#bytes += chunk.length
    if (this.#bytes > this.#maxBytes) done(new GatewayError('PAYLOAD_TOO_LARGE', this.#told))
    else done(null, chunk)
  }
}

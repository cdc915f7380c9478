import { Type } from 'typebox'
import type { HeaderList } from '../../core/lib/header-list.js'
import { Size } from '../../core/lib/schema-types.js'
import { parseSize } from '../../core/lib/units.js'
import { definePlugin } from '../../core/plugin.js'
import { Compressor, compressorFactory } from './compressor.js'
import { DEFAULT_TYPES, mediaType, TYPE_PATTERN, typeMatcher } from './content-types.js'
import { negotiator } from './negotiate.js'

const config = Type.Object({
  encodings: Type.Array(Type.Enum(['br', 'gzip', 'deflate']), {
    default: ['br', 'gzip', 'deflate'],
    minItems: 1,
    uniqueItems: true,
    description: 'Codings that are offered. Of those that a client likes equally the first one is used.',
    examples: [['gzip']]
  }),
  minSize: Size({
    default: '1kb',
    description: 'Bodies that are known to be smaller go out as they are. A streamed body of unknown size is compressed.',
    examples: ['512b', '4kb']
  }),
  types: Type.Array(Type.String({ title: 'a content type, lower-case', pattern: TYPE_PATTERN }), {
    default: DEFAULT_TYPES,
    description: 'Content types that are compressed: `type/subtype`, `type/*` or `*+suffix`, lower-case. `text/event-stream` never is.',
    examples: [['application/json', 'text/*', '*+json']]
  }),
  levels: Type.Object({
    gzip: Type.Integer({ default: 4, minimum: 1, maximum: 9, description: 'Level of gzip. 6 is 3 % smaller than 4 and half again the CPU.' }),
    deflate: Type.Integer({ default: 4, minimum: 1, maximum: 9, description: 'Level of deflate.' }),
    br: Type.Integer({ default: 4, minimum: 0, maximum: 11, description: 'Quality of brotli. Beyond 5 it is too slow for answers that are made per request.' })
  }, {
    default: {},
    additionalProperties: false,
    description: 'How hard each coding tries.',
    examples: [{ gzip: 6 }]
  })
}, { additionalProperties: false })

const NO_TRANSFORM = /(?:^|,)\s*no-transform\s*(?:$|,)/i

/** Compresses answers as they stream, for clients that accept it. */
export default definePlugin({
  name: 'compression',
  description: 'Compresses answers with br, gzip or deflate as they stream, where the client accepts it and it is worth it.',
  stage: 'edge',
  body: { response: 'stream' },
  config,
  create ({ encodings, minSize, types, levels }) {
    const minBytes = parseSize(minSize)
    const isCompressible = typeMatcher(types)
    const choose = negotiator(encodings)
    const factories = {
      br: compressorFactory('br', levels),
      gzip: compressorFactory('gzip', levels),
      deflate: compressorFactory('deflate', levels)
    }
    return {
      response (ctx) {
        const { response, request } = ctx
        const { headers } = response
        const contentType = headers.get('content-type')
        if (response.status === 304) { markNotModified(headers, request.headers.joined('if-none-match')); return }
        if (contentType === undefined || mustNotChange(response.status, headers)) return
        // Event streams are flushed event by event, and some clients' readers of them can not decode.
        if (mediaType(contentType) === 'text/event-stream') return
        const { coding, identityRefused } = choose(request.headers.joined('accept-encoding'))
        if (!identityRefused && !isCompressible(contentType)) return
        // RFC 9111 section 5.2.1.6: a client may ask for the untouched body too.
        const requestCacheControl = request.headers.joined('cache-control')
        if (requestCacheControl !== undefined && NO_TRANSFORM.test(requestCacheControl)) return
        headers.addToken('vary', 'Accept-Encoding')
        if (coding === null) return
        const bytes = response.body === null ? contentLength(headers) : response.body.length
        if (bytes === 0 || (bytes !== null && bytes < minBytes && !identityRefused)) return
        const etag = headers.get('etag')
        response.transform(new Compressor(factories[coding], bytes))
        headers.set('content-encoding', coding)
        // Byte ranges of the upstream are ranges of another representation.
        headers.delete('accept-ranges')
        // RFC 9110 section 8.8.1: the same content, other bytes.
        if (etag !== undefined) headers.set('etag', etag.startsWith('W/') ? etag : `W/${etag}`)
      }
    }
  }
})

/**
 * RFC 9110 section 15.4.5: a 304 has the Vary and the ETag that the 200 would have had. Whether that one would have been compressed can be
 * seen in the validator that the client holds: it is the weak form of the upstream's.
 */
function markNotModified (headers: HeaderList, held: string | undefined): void {
  headers.addToken('vary', 'Accept-Encoding')
  const etag = headers.get('etag')
  if (etag !== undefined && held?.includes(`W/${etag}`) === true) headers.set('etag', `W/${etag}`)
}

/** Empty, already encoded, a part of something, or marked as not to be touched (RFC 9110 section 7.7). */
function mustNotChange (status: number, headers: HeaderList): boolean {
  if (status === 204 || status === 206 || headers.has('content-range')) return true
  const encoding = headers.joined('content-encoding')
  if (encoding !== undefined && encoding.trim().toLowerCase() !== 'identity') return true
  const cacheControl = headers.joined('cache-control')
  return cacheControl !== undefined && NO_TRANSFORM.test(cacheControl)
}

function contentLength (headers: HeaderList): number | null {
  const field = headers.get('content-length')
  return field !== undefined && /^\d{1,15}$/.test(field) ? Number(field) : null
}

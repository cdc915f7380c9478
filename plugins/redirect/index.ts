import { Type } from 'typebox'
import type { Finding } from '../../core/errors.js'
import { compileTemplate } from '../../core/lib/template.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse, Reply } from '../../core/reply.js'
import { probeRequest, targetShape } from './target.js'

const config = Type.Object({
  to: Type.String({
    minLength: 1,
    description: 'Where to: a path or an absolute URL, with places such as `{{ params.id }}` or `{{ request.path }}`. Values are percent-encoded.',
    examples: ['https://{{ request.host }}{{ request.path }}', '/v2/orders/{{ params.id }}']
  }),
  status: Type.Enum([301, 302, 303, 307, 308], {
    default: 302,
    description: '301, 308: for good; 302, 307: for now; 303: look there with GET. 307 and 308 keep method and body.',
    examples: [308]
  }),
  keepQuery: Type.Boolean({
    default: false,
    description: 'Whether the query of the request goes on, behind the one that `to` has.',
    examples: [true]
  })
}, { additionalProperties: false })

/** Answers with a redirect to a templated target that a request can not bend to another site. */
export default definePlugin({
  name: 'redirect',
  description: 'Answers with a redirect to a path or URL, made of the request where wanted, and never to another site than the template names.',
  stage: ['upstream', 'edge'],
  requires: ['consumer?'],
  config,
  check ({ to }): Finding[] {
    try {
      const shape = targetShape(compileTemplate(to, { encode: 'url' }))
      return shape.kind === 'wrong' ? [{ path: ['to'], message: shape.message, remedy: shape.remedy }] : []
    } catch (error) {
      return [{ path: ['to'], message: (error as Error).message, remedy: '' }]
    }
  },
  create ({ to, status, keepQuery }) {
    const template = compileTemplate(to, { encode: 'url' })
    const shape = targetShape(template)
    const query = keepQuery ? compileTemplate('{{ request.query }}', { encode: 'url' }) : null
    const constant = template.isConstant && query === null ? new Reply(status, ['location', template.render(probeRequest([]))], null) : null
    const isPath = shape.kind === 'path'
    const hostMissing = shape.kind === 'host-from-request'
      ? refuse('VALIDATION_ERROR', { message: 'The request lacks the host to which it would be sent on.', details: { reason: 'redirect_host_missing' } })
      : null
    return {
      request (ctx) {
        if (constant !== null) return constant
        let location = template.render(ctx)
        // RFC 3986 section 4.2: two slashes at the start would make what follows the host.
        if (isPath && location.startsWith('//')) location = location.replace(/^\/+/, '/')
        // Browsers read https:///a/b as https://a/b.
        if (hostMissing !== null && /^[^/]*\/\/(?:[:/?#]|$)/.test(location)) return hostMissing
        if (query !== null) location = withQuery(location, query.render(ctx))
        return new Reply(status, ['location', location], null)
      }
    }
  }
})

/** Adds a query before the fragment. Values are encoded: a `?` or `#` is the template's own. */
function withQuery (location: string, query: string): string {
  if (query === '') return location
  const hash = location.indexOf('#')
  const base = hash < 0 ? location : location.slice(0, hash)
  const fragment = hash < 0 ? '' : location.slice(hash)
  return `${base}${base.includes('?') ? '&' : '?'}${query}${fragment}`
}

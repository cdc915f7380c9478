import { createGunzip } from 'node:zlib'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DOCS_PAGE, DOCS_POLICY, DOCS_SCRIPT, DOCS_STYLE } from './docs-page.js'
import { loadReferenceScript } from './reference-script.js'

// A browser that opens an address sends no token with it: these hold what anybody can read in the package, and nothing of the gateway.
const OPEN = { config: { public: true as const }, schema: { hide: true } as object }

/** Serves `/admin/docs`, the page that shows the OpenAPI document to who has a token for it, with its script and style. */
export function addDocs (scope: FastifyInstance): void {
  const text = (url: string, type: string, body: string): void => {
    scope.get(url, OPEN, async (_request, reply) => await secured(reply).type(`${type}; charset=utf-8`).send(body))
  }
  text('/admin/docs', 'text/html', DOCS_PAGE)
  text('/admin/docs/page.css', 'text/css', DOCS_STYLE)
  text('/admin/docs/page.js', 'text/javascript', DOCS_SCRIPT)
  scope.get('/admin/docs/scalar.js', OPEN, async (request, reply) => await sendScript(request, reply))
}

async function sendScript (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { gzip, etag } = await loadReferenceScript()
  secured(reply).header('etag', etag).header('cache-control', 'no-cache').header('vary', 'accept-encoding').type('text/javascript; charset=utf-8')
  const asked = request.headers['if-none-match']
  if (asked !== undefined && asked.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag)) return reply.code(304).send()
  if (/\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''))) return reply.header('content-encoding', 'gzip').send(gzip)
  const plain = createGunzip()
  plain.end(gzip)
  return reply.send(plain)
}

function secured (reply: FastifyReply): FastifyReply {
  return reply.header('content-security-policy', DOCS_POLICY).header('referrer-policy', 'no-referrer').header('x-frame-options', 'DENY').header('cross-origin-opener-policy', 'same-origin')
}

import { randomUUID } from 'node:crypto'
import rateLimit from '@fastify/rate-limit'
import Fastify, { type FastifyInstance } from 'fastify'
import { addOperations } from './admin/add-operations.js'
import { guardWithToken } from './admin/bearer.js'
import { addDocs } from './admin/docs.js'
import { addAdminEndpoints } from './admin/endpoints.js'
import { createErrorReplies, setCommonHeaders } from './admin/error-replies.js'
import { createFindPrincipal } from './admin/find-principal.js'
import { takeJsonBodies } from './admin/json-body.js'
import { addOpenApi } from './admin/open-api.js'
import { OPERATIONS } from './admin/operations.js'
import type { AdminPorts } from './admin/ports.js'

export type { AdminPorts }

// What an operator's tool sends is small; what takes longer is not one.
const MAX_BODY_BYTES = 64 * 1024
const MAX_HEADER_BYTES = 16 * 1024
const REQUEST_MS = 10_000
const KEEP_ALIVE_MS = 65_000

// Enough for typing errors, and 10 guesses a minute find nothing.
const FAILED_ATTEMPTS = 10
const FAILURE_WINDOW_MS = 60_000

/**
 * Builds the admin port: `/livez` and `/readyz` for everybody; `/metrics`, `/status`, `/config` and `POST /reload` for who has the
 * operator's token, and with a store what tenants have, for who has a token and the role. The caller says where it listens, and closes it.
 */
export function buildAdmin (ports: AdminPorts): FastifyInstance {
  const errors = createErrorReplies(ports.logger, ports.docs ?? null)
  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: MAX_BODY_BYTES,
    requestTimeout: REQUEST_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    http: { maxHeaderSize: MAX_HEADER_BYTES },
    forceCloseConnections: 'idle',
    return503OnClosing: false, // its answer would be in Fastify's shape
    frameworkErrors: errors.failed,
    clientErrorHandler: errors.unparsable
  })
  app.setErrorHandler(errors.failed)
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => { done(null) }) // nothing of the port's own reads a body
  app.addHook('onRequest', async (request, reply) => { setCommonHeaders(request, reply) })
  // Not globally: probes are exempt, and only what failed is counted.
  void app.register(rateLimit, { global: false, max: FAILED_ATTEMPTS, timeWindow: FAILURE_WINDOW_MS })
  const { state } = ports
  guardWithToken(app, ports.token, state === null || state === undefined ? null : createFindPrincipal(state), errors)
  const allowed = addAdminEndpoints(app, ports, errors)
  if (state !== null && state !== undefined) {
    void app.register(async (scope) => {
      takeJsonBodies(scope)
      await addOpenApi(scope, errors)
      addDocs(scope)
      addOperations(scope, OPERATIONS, state, ports.logger)
    })
  }
  app.setNotFoundHandler((request, reply) => errors.notFound(request, reply, allowed))
  return app
}

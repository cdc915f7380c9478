import swagger from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'
import type { ErrorReplies } from './error-replies.js'

/** Serves `/admin/openapi.json`: the OpenAPI 3.1 document of the routes that the scope gets after this. */
export async function addOpenApi (scope: FastifyInstance, errors: ErrorReplies): Promise<void> {
  await scope.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'Sluice admin API', version: '1', description: 'Projects, keys, people and plans of a gateway. Errors have one shape; `details.reason` is the finer code.' },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'The operator\'s token, or one that POST /admin/tokens made.' } } }
    }
  })
  let text: string | null = null
  scope.get('/admin/openapi.json', { config: { permission: 'projects:read' }, schema: { hide: true } as object }, async (request, reply) => {
    if (Object.keys(request.query as object).length > 0) return errors.refuse(request, reply, 'VALIDATION_ERROR', { details: { reason: 'invalid_fields' } })
    text ??= JSON.stringify(scope.swagger())
    return reply.type('application/json; charset=utf-8').send(text)
  })
}

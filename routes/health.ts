import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'

/**
 * Serves liveness on the data port: 200 while it takes requests, 503 while it stops. The gateway hands over what asks for one of the configured
 * paths, and nothing else; so a reload can change the paths, although Fastify's router is frozen.
 */
export function registerHealth (own: FastifyInstance, isReady: () => boolean, requestIdHeader: () => string | null): void {
  own.get('/*', (_request, reply) => {
    const ready = isReady()
    if (!ready) void reply.header('connection', 'close')
    const idHeader = requestIdHeader()
    if (idHeader !== null) reply.header(idHeader, randomUUID())
    void reply.code(ready ? 200 : 503).header('cache-control', 'no-store').send({ status: ready ? 'ok' : 'stopping' })
  })
}

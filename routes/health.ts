import type { FastifyInstance } from 'fastify'

/** Serves liveness on the data port, at the paths that the configuration names: 200 while it takes requests, 503 while it stops. */
export function registerHealth (own: FastifyInstance, paths: readonly string[], isReady: () => boolean): void {
  for (const path of paths) {
    own.get(path, (_request, reply) => {
      const ready = isReady()
      void reply.code(ready ? 200 : 503).header('cache-control', 'no-store').send({ status: ready ? 'ok' : 'stopping' })
    })
  }
}

import type { FastifyInstance } from 'fastify'
import type { ErrorReplies } from './error-replies.js'
import type { AdminPorts } from './ports.js'
import { shownFindings } from './shown-findings.js'

/** Prometheus's text exposition format. */
const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Adds what the admin port serves; gives the methods that a path takes (null = there is no such path), for 405: also of routes that come later. */
export function addAdminEndpoints (app: FastifyInstance, ports: AdminPorts, errors: ErrorReplies): (path: string) => string | null {
  const allowed = new Map<string, string>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = new Set([...(allowed.get(url)?.split(', ') ?? []), ...[method].flat()])
    allowed.set(url, [...methods].join(', '))
  })

  app.get('/livez', { config: { public: true } }, async (request, reply) => {
    return ports.live() ? { status: 'live' } : errors.refuse(request, reply, 'SERVICE_UNAVAILABLE', { details: { reason: 'not_live' } })
  })
  app.get('/readyz', { config: { public: true } }, async (request, reply) => {
    const { ready, reasons, degraded = [] } = ports.ready()
    if (ready) return degraded.length === 0 ? { status: 'ready' } : { status: 'degraded', reasons: degraded }
    return errors.refuse(request, reply, 'SERVICE_UNAVAILABLE', { details: { reason: 'not_ready', reasons } })
  })
  app.get('/metrics', async (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(await ports.metrics()))
  app.get('/status', async () => await ports.status())
  app.get('/config', async (request, reply) => {
    const text = await ports.config()
    return text === null
      ? errors.refuse(request, reply, 'SERVICE_UNAVAILABLE', { message: 'What is served is not what the files say now, which can not be used.', details: { reason: 'config_unreadable' } })
      : reply.type('application/json; charset=utf-8').send(text)
  })
  app.post('/reload', async (request, reply) => {
    const { ok, findings, changed, durationMs, needsRestart } = await ports.reload()
    ports.logger.info({ requestId: request.id, peer: request.ip, ok, changed, durationMs, findings: findings.length }, 'reload asked for on the admin port')
    if (ok) return { ok, changed, durationMs, needsRestart, findings: shownFindings(findings) }
    return errors.refuse(request, reply, 'VALIDATION_ERROR', {
      message: 'The configuration was not taken; the one before keeps serving.',
      details: { reason: 'config_refused', durationMs, findingCount: findings.length, findings: shownFindings(findings) }
    })
  })
  return (path) => {
    for (const [url, methods] of allowed) if (url === path || (url.includes(':') && isOfPattern(url, path))) return methods
    return null
  }
}

function isOfPattern (pattern: string, path: string): boolean {
  const [wanted, given] = [pattern.split('/'), path.split('/')]
  return wanted.length === given.length && wanted.every((part, index) => part.startsWith(':') ? given[index] !== '' : part === given[index])
}

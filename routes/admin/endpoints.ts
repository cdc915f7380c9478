import type { FastifyInstance } from 'fastify'
import { formatFinding, formatPath, type Finding } from '../../core/errors.js'
import type { ErrorReplies } from './error-replies.js'
import type { AdminPorts } from './ports.js'

/** Prometheus's text exposition format. */
const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

const MAX_FINDINGS = 1000

/** Adds what the admin port serves; gives the methods that each path takes, for 405. */
export function addAdminEndpoints (app: FastifyInstance, ports: AdminPorts, errors: ErrorReplies): ReadonlyMap<string, string> {
  const allowed = new Map<string, string>()
  app.addHook('onRoute', ({ url, method }) => {
    const methods = new Set([...(allowed.get(url)?.split(', ') ?? []), ...[method].flat()])
    allowed.set(url, [...methods].join(', '))
  })

  app.get('/livez', { config: { public: true } }, async (request, reply) => {
    return ports.live() ? { status: 'live' } : errors.refuse(request, reply, 'SERVICE_UNAVAILABLE', { details: { reason: 'not_live' } })
  })
  app.get('/readyz', { config: { public: true } }, async (request, reply) => {
    const { ready, reasons } = ports.ready()
    return ready ? { status: 'ready' } : errors.refuse(request, reply, 'SERVICE_UNAVAILABLE', { details: { reason: 'not_ready', reasons } })
  })
  app.get('/metrics', async (_request, reply) => reply.type(METRICS_CONTENT_TYPE).send(await ports.metrics()))
  app.get('/status', async () => await ports.status())
  app.get('/config', async () => await ports.config())
  app.post('/reload', async (request, reply) => {
    const { ok, findings, changed, durationMs } = await ports.reload()
    ports.logger.info({ requestId: request.id, peer: request.ip, ok, changed, durationMs, findings: findings.length }, 'reload asked for on the admin port')
    if (ok) return { ok, changed, durationMs, findings: shownFindings(findings) }
    return errors.refuse(request, reply, 'VALIDATION_ERROR', {
      status: 422,
      message: 'The configuration was not taken; the one before keeps serving.',
      details: { reason: 'config_refused', durationMs, findingCount: findings.length, findings: shownFindings(findings) }
    })
  })
  return allowed
}

/** Findings for people (`text`, a line as `sluice check` prints it) and for programs; the first thousand. */
function shownFindings (findings: readonly Finding[]): object[] {
  return findings.slice(0, MAX_FINDINGS).map((finding) => ({
    text: formatFinding(finding),
    path: formatPath(finding.path),
    message: finding.message,
    remedy: finding.remedy,
    position: finding.position ?? null
  }))
}

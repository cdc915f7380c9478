import type { GatewayRequest, ResponseSink } from './context.js'
import { GatewayError } from './errors.js'
import type { Subrequest, SubrequestAnswer } from './host.js'
import { createMemoryRequest, MemorySink } from './memory-exchange.js'
import type { ProjectConfig } from './route.js'

/** How deep requests may make requests: a route that asks for itself would otherwise never end. */
const MAX_DEPTH = 8
const DEPTH_HEADER = 'x-sluice-subrequest-depth'

/**
 * Sends a request through the gateway itself, as the plugin's project: routed, with the steps of the route that it finds. Resolves to the
 * whole answer; rejects with GatewayError when that broke off or requests nest too deeply.
 */
export async function sendSubrequest (
  gateway: { handle (request: GatewayRequest, sink: ResponseSink): void }, subrequest: Subrequest, project: ProjectConfig | null
): Promise<SubrequestAnswer> {
  const depth = Number(subrequest.headers?.[DEPTH_HEADER] ?? 0) + 1
  if (!(depth <= MAX_DEPTH)) throw new GatewayError('INTERNAL_ERROR', { details: { reason: 'subrequest_depth' } })
  const host = subrequest.host ?? project?.hosts.find((name) => !name.startsWith('*')) ?? 'localhost'
  const request = createMemoryRequest({
    ...(subrequest.method === undefined ? {} : { method: subrequest.method }),
    target: subrequest.target,
    host,
    headers: { ...subrequest.headers, [DEPTH_HEADER]: String(depth) },
    body: subrequest.body ?? null
  })
  const sink = new MemorySink()
  const abort = (): void => { sink.abort() }
  subrequest.signal?.addEventListener('abort', abort, { once: true })
  gateway.handle(request, sink)
  const answer = await sink.done
  subrequest.signal?.removeEventListener('abort', abort)
  if (!answer.complete) throw new GatewayError('UPSTREAM_UNREACHABLE', { details: { reason: 'subrequest_incomplete' } })
  return { status: answer.status, headers: answer.headers.flat, body: answer.body }
}

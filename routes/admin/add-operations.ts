import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { TObject } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import { audited } from './audited.js'
import { isUnchanged, tagOf } from './entity-tag.js'
import { describeOperation } from './describe-operation.js'
import { isTextBody } from './json-body.js'
import { createIdempotency, type Idempotency } from './idempotency.js'
import type { Call, Operation, Result } from './operation.js'
import { createReach } from './reach.js'
import { OPERATOR } from './roles.js'
import type { StatePorts } from './state-ports.js'
import { storeFailure } from './store-failures.js'
import { createValidator, invalidRequest } from './validation.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What this route serves; absent = an endpoint of the port itself. */
    operation?: Operation
  }
}

interface Checks { body: ((value: unknown) => void) | null, query: ((value: unknown) => void) | null }

/** Adds a route for each operation. What a request needs beside its token is checked here, alike for all. */
export function addOperations (scope: FastifyInstance, operations: readonly Operation[], state: StatePorts, logger: Logger): void {
  const idempotency = createIdempotency(state.open.system, state.now)
  scope.setValidatorCompiler(() => () => true) // checked by the operation's own validators, which tell more
  scope.setSerializerCompiler(() => (value) => JSON.stringify(value))
  for (const operation of operations) {
    const checks: Checks = {
      body: operation.body === undefined ? null : createValidator(operation.body, 'body'),
      query: operation.query !== undefined || operation.method === 'GET' ? createValidator(operation.query ?? EMPTY, 'query') : null
    }
    scope.route({
      method: operation.method,
      url: operation.url,
      ...operation.takesText === true ? { bodyLimit: MAX_TEXT_BYTES } : {},
      config: { permission: operation.permission, operation },
      schema: describeOperation(operation),
      handler: async (request, reply) => {
        try {
          return await answer(operation, checks, { state, logger, idempotency }, request, reply)
        } catch (error) {
          throw storeFailure(error) ?? error
        }
      }
    })
  }
}

const MAX_TEXT_BYTES = 1024 * 1024
const EMPTY = { type: 'object', properties: {}, additionalProperties: false } as unknown as TObject

async function answer (
  operation: Operation, { body: checkBody, query: checkQuery }: Checks,
  { state, logger, idempotency }: { state: StatePorts, logger: Logger, idempotency: Idempotency }, request: FastifyRequest, reply: FastifyReply
): Promise<FastifyReply> {
  const principal = request.principal ?? OPERATOR
  const query = { ...request.query as Record<string, unknown> }
  if (checkQuery !== null) checkQuery(query)
  else if (Object.keys(query).length > 0) throw invalidRequest(Object.keys(query).map((path) => ({ path, message: 'is not known here', known: [] })))
  const takesText = operation.takesText === true
  if (isTextBody(request) && !takesText) throw new GatewayError('UNSUPPORTED_MEDIA_TYPE')
  const body = request.body ?? (operation.body?.required === undefined ? {} : undefined)
  if (checkBody !== null) checkBody(body)
  else if (request.body !== undefined && request.body !== null && !takesText) throw invalidRequest([{ path: '', message: 'is not taken here' }])

  const origin = { actor: principal.actor, action: operation.id, requestId: request.id, peer: request.ip }
  const call: Call = {
    principal, state, query,
    reach: createReach(state, principal),
    params: request.params as Record<string, string>,
    body: body as Record<string, unknown>,
    text: takesText ? request.bodyText ?? null : null,
    url: request.url,
    ifMatch: request.headers['if-match'],
    change: (what, make) => audited(state.open.audit, logger, origin, what, make)
  }
  const key = request.headers['idempotency-key']
  if (operation.method !== 'POST' || key === undefined) return send(request, reply, await operation.run(call))
  if (typeof key !== 'string') throw new GatewayError('VALIDATION_ERROR', { details: { reason: 'idempotency_key' } })
  const result = await idempotency.once({
    key, actor: principal.actor, method: operation.method, url: request.url, body, secrets: operation.secrets ?? []
  }, () => operation.run(call))
  if (result.replayed) reply.header('idempotent-replay', 'true')
  return send(request, reply, result)
}

function send (request: FastifyRequest, reply: FastifyReply, { status, body, rev, location, text }: Result): FastifyReply {
  if (rev !== undefined) {
    reply.header('etag', tagOf(rev))
    if (request.method === 'GET' && isUnchanged(request.headers['if-none-match'], rev)) return reply.code(304).send()
  }
  if (location !== undefined) reply.header('location', location)
  reply.code(status)
  if (text !== undefined) return reply.type(text.type).send(text.value)
  return body === null ? reply.send() : reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}

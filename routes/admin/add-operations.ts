import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { GatewayError } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import { checkPreconditions, isUnchanged, tagOf } from './entity-tag.js'
import { describeOperation } from './describe-operation.js'
import { isTextBody } from './json-body.js'
import { createIdempotency, type Idempotency } from './idempotency.js'
import type { Operation, Result } from './operation.js'
import { OPERATOR } from './roles.js'
import { createOperationRunner, type OperationRequest, type OperationRunner } from './run-operation.js'
import type { StatePorts } from './state-ports.js'
import { storeFailure } from './store-failures.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What this route serves; absent = an endpoint of the port itself. */
    operation?: Operation
  }
}

/** Adds a route for each operation. What a request needs beside its token is checked here, alike for all. */
export function addOperations (scope: FastifyInstance, operations: readonly Operation[], state: StatePorts, logger: Logger): void {
  const idempotency = createIdempotency(state.open.system, state.keys, state.now)
  const runner = createOperationRunner(logger)
  scope.setValidatorCompiler(() => () => true) // checked by the operation's own validators, which tell more
  scope.setSerializerCompiler(() => (value) => JSON.stringify(value))
  for (const operation of operations) {
    scope.route({
      method: operation.method,
      url: operation.url,
      ...operation.takesText === true || operation.takesMany === true ? { bodyLimit: MAX_LARGE_BYTES } : {},
      config: { permission: operation.permission, operation },
      schema: describeOperation(operation),
      handler: async (request, reply) => {
        try {
          return await answer(operation, { state, runner, idempotency }, request, reply)
        } catch (error) {
          throw storeFailure(error) ?? error
        }
      }
    })
  }
}

const MAX_LARGE_BYTES = 1024 * 1024

async function answer (
  operation: Operation, { state, runner, idempotency }: { state: StatePorts, runner: OperationRunner, idempotency: Idempotency }, request: FastifyRequest, reply: FastifyReply
): Promise<FastifyReply> {
  const principal = request.principal ?? OPERATOR
  const takesText = operation.takesText === true
  if (isTextBody(request) && !takesText) throw new GatewayError('UNSUPPORTED_MEDIA_TYPE')
  const asked: OperationRequest = {
    principal, state,
    query: { ...request.query as Record<string, unknown> },
    params: request.params as Record<string, string>,
    body: request.body,
    text: takesText ? request.bodyText ?? '' : null,
    url: request.url,
    ifMatch: request.headers['if-match'],
    ifNoneMatch: request.headers['if-none-match'],
    requestId: request.id,
    peer: request.ip,
    attempt: null
  }
  runner.check(operation, asked)
  const key = request.headers['idempotency-key']
  if (operation.method !== 'POST' || key === undefined) return send(request, reply, await runner.run(operation, asked))
  if (typeof key !== 'string') throw new GatewayError('VALIDATION_ERROR', { details: { reason: 'idempotency_key' } })
  const result = await idempotency.once({
    key, actor: principal.actor, method: operation.method, url: request.url, requestId: request.id, body: request.body ?? {}, preconditions: { ifMatch: asked.ifMatch, ifNoneMatch: asked.ifNoneMatch }, secrets: operation.secrets ?? []
  }, (attempt) => runner.run(operation, { ...asked, attempt }))
  if (result.replayed) reply.header('idempotent-replay', 'true')
  return send(request, reply, result)
}

function send (request: FastifyRequest, reply: FastifyReply, { status, body, rev, location, text }: Result): FastifyReply {
  if (rev !== undefined) {
    reply.header('etag', tagOf(rev))
    if (request.method === 'GET') checkPreconditions({ ifMatch: request.headers['if-match'] }, rev)
    if (request.method === 'GET' && isUnchanged(request.headers['if-none-match'], rev)) return reply.code(304).send()
  }
  if (location !== undefined) reply.header('location', location)
  reply.code(status)
  if (text !== undefined) return reply.type(text.type).send(text.value)
  return body === null ? reply.send() : reply.type('application/json; charset=utf-8').send(JSON.stringify(body))
}

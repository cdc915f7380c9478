import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorOptions } from '../../core/errors.js'
import { createSecretMatcher } from '../../core/lib/secret-matcher.js'
import { createTurns } from '../../core/lib/turns.js'
import type { ErrorReplies } from './error-replies.js'
import { mayDo, OPERATOR, type Permission, type Principal } from './roles.js'
import { storeFailure } from './store-failures.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    public?: true
    /** What is needed to be served; absent = `system`, which operators alone have. */
    permission?: Permission
  }
  interface FastifyRequest {
    /** Who asks; null before it is known, and for what is public. */
    principal: Principal | null
  }
}

/** Finds who a token is of, other than the operator's own. */
export type FindPrincipal = (token: string) => Promise<Principal | null>

const BEARER = /^Bearer +([A-Za-z0-9\-._~+/]+=*) *$/i // RFC 6750 section 2.1

const TOKEN_MISSING: ErrorOptions = {
  message: 'The admin token is needed: Authorization: Bearer <token>.',
  details: { reason: 'token_missing' },
  headers: ['www-authenticate', 'Bearer realm="sluice admin"']
}
const TOKEN_INVALID: ErrorOptions = {
  message: 'This is not the admin token.',
  details: { reason: 'token_invalid' },
  headers: ['www-authenticate', 'Bearer realm="sluice admin", error="invalid_token"']
}

/**
 * Lets nothing through without the operator's token, or one that `find` knows and whose role may, but routes that say `public`: unknown paths
 * neither. Needs @fastify/rate-limit registered: a peer (an IPv6 /64) with too many wrong tokens is refused unread until its window ends, a
 * right one too, else guessing would go on.
 */
export function guardWithToken (app: FastifyInstance, token: string, find: FindPrincipal | null, errors: ErrorReplies): void {
  const matches = createSecretMatcher(token)
  let failures: ReturnType<FastifyInstance['createRateLimit']>
  app.after(() => { failures = app.createRateLimit() })
  app.decorateRequest('principal', null)
  const attempt = async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    const so = await failures(request, { increment: false })
    if (!so.isAllowed && so.remaining === 0) {
      return errors.refuse(request, reply, 'RATE_LIMIT_EXCEEDED', {
        message: 'Too many wrong tokens came from this address.',
        details: { reason: 'too_many_failed_attempts' },
        headers: ['retry-after', String(Math.max(1, so.ttlInSeconds))]
      })
    }
    const { authorization } = request.headers
    const presented = BEARER.exec(authorization ?? '')?.[1]
    if (presented !== undefined) {
      try {
        request.principal = matches(presented) ? OPERATOR : await find?.(presented) ?? null
      } catch (error) {
        throw storeFailure(error) ?? error
      }
    }
    if (request.principal !== null) return undefined
    if (authorization !== undefined) await failures(request)
    return errors.refuse(request, reply, 'AUTHENTICATION_ERROR', authorization === undefined ? TOKEN_MISSING : TOKEN_INVALID)
  }
  // One peer's one after the other: of requests that are pipelined in one packet, all would see the count of before the first.
  const inTurn = createTurns()
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config?.public === true) return
    const refused = await inTurn(request.ip, () => attempt(request, reply))
    if (refused !== undefined) return refused
    if (request.principal === null || request.is404 || mayDo(request.principal, request.routeOptions.config?.permission ?? 'system')) return
    return errors.refuse(request, reply, 'AUTHORIZATION_ERROR', { message: 'The role of this token does not allow this.', details: { reason: 'role', role: request.principal.role } })
  })
}

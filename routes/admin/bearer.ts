import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { ErrorOptions } from '../../core/errors.js'
import { createSecretMatcher } from '../../core/lib/secret-matcher.js'
import type { ErrorReplies } from './error-replies.js'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Served without a token. */
    public?: true
  }
}

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
 * Lets nothing through without the token but routes that say `public`: unknown paths neither. Needs @fastify/rate-limit registered:
 * a peer (an IPv6 /64) with too many wrong tokens is refused unread until its window ends, a right one too, else guessing would go on.
 */
export function guardWithToken (app: FastifyInstance, token: string, errors: ErrorReplies): void {
  const matches = createSecretMatcher(token)
  let failures: ReturnType<FastifyInstance['createRateLimit']>
  app.after(() => { failures = app.createRateLimit() })
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
    if (presented !== undefined && matches(presented)) return undefined
    if (authorization !== undefined) await failures(request)
    return errors.refuse(request, reply, 'AUTHENTICATION_ERROR', authorization === undefined ? TOKEN_MISSING : TOKEN_INVALID)
  }
  // One after the other: of requests that are pipelined in one packet, all would see the count of before the first.
  let turn: Promise<unknown> = Promise.resolve()
  app.addHook('onRequest', async (request, reply) => {
    if (request.routeOptions.config?.public === true) return
    const mine = turn.then(() => attempt(request, reply))
    turn = mine.catch(() => {})
    return await mine
  })
}

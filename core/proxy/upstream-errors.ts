import { GatewayError } from '../errors.js'
import { UpstreamFault } from './upstream-fault.js'

/** How far an exchange had come when it failed: no connection; nothing of an answer; some of its head; its head and maybe some body. */
export type UpstreamPhase = 'connecting' | 'sent' | 'answering' | 'answered'

/** Why an exchange with an upstream failed, as a code of the error table: 502, 503 and 504 told apart. */
export function upstreamError (cause: unknown, phase: UpstreamPhase): GatewayError {
  if (cause instanceof GatewayError) return cause
  const code = codeOf(cause)
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') {
    return new GatewayError('UPSTREAM_TIMEOUT', { message: 'The upstream did not accept a connection in time.', details: { reason: 'connect_timeout' }, cause })
  }
  if (cause instanceof UpstreamFault && cause.kind !== 'lost') {
    const { kind, reason } = cause
    return new GatewayError(kind === 'closed' ? 'SERVICE_UNAVAILABLE' : kind === 'body' ? 'INTERNAL_ERROR' : 'UPSTREAM_INVALID_RESPONSE', { details: { reason }, cause })
  }
  // Tunnels go through Node's own client, which names what its parser finds.
  if (code.startsWith('HPE_')) {
    return new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: code === 'HPE_HEADER_OVERFLOW' ? 'headers_too_large' : 'invalid_http' }, cause })
  }
  if (phase === 'connecting') {
    const reason = code === 'ECONNREFUSED' ? 'connection_refused' : code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'name_not_resolved' : code === 'EGRESS_REFUSED' ? 'target_not_allowed' : isTls(code) ? 'tls_error' : 'connect_failed'
    return new GatewayError('UPSTREAM_UNREACHABLE', { details: { reason }, cause })
  }
  // Half a head: something was said, and it was not HTTP to the end.
  if (phase === 'answering') return new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'incomplete_head' }, cause })
  if (phase === 'answered') return new GatewayError('UPSTREAM_UNREACHABLE', { message: 'The upstream broke its answer off.', details: { reason: 'answer_incomplete' }, cause })
  return new GatewayError('UPSTREAM_UNREACHABLE', { message: 'The upstream closed the connection before it answered.', details: { reason: 'connection_lost' }, cause })
}

/** The `code` of an error of Node or of undici's connector, or `''`. */
function codeOf (error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  const { code } = error as { code?: unknown }
  if (typeof code === 'string') return code
  // Happy-eyeballs attempts fail together; the first one tells why.
  const { errors } = error as { errors?: unknown }
  return Array.isArray(errors) && errors.length > 0 ? codeOf(errors[0]) : ''
}

/** Whether the connection was lost in a way that a reused, idle connection is: the other side had closed it. */
export function isConnectionLoss (error: unknown): boolean {
  const code = codeOf(error)
  return (error instanceof UpstreamFault && error.kind === 'lost') || code === 'ECONNRESET' || code === 'EPIPE'
}

function isTls (code: string): boolean {
  return code.startsWith('ERR_TLS') || code.startsWith('ERR_SSL') || code.startsWith('CERT_') || code.endsWith('_CERT') ||
    code.includes('SELF_SIGNED') || code.includes('UNABLE_TO_') || code === 'EPROTO'
}

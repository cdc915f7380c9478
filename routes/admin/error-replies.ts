import { randomUUID } from 'node:crypto'
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { renderError, type ErrorLike } from '../../core/error-body.js'
import { ERROR_CODES, GatewayError, type ErrorCode, type ErrorOptions } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import { refuse } from '../../core/reply.js'

/** How the admin port says no, always in the house shape (or problem details) and with the request's id. */
export interface ErrorReplies {
  refuse (request: FastifyRequest, reply: FastifyReply, code: ErrorCode, options?: ErrorOptions): FastifyReply
  /** For what a handler or Fastify itself throws. What is not expected is logged, and only its request id is shown. */
  failed (error: Error, request: FastifyRequest, reply: FastifyReply): void
  /** 404, or 405 with Allow where `allowed` has the path. */
  notFound (request: FastifyRequest, reply: FastifyReply, allowed: (path: string) => string | null): FastifyReply
  /** For what is no request: answers on the bare socket. */
  unparsable (error: NodeJS.ErrnoException, socket: Socket): void
}

const CODES_BY_STATUS = new Map<number, ErrorCode>([
  [400, 'VALIDATION_ERROR'], [404, 'NOT_FOUND'], [408, 'REQUEST_TIMEOUT'], [413, 'PAYLOAD_TOO_LARGE'], [414, 'URI_TOO_LONG'],
  [415, 'UNSUPPORTED_MEDIA_TYPE'], [429, 'RATE_LIMIT_EXCEEDED'], [431, 'HEADERS_TOO_LARGE']
])

/** Makes the error answers of a port. `docs` is the base address of the error documentation. */
export function createErrorReplies (logger: Logger, docs: string | null): ErrorReplies {
  const send = (request: FastifyRequest, reply: FastifyReply, error: ErrorLike, headers: readonly string[]): FastifyReply => {
    const { contentType, body } = renderError(error, { requestId: request.id, timestamp: Date.now(), accept: request.headers.accept, docs })
    for (let i = 0; i < headers.length; i += 2) reply.header(headers[i] as string, headers[i + 1])
    setCommonHeaders(request, reply) // no hook has run for what the router refuses
    return reply.code(error.status).header('content-type', contentType).send(Buffer.from(body)) // Fastify adds a charset to strings
  }

  const replies: ErrorReplies = {
    refuse (request, reply, code, options = {}) {
      return send(request, reply, refuse(code, options), options.headers ?? [])
    },
    failed (error, request, reply) {
      if (error instanceof GatewayError) {
        send(request, reply, error, error.headers ?? [])
        return
      }
      const code = CODES_BY_STATUS.get((error as { statusCode?: number }).statusCode ?? 500)
      if (code === undefined) logger.error({ requestId: request.id, method: request.method, path: pathOf(request), error }, 'the admin port failed')
      replies.refuse(request, reply, code ?? 'INTERNAL_ERROR')
    },
    notFound (request, reply, allowed) {
      const methods = allowed(pathOf(request))
      return methods === null ? replies.refuse(request, reply, 'NOT_FOUND') : replies.refuse(request, reply, 'METHOD_NOT_ALLOWED', { headers: ['allow', methods] })
    },
    unparsable (error, socket) {
      if (error.code === 'ECONNRESET' || !socket.writable) {
        socket.destroy()
        return
      }
      const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'HEADERS_TOO_LARGE' : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'REQUEST_TIMEOUT' : 'VALIDATION_ERROR'
      const { status } = ERROR_CODES[code]
      const requestId = randomUUID()
      const { contentType, body } = renderError(refuse(code), { requestId, timestamp: Date.now(), accept: null, docs })
      socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nx-request-id: ${requestId}\r\ncontent-type: ${contentType}\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n${body}`)
    }
  }
  return replies
}

/** What every answer of the port has. */
export function setCommonHeaders (request: FastifyRequest, reply: FastifyReply): void {
  reply.header('x-request-id', request.id)
  reply.header('cache-control', 'no-store')
  reply.header('x-content-type-options', 'nosniff')
}

function pathOf (request: FastifyRequest): string {
  return request.url.split('?', 1)[0] as string
}

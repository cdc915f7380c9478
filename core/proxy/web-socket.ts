import { createHash } from 'node:crypto'
import type { GatewayRequest } from '../context.js'
import { type Refusal, refuse } from '../reply.js'

const BAD_KEY = refuse('VALIDATION_ERROR', { message: 'A WebSocket handshake has one Sec-WebSocket-Key of 16 bytes in base64.', details: { reason: 'websocket_key' } })
// RFC 6455 section 4.4: the answer names the version that is spoken.
const BAD_VERSION = refuse('VALIDATION_ERROR', { message: 'Only WebSocket version 13 is spoken here.', details: { reason: 'websocket_version' }, headers: ['sec-websocket-version', '13'] })

const KEY = /^[A-Za-z0-9+/]{22}==$/
/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/** Why a request that asks for a WebSocket is no handshake (RFC 6455 section 4.2.1), or null. An upstream that is more lenient would open a tunnel for what is none. */
export function handshakeProblem (request: GatewayRequest): Refusal | null {
  const { headers } = request
  if (headers.joined('sec-websocket-version')?.trim() !== '13') return BAD_VERSION
  return KEY.test(headers.joined('sec-websocket-key') ?? '') ? null : BAD_KEY
}

/** The Sec-WebSocket-Accept that proves that the handshake with this key was understood. */
export function acceptFor (key: string): string {
  return createHash('sha1').update(key + GUID).digest('base64')
}

import { Type, type TSchema } from 'typebox'
import type { Operation } from './operation.js'

const REQUEST_ID = Type.String({ format: 'uuid', description: 'The id of the request: errors, the audit trail and the log tell it too.' })
const ETAG = Type.String({ pattern: '^"\\d+"$', description: 'The revision of what the body shows: for If-Match and If-None-Match.' })
const LOCATION = Type.String({ description: 'The path of what was made.' })
const REPLAY = Type.String({ enum: ['true'], description: 'The request with this Idempotency-Key was made before: this is the answer of then, without what is shown once.' })
const RETRY_AFTER = Type.String({ pattern: '^\\d+$', description: 'After how many seconds the request is worth repeating.' })
const CHALLENGE = Type.String({ description: 'How to say who asks (RFC 6750).' })

/** Whether an operation shows one record with its revision, or changes one: then its answer has an ETag. */
function hasTag ({ status, tagged, errors = [] }: Pick<Operation, 'status' | 'tagged' | 'errors'>): boolean {
  return status === 201 || (status !== 204 && (tagged === true || errors.includes('PRECONDITION_FAILED')))
}

/** The header fields that an answer of an operation may have, by the names that they are documented with; those of HTTP itself and those that forbid to keep answers are left out. */
export function responseHeaders (operation: Pick<Operation, 'method' | 'status' | 'tagged' | 'errors'>, status: number): Readonly<Record<string, TSchema>> {
  const { method } = operation
  const succeeds = status === operation.status
  return {
    'X-Request-Id': REQUEST_ID,
    ...(succeeds && hasTag(operation)) || status === 304 ? { ETag: ETAG } : {},
    ...succeeds && status === 201 ? { Location: LOCATION } : {},
    ...succeeds && method === 'POST' ? { 'Idempotent-Replay': REPLAY } : {},
    // A 409 has it while the request with the key is under way.
    ...status === 429 || status === 503 || (status === 409 && method === 'POST') ? { 'Retry-After': RETRY_AFTER } : {},
    ...status === 401 ? { 'WWW-Authenticate': CHALLENGE } : {}
  }
}

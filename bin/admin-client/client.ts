import { setTimeout as sleep } from 'node:timers/promises'
import { CommandError } from '../command.js'
import type { Connection } from './connection.js'

/** A request to the admin API. */
export interface AdminRequest {
  readonly method: string
  /** Path and query, without the address. */
  readonly path: string
  /** Sent as JSON; left out = no body. */
  readonly body?: unknown
  /** Only while this is the entity tag of what is there. */
  readonly ifMatch?: string
  /** Only where there is none yet. */
  readonly ifNoneMatch?: '*'
  /** Makes a POST one that can be sent again: it is, where nobody answers or the store is gone. */
  readonly idempotencyKey?: string
  /** Whether 404 is an answer like others. */
  readonly mayBeMissing?: boolean
}

/** What it answered. */
export interface AdminAnswer {
  readonly status: number
  /** Null for an answer without a body. */
  readonly body: unknown
  readonly etag: string | null
}

const TIMEOUT_MS = 30_000
const MOST_REPEATS = 4
const LONGEST_PAUSE_MS = 5_000

/** Sends a request, with a key again when that may help. Throws CommandError with the API's own words when it refuses, and with what to do when nobody answers. */
export async function callAdmin (connection: Connection, request: AdminRequest): Promise<AdminAnswer> {
  for (let repeats = 0; ; repeats++) {
    try {
      return await callOnce(connection, request)
    } catch (error) {
      if (!(error instanceof TransientError) || request.idempotencyKey === undefined || repeats === MOST_REPEATS) throw error
      await sleep(Math.min(error.retryMs, LONGEST_PAUSE_MS))
    }
  }
}

/** What the API refuses, with the status that it says so with. */
export class RefusedError extends CommandError {
  readonly status: number

  constructor (status: number, message: string, remedy: string) {
    super(message, remedy)
    this.name = 'RefusedError'
    this.status = status
  }
}

/** What may be otherwise soon. */
class TransientError extends CommandError {
  retryMs = 1_000
}

async function callOnce ({ url, token }: Connection, { method, path, body, ifMatch, ifNoneMatch, idempotencyKey, mayBeMissing }: AdminRequest): Promise<AdminAnswer> {
  let response: Response
  let text: string
  try {
    response = await fetch(url + path, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: 'application/json',
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        ...(ifNoneMatch === undefined ? {} : { 'if-none-match': ifNoneMatch }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey })
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      // The token is meant for this address only.
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT_MS)
    })
    text = await response.text()
  } catch (error) {
    throw new TransientError(`${url} does not answer: ${reasonOf(error)}`, 'start the gateway, or name its admin port with --url, SLUICE_ADMIN_URL or --profile')
  }
  const answer = parse(text)
  if (response.ok || (response.status === 404 && mayBeMissing === true)) return { status: response.status, body: answer, etag: response.headers.get('etag') }
  const retryAfter = response.headers.get('retry-after')
  // With Retry-After: the store is gone, or the same request is under way.
  if (retryAfter === null) throw new RefusedError(response.status, refusalOf(response.status, answer), remedyOf(response.status))
  throw Object.assign(new TransientError(refusalOf(response.status, answer), remedyOf(response.status)), { retryMs: Number(retryAfter) * 1_000 || 0 })
}

function reasonOf (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'TimeoutError') return `nothing within ${TIMEOUT_MS / 1000} s`
  const { cause } = error
  return cause instanceof Error ? (cause as NodeJS.ErrnoException).code ?? cause.message : error.message
}

function parse (text: string): unknown {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

/** The API's message, and the places that it complains of. */
function refusalOf (status: number, answer: unknown): string {
  const error = (answer as { error?: { code?: unknown, message?: unknown, details?: { findings?: unknown, fields?: unknown, reason?: unknown }, requestId?: unknown } } | null)?.error
  if (typeof error?.message !== 'string') return `the gateway answered ${status}`
  const findings = Array.isArray(error.details?.findings) ? error.details.findings.map(findingText) : []
  const fields = Array.isArray(error.details?.fields) ? error.details.fields.flatMap(fieldTexts) : []
  const request = typeof error.requestId === 'string' ? `, request ${error.requestId}` : ''
  return [`${error.message} [${status} ${String(error.code)}${request}]`, ...findings, ...fields].join('; ')
}

/** What is known in the place of something that is not. */
function fieldTexts (field: unknown): string[] {
  const { path, known } = (typeof field === 'object' && field !== null ? field : {}) as { path?: unknown, known?: unknown }
  return Array.isArray(known) && known.length > 0 ? [`known${typeof path === 'string' && path !== '' ? ` in the place of ${path}` : ''}: ${known.join(', ')}`] : []
}

function findingText (finding: unknown): string {
  const { message, remedy, position } = (typeof finding === 'object' && finding !== null ? finding : {}) as { message?: unknown, remedy?: unknown, position?: { line?: unknown, column?: unknown } | null }
  if (typeof message !== 'string') return typeof finding === 'string' ? finding : JSON.stringify(finding)
  const place = typeof position?.line === 'number' ? `line ${position.line}, column ${String(position.column)}: ` : ''
  return `${place}${message}${typeof remedy === 'string' && remedy !== '' ? ` (${remedy})` : ''}`
}

function remedyOf (status: number): string {
  switch (status) {
    case 401: return 'is the token that of this gateway, and not revoked?'
    case 403: return 'the role of this token does not allow it'
    case 412: return 'somebody changed it meanwhile: look at it, and try again'
    case 503: return 'the gateway can not reach its store: `sluice status` tells more'
    default: return ''
  }
}

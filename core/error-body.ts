/**
 * Error bodies: one place that writes what a client is told, for the data path and for the gateway's own port.
 * Built by concatenation around the few parts that differ, so that thousands of refusals a second cost next to nothing.
 */
import { ERROR_CODES, type ErrorCode } from './errors.js'

/** What a body is made from: a `Refusal`, a `GatewayError`, or anything with their four fields. */
export interface ErrorLike {
  readonly code: ErrorCode
  readonly status: number
  readonly message: string
  readonly details: Readonly<Record<string, unknown>> | undefined
}

/** What a body says beside the error itself. */
export interface ErrorBodyOptions {
  requestId: string
  /** Milliseconds since 1970. */
  timestamp: number
  /** The request's Accept field, or null. */
  accept: string | null | undefined
  /** Address of the page that documents the codes, without fragment; null = a URN in its place. */
  docs: string | null
}

/** A body ready to be sent. */
export interface ErrorBody {
  contentType: string
  body: string
}

/** Content type of the house shape. */
export const ERROR_CONTENT_TYPE = 'application/json; charset=utf-8'

/** Content type of RFC 9457 problem details. */
export const PROBLEM_CONTENT_TYPE = 'application/problem+json'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i

interface CodePieces {
  /** `"code":"NOT_FOUND"`. */
  readonly code: string
  readonly lower: string
  /** The table's message as a JSON string: title of problem details, and the message where nothing better is said. */
  readonly message: string
}

const pieces = Object.fromEntries(Object.entries(ERROR_CODES).map(([code, { message }]) =>
  [code, { code: `"code":"${code}"`, lower: code.toLowerCase(), message: JSON.stringify(message) }])) as Record<ErrorCode, CodePieces>

/**
 * Gives the body of an error answer: `{ "error": { code, message, details, requestId, timestamp, docs } }`, or RFC 9457
 * problem details where the client asks for them (`prefersProblem`). Never throws: details that JSON can not express are left out.
 */
export function renderError (error: ErrorLike, options: ErrorBodyOptions): ErrorBody {
  const piece = pieces[error.code]
  const message = error.message === ERROR_CODES[error.code].message ? piece.message : JSON.stringify(error.message)
  const details = error.details === undefined ? '{}' : detailsJson(error.details)
  const docs = JSON.stringify(docsAddress(error.code, options.docs))
  const requestId = JSON.stringify(options.requestId)
  const timestamp = isoTime(options.timestamp)
  if (prefersProblem(options.accept)) {
    return {
      contentType: PROBLEM_CONTENT_TYPE,
      body: `{"type":${docs},"title":${piece.message},"status":${error.status},"detail":${message},` +
        `"instance":"${requestUrn(options.requestId)}",${piece.code},"details":${details},"requestId":${requestId},"timestamp":"${timestamp}"}`
    }
  }
  return {
    contentType: ERROR_CONTENT_TYPE,
    body: `{"error":{${piece.code},"message":${message},"details":${details},"requestId":${requestId},"timestamp":"${timestamp}","docs":${docs}}}`
  }
}

/** Where a code is documented: a fragment of the page at `docs`, or a URN when there is none. */
export function docsAddress (code: ErrorCode, docs: string | null): string {
  return docs === null ? `urn:sluice:error:${pieces[code].lower}` : `${docs}#${pieces[code].lower}`
}

/**
 * Tells whether an Accept field (RFC 9110, section 12.5.1) asks for problem details: it names `application/problem+json`, with a
 * weight above 0 that is at least that of `application/json`. Equal weights are a client that takes JSON answers and problem errors.
 */
export function prefersProblem (accept: string | null | undefined): boolean {
  if (accept === null || accept === undefined || accept.length < 24) return false
  if (accept === 'application/problem+json') return true
  const lower = accept.toLowerCase()
  if (!lower.includes('application/problem+json')) return false
  let problem = 0
  let json = 0
  let jsonRank = 0
  for (const range of lower.split(',')) {
    const [name, ...parameters] = range.split(';')
    const type = (name ?? '').trim()
    if (type === 'application/problem+json') problem = Math.max(problem, weight(parameters))
    const rank = type === 'application/json' ? 3 : type === 'application/*' ? 2 : type === '*/*' ? 1 : 0
    if (rank > 0 && rank >= jsonRank) {
      json = weight(parameters)
      jsonRank = rank
    }
  }
  return problem > 0 && problem >= json
}

function weight (parameters: string[]): number {
  for (const parameter of parameters) {
    const match = /^\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*$/.exec(parameter)
    if (match !== null) return Math.min(1, Number(match[1]))
  }
  return 1
}

function detailsJson (details: Readonly<Record<string, unknown>>): string {
  try {
    return JSON.stringify(details) ?? '{}'
  } catch {
    return '{}' // a cycle or a BigInt: the client still gets code, message and request id
  }
}

function requestUrn (requestId: string): string {
  if (UUID.test(requestId)) return `urn:uuid:${requestId}`
  return `urn:sluice:request:${encodeURIComponent(requestId.replace(/\p{Surrogate}/gu, '\uFFFD'))}`
}

let lastMs = 0
let lastIso = '1970-01-01T00:00:00.000Z'

function isoTime (ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString()
    lastMs = ms
  }
  return lastIso
}

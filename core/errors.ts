/**
 * The one table of error codes that consumers see, and the two error kinds that code may throw.
 * Everything else that is thrown is a bug: 500, logged with its stack, nothing of it shown.
 */

/** What each code means to HTTP: its default status, and the sentence that a consumer gets when nothing better is said. */
export const ERROR_CODES = {
  VALIDATION_ERROR: { status: 400, message: 'The request is not valid.' },
  AUTHENTICATION_ERROR: { status: 401, message: 'Valid credentials are needed.' },
  AUTHORIZATION_ERROR: { status: 403, message: 'These credentials do not allow this.' },
  NOT_FOUND: { status: 404, message: 'Nothing is served at this address.' },
  METHOD_NOT_ALLOWED: { status: 405, message: 'This address does not take this method.' },
  REQUEST_TIMEOUT: { status: 408, message: 'The request took too long to arrive.' },
  CONFLICT: { status: 409, message: 'The request conflicts with the current state.' },
  GONE: { status: 410, message: 'This is no longer served.' },
  PRECONDITION_FAILED: { status: 412, message: 'A precondition of the request does not hold.' },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The request body is larger than is allowed here.' },
  URI_TOO_LONG: { status: 414, message: 'The request target is longer than is allowed here.' },
  UNSUPPORTED_MEDIA_TYPE: { status: 415, message: 'The body is in a form that is not taken here.' },
  EXPECTATION_FAILED: { status: 417, message: 'Only "Expect: 100-continue" can be met.' },
  MISDIRECTED_REQUEST: { status: 421, message: 'This connection is not meant for that host.' },
  RATE_LIMIT_EXCEEDED: { status: 429, message: 'Too many requests.' },
  HEADERS_TOO_LARGE: { status: 431, message: 'The request headers are larger or more than is allowed here.' },
  INTERNAL_ERROR: { status: 500, message: 'Something went wrong inside the gateway.' },
  NOT_IMPLEMENTED: { status: 501, message: 'The gateway does not do what this request asks.' },
  UPSTREAM_UNREACHABLE: { status: 502, message: 'The upstream could not be reached.' },
  UPSTREAM_INVALID_RESPONSE: { status: 502, message: 'The upstream gave an answer that can not be relayed.' },
  SERVICE_UNAVAILABLE: { status: 503, message: 'The service is not available now.' },
  UPSTREAM_TIMEOUT: { status: 504, message: 'The upstream did not answer in time.' },
  HTTP_VERSION_NOT_SUPPORTED: { status: 505, message: 'Only HTTP/1.0 and HTTP/1.1 are spoken here.' }
} as const

/** A code of the error table. */
export type ErrorCode = keyof typeof ERROR_CODES

/** What may be said about an error beyond its code. */
export interface ErrorOptions {
  /** HTTP status, where it differs from the table's. */
  status?: number
  /** One sentence for the consumer. Never internal hosts, paths or stacks. */
  message?: string
  /** Finer facts for programs; `reason` is the stable finer code (`api_key_expired`). */
  details?: Readonly<Record<string, unknown>>
  /** More response headers, flat: name, value, name, value. */
  headers?: readonly string[]
}

/**
 * A failure that the gateway expects to happen (an upstream that is down, a step that took too long): it has a code of the
 * table, and steps may turn it into a Reply in their `error` hook. Thrown or passed, it is never shown whole: only code, message and details are.
 */
export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly status: number
  readonly details: Readonly<Record<string, unknown>> | undefined
  readonly headers: readonly string[] | undefined

  constructor (code: ErrorCode, options: ErrorOptions & { cause?: unknown } = {}) {
    super(options.message ?? ERROR_CODES[code].message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'GatewayError'
    this.code = code
    this.status = options.status ?? ERROR_CODES[code].status
    this.details = options.details
    this.headers = options.headers
  }
}

/** Where in a configuration something is: keys and indexes from the root, `['projects', 'shop', 'routes', 0, 'match']`. */
export type ConfigPath = readonly (string | number)[]

/** A place in a file. Lines and columns count from 1. */
export interface Position {
  file: string
  line: number
  column: number
}

/** One thing that is wrong with a configuration: where, what, and what to do about it. */
export interface Finding {
  path: ConfigPath
  /** What is wrong, without a full stop. */
  message: string
  /** What to do, without a full stop; shown in parentheses. */
  remedy: string
  /** Filled by the loader, which knows the files; null where no file is behind it. */
  position?: Position | null
  /** Other places that the finding is about (the second of two that conflict). */
  related?: readonly { path: ConfigPath, position?: Position | null }[]
}

/** Thrown when a configuration can not be used: it carries every finding, not the first. */
export class ConfigError extends Error {
  readonly findings: readonly Finding[]

  constructor (findings: readonly Finding[]) {
    super(findings.map(formatFinding).join('\n'))
    this.name = 'ConfigError'
    this.findings = findings
  }
}

/** A finding as one line: `file:line:column path: what is wrong (what to do)`. */
export function formatFinding (finding: Finding): string {
  const at = finding.position
  const place = at === undefined || at === null ? '' : `${at.file}:${at.line}:${at.column} `
  const remedy = finding.remedy === '' ? '' : ` (${finding.remedy})`
  const related = (finding.related ?? [])
    .map((other) => other.position === undefined || other.position === null ? formatPath(other.path) : `${other.position.file}:${other.position.line}:${other.position.column}`)
  const also = related.length === 0 ? '' : `; see also ${related.join(', ')}`
  return `${place}${formatPath(finding.path)}: ${finding.message}${also}${remedy}`
}

/** A config path as people write it: `projects.shop.routes[0].match`; the root is `(root)`. */
export function formatPath (path: ConfigPath): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_][\w-]*$/.test(key)) text += text === '' ? key : `.${key}`
    else text += `[${JSON.stringify(key)}]`
  }
  return text === '' ? '(root)' : text
}

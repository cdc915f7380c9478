import type { FastifyInstance, FastifyRequest } from 'fastify'
import { GatewayError } from '../../core/errors.js'

declare module 'fastify' {
  interface FastifyRequest {
    /** The body of a route that takes a configuration. */
    bodyText?: string
  }
}

const MAX_DEPTH = 32
const FORBIDDEN_KEYS: readonly string[] = ['__proto__', 'constructor', 'prototype']
const JSON_TYPES = ['application/json', 'application/merge-patch+json']
const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml']

/**
 * Lets the routes of a scope take JSON, and nothing else: UTF-8 (RFC 8259 section 8.1), at most 32 levels deep, without NUL or lone surrogates
 * in texts (no engine keeps them alike) and without the keys that reach for prototypes. YAML is read as text alone: `isTextBody` tells.
 */
export function takeJsonBodies (scope: FastifyInstance): void {
  scope.removeAllContentTypeParsers()
  scope.addContentTypeParser(JSON_TYPES, { parseAs: 'buffer' }, (request, body, done) => {
    try {
      const value = parseJsonBody(body as Buffer)
      if (request.routeOptions.config.operation?.takesText === true) request.bodyText = (body as Buffer).toString()
      done(null, value)
    } catch (error) {
      done(error as Error)
    }
  })
  scope.addContentTypeParser(YAML_TYPES, { parseAs: 'buffer' }, (request, body, done) => {
    try {
      request.bodyText = decode(body as Buffer)
      done(null, undefined)
    } catch (error) {
      done(error as Error)
    }
  })
}

/** Whether a request has a body that only what takes configurations takes. */
export function isTextBody ({ bodyText, routeOptions }: FastifyRequest): boolean {
  return bodyText !== undefined && routeOptions.config.operation?.takesText !== true
}

function decode (bytes: Buffer): string {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw invalid('The body is not UTF-8.')
  }
  const problem = textProblem(text)
  if (problem !== null) throw invalid(`The body ${problem}.`)
  return text
}

/** Reads a body. Throws GatewayError with what is wrong with it. */
function parseJsonBody (bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw invalid(error instanceof SyntaxError ? 'The body is no valid JSON.' : 'The body is not UTF-8.')
  }
  inspect(value, 1)
  return value
}

/** What makes a text unusable: NUL or a surrogate without its other half; null = nothing. */
export function textProblem (text: string): string | null {
  if (text.includes('\0')) return 'holds NUL'
  return /\p{Surrogate}/u.test(text) ? 'holds half of a surrogate pair' : null
}

function inspect (value: unknown, depth: number): void {
  if (typeof value === 'string') {
    const problem = textProblem(value)
    if (problem !== null) throw invalid(`A text of the body ${problem}.`)
    return
  }
  if (value === null || typeof value !== 'object') return
  if (depth > MAX_DEPTH) throw invalid(`The body is more than ${MAX_DEPTH} levels deep.`)
  for (const [key, item] of Object.entries(value)) {
    if (!Array.isArray(value)) {
      if (FORBIDDEN_KEYS.includes(key)) throw invalid(`"${key}" is no key that is taken.`)
      if (textProblem(key) !== null) throw invalid('A key of the body holds what no key may.')
    }
    inspect(item, depth + 1)
  }
}

function invalid (message: string): GatewayError {
  return new GatewayError('VALIDATION_ERROR', { message, details: { reason: 'invalid_json' } })
}

import { test } from 'tap'
import { docsAddress, ERROR_CONTENT_TYPE, prefersProblem, PROBLEM_CONTENT_TYPE, renderError } from '../../core/error-body.js'
import { ERROR_CODES, GatewayError, type ErrorCode } from '../../core/errors.js'
import { refuse } from '../../core/reply.js'

const at = Date.UTC(2026, 0, 2, 3, 4, 5, 6)
const uuid = '0190f8e0-6a5b-7cc1-9d3a-1f2e3d4c5b6a'
const options = { requestId: uuid, timestamp: at, accept: null, docs: null }

test('error-body: gives the house shape for a refusal and for a failure, for every code', async (t) => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    for (const error of [refuse(code), new GatewayError(code)]) {
      const { contentType, body } = renderError(error, options)
      t.equal(contentType, ERROR_CONTENT_TYPE)
      t.strictSame(JSON.parse(body), {
        error: { code, message: ERROR_CODES[code].message, details: {}, requestId: uuid, timestamp: '2026-01-02T03:04:05.006Z', docs: `urn:sluice:error:${code.toLowerCase()}` }
      })
    }
  }
})

test('error-body: says what the refusal says, escaped', async (t) => {
  const message = 'a "quoted" \\ line\r\nnext \u001b[31m \ud800'
  const refusal = refuse('RATE_LIMIT_EXCEEDED', { message, details: { reason: 'burst', limit: 5 } })
  const { body } = renderError(refusal, { ...options, requestId: 'a"b\n', docs: 'https://example.com/errors' })
  t.notMatch(body, /[\u0000-\u001f]/)
  const { error } = JSON.parse(body) as { error: Record<string, unknown> }
  t.equal(error.message, message)
  t.strictSame(error.details, { reason: 'burst', limit: 5 })
  t.equal(error.requestId, 'a"b\n')
  t.equal(error.docs, 'https://example.com/errors#rate_limit_exceeded')
})

test('error-body: gives problem details when the client asks for them', async (t) => {
  const refusal = refuse('AUTHENTICATION_ERROR', { message: 'The key has expired.', details: { reason: 'api_key_expired' } })
  const { contentType, body } = renderError(refusal, { ...options, accept: 'application/problem+json', docs: 'https://example.com/errors' })
  t.equal(contentType, PROBLEM_CONTENT_TYPE)
  t.strictSame(JSON.parse(body), {
    type: 'https://example.com/errors#authentication_error',
    title: ERROR_CODES.AUTHENTICATION_ERROR.message,
    status: 401,
    detail: 'The key has expired.',
    instance: `urn:uuid:${uuid}`,
    code: 'AUTHENTICATION_ERROR',
    details: { reason: 'api_key_expired' },
    requestId: uuid,
    timestamp: '2026-01-02T03:04:05.006Z'
  })
})

test('error-body: a request id that is no UUID becomes a valid URN', async (t) => {
  const body = renderError(refuse('GONE'), { ...options, accept: 'application/problem+json', requestId: 'a b"\ud800/ü' }).body
  const { instance } = JSON.parse(body) as { instance: string }
  t.equal(instance, 'urn:sluice:request:a%20b%22%EF%BF%BD%2F%C3%BC')
})

test('error-body: details that JSON can not express never break the answer', async (t) => {
  const loop: Record<string, unknown> = {}
  loop.self = loop
  for (const details of [loop, { big: 1n }]) {
    t.strictSame((JSON.parse(renderError(refuse('CONFLICT', { details }), options).body) as { error: { details: unknown } }).error.details, {})
  }
})

test('error-body: prefersProblem weighs Accept', async (t) => {
  const table: [string | null | undefined, boolean][] = [
    [null, false],
    [undefined, false],
    ['', false],
    ['*/*', false],
    ['application/json', false],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', false],
    ['application/problem+json', true],
    ['Application/Problem+JSON', true],
    ['application/problem+json;q=0', false],
    ['application/problem+json; q=0.000', false],
    ['application/json, application/problem+json', true],
    ['application/json;q=0.5, application/problem+json', true],
    ['application/json, application/problem+json;q=0.9', false],
    ['*/*, application/problem+json;q=0.5', false],
    ['*/*;q=0.1, application/problem+json;q=0.5', true],
    ['application/json;q=0.1, */*, application/problem+json;q=0.5', true],
    ['application/problem+json ; charset=utf-8 ; q=1', true],
    ['application/problem+jsonx, application/json', false],
    ['x'.repeat(60_000), false]
  ]
  for (const [accept, expected] of table) t.equal(prefersProblem(accept), expected, String(accept).slice(0, 80))
})

test('error-body: docsAddress is a fragment of the page, or a URN', async (t) => {
  t.equal(docsAddress('NOT_FOUND', null), 'urn:sluice:error:not_found')
  t.equal(docsAddress('NOT_FOUND', 'https://x.example/e'), 'https://x.example/e#not_found')
})

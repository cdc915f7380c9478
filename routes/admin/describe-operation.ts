import type { FastifySchema } from 'fastify'
import { Type, type TSchema } from 'typebox'
import { docsAddress } from '../../core/error-body.js'
import { ERROR_CODES, type ErrorCode } from '../../core/errors.js'
import type { Operation } from './operation.js'
import { responseHeaders } from './response-headers.js'

/** The body of an error. */
function errorSchema (code: ErrorCode): TSchema {
  const { message } = ERROR_CODES[code]
  const error = { code, message, details: {}, requestId: '0b8f3c1e-5d8e-4c5e-9a57-2f6d2f3f8d11', timestamp: '2026-11-26T00:00:00.000Z', docs: docsAddress(code, null) }
  return Type.Object({
    error: Type.Object({ code: Type.Enum([code]), message: Type.String(), details: Type.Object({}, { additionalProperties: true }), requestId: Type.String(), timestamp: Type.String({ format: 'date-time' }), docs: Type.String() })
  }, { description: `${code}: ${message}`, examples: [{ error }] })
}

const ALWAYS: readonly ErrorCode[] = ['VALIDATION_ERROR', 'AUTHENTICATION_ERROR', 'AUTHORIZATION_ERROR', 'RATE_LIMIT_EXCEEDED', 'SERVICE_UNAVAILABLE']
const WITH_BODY: readonly ErrorCode[] = ['PAYLOAD_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE']
const WITH_KEY: readonly ErrorCode[] = ['CONFLICT']
// The account that something new is for may be none, or another's.
const WITH_ACCOUNT: readonly ErrorCode[] = ['NOT_FOUND']

const CONFIG_BODY = {
  type: 'object', additionalProperties: true, description: 'A project as the YAML has it; also taken as application/yaml.',
  examples: [{ upstreams: { api: { targets: ['https://api.example.com'] } }, routes: [{ match: { path: '/*' }, upstream: 'api' }] }]
}

const KEY_HEADER = { 'idempotency-key': Type.Optional(Type.String({ maxLength: 255, description: 'With it the request is made once in 24 hours, however often it is sent.' })) }
const TAG_HEADERS = {
  'if-match': Type.Optional(Type.String({ description: 'The ETag that it has to have, several, or *: else 412.' })),
  'if-none-match': Type.Optional(Type.String({ description: 'An ETag that it may not have, several, or *: else 412, or 304 for a GET.' }))
}

/** An operation as Fastify's plugins for documents take it. */
export function describeOperation (operation: Operation): FastifySchema {
  const { id, method, url, summary, permission, body, takesText, query, answer, status, tagged, errors = [] } = operation
  const codes = new Set<ErrorCode>([...ALWAYS, ...body === undefined && takesText !== true ? [] : WITH_BODY, ...method === 'POST' ? WITH_KEY : [], ...body?.properties.customer_id === undefined ? [] : WITH_ACCOUNT, ...tagged === true ? ['PRECONDITION_FAILED'] as const : [], ...errors])
  const refusals = [...codes].map((code) => [ERROR_CODES[code].status, errorSchema(code)] as const)
  const responses = {
    [status]: answer === null ? { type: 'null', description: 'It is done.' } : { ...answer, description: status === 201 ? 'What was made.' : 'What there is.', examples: [exampleOf(answer)] },
    ...tagged === true ? { 304: { type: 'null', description: 'If-None-Match names what there is.' } } : {},
    ...Object.fromEntries(refusals)
  } as Readonly<Record<string, object>>
  const parameters = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => name)
  return {
    operationId: id,
    summary,
    description: `Needs \`${permission}\`.`,
    tags: [url.split('/')[2] ?? 'projects'],
    security: [{ token: [] }],
    ...body === undefined ? {} : { body: { ...body, examples: [exampleOf(body)] } },
    ...takesText === true ? { body: CONFIG_BODY } : {},
    ...query === undefined ? {} : { querystring: query },
    ...parameters.length === 0 ? {} : { params: Type.Object(Object.fromEntries(parameters.map((name) => [name, Type.String()]))) },
    ...method === 'POST' || codes.has('PRECONDITION_FAILED') ? { headers: Type.Object({ ...method === 'POST' ? KEY_HEADER : {}, ...codes.has('PRECONDITION_FAILED') ? TAG_HEADERS : {} }) } : {},
    response: Object.fromEntries(Object.entries(responses).map(([code, schema]) => [code, { ...schema, headers: responseHeaders(operation, Number(code)) }]))
  } as FastifySchema
}

const BY_FORMAT: Readonly<Record<string, string>> = {
  'date-time': '2027-01-31T00:00:00.000Z', 'date': '2026-11-26', 'email': 'ada@example.com', 'cidr': '10.1.0.0/16', 'rate': '1000/h', 'duration-text': '24h'
}
const BY_NAME: Readonly<Record<string, string>> = {
  target_url: 'https://api.example.com', url: 'http://api-example-com-k3x9q2ab.localhost:8080', project_id: 'api-example-com-k3x9q2ab', customer_id: 'acme', prefix: 'ak_live_Xq81mZ0a', name: 'laptop',
  api_key: 'ak_live_…', secret: 'sk_…', token: 'st_…'
}

/** What a schema allows, as an example: needed and optional fields, the first of several values. */
export function exampleOf (schema: TSchema, name = ''): unknown {
  const node = schema as { type?: string, const?: unknown, enum?: unknown[], anyOf?: TSchema[], default?: unknown, format?: string, properties?: Record<string, TSchema>, patternProperties?: Record<string, TSchema>, examples?: unknown[], items?: TSchema, minimum?: number }
  if (node.examples !== undefined) return node.examples[0]
  if (node.default !== undefined) return node.default
  if (node.const !== undefined) return node.const
  if (node.enum !== undefined) return node.enum[0]
  if (node.anyOf !== undefined) return exampleOf(node.anyOf[0] as TSchema, name)
  switch (node.type) {
    case 'object': {
      const [pattern] = Object.values(node.patternProperties ?? {})
      if (pattern !== undefined) return { requests: exampleOf(pattern, 'requests') }
      return Object.fromEntries(Object.entries(node.properties ?? {}).map(([key, one]) => [key, exampleOf(one, key)]))
    }
    case 'array': return node.items === undefined ? [] : [exampleOf(node.items, name)]
    case 'boolean': return true
    case 'integer': case 'number': return node.minimum ?? 1
    case 'null': return null
    default: return BY_FORMAT[node.format ?? ''] ?? BY_NAME[name] ?? (name.endsWith('_id') ? `${name.slice(0, 3)}_0f3k2m8v1x9q4z7b5c6d` : 'text')
  }
}

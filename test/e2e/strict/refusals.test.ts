import { test } from 'tap'
import { parseExposition } from '../../fixtures/exposition.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict, type StrictGateway } from '../../fixtures/refusals.js'

const get = (target: string, more = '', version = 'HTTP/1.1'): string => `GET ${target} ${version}\r\nHost: a\r\n${more}\r\n`
const fields = (count: number): string => Array.from({ length: count }, (_, i) => `X-${i}: y\r\n`).join('')

interface Refused {
  name: string
  /** With `more` fields in its head. */
  bytes: (more: string) => string
  status: number
  code: string
  reason: string
  /** Whether the head could be read, so that Accept counts. */
  readable: boolean
}

const REFUSED: readonly Refused[] = [
  { name: 'garbage', bytes: () => 'GARBAGE\r\n\r\n', status: 400, code: 'VALIDATION_ERROR', reason: 'malformed_http', readable: false },
  { name: 'a bad field', bytes: () => get('/a', 'X Y: z\r\n'), status: 400, code: 'VALIDATION_ERROR', reason: 'malformed_http', readable: false },
  { name: 'a bad host', bytes: (more) => `GET /a HTTP/1.1\r\nHost: a b\r\n${more}\r\n`, status: 400, code: 'VALIDATION_ERROR', reason: 'host', readable: true },
  { name: 'a bad path', bytes: (more) => get('/a%00', more), status: 400, code: 'VALIDATION_ERROR', reason: 'path', readable: true },
  { name: 'a bad length', bytes: (more) => `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 010\r\n${more}\r\n`, status: 400, code: 'VALIDATION_ERROR', reason: 'content_length', readable: true },
  { name: 'a transfer coding', bytes: (more) => `POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n${more}\r\n`, status: 400, code: 'VALIDATION_ERROR', reason: 'transfer_encoding', readable: true },
  { name: 'TRACE', bytes: (more) => `TRACE /a HTTP/1.1\r\nHost: a\r\n${more}\r\n`, status: 405, code: 'METHOD_NOT_ALLOWED', reason: 'method', readable: true },
  { name: 'CONNECT', bytes: (more) => `CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n${more}\r\n`, status: 405, code: 'METHOD_NOT_ALLOWED', reason: 'method', readable: true },
  { name: 'a slow head', bytes: () => 'GET /a HTTP/1.1\r\nHost: a\r\n', status: 408, code: 'REQUEST_TIMEOUT', reason: 'headers_too_slow', readable: false },
  { name: 'a long target', bytes: (more) => get(`/${'a'.repeat(9_000)}`, more), status: 414, code: 'URI_TOO_LONG', reason: 'target_too_long', readable: true },
  { name: 'a target beyond the parser', bytes: () => get(`/${'a'.repeat(60_000)}`), status: 414, code: 'URI_TOO_LONG', reason: 'target_too_long', readable: false },
  { name: 'an expectation', bytes: (more) => get('/a', `Expect: x\r\n${more}`), status: 417, code: 'EXPECTATION_FAILED', reason: 'expect', readable: true },
  { name: 'many fields', bytes: (more) => get('/a', `${more}${fields(101)}`), status: 431, code: 'HEADERS_TOO_LARGE', reason: 'too_many_fields', readable: true },
  { name: 'large fields', bytes: (more) => get('/a', `${more}X: ${'y'.repeat(20_000)}\r\n`), status: 431, code: 'HEADERS_TOO_LARGE', reason: 'fields_too_large', readable: true },
  { name: 'fields beyond the parser', bytes: () => get('/a', `X: ${'y'.repeat(60_000)}\r\n`), status: 431, code: 'HEADERS_TOO_LARGE', reason: 'fields_too_large', readable: false },
  { name: 'HTTP/2.0', bytes: (more) => get('/a', more, 'HTTP/2.0'), status: 505, code: 'HTTP_VERSION_NOT_SUPPORTED', reason: 'http_version', readable: true },
  { name: 'no route', bytes: (more) => get('/nowhere', `Connection: close\r\n${more}`), status: 404, code: 'NOT_FOUND', reason: '', readable: true },
  { name: 'another method', bytes: (more) => `PUT /a HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${more}\r\n`, status: 405, code: 'METHOD_NOT_ALLOWED', reason: '', readable: true },
  { name: 'an ambiguous path', bytes: (more) => get('/q/a;x', `Connection: close\r\n${more}`), status: 400, code: 'VALIDATION_ERROR', reason: 'ambiguous_path', readable: true },
  { name: 'an encoded slash', bytes: (more) => get('/a%2Fb', `Connection: close\r\n${more}`), status: 400, code: 'VALIDATION_ERROR', reason: 'encoded_slash', readable: true },
  { name: 'a bad chunk', bytes: (more) => `POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n${more}\r\nzz\r\n`, status: 400, code: 'VALIDATION_ERROR', reason: 'malformed_http', readable: true }
]

const start = (t: Parameters<typeof startStrict>[0]): Promise<StrictGateway> =>
  startStrict(t, { routes: [{ path: '/a', match: { methods: ['GET', 'POST'] } }, { path: '/q/:any' }, { path: '/q/a' }], listen: { limits: { headersMs: 200 } }, redact: [] })

/** The samples of one metric by one of its labels. */
async function counted (gateway: StrictGateway, metric: string, label: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const { name, labels, value } of parseExposition(await gateway.metrics()).get(metric)?.samples ?? []) if (name === metric) counts[labels[label] ?? ''] = (counts[labels[label] ?? ''] ?? 0) + value
  return counts
}

test('strict: whatever refuses a request, the answer has one shape, one id, one line in the log, and is counted once', async (t) => {
  const gateway = await start(t)
  for (const { name, bytes, status, code, reason } of REFUSED) {
    const logged = gateway.accessLines.length
    const [refusals, requests] = [await counted(gateway, 'sluice_refusals_total', 'code'), await counted(gateway, 'sluice_requests_total', 'status')]
    const { responses, closed } = await sendRaw(gateway.port, bytes(''), { untilClose: true })
    t.same([responses.map((response) => response.status), closed], [[status], true], name)
    const [answer] = responses
    const id = answer?.header('x-request-id')
    t.match(id, /^[0-9a-f-]{36}$/, name)
    t.match(answer?.header('content-type'), /^application\/json/, name)
    t.equal(Number(answer?.header('content-length')), answer?.body.length, `${name}: has a length`)
    const { error } = JSON.parse(answer?.body.toString() ?? '') as { error: Record<string, unknown> & { details: { reason?: string } } }
    t.same(Object.keys(error).sort(), ['code', 'details', 'docs', 'message', 'requestId', 'timestamp'], name)
    t.same([error['code'], error.details.reason ?? '', error['requestId']], [code, reason, id], name)
    t.equal(gateway.accessLines.length, logged + 1, `${name}: one line`)
    const line = JSON.parse(gateway.accessLines.at(-1) ?? '{}') as Record<string, unknown>
    t.match(line, { requestId: id, status, errorCode: code, errorReason: reason === '' ? null : reason, client: '127.0.0.1' }, name)
    t.equal((await counted(gateway, 'sluice_refusals_total', 'code'))[code], (refusals[code] ?? 0) + 1, `${name}: counted as a refusal`)
    t.equal((await counted(gateway, 'sluice_requests_total', 'status'))[String(status)], (requests[String(status)] ?? 0) + 1, `${name}: counted as a request`)
    t.notMatch(answer?.body.toString(), /\.js|\.ts|node:|at \w+ \(|127\.0\.0\.1|HPE_|localhost/, `${name}: nothing of the inside`)
  }
  t.same(gateway.handled, [])
  t.same(gateway.bugs, [])
})

test('strict: who asks for problem details gets them wherever the head could be read', async (t) => {
  const gateway = await start(t)
  for (const { name, bytes, status, code, reason, readable } of REFUSED) {
    if (!readable) continue
    const { responses } = await sendRaw(gateway.port, bytes('Accept: application/problem+json\r\n'), { untilClose: true })
    const [answer] = responses
    t.same([answer?.status, answer?.header('content-type')], [status, 'application/problem+json'], name)
    const problem = JSON.parse(answer?.body.toString() ?? '') as Record<string, unknown>
    t.match(problem, { status, code, details: reason === '' ? {} : { reason }, requestId: answer?.header('x-request-id') }, name)
    t.same(Object.keys(problem).sort(), ['code', 'detail', 'details', 'instance', 'requestId', 'status', 'timestamp', 'title', 'type'], name)
  }
})

test('strict: an answer to HEAD has no body, whoever refuses it', async (t) => {
  const gateway = await start(t)
  for (const [bytes, status] of [['HEAD /a%00 HTTP/1.1\r\nHost: a\r\n\r\n', 400], ['HEAD /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 404], [`HEAD /${'a'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 414]] as const) {
    const { bytes: got, responses } = await sendRaw(gateway.port, bytes, { untilClose: true })
    t.equal(responses[0]?.status, status)
    t.match(got.toString(), /^HTTP\/1\.1 [^{]*\r\n\r\n$/, 'ends with its head')
    t.ok(Number(responses[0]?.header('content-length')) > 0, 'and says how long the body would be')
  }
})

test('strict: failures of upstream and plugin show nothing of the inside', async (t) => {
  const gateway = await start(t)
  await gateway.upstream.close()
  for (const accept of ['application/json', 'application/problem+json']) {
    const { responses } = await sendRaw(gateway.port, get('/a', `Accept: ${accept}\r\n`))
    t.equal(responses[0]?.status, 502)
    t.notMatch(responses[0]?.body.toString(), new RegExp(`127\\.0\\.0\\.1|${gateway.upstream.port}|ECONN|\\.js`))
    t.equal(responses[0]?.header('content-type')?.split(';')[0], accept)
  }
  t.match(gateway.logLines.join(''), /ECONNREFUSED/, 'the log has it')
})

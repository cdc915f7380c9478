import { test, type Test } from 'tap'
import { GatewayError, type Finding } from '../../core/errors.js'
import { createMetrics } from '../../core/observe/metrics.js'
import { METRICS_CONTENT_TYPE, renderMetrics } from '../../core/observe/render-metrics.js'
import { buildAdmin, type AdminPorts } from '../../routes/admin.js'
import { lintFamilies, parseExposition } from '../fixtures/exposition.js'
import { sendRaw } from '../fixtures/raw-client.js'

const TOKEN = 'sat_for-tests-0123456789'
const AUTH = { authorization: `Bearer ${TOKEN}` }
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/
const FINDING: Finding = { path: ['projects', 'shop', 'routes', 0], message: 'unknown key "machs"', remedy: 'did you mean "match"?', position: { file: 'gateway.config.yaml', line: 4, column: 9 } }

interface Logged { level: string, fields: Readonly<Record<string, unknown>>, message: string }

async function listening (t: Test, ports: Partial<AdminPorts> = {}) {
  const logged: Logged[] = []
  const log = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string) => { logged.push({ level, fields, message }) }
  const app = buildAdmin({
    token: TOKEN,
    live: () => true,
    ready: () => ({ ready: true, reasons: [] }),
    status: async () => ({ workers: 2 }),
    config: async () => JSON.stringify({ listen: { port: 8080 } }),
    reload: async () => ({ ok: true, findings: [], changed: 3, durationMs: 12, needsRestart: [] }),
    metrics: async () => '',
    logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    ...ports
  })
  const url = await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => { await app.close() })
  return {
    logged,
    port: Number(new URL(url).port),
    async ask (path: string, init: RequestInit = {}) {
      const response = await fetch(url + path, init)
      const text = await response.text()
      return { status: response.status, headers: response.headers, text, json: () => JSON.parse(text) as Record<string, unknown> }
    }
  }
}

type Answer = Awaited<ReturnType<Awaited<ReturnType<typeof listening>>['ask']>>

/** That an answer is an error in the house shape, and which. */
function isError (t: Test, answer: Answer, status: number, code: string, details: object = {}): void {
  t.equal(answer.status, status)
  t.equal(answer.headers.get('content-type'), 'application/json; charset=utf-8')
  const { error } = answer.json() as { error: Record<string, unknown> }
  t.match(error, { code, message: String, details, requestId: UUID, timestamp: /^\d{4}-.*Z$/, docs: `urn:sluice:error:${code.toLowerCase()}` })
  t.strictSame(Object.keys(error), ['code', 'message', 'details', 'requestId', 'timestamp', 'docs'])
  t.equal(answer.headers.get('x-request-id'), error.requestId)
}

test('admin: probes answer everybody', async (t) => {
  let live = true
  let ready = true
  const { ask } = await listening(t, { live: () => live, ready: () => ({ ready, reasons: ready ? [] : ['draining'] }) })
  for (const path of ['/livez', '/readyz', '/livez?verbose']) {
    const answer = await ask(path)
    t.equal(answer.status, 200)
    t.match(answer.headers.get('x-request-id'), UUID)
    t.equal(answer.headers.get('cache-control'), 'no-store')
    t.equal((await ask(path, { method: 'HEAD' })).status, 200)
  }
  live = ready = false
  isError(t, await ask('/livez'), 503, 'SERVICE_UNAVAILABLE', { reason: 'not_live' })
  isError(t, await ask('/readyz'), 503, 'SERVICE_UNAVAILABLE', { reason: 'not_ready', reasons: ['draining'] })
})

test('admin: everything else needs the token, unknown paths too', async (t) => {
  const { ask } = await listening(t)
  for (const [path, method] of [['/metrics', 'GET'], ['/status', 'GET'], ['/config', 'GET'], ['/reload', 'POST'], ['/reload', 'GET'], ['/nothing', 'GET'], ['/', 'GET'], ['/livez', 'POST'], ['/livez/', 'GET'], ['/LIVEZ', 'GET'], ['//metrics', 'GET']] as const) {
    const answer = await ask(path, { method })
    isError(t, answer, 401, 'AUTHENTICATION_ERROR', { reason: 'token_missing' })
    t.equal(answer.headers.get('www-authenticate'), 'Bearer realm="sluice admin"')
  }
  t.strictSame((await ask('/status', { headers: AUTH })).json(), { workers: 2 })
  t.strictSame((await ask('/config', { headers: AUTH })).json(), { listen: { port: 8080 } })
  t.equal((await ask('/status', { headers: { authorization: `bearer  ${TOKEN} ` } })).status, 200, 'the scheme has no case')
  isError(t, await ask('/nothing', { headers: AUTH }), 404, 'NOT_FOUND')
  isError(t, await ask('/livez/', { headers: AUTH }), 404, 'NOT_FOUND')
})

test('admin: a method that a path does not take is 405 with Allow', async (t) => {
  const { ask } = await listening(t)
  for (const [path, method, allow] of [['/reload', 'GET', 'POST'], ['/reload?x=1', 'PUT', 'POST'], ['/metrics', 'POST', 'GET, HEAD'], ['/livez', 'DELETE', 'GET, HEAD']] as const) {
    const answer = await ask(path, { method, headers: AUTH })
    isError(t, answer, 405, 'METHOD_NOT_ALLOWED')
    t.equal(answer.headers.get('allow'), allow)
  }
})

test('admin: metrics come in the text format', async (t) => {
  const metrics = createMetrics({ buckets: [0.1, 1] })
  t.teardown(() => { metrics.close() })
  const { ask } = await listening(t, { metrics: async () => await renderMetrics([await metrics.toJSON()]) })
  const answer = await ask('/metrics', { headers: AUTH })
  t.equal(answer.headers.get('content-type'), METRICS_CONTENT_TYPE)
  t.strictSame(lintFamilies(parseExposition(answer.text)), [])
})

test('admin: reload says what changed, or every finding as a line and in parts', async (t) => {
  let findings: Finding[] = []
  const { ask, logged } = await listening(t, { reload: async () => ({ ok: findings.length === 0, findings, changed: 3, durationMs: 12, needsRestart: ['listen.port'] }) })
  for (const init of [{}, { body: '' }, { body: 'x=1' }, { body: '{', headers: { ...AUTH, 'content-type': 'application/json' } }]) {
    const answer = await ask('/reload', { method: 'POST', headers: AUTH, ...init })
    t.equal(answer.status, 200, 'whatever a client sends with it')
    t.strictSame(answer.json(), { ok: true, changed: 3, durationMs: 12, needsRestart: ['listen.port'], findings: [] })
  }
  findings = Array.from({ length: 1500 }, () => FINDING)
  const refused = await ask('/reload', { method: 'POST', headers: AUTH })
  isError(t, refused, 400, 'VALIDATION_ERROR', { reason: 'config_refused', findingCount: 1500, durationMs: 12 })
  const { error } = refused.json() as { error: { details: { findings: object[] } } }
  t.equal(error.details.findings.length, 1000)
  t.strictSame(error.details.findings[0], {
    text: 'gateway.config.yaml:4:9 projects.shop.routes[0]: unknown key "machs" (did you mean "match"?)',
    path: 'projects.shop.routes[0]', message: FINDING.message, remedy: FINDING.remedy, position: FINDING.position
  })
  t.match(logged.at(-1), { level: 'info', fields: { ok: false, findings: 1500, peer: '127.0.0.1' } })
  isError(t, await ask('/reload', { method: 'POST', headers: AUTH, body: 'x'.repeat(70_000) }), 413, 'PAYLOAD_TOO_LARGE')
})

test('admin: problem details for who asks for them', async (t) => {
  const { ask } = await listening(t, { docs: 'https://docs.example/errors' })
  const answer = await ask('/nothing', { headers: { ...AUTH, accept: 'application/problem+json' } })
  t.equal(answer.status, 404)
  t.equal(answer.headers.get('content-type'), 'application/problem+json')
  t.match(answer.json(), { type: 'https://docs.example/errors#not_found', title: String, status: 404, detail: String, code: 'NOT_FOUND', instance: `urn:uuid:${answer.headers.get('x-request-id')}` })
})

test('admin: what breaks inside is logged whole and shown as nothing but a request id', async (t) => {
  const { ask, logged } = await listening(t, {
    status: async () => { throw new Error('the secret is 42') },
    config: async () => { throw new GatewayError('SERVICE_UNAVAILABLE', { details: { reason: 'workers_silent' }, headers: ['retry-after', '1'] }) }
  })
  const broken = await ask('/status', { headers: AUTH })
  isError(t, broken, 500, 'INTERNAL_ERROR')
  t.notMatch(broken.text, /secret is|stack|admin\.test/)
  t.match(logged, [{ level: 'error', fields: { requestId: broken.headers.get('x-request-id'), path: '/status', error: new Error('the secret is 42') } }])
  const known = await ask('/config', { headers: AUTH })
  isError(t, known, 503, 'SERVICE_UNAVAILABLE', { reason: 'workers_silent' })
  t.equal(known.headers.get('retry-after'), '1')
  t.equal(logged.length, 1)
})

test('admin: wrong tokens are refused, and too many of them lock their peer out for a minute; probes go on', async (t) => {
  const { ask, logged } = await listening(t)
  const wrong = [`Bearer ${TOKEN}x`, `Bearer ${TOKEN.slice(0, -1)}`, 'Bearer', 'Bearer ', `Basic ${Buffer.from(`admin:${TOKEN}`).toString('base64')}`, TOKEN, `Bearer ${TOKEN} ${TOKEN}`, `Bearer ${TOKEN},${TOKEN}`, `Token ${TOKEN}`, `Bearer ${'x'.repeat(10_000)}`]
  for (let n = 0; n < 20; n++) t.equal((await ask('/status')).status, 401, 'a missing token is no guess')
  for (const authorization of wrong) {
    const answer = await ask('/status', { headers: { authorization } })
    isError(t, answer, 401, 'AUTHENTICATION_ERROR', { reason: 'token_invalid' })
    t.match(answer.headers.get('www-authenticate'), /invalid_token/)
  }
  for (const headers of [{ authorization: 'Bearer again' }, AUTH]) {
    const answer = await ask('/status', { headers })
    isError(t, answer, 429, 'RATE_LIMIT_EXCEEDED', { reason: 'too_many_failed_attempts' })
    const seconds = Number(answer.headers.get('retry-after'))
    t.ok(seconds >= 50 && seconds <= 60, `${seconds} s`)
  }
  t.equal((await ask('/livez')).status, 200)
  t.notMatch(JSON.stringify(logged), TOKEN.slice(0, 12))
})

test('admin: who guesses is known by the connection, whatever address a request claims, and is served again when the minute is over', async (t) => {
  const { ask } = await listening(t)
  let ahead = 0
  const { now } = Date
  t.intercept(Date, 'now', { value: () => now() + ahead })
  const claims = (n: number): Record<string, string> => ({
    'x-forwarded-for': `203.0.113.${n}`, 'forwarded': `for=203.0.113.${n}`, 'x-real-ip': `203.0.113.${n}`, 'true-client-ip': `203.0.113.${n}`, 'cf-connecting-ip': `203.0.113.${n}`, 'x-client-ip': `203.0.113.${n}`, 'via': `1.1 proxy${n}`, 'x-forwarded-host': `host${n}`
  })
  for (let minute = 0; minute < 2; minute++) {
    t.equal((await ask('/status', { headers: AUTH })).status, 200, 'nobody is locked out yet')
    const statuses: number[] = []
    for (let n = 0; n < 30; n++) statuses.push((await ask('/status', { headers: { ...claims(n), authorization: `Bearer guess-number-${n}-of-many` } })).status)
    t.strictSame(statuses, [...Array<number>(10).fill(401), ...Array<number>(20).fill(429)])
    // The right token tells a guesser nothing: it is answered like a wrong one, and not counted.
    const right = await ask('/status', { headers: { ...claims(99), ...AUTH } })
    isError(t, right, 429, 'RATE_LIMIT_EXCEEDED', { reason: 'too_many_failed_attempts' })
    const wrong = await ask('/status', { headers: { authorization: 'Bearer one-more-that-is-wrong' } })
    t.strictSame({ ...right.json()['error'] as object, requestId: '', timestamp: '' }, { ...wrong.json()['error'] as object, requestId: '', timestamp: '' })
    const seconds = Number(right.headers.get('retry-after'))
    t.ok(seconds > 0 && seconds <= 60, `${seconds} s`)
    t.equal((await ask('/livez')).status, 200, 'probes go on')
    ahead += (seconds + 1) * 1_000
  }
  t.equal((await ask('/status', { headers: AUTH })).status, 200, 'after what Retry-After said')
})

test('admin: guesses that come pipelined in one packet are counted one by one', async (t) => {
  const { port } = await listening(t)
  const guess = (token: string): string => `GET /status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`
  const { responses } = await sendRaw(port, Array.from({ length: 30 }, (_, n) => guess(`guess${n}`)).join('') + guess(TOKEN), { count: 31 })
  t.strictSame(responses.map(({ status }) => status), [...Array<number>(10).fill(401), ...Array<number>(21).fill(429)])
})

test('admin: what is no request gets the same shape, and closes', async (t) => {
  const { port } = await listening(t)
  for (const [bytes, status, code] of [
    ['NONSENSE\r\n\r\n', 400, 'VALIDATION_ERROR'],
    ['GET / HTTP/1.1\r\nHost: x\r\nContent-Length: a\r\n\r\n', 400, 'VALIDATION_ERROR'],
    [`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE']
  ] as const) {
    const { responses, closed } = await sendRaw(port, bytes, { untilClose: true })
    t.equal(closed, true)
    t.equal(responses[0]?.status, status)
    const { error } = JSON.parse(String(responses[0]?.body)) as { error: Record<string, unknown> }
    t.match(error, { code, requestId: UUID })
    t.equal(responses[0]?.header('x-request-id'), error.requestId)
  }
  const { responses } = await sendRaw(port, `GET /%zz HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${TOKEN}\r\n\r\n`)
  t.match(JSON.parse(String(responses[0]?.body)), { error: { code: 'VALIDATION_ERROR', requestId: responses[0]?.header('x-request-id') } })
})

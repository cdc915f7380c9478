import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test } from 'tap'
import { HeaderList } from '../../../core/lib/header-list.js'
import { createAccessLog, type AccessLogConfig, type AccessRecord } from '../../../core/observe/access-log.js'
import type { LineWriter } from '../../../core/observe/line-writer.js'
import { ALWAYS_REDACTED, createRedactor, REDACTED } from '../../../core/observe/redact.js'
import { sampled } from '../../../core/observe/sampled.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const CONFIG: AccessLogConfig = { sample: 1, redact: [], file: null }
const CANARY = 'canary-8c1f'

const RECORD: AccessRecord = {
  time: 1_767_225_600_000, requestId: '0190f8e0-6a5b-7cc1-9d3a-1f2e3d4c5b6a', client: '203.0.113.7', method: 'GET', scheme: 'https', host: 'shop.example.com',
  path: '/orders/1', query: 'page=2', status: 200, complete: true, durationMs: 1.23456, upstreamMs: 0.5, target: 'http://127.0.0.1:9001', bytesIn: 0, bytesOut: 42,
  project: 'shop', route: 'orders', consumer: 'acme', errorCode: null, errorReason: null, userAgent: 'curl/8.5', httpVersion: '1.1', fields: null
}

interface MemoryWriter extends LineWriter { lines: string[] }

function memory (): MemoryWriter {
  const lines: string[] = []
  return { lines, beforeWriting: null, write (line) { lines.push(typeof line === 'string' ? line : Buffer.from(line).toString()) }, flush: async () => {}, reopen () {}, close: async () => {}, dropped: 0 }
}

/** The one line of one record, as text. */
function lineOf (entry: Partial<AccessRecord>, config: Partial<AccessLogConfig> = {}): string {
  const writer = memory()
  createAccessLog({ ...CONFIG, ...config }, writer, 1).record({ ...RECORD, ...entry })
  if (writer.lines.length !== 1) throw new Error(`${writer.lines.length} lines`)
  return writer.lines[0] as string
}

function logged (entry: Partial<AccessRecord>, config: Partial<AccessLogConfig> = {}): Record<string, unknown> {
  return JSON.parse(lineOf(entry, config)) as Record<string, unknown>
}

test('access-log: a record is one JSON line with every field', async (t) => {
  t.strictSame(logged({}), {
    type: 'access', time: 1_767_225_600_000, requestId: '0190f8e0-6a5b-7cc1-9d3a-1f2e3d4c5b6a', client: '203.0.113.7', method: 'GET', scheme: 'https', host: 'shop.example.com',
    path: '/orders/1', query: 'page=2', status: 200, complete: true, durationMs: 1.235, upstreamMs: 0.5, target: 'http://127.0.0.1:9001', bytesIn: 0, bytesOut: 42,
    project: 'shop', route: 'orders', consumer: 'acme', errorCode: null, errorReason: null, userAgent: 'curl/8.5', httpVersion: '1.1'
  })
  const bare = logged({ target: null, project: null, route: null, consumer: null, userAgent: null, upstreamMs: null, query: '', status: 0, complete: false, errorCode: 'NOT_FOUND', errorReason: 'no_route' })
  t.match(bare, { target: null, project: null, route: null, consumer: null, userAgent: null, upstreamMs: null, query: '', status: 0, complete: false, errorCode: 'NOT_FOUND', errorReason: 'no_route' })
})

test('access-log: durations have three decimals, whatever they are', async (t) => {
  const table: [number, number][] = [[0, 0], [0.0004, 0], [0.001, 0.001], [0.01, 0.01], [0.1, 0.1], [0.999, 0.999], [0.9996, 1], [1.05, 1.05], [12.3456, 12.346], [86_400_000, 86_400_000], [1e12, 1e12], [NaN, 0], [Infinity, 0], [-1, -1]]
  for (const [durationMs, expected] of table) t.equal(logged({ durationMs }).durationMs, expected, String(durationMs))
  fc.assert(fc.property(fc.double({ min: 0, max: 1e6, noNaN: true }), (durationMs) => Math.abs((logged({ durationMs }).durationMs as number) - durationMs) <= 0.0005001))
})

test('access-log: nothing that a client sends breaks a line, fakes one, or reaches a terminal', async (t) => {
  const hostile = ['\r\n{"type":"access","status":200}', '\u001b[2J\u001b[31mred', '\u009b31m', '"},{"x":"', '\\', '\u2028\u2029', '\ud800', '\udc00\ud800', '\0\x07\x08\x7f', '\u202egnp.exe', '\ufeff', 'häöü€😀', '</script>']
  for (const text of hostile) {
    for (const name of ['requestId', 'client', 'method', 'host', 'path', 'query', 'userAgent', 'consumer', 'errorReason'] as const) {
      const line = lineOf({ [name]: text })
      t.notMatch(line.slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\ufeff]/, `${name} is shown safely`)
      t.ok(Buffer.from(line).toString() === line, 'is valid UTF-8')
      t.ok((JSON.parse(line) as Record<string, unknown>)[name] === text, 'reads back')
    }
    const line = lineOf({ fields: { [text]: text } })
    t.ok((JSON.parse(line) as { fields: Record<string, unknown> }).fields[text] === text, 'an annotation reads back')
    t.equal(line.indexOf('\n'), line.length - 1)
  }
})

test('access-log: any text is one line that reads back as it was', async (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 120 }), fc.string({ unit: 'grapheme', maxLength: 120 }), (userAgent, host) => {
    const line = lineOf({ userAgent, host })
    const back = JSON.parse(line) as Record<string, unknown>
    return line.indexOf('\n') === line.length - 1 && back.userAgent === userAgent && back.host === host
  }), { numRuns: 500 })
  t.pass()
})

test('access-log: long values are cut, so that clients can not fill the disk', async (t) => {
  const long = 'x'.repeat(60_000)
  const line = lineOf({ path: `/${long}`, query: `a=${long}`, userAgent: long, host: long, fields: { note: long } })
  t.ok(line.length < 12_000, `${line.length} characters`)
  const back = JSON.parse(line) as Record<string, string>
  t.equal(back.userAgent, `${'x'.repeat(512)}…`)
  t.equal((back.path as string).length, 4097)
})

test('access-log: secrets of queries never show, however the key is written', async (t) => {
  const secret: string[] = [
    ...ALWAYS_REDACTED, 'ACCESS_TOKEN', 'Api-Key', 'apiKey', 'clientSecret', 'client_secret', 'refresh_token', 'id_token', 'X-Amz-Signature', 'X-Amz-Security-Token', 'user[password]', 'user%5Bpassword%5D',
    'to%6ben', '%74oken', 'pass%77ord', 'x.key', 'sig', 'sid', 'otp', 'a+key', 'auth', 'jwt', 'session', 'keys', 'APIKey', 'token%00', 'token%ff'
  ]
  for (const key of secret) {
    for (const query of [`${key}=${CANARY}`, `a=1&${key}=${CANARY}&b=2`, `a=1;${key}=${CANARY}`, `&&${key}=${CANARY}&&`, `${key}=${CANARY}=${CANARY}`, `x=y&${key}=${CANARY}&${key}=${CANARY}`]) {
      const line = lineOf({ query })
      t.notMatch(line, CANARY, query)
      t.match(line, REDACTED)
    }
  }
  t.equal(logged({ query: `a=1&token=${CANARY}&b=2;key=${CANARY}` }).query, `a=1&token=${REDACTED}&b=2;key=${REDACTED}`)
  for (const query of [
    `next=${encodeURIComponent(`https://x.example/cb?token=${CANARY}`)}`, `next=${encodeURIComponent(encodeURIComponent(`/cb?a=1&token=${CANARY}`))}`, `next=/cb?token=${CANARY}`,
    `filter=${encodeURIComponent(JSON.stringify({ user: { password: CANARY } }))}`, `token%3D${CANARY}`, `token%3D${CANARY}=1`, `h=Authorization:${CANARY}`, `next=%2Fcb%23access_token%3D${CANARY}`
  ]) t.notMatch(lineOf({ query }), CANARY, query)
})

test('access-log: queries without secrets stay byte for byte', async (t) => {
  for (const query of ['page=2&limit=50', 'q=a%20b+c&&=&x', 'monkey=1&hotkeys=2', 'author=me&monkeys', 'a=b=c;d', '%zz=%', 'time=12:30', 'url=https%3A%2F%2Fx.example%2F%3Fa%3D1', '&', ';;', '=', 'x=%ff%fe']) {
    t.equal(logged({ query }).query, query)
  }
})

test('access-log: masks matrix parameters of paths, and named headers, keys and annotations', async (t) => {
  t.equal(logged({ path: `/a;token=${CANARY};x=1/b;y=2` }).path, `/a;token=${REDACTED};x=1/b;y=2`)
  t.equal(logged({ path: '/token/key;x=1/secret' }).path, '/token/key;x=1/secret', 'words of paths are no secrets')
  t.equal(logged({ query: `pin=${CANARY}&a=1` }, { redact: ['PIN'] }).query, `pin=${REDACTED}&a=1`)
  t.strictSame(logged({ fields: { apiToken: CANARY, attempts: 2, cached: true, ratio: NaN, note: 'a"b' } }).fields, { apiToken: REDACTED, attempts: 2, cached: true, ratio: null, note: 'a"b' })
  const headers = new HeaderList(['authorization', `Bearer ${CANARY}`, 'x-tenant', 'a', 'x-tenant', 'b', 'x-private', CANARY, 'referer', 'https://x.example/'])
  t.strictSame(logged({ headers }, { headers: ['Authorization', 'X-Tenant', 'X-Private', 'Referer', 'Missing'], redact: ['x-private'] }).headers,
    { authorization: REDACTED, 'x-tenant': 'a, b', 'x-private': REDACTED, referer: 'https://x.example/' })
  for (const name of ['authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'x-api-key', 'x-auth-token', 'x-session-key']) {
    const line = lineOf({ headers: new HeaderList([name, `a=${CANARY}`, name, CANARY]) }, { headers: [name] })
    t.notMatch(line, CANARY, name)
    t.notMatch(lineOf({ headers: new HeaderList([name, CANARY]) }), CANARY, name)
  }
  const odd = { big: 10n, nothing: undefined, list: [1], f () {} } as unknown as Record<string, string>
  t.strictSame(logged({ fields: odd }).fields, { big: null, nothing: null, list: null, f: null }, 'values that a record can not hold')
  t.notOk('headers' in logged({ headers }), 'headers that nobody named are not logged')
})

test('access-log: keys and tokens of the gateway\'s own are masked by their form, wherever in a target they stand', (t) => {
  const redactor = createRedactor([])
  const body = 'x9'.repeat(18)
  for (const kind of ['ak_live_', 'ak_test_', 'sk_', 'st_', 'sat_']) {
    for (const around of [['/', ''], ['/a/', '/b'], ['/a/x;v=', ''], ['/a-', '']] as const) t.equal(redactor.path(around.join(kind + body)), around.join(`${kind}${REDACTED}`))
    for (const around of [['', ''], ['x=', '&y=1'], ['x=%3D', '%20'], ['x=a,', ',b']] as const) t.equal(redactor.query(around.join(kind + body)), around.join(`${kind}${REDACTED}`))
  }
  for (const path of ['/st_john', '/task_list', `/latest_${body}`, '/sk_some_name_of_something_long', '/a_b', '/']) t.equal(redactor.path(path), path)
  const start = performance.now()
  for (const text of ['st_'.repeat(20_000), 'sat_'.repeat(15_000), `ak_live_${'a'.repeat(60_000)}`, '_'.repeat(60_000)]) redactor.path(text)
  t.ok(performance.now() - start < 1_000, `${performance.now() - start} ms`)
  t.end()
})

test('access-log: masking takes linear time and bounded memory', async (t) => {
  const redactor = createRedactor([])
  const start = performance.now()
  for (const text of ['&'.repeat(60_000), '='.repeat(60_000), `a=${'%25'.repeat(20_000)}`, `a=${'x'.repeat(60_000)}:`, `a=${'a:'.repeat(30_000)}`, 'aA'.repeat(30_000)]) redactor.query(text)
  for (let n = 0; n < 50_000; n++) redactor.isSecret(`name${n}`)
  t.ok(performance.now() - start < 2000, `${performance.now() - start} ms`)
})

test('access-log: samples by request id, the same everywhere, and always logs server errors', async (t) => {
  const ids = Array.from({ length: 20_000 }, (_, n) => `0190f8e0-6a5b-7cc1-9d3a-${String(n).padStart(12, '0')}`)
  for (const share of [0.01, 0.1, 0.5, 0.9]) {
    const kept = ids.filter((id) => sampled(id, share)).length / ids.length
    t.ok(Math.abs(kept - share) < 0.015, `${kept} for ${share}`)
    t.strictSame(ids.slice(0, 100).map((id) => sampled(id, share)), ids.slice(0, 100).map((id) => sampled(id, share)))
  }
  t.ok(ids.filter((id) => sampled(id, 0.1)).every((id) => sampled(id, 0.5)), 'a larger sample holds the smaller one')
  t.equal(sampled('x', 0), false)
  t.equal(sampled('x', NaN), false)
  t.equal(sampled('x', 1), true)

  const writer = memory()
  const log = createAccessLog({ ...CONFIG, sample: 0 }, writer, 1)
  log.record(RECORD)
  t.equal(writer.lines.length, 0)
  log.record({ ...RECORD, status: 503 })
  t.equal(writer.lines.length, 1, 'an error is logged')
  log.record(RECORD, 1)
  t.equal(writer.lines.length, 2, "the route's sample is in place of the config's")
  log.record({ ...RECORD, status: 500 }, 0)
  t.equal(writer.lines.length, 3)
})

test('access-log: writes to its file, through a rotation, and says how many lines were dropped', async (t) => {
  const file = join(tempDir(t), 'access.log')
  const log = createAccessLog({ ...CONFIG, file })
  for (let n = 0; n < 100; n++) log.record({ ...RECORD, requestId: `r${n}` })
  await log.flush()
  t.strictSame(readFileSync(file, 'utf8').trimEnd().split('\n').map((line) => (JSON.parse(line) as AccessRecord).requestId), Array.from({ length: 100 }, (_, n) => `r${n}`))
  t.equal(log.dropped, 0)
  await log.close()
  log.record(RECORD)
  t.equal(log.dropped, 1)
  t.throws(() => createAccessLog({ ...CONFIG, file: join(tempDir(t), 'missing', 'access.log') }), /can not be opened: ENOENT \(make its directory/)
})

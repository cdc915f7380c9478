import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict, type StrictGateway } from '../../fixtures/refusals.js'

const thrower = definePlugin({
  name: 'thrower', stage: 'transform', config: Type.Object({}),
  create: () => ({
    request (ctx) {
      ctx.annotate('note', ctx.request.headers.get('x-note') ?? '')
      throw new Error(`broken at Authorization: ${ctx.request.headers.get('authorization') ?? ''}`)
    }
  })
})

const ROUTES = [{ path: '/broken', plugins: ['thrower'] }, { path: '/closed', plugins: [['respond', { status: 403 }] as const] }, { path: '/*' }]

const send = async (gateway: StrictGateway, bytes: string): Promise<number | undefined> =>
  (await sendRaw(gateway.port, Buffer.from(bytes, 'latin1'), { settleMs: 20, timeoutMs: 3_000 })).responses[0]?.status

test('strict: whatever a client sends, a record is one line of JSON without control characters', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES, authored: [thrower], redact: [] })
  const hostile = ['"}\\r\\n{"injected":true}', '\\u000a', '%0d%0a{"injected":true}', '\\', '"', '\x85\x9b31m\xad', '\u00e2\u0080\u00a8', '</script>', '${jndi:ldap://x}', '\t\t', 'x'.repeat(4_000), '\xff\xfe', "';--", '[31m']
  const requests: string[] = []
  for (const text of hostile) {
    const inTarget = text.replace(/[\x00-\x20\x7f-\xff"<>\\^`{|}[\]#]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
    requests.push(
      `GET /a HTTP/1.1\r\nHost: a\r\nUser-Agent: ${text}\r\nX-Note: ${text}\r\n\r\n`, `GET /broken HTTP/1.1\r\nHost: a\r\nUser-Agent: ${text}\r\nX-Note: ${text}\r\n\r\n`, `GET /${inTarget}?${inTarget} HTTP/1.1\r\nHost: a\r\n\r\n`,
      `GET /${text} HTTP/1.1\r\nHost: a\r\n\r\n`, `GET /a?${text} HTTP/1.1\r\nHost: a\r\n\r\n`, `GET /a HTTP/1.1\r\nHost: ${text}\r\n\r\n`, `${text} /a HTTP/1.1\r\nHost: a\r\n\r\n`, `GET /a HTTP/1.1\r\nHost: a\r\nX-Request-Id: ${text}\r\n\r\n`
    )
  }
  for (const bytes of requests) t.not(await send(gateway, bytes), undefined, 'it has an answer')
  t.equal(gateway.accessLines.length, requests.length, 'each has one record')
  for (const line of [...gateway.accessLines, ...gateway.logLines]) {
    t.match(line, /^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*\n$/, 'one line')
    const record = JSON.parse(line) as Record<string, unknown>
    t.notOk('injected' in record, 'and nothing of it is a field')
    t.ok(line.length < 10_000, 'of a bounded length')
  }
})

const CANARIES = {
  authorization: 'canary-authorization-0123456789', basic: 'Y2FuYXJ5LWJhc2ljLTAxMjM0NTY3ODk6eA==', cookie: 'canary-cookie-0123456789', key: 'canary-key-0123456789', query: 'canary-query-0123456789', listed: 'canary-listed-0123456789', escaped: 'canary-escaped-0123456789',
  matrix: 'canary-matrix-0123456789', user: 'canary-user-0123456789', body: 'canary-body-0123456789', host: 'canary-host-0123456789'
}

test('strict: secrets are in no log, no metric and no answer, however the request ends', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES, authored: [thrower], redact: ['pin', 'x-private'], listen: { limits: { headersMs: 300, bodyGraceMs: 200 } } })
  const answers: string[] = []
  const secret = `Authorization: Bearer ${CANARIES.authorization}\r\nCookie: session=${CANARIES.cookie}\r\nX-Api-Key: ${CANARIES.key}\r\nX-Private: ${CANARIES.listed}\r\nProxy-Authorization: Basic ${CANARIES.basic}\r\nX-Note: fine\r\n`
  const query = `access_token=${CANARIES.query}&pin=${CANARIES.listed}&PIN=${CANARIES.listed}&%70in=${CANARIES.listed}&api%5Fkey=${CANARIES.escaped}&user[password]=${CANARIES.escaped}&next=%2Fcb%3Ftoken%3D${CANARIES.escaped}&shown=yes`
  const body = `{"password":"${CANARIES.body}"}`
  const requests: readonly (readonly [name: string, bytes: string])[] = [
    ['served', `POST /a;token=${CANARIES.matrix}?${query} HTTP/1.1\r\nHost: a\r\n${secret}Content-Length: ${body.length}\r\n\r\n${body}`], ['refused by a step', `GET /closed?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`],
    ['failed by a step', `GET /broken?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['failed by a step with basic credentials', `GET /broken?${query} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${CANARIES.basic}\r\n\r\n`],
    ['a bad path', `GET /%00?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['a bad path with a matrix parameter', `GET /%00;token=${CANARIES.matrix}?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`],
    ['a bad field', `GET /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}X Y: z\r\n\r\n`], ['a bad target', `GET /a?${query}\x01 HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['a bad version', `GET /a?${query} HTTP/2.0\r\nHost: a\r\n${secret}\r\n`],
    ['another host with user information', `GET http://u:${CANARIES.user}@b/a?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['a host with user information', `GET /a HTTP/1.1\r\nHost: u:${CANARIES.host}@a\r\n${secret}\r\n`], ['a scheme', `GET ftp://u:${CANARIES.user}@b/ HTTP/1.1\r\nHost: a\r\n${secret}\r\n`],
    ['CONNECT', `CONNECT u:${CANARIES.user}@b:1 HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['many fields', `GET /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}${'X: y\r\n'.repeat(101)}\r\n`], ['large fields', `GET /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}X: ${'y'.repeat(70_000)}\r\n\r\n`],
    ['a long target', `GET /a?${query}&${'x'.repeat(9_000)} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['a target beyond the parser', `GET /a?${query}&${'x'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`], ['a slow head', `GET /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}`],
    ['a slow body', `POST /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}Content-Length: 100\r\n\r\n${body}`], ['a bad chunk', `POST /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}Transfer-Encoding: chunked\r\n\r\n${body}\r\n`], ['a secret as the method', `${CANARIES.key.toUpperCase().replaceAll('-', '')} /a HTTP/1.1\r\nHost: a\r\n\r\n`]
  ]
  const ask = async (name: string, bytes: string): Promise<void> => {
    const { bytes: got, responses } = await sendRaw(gateway.port, bytes, { settleMs: 20 })
    t.ok((responses[0]?.status ?? 0) >= 200, `${name}: has an answer`)
    answers.push(got.toString('latin1'))
  }
  for (const [name, bytes] of requests) await ask(name, bytes)
  await gateway.upstream.close()
  await ask('no upstream', `GET /a?${query} HTTP/1.1\r\nHost: a\r\n${secret}\r\n`)
  const everything = { 'access log': gateway.accessLines.join(''), 'error log': gateway.logLines.join(''), metrics: await gateway.metrics(), answers: answers.join('') }
  t.equal(gateway.accessLines.length, requests.length + 1)
  t.match(everything['error log'], /broken at Authorization/, 'what failed is logged')
  for (const [where, text] of Object.entries(everything)) for (const [what, canary] of Object.entries(CANARIES)) t.notOk(text.includes(canary), `${where}: nothing of ${what}`)
  t.match(everything['access log'], /access_token=\[redacted\].*shown=yes/, 'what is no secret is shown')
})

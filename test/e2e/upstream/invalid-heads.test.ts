import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import { startGateway, type TestGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { sendRaw, type RawExchange } from '../../fixtures/raw-client.js'
import { createRawUpstream, createUpstream } from '../../fixtures/upstream.js'

interface Raw { gateway: TestGateway, ask (answer: string, request?: string): Promise<RawExchange> }

/** A gateway in front of an upstream whose next answer are these bytes, latin1; the upstream's connection is ended behind them. */
async function startRaw (t: Test, plugins: NonNullable<TestGatewayOptions['plugins']> = []): Promise<Raw> {
  let answer = ''
  const upstream = await createRawUpstream((socket) => { socket.end(answer, 'latin1') })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, plugins, routes: [{ path: '/*' }] })
  return {
    gateway,
    async ask (bytes, request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n') {
      answer = bytes
      return await sendRaw(gateway.port, request)
    }
  }
}

const OK = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
const fields = (...lines: string[]): string => `HTTP/1.1 200 OK\r\n${lines.join('\r\n')}\r\n\r\nhello`

const INVALID: Readonly<Record<string, string>> = {
  'HTTP/0.9 text': 'hello, world\r\n',
  'another protocol': '220 mail.example ESMTP\r\n',
  'an HTTP/2 preface': 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'an unknown minor version': 'HTTP/1.9 200 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of four digits': 'HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n',
  'a status of two digits': 'HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n',
  'a status below 100': 'HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n',
  'a status of zeros': 'HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n',
  'a status of letters': 'HTTP/1.1 abc OK\r\nContent-Length: 0\r\n\r\n',
  'a 101 that nobody asked for': 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
  'a 100 that nobody asked for': 'HTTP/1.1 100 Continue\r\n\r\n',
  'a field name with a blank': fields('a b: 1', 'Content-Length: 5'),
  'a field without a name': fields(': 1', 'Content-Length: 5'),
  'a field name with a control character': fields('a\x01b: 1', 'Content-Length: 5'),
  'a field name outside ASCII': fields('\xe9: 1', 'Content-Length: 5'),
  'a blank before the colon': fields('a : 1', 'Content-Length: 5'),
  'a line without a colon': fields('nothing', 'Content-Length: 5'),
  'a value with NUL': fields('a: b\0c', 'Content-Length: 5'),
  'a value with a control character': fields('a: b\x01c', 'Content-Length: 5'),
  'a value with DEL': fields('a: b\x7fc', 'Content-Length: 5'),
  'a value with a bare CR': fields('a: b\rc', 'Content-Length: 5'),
  'a Content-Length that is no number': fields('Content-Length: five'),
  'a negative Content-Length': fields('Content-Length: -5'),
  'a signed Content-Length': fields('Content-Length: +5'),
  'a listed Content-Length': fields('Content-Length: 5, 5'),
  'two equal Content-Lengths': fields('Content-Length: 5', 'Content-Length: 5'),
  'two different Content-Lengths': fields('Content-Length: 5', 'Content-Length: 6'),
  'a Content-Length of 20 digits': fields('Content-Length: 99999999999999999999'),
  'Content-Length and chunked': fields('Content-Length: 5', 'Transfer-Encoding: chunked'),
  'chunked and Content-Length': fields('Transfer-Encoding: chunked', 'Content-Length: 5'),
  'a coding that nobody asked for': fields('Transfer-Encoding: gzip'),
  'a coding below chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'a coding above chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'chunks twice': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'chunks twice in two fields': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'an unknown coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'a head without an end': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n',
  'half a status line': 'HTTP/1.1 20'
}

test('invalid heads: what is no HTTP/1.1 answer becomes a 502 that says so, and the gateway serves on', async (t) => {
  const { gateway, ask } = await startRaw(t)
  for (const [name, answer] of Object.entries(INVALID)) {
    const { responses, bytes } = await ask(answer)
    const [response] = responses
    t.equal(response?.status, 502, `${name}: ${bytes.toString('latin1').slice(0, 200)}`)
    t.match(String(response?.body), /"code":"UPSTREAM_INVALID_RESPONSE".*"reason":"[a-z_]+"/, name)
    t.equal(response?.header('x-request-id')?.length, 36)
    t.equal((await ask(OK)).responses[0]?.body.toString(), 'ok', `after ${name}`)
  }
  t.same(gateway.bugs, [])
})

test('invalid heads: a head beyond 64 KB is refused, one just below passes whole', async (t) => {
  const { gateway, ask } = await startRaw(t)
  const big = await ask(fields(...Array.from({ length: 70 }, (_, i) => `x-${i}: ${'v'.repeat(1000)}`), 'Content-Length: 5'))
  t.match(JSON.parse(String(big.responses[0]?.body)), { error: { code: 'UPSTREAM_INVALID_RESPONSE', details: { reason: 'headers_too_large' } } })
  const long = await ask(fields(`x-long: ${'v'.repeat(70_000)}`, 'Content-Length: 5'))
  t.equal(long.responses[0]?.status, 502)
  const many = await ask(fields(...Array.from({ length: 60 }, (_, i) => `x-${i}: ${'v'.repeat(1000)}`), 'Content-Length: 5'))
  t.equal(many.responses[0]?.status, 200)
  t.equal(many.responses[0]?.headers.filter(([name]) => /^x-\d+$/.test(name)).length, 60)
  t.same(gateway.bugs, [])
})

test('invalid heads: heads that are made to cost much cost little', async (t) => {
  const { gateway, ask } = await startRaw(t)
  const names = Array.from({ length: 8_000 }, (_, i) => i.toString(36)).join(',')
  const fields = (count: number): string => Array.from({ length: count }, (_, i) => `z${i}: 1\r\n`).join('')
  const since = performance.now()
  t.match(String((await ask(`HTTP/1.1 200 OK\r\n${'z:\r\n'.repeat(30_000)}Content-Length: 0\r\n\r\n`)).responses[0]?.body), /UPSTREAM_INVALID_RESPONSE.*headers_too_large/)
  const listed = await ask(`HTTP/1.1 200 OK\r\nConnection: ${names}\r\n${fields(900)}Content-Length: 0\r\n\r\n`)
  t.equal(listed.responses[0]?.status, 200)
  t.equal(listed.responses[0]?.headers.filter(([name]) => /^z\d+$/.test(name)).length, 890, 'z0 to z9 are among the names')
  t.ok(performance.now() - since < 1_000)
  t.match(String((await ask('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n'.repeat(5_000))).responses[0]?.body), /UPSTREAM_INVALID_RESPONSE.*too_many_interim/)
  t.same(gateway.bugs, [])
})

test('invalid heads: a reason phrase that Node can not write is left out, and the rest of the answer passes', async (t) => {
  const { gateway, ask } = await startRaw(t)
  for (const reason of ['Caf\xe9', 'O\x01K', 'a\x7fb', '\xe2\x82\xac']) {
    for (const rest of ['Content-Length: 5\r\n\r\nhello', `Content-Length: 20000\r\n\r\n${'x'.repeat(20_000)}`, 'Content-Length: 0\r\n\r\n', 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n']) {
      const { responses, bytes } = await ask(`HTTP/1.1 200 ${reason}\r\n${rest}`)
      t.equal(responses[0]?.status, 200, `${JSON.stringify(reason)}: ${bytes.toString('latin1').slice(0, 100)}`)
      t.ok(responses[0]?.complete)
    }
  }
  t.equal((await ask('HTTP/1.1 200 Fine by me\r\nContent-Length: 2\r\n\r\nok')).responses[0]?.reason, 'Fine by me')
  t.equal((await ask('HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok')).responses[0]?.status, 200, 'no reason at all')
  t.same(gateway.bugs, [])
})

test('invalid heads: chunks that are none break the answer off and never end it cleanly', async (t) => {
  const { gateway, ask } = await startRaw(t)
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
  for (const rest of ['zz\r\nhello\r\n0\r\n\r\n', '-1\r\n', '5hello\r\n0\r\n\r\n', '5\r\nhello0\r\n\r\n', 'ffffffffffffffffff\r\nhello', '5\r\nhel', '', '0\r\n', '0\r\na b: c\r\n\r\n', '0\r\nContent-Length: 3\r\n\r\n', '5\nhello\n0\n\n']) {
    const { responses, closed } = await ask(head + rest)
    t.not(responses[0]?.complete, true, JSON.stringify(rest))
    t.ok(closed, JSON.stringify(rest))
  }
  t.same(gateway.bugs, [])
})

test('invalid heads: interim answers and the statuses beyond 599 that HTTP allows for are no reason to refuse', async (t) => {
  const { gateway, ask } = await startRaw(t)
  t.equal((await ask(`HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 110 Odd\r\n\r\n${OK}`)).responses[0]?.status, 200)
  t.equal((await ask('HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok')).responses[0]?.status, 999)
  t.equal((await ask('HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok')).responses[0]?.version, 'HTTP/1.1')
  t.same(gateway.bugs, [])
  const stepped = await startRaw(t, ['security-headers'])
  const { responses: [odd] } = await stepped.ask('HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\nok')
  t.match(odd, { status: 999, body: Buffer.from('ok') }, 'also where a step has changed the answer')
  t.equal(odd?.header('x-content-type-options'), 'nosniff')
  t.same(stepped.gateway.bugs, [])
})

test('invalid heads: what a step writes past the checks is a 500, whatever body was on its way', async (t) => {
  const spoiler = definePlugin({
    name: 'spoiler',
    stage: 'transform',
    config: Type.Object({}, { additionalProperties: false }),
    create: () => ({ response: ({ response }) => { response.headers.flat.push('x-bad', 'a\x01b') } })
  })
  let length = 0
  const upstream = await createUpstream((_req, res) => { res.setHeader('content-length', length).end('x'.repeat(length)) })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, {
    upstreamUrl: upstream.url,
    authored: [spoiler],
    routes: [{ path: '/bad', plugins: ['spoiler'] }, { path: '/mock', plugins: ['spoiler', ['respond', { status: 200, body: 'mock' }]] }, { path: '/*' }]
  })
  let bugs = 0
  for (const path of ['/bad', '/mock']) {
    for (length of [0, 5, 20_000]) {
      const { closed, responses } = await sendRaw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      t.equal(responses[0]?.status, 500, `${path}, ${length} bytes`)
      t.notOk(closed)
      t.equal(gateway.bugs.length, ++bugs)
    }
  }
  length = 5
  t.equal((await sendRaw(gateway.port, 'GET /good HTTP/1.1\r\nHost: a\r\n\r\n')).responses[0]?.body.toString(), 'xxxxx')
})

import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { expectRefused, PIPELINED, startStrict, summaryOf, type RefusedCase } from '../../fixtures/refusals.js'

const get = (fields: string, target = '/a', version = 'HTTP/1.1'): string => `GET ${target} ${version}\r\n${fields}\r\n\r\n`

const refused = (status: number, reason: string | null, cases: readonly (readonly [name: string, bytes: string])[]): RefusedCase[] =>
  cases.map(([name, bytes]) => ({ name, bytes, status, ...(reason === null ? {} : { reason }) }))

const HOSTS = [
  '', ' ', 'a b', 'a b@c/d?x', 'user@a', 'user:pw@a', '@a', 'a/b', 'a?b', 'a#b', 'a\\b', 'a,b', 'a, b', 'a:', 'a:x', 'a:-1', 'a:99999', 'a:65536', 'a:80:80', 'a:80@b', ':80', '.', '..', 'a..b', '.a', '-a', '[::1', '::1', '[::1]x',
  '[a', '[::g]', 'a%2eb', '%61', 'ä.example', 'a"', "a'b", 'a;b', 'a*', '*.a', 'http://a', '$a', '{a}', '(a)', 'a|b', 'a'.repeat(300)
]

test('strict: only HTTP/1.0 and HTTP/1.1 are spoken', async (t) => {
  const gateway = await startStrict(t)
  await expectRefused(t, gateway, [
    ...refused(400, 'http_version', [['HTTP/0.9', get('Host: a', '/a', 'HTTP/0.9')], ['no version', 'GET /a\r\n\r\n']]),
    ...refused(505, 'http_version', [['HTTP/2.0', get('Host: a', '/a', 'HTTP/2.0')]]),
    ...refused(400, 'malformed_http', [
      ['HTTP/1.2', get('Host: a', '/a', 'HTTP/1.2')], ['HTTP/3.0', get('Host: a', '/a', 'HTTP/3.0')], ['HTTP/1.01', get('Host: a', '/a', 'HTTP/1.01')], ['HTTP/01.1', get('Host: a', '/a', 'HTTP/01.1')],
      ['http/1.1', get('Host: a', '/a', 'http/1.1')], ['HTTP/1', get('Host: a', '/a', 'HTTP/1')], ['HTTP', get('Host: a', '/a', 'HTTP')], ['ICE/1.0', get('Host: a', '/a', 'ICE/1.0')],
      ['two versions', get('Host: a', '/a HTTP/1.1', 'HTTP/1.1')], ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n']
    ])
  ])
})

test('strict: the request line has one form', async (t) => {
  await expectRefused(t, await startStrict(t), refused(400, null, [
    ['a tab', 'GET\t/a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a space in front', ' GET /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a bare LF', 'GET /a HTTP/1.1\nHost: a\n\n'],
    ['a bare CR', 'GET /a HTTP/1.1\rHost: a\r\r'],
    ['a bare LF behind the line', 'GET /a HTTP/1.1\nHost: a\r\n\r\n'],
    ['a method in lower case', 'get /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an unknown method', 'FOO /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['a method with a NUL', 'G\0ET /a HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['no target', 'GET HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['an asterisk for GET', get('Host: a', '*')],
    ['an authority for GET', get('Host: a', 'a:80')],
    ['a relative path', get('Host: a', 'a')],
    ['another scheme', get('Host: a', 'ftp://a/b')],
    ['a script', get('Host: a', 'javascript:alert(1)')],
    ['a fragment', get('Host: a', '/a#b')],
    ['a fragment in the query', get('Host: a', '/a?b#c')],
    ['a NUL in the query', get('Host: a', '/a?b\0')],
    ['a space in the query', get('Host: a', '/a?b c')],
    ['a control character in the query', get('Host: a', '/a?b\x01')],
    ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
    ['nothing but line ends', '\r\n\0\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.6\r\n\r\n']
  ]))
})

test('strict: a request has exactly one valid host', async (t) => {
  await expectRefused(t, await startStrict(t), [
    ...refused(400, 'host', [
      ['none', get('X: y')],
      ['two', get('Host: a\r\nHost: b')],
      ['the same twice', get('Host: a\r\nHost: a')],
      ['two in different case', get('Host: a\r\nhOST: b')],
      ['two on HTTP/1.0', get('Host: a\r\nHost: b', '/a', 'HTTP/1.0')],
      ...HOSTS.map((host) => [`Host: ${JSON.stringify(host.slice(0, 40))}`, get(`Host: ${host}`)] as const)
    ]),
    ...refused(400, 'host', [['an absolute target without Host', get('X: y', 'http://a/b')]]),
    ...refused(400, 'host_mismatch', [
      ['an absolute target with another host', get('Host: a', 'http://b/a')],
      ['an absolute target with user information', get('Host: a', 'http://a@b/a')],
      ['an absolute target with the host as user', get('Host: a', 'http://b@a/a')],
      ['an absolute target with another port', get('Host: a:80', 'http://a:81/a')],
      ['an absolute target with a port that Host lacks', get('Host: a', 'http://a:8080/a')],
      ['an absolute target without the port that Host has', get('Host: a:8080', 'http://a/a')]
    ]),
    ...refused(400, null, [
      ['an absolute target without a host', get('Host: a', 'http:///a')],
      ['an absolute target whose host ends in a backslash', get('Host: a', 'http://a\\@b/a')],
      ['a vertical tab in Host', get('Host: a\x0b')],
      ['DEL in Host', get('Host: a\x7f')],
['a folded Host', get('Host:\r\n a')], ['a space in front of the colon', get('Host : a')], ['Host behind a bare LF', get('X: y\nHost: a')]])
  ])
})

test('strict: hosts that are valid reach their project, and the upstream sees what they say', async (t) => {
  const gateway = await startStrict(t, { upstream: { host: 'preserve' }, project: { hosts: ['shop.example', '*.wild.example', '[::1]'] } })
  const served = [
    'shop.example', 'SHOP.Example', 'shop.example.', 'shop.example:8080', 'shop.example.:0', 'a.wild.example', 'a_b.wild.example', '[::1]', '[::1]:8080'
  ]
  for (const host of served) {
    const { responses } = await sendRaw(gateway.port, get(`Host: ${host}`))
    t.equal(responses[0]?.status, 200, host)
    t.same(gateway.handled.at(-1)?.values('host'), [host], host)
  }
  for (const [host, fields] of [['evil.example', ''], ['shop.example.evil.example', ''], ['evil-shop.example', ''], ['wild.example', ''], ['evil.example', 'X-Forwarded-Host: shop.example\r\n'],
    ['evil.example', 'Forwarded: host=shop.example\r\n'], ['evil.example', 'X-Host: shop.example\r\nX-Original-Host: shop.example\r\nX-HTTP-Host-Override: shop.example\r\n']] as const) {
    const { responses } = await sendRaw(gateway.port, get(`${fields}Host: ${host}`))
    t.equal(responses[0]?.status, 404, `${host} ${fields}`)
  }
  t.equal(gateway.handled.length, served.length)
  const absolute = await sendRaw(gateway.port, get('Host: shop.example', 'http://SHOP.example./x/../a?b=c'))
  t.equal(absolute.responses[0]?.status, 200, 'an absolute target with the same host')
  t.equal(gateway.handled.at(-1)?.target, '/a?b=c')
  t.equal((await sendRaw(gateway.port, get('Host: shop.example:80', 'http://shop.example/'))).responses[0]?.status, 200, 'with and without the port that the scheme implies')
  const old = await sendRaw(gateway.port, get('Host: shop.example', '/old', 'HTTP/1.0'), { untilClose: true })
  t.same(summaryOf(old), { statuses: [200], closed: true, timedOut: false }, 'HTTP/1.0 is served and closed')
})

test('strict: what can not stand in a field is refused', async (t) => {
  await expectRefused(t, await startStrict(t), refused(400, 'malformed_http', [
    ['NUL in a value', get('Host: a\r\nX: a\0b')],
    ['a bare CR in a value', get('Host: a\r\nX: a\rb')],
    ['a bare CR that begins a field', get('Host: a\r\nX: a\rSet-Cookie: b')],
    ['a bare LF in a value', get('Host: a\r\nX: a\nSet-Cookie: b')],
    ['a folded value', get('Host: a\r\nX: a\r\n b')],
    ['DEL in a value', get('Host: a\r\nX: a\x7fb')],
    ['a control character in a value', get('Host: a\r\nX: a\x01b')],
    ['ESC in a value', get('Host: a\r\nX: \x1b[31m')],
    ['a space in a name', get('Host: a\r\nX Y: z')],
    ['an empty name', get('Host: a\r\n: z')],
    ['no colon', get('Host: a\r\nXYZ')],
    ['a slash in a name', get('Host: a\r\nX/Y: z')],
    ['a quote in a name', get('Host: a\r\n"X": z')],
    ['a bracket in a name', get('Host: a\r\nX[]: z')],
    ['a NUL in a name', get('Host: a\r\nX\0: z')],
    ['a letter above ASCII in a name', get('Host: a\r\nX\xe4: z')]
  ]))
})

test('strict: heads beyond the limits are refused', async (t) => {
  const gateway = await startStrict(t)
  const fields = (count: number): string => Array.from({ length: count }, (_, i) => `X-${i}: y`).join('\r\n')
  await expectRefused(t, gateway, [
    ...refused(431, 'too_many_fields', [['101 fields', get(`Host: a\r\n${fields(100)}`)], ['2 050 fields', get(`Host: a\r\n${fields(2050)}\r\nAuthorization: Bearer x`)]]),
    ...refused(431, 'fields_too_large', [
      ['a field of 17 KB', get(`Host: a\r\nX: ${'y'.repeat(17_000)}`)],
      ['a name of 17 KB', get(`Host: a\r\n${'X'.repeat(17_000)}: y`)],
      ['fields of 17 KB together', get(`Host: a\r\n${Array.from({ length: 80 }, (_, i) => `X-${i}: ${'y'.repeat(205)}`).join('\r\n')}`)],
      ['a field of 1 MB', get(`Host: a\r\nX: ${'y'.repeat(1_000_000)}`)]
    ]),
    ...refused(414, 'target_too_long', [
      ['a path of 8 193', get('Host: a', `/${'a'.repeat(8_192)}`)],
      ['a query of 9 KB', get('Host: a', `/?${'a'.repeat(9_000)}`)],
      ['an absolute target of 9 KB', get('Host: a', `http://a/${'a'.repeat(9_000)}`)],
      ['a target of 50 KB', get('Host: a', `/${'a'.repeat(50_000)}`)],
      ['a target of 1 MB', get('Host: a', `/${'a'.repeat(1_000_000)}`)]
    ])
  ])
  const most = await sendRaw(gateway.port, get(`Host: a\r\n${fields(99)}`, `/${'a'.repeat(8_191)}`))
  t.equal(most.responses[0]?.status, 200, 'as much as is allowed')
  t.equal(gateway.handled[0]?.target.length, 8_192)
})

test('strict: innocent fields that break lesser proxies are served', async (t) => {
  const gateway = await startStrict(t)
  const cases: readonly (readonly [name: string, bytes: string])[] = [
    ['Expect with a body', 'POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi'],
    ['Expect in another case', 'POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n'],
    ['Expect without a body', get('Host: a\r\nExpect: 100-continue')],
    ['Keep-Alive: 3', get('Host: a\r\nKeep-Alive: 3')],
    ['Keep-Alive with parameters', get('Host: a\r\nKeep-Alive: timeout=5, max=1000\r\nConnection: keep-alive')],
    ['Upgrade: h2c alone', get('Host: a\r\nUpgrade: h2c')],
    ['Upgrade: h2c whole', get('Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__')],
    ['Upgrade: websocket alone', get('Host: a\r\nUpgrade: websocket')],
    ['Trailer', get('Host: a\r\nTrailer: X-Sum')],
    ['TE', get('Host: a\r\nTE: trailers, deflate;q=0.5\r\nConnection: TE')],
    ['Proxy-Connection', get('Host: a\r\nProxy-Connection: keep-alive')],
    ['Proxy-Authorization', get('Host: a\r\nProxy-Authorization: Basic eDp5')],
    ['an empty Connection', get('Host: a\r\nConnection:')],
    ['Connection: , ,', get('Host: a\r\nConnection: , ,')],
    ['an empty value', get('Host: a\r\nX:')],
    ['latin1 in a value', get('Host: a\r\nX: \xe4\xf6\xfc')],
    ['a tab in a value', get('Host: a\r\nX: a\tb')],
    ['spaces around the target (RFC 9112 section 3)', 'GET  /a  HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['Max-Forwards', get('Host: a\r\nMax-Forwards: 0')]
  ]
  for (const [name, bytes] of cases) {
    const { responses } = await sendRaw(gateway.port, Buffer.from(bytes, 'latin1'))
    t.same([responses[0]?.status, responses[0]?.body.toString()], [200, 'ok'], name)
  }
  t.equal(gateway.handled.length, cases.length)
  t.same(gateway.handled[0]?.body.toString(), 'hi')
  await expectRefused(t, gateway, refused(417, 'expect', [['another expectation', get('Host: a\r\nExpect: 200-ok')], ['two expectations', get('Host: a\r\nExpect: 100-continue, x')]]))
  t.same(gateway.bugs, [])
})

test('strict: an upgrade that is refused opens no tunnel for what follows', async (t) => {
  const gateway = await startStrict(t)
  const upgrade = (more: string): string => get(`Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${more}`)
  for (const [name, more] of [['no key', 'X: y'], ['a short key', 'Sec-WebSocket-Key: eDp5\r\nSec-WebSocket-Version: 13'], ['a key', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13']] as const) {
    const exchange = await sendRaw(gateway.port, upgrade(more) + PIPELINED, { untilClose: true, timeoutMs: 3_000 })
    t.equal(exchange.responses.length, 1, `${name}: one answer`)
    t.not(exchange.responses[0]?.status, 101, name)
    t.equal(exchange.closed, true, name)
  }
  t.same(gateway.handled.filter(({ target }) => target === '/pipelined'), [])
  await expectRefused(t, gateway, refused(400, 'upgrade_with_body', [['a body', `POST /a HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 3\r\n\r\nabc`]]))
})

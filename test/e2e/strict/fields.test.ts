import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict, type StrictGateway } from '../../fixtures/refusals.js'
import type { RecordedRequest } from '../../fixtures/upstream.js'

/** Tells the upstream who calls, as an authenticating plugin does. */
const teller = definePlugin({
  name: 'teller', stage: 'authenticate', identityHeaders: ['x-consumer-id', 'x-tenant'], config: Type.Object({}),
  create: () => ({
    request (ctx) {
      // A step sees no identity that a client made up.
      ctx.forward.headers.set('x-seen', JSON.stringify(['x-consumer-id', 'x_consumer_id', 'x-tenant'].map((name) => ctx.request.headers.has(name))))
      ctx.forward.headers.set('x-consumer-id', 'real')
      ctx.forward.headers.set('authorization', 'Bearer of-the-gateway')
    }
  })
})

const ROUTES = [{ path: '/told/*', plugins: ['teller'] }, { path: '/*' }]

async function ask (gateway: StrictGateway, fields: string, path = '/'): Promise<RecordedRequest> {
  const { responses } = await sendRaw(gateway.port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: shop.example:81\r\n${fields}\r\n\r\n`, 'latin1'))
  if (responses[0]?.status !== 200) throw new Error(`status ${String(responses[0]?.status)} for ${fields}`)
  return gateway.handled.at(-1) as RecordedRequest
}

/** All fields whose name begins so, lower-case, as one object; two of one name become a list. */
function fieldsLike (request: RecordedRequest, pattern: RegExp): Record<string, string[]> {
  const found: Record<string, string[]> = {}
  for (const [name, value] of request.headers) if (pattern.test(name)) (found[name.toLowerCase()] ??= []).push(value)
  return found
}

test('strict: what Connection lists goes, what the gateway sets and what frames stays', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES, authored: [teller] })
  const sent = await ask(gateway, 'X-Keep: 1\r\nX-Private: 2\r\nX-Consumer-Id: evil\r\nConnection: close, X-Consumer-Id, X-Forwarded-For, X-Private, Authorization, Host, Via\r\nAuthorization: Bearer own\r\nConnection: X-More, X-Request-Id\r\nX-More: 3\r\nX-Forwarded-For: 192.0.2.1', '/told/a')
  t.same(sent.values('x-consumer-id'), ['real'])
  t.same(sent.values('authorization'), ['Bearer of-the-gateway'])
  t.same(sent.values('x-forwarded-for'), ['127.0.0.1'])
  t.same(sent.values('via'), ['1.1 sluice'])
  t.same(sent.values('host'), [`127.0.0.1:${gateway.upstream.port}`])
  t.match(sent.values('x-request-id'), [/^[0-9a-f-]{36}$/])
  t.same(sent.values('x-keep'), ['1'])
  t.same([...sent.values('x-private'), ...sent.values('x-more')], [])
  t.same(fieldsLike(sent, /^(keep-alive|proxy-|te$|trailer|transfer-encoding|upgrade|http2-)/i), {})
  const hopByHop = await ask(gateway, 'Keep-Alive: timeout=9\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic eDp5\r\nTE: gzip, trailers\r\nConnection: TE\r\nTrailer: X-Sum\r\nUpgrade: h2c\r\nHTTP2-Settings: AA')
  t.same(fieldsLike(hopByHop, /^(keep-alive|proxy-|te$|trailer|transfer-encoding|upgrade|http2-)/i), { te: ['trailers'] })
})

test('strict: a body keeps its length whatever Connection lists', async (t) => {
  const gateway = await startStrict(t)
  const { responses } = await sendRaw(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nConnection: Content-Length, Transfer-Encoding, Content-Type\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello')
  t.equal(responses[0]?.status, 200)
  t.same([gateway.handled[0]?.values('content-length'), gateway.handled[0]?.values('content-type'), gateway.handled[0]?.body.toString()], [['5'], [], 'hello'])
})

test('strict: no client can say who it is, on any route, in any spelling', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES, authored: [teller] })
  const spoof = ['X-Consumer-Id', 'x-consumer-id', 'X-CONSUMER-ID', 'X_Consumer_Id', 'X-Consumer_Id', 'x_consumer_id', 'X-Tenant', 'X_Tenant', 'X_Forwarded_For', 'Content_Length', 'Transfer_Encoding', 'X_Request_Id']
    .map((name) => `${name}: 1`).join('\r\n')
  const told = await ask(gateway, spoof, '/told/a')
  t.same(fieldsLike(told, /_|consumer|tenant/i), { 'x-consumer-id': ['real'] })
  t.same(told.values('x-seen'), ['[false,false,false]'], 'steps do not see it either')
  const untold = await ask(gateway, spoof, '/elsewhere')
  t.same(fieldsLike(untold, /_|consumer|tenant/i), {}, 'also where no plugin sets it')
})

const CLAIMS = [
  'X-Forwarded-For: 192.0.2.7', 'X-Forwarded-For: 192.0.2.8', 'X-Forwarded-Host: evil.example', 'X-Forwarded-Proto: https', 'X-Forwarded-Port: 1', 'X-Forwarded-Prefix: /evil', 'X-Forwarded-Uri: /admin', 'X-Forwarded-New: 1',
  'Forwarded: for=192.0.2.7;host=evil.example', 'X-Real-IP: 192.0.2.7', 'True-Client-IP: 192.0.2.7', 'CF-Connecting-IP: 192.0.2.7', 'X-Client-IP: 192.0.2.7', 'X-Cluster-Client-IP: 192.0.2.7', 'X-Original-URL: /admin', 'X-Rewrite-URL: /admin',
  'X-Original-Host: evil.example', 'X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: DELETE', 'X-Method-Override: DELETE', 'Via: 1.0 evil', 'X-Request-Id: chosen'
].join('\r\n')
const CLAIMED = /^(x-forwarded|forwarded|x-real|true-client|cf-|x-client|x-cluster|x-original|x-rewrite|x-http|x-method|via$|x-request-id$)/i

test('strict: what an untrusted peer says of others is replaced by what the gateway sees', async (t) => {
  const gateway = await startStrict(t)
  const { 'x-request-id': id, ...rest } = fieldsLike(await ask(gateway, CLAIMS), CLAIMED)
  t.same(rest, {
    'x-forwarded-for': ['127.0.0.1'], 'x-forwarded-host': ['shop.example:81'], 'x-forwarded-proto': ['http'], forwarded: ['for=127.0.0.1;host="shop.example:81";proto=http'], via: ['1.1 sluice']
  })
  t.match(id, [/^[0-9a-f-]{36}$/])
})

test('strict: what a trusted peer says of others is continued', async (t) => {
  const gateway = await startStrict(t, { listen: { trustedProxies: ['127.0.0.1/32'] }, redact: [] })
  const sent = fieldsLike(await ask(gateway, CLAIMS), CLAIMED)
  t.match(sent, {
    'x-forwarded-for': ['192.0.2.7, 192.0.2.8, 127.0.0.1'], 'x-forwarded-host': ['evil.example'], 'x-forwarded-proto': ['https'], 'x-forwarded-port': ['1'],
    forwarded: ['for=192.0.2.7;host=evil.example, for=127.0.0.1;host="shop.example:81";proto=http'], via: ['1.0 evil, 1.1 sluice'], 'x-real-ip': ['192.0.2.7'], 'x-request-id': ['chosen'], 'x-original-url': ['/admin']
  })
  t.equal((JSON.parse(gateway.accessLines[0] ?? '') as { client: string }).client, '192.0.2.8', 'the last hop that is not trusted is the client')
  const ids = ['', 'a b', 'x'.repeat(129), '\xe4']
  for (const id of ids) t.match((await ask(gateway, `X-Request-Id: ${id}`)).values('x-request-id'), [/^[0-9a-f-]{36}$/], `an id that is none (${JSON.stringify(id.slice(0, 10))}) is not taken`)
})

test('strict: a client of HTTP/1.0 that names no host has an answer', async (t) => {
  const gateway = await startStrict(t, { upstream: { host: 'preserve' } })
  const { responses } = await sendRaw(gateway.port, 'GET /a HTTP/1.0\r\n\r\n', { untilClose: true })
  t.equal(responses[0]?.status, 200)
  t.same(gateway.handled[0]?.values('via'), ['1.0 sluice'])
})

test('strict: names that mean something to JavaScript mean nothing here', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: '/:valueOf/:constructor', plugins: [['headers', { request: { set: { 'x-query': '{{ request.query.__proto__ }} {{ params.valueOf }} {{ params.constructor }} {{ request.header.toString }}' } } }]] }, { path: '/*' }] })
  const fields = ['__proto__: evil', 'constructor: evil', 'prototype: evil', 'hasOwnProperty: evil', 'toString: evil', 'valueOf: evil'].join('\r\n')
  const sent = await ask(gateway, fields, '/__proto__/constructor?__proto__[polluted]=1&a[__proto__][polluted]=1&constructor.prototype.polluted=1&__proto__=2')
  t.same(sent.values('__proto__'), [], 'it has underscores')
  t.same(sent.values('x-query'), ['2 __proto__ constructor evil'])
  t.same([sent.values('constructor'), sent.values('tostring')], [['evil'], ['evil']])
  t.equal(sent.target, '/__proto__/constructor?__proto__[polluted]=1&a[__proto__][polluted]=1&constructor.prototype.polluted=1&__proto__=2')
  await ask(gateway, 'Connection: __proto__, constructor, toString\r\nconstructor: gone', '/')
  t.same(gateway.handled.at(-1)?.values('constructor'), [])
  t.same(Object.keys(Object.prototype), [])
  t.equal(({} as { polluted?: unknown }).polluted, undefined)
  t.same(gateway.bugs, [])
})

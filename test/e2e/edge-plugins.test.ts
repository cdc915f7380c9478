import { test } from 'tap'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type OutgoingHttpHeaders } from 'node:http'
import { Type } from 'typebox'
import { ConfigError, formatFinding } from '../../core/errors.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse } from '../../core/reply.js'
import { startGateway, type TestGateway } from '../fixtures/gateway.js'
import { sendRaw } from '../fixtures/raw-client.js'
import { createUpstream, readAll } from '../fixtures/upstream.js'

const APP = 'https://app.example.com'

/** Stands for whatever authenticates. */
const locked = definePlugin({
  name: 'locked',
  stage: 'authenticate',
  config: Type.Object({}, { additionalProperties: false }),
  create () {
    const refusal = refuse('AUTHENTICATION_ERROR', { headers: ['www-authenticate', 'Bearer'] })
    return { request: ({ request }) => request.headers.has('authorization') ? undefined : refusal }
  }
})

interface Answer { status: number, headers: IncomingMessage['headers'], body: string }

async function ask (gateway: TestGateway, path: string, { method = 'GET', headers = {}, body }: { method?: string, headers?: OutgoingHttpHeaders, body?: string } = {}): Promise<Answer> {
  const request = httpRequest(`${gateway.url}${path}`, { method, headers, agent: false })
  request.end(body)
  const [response] = await once(request, 'response') as [IncomingMessage]
  return { status: response.statusCode ?? 0, headers: response.headers, body: (await readAll(response)).toString() }
}

test('edge plugins: a preflight is answered before authentication, and a 401 can be read by the page', async (t) => {
  const upstream = await createUpstream((_req, res) => { res.setHeader('access-control-allow-origin', '*').setHeader('server', 'old').end('up') })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, {
    upstreamUrl: upstream.url,
    authored: [locked],
    plugins: [['cors', { origins: [APP], credentials: true }], 'security-headers'],
    routes: [{ path: '/orders/*', plugins: ['locked'] }]
  })
  const preflight = await ask(gateway, '/orders/1', { method: 'OPTIONS', headers: { origin: APP, 'access-control-request-method': 'DELETE', 'access-control-request-headers': 'authorization' } })
  t.equal(preflight.status, 204)
  t.equal(preflight.headers['access-control-allow-origin'], APP)
  t.equal(preflight.headers['access-control-allow-headers'], 'authorization')
  t.equal(preflight.headers['content-length'], undefined)

  const refused = await ask(gateway, '/orders/1', { headers: { origin: APP } })
  t.equal(refused.status, 401)
  t.match(refused.headers, { 'access-control-allow-origin': APP, 'access-control-allow-credentials': 'true', vary: 'Origin', 'x-content-type-options': 'nosniff', 'www-authenticate': 'Bearer' })
  t.match(JSON.parse(refused.body), { error: { code: 'AUTHENTICATION_ERROR' } })

  const missing = await ask(gateway, '/nowhere', { headers: { origin: APP } })
  t.equal(missing.status, 404)
  t.equal(missing.headers['access-control-allow-origin'], APP, "the gateway's plugins see what no route serves, too")

  t.equal(upstream.requests.length, 0)
  const through = await ask(gateway, '/orders/1', { headers: { origin: APP, authorization: 'Bearer x' } })
  t.equal(through.body, 'up')
  t.equal(through.headers['access-control-allow-origin'], APP, 'what the upstream says is replaced')
  t.equal(through.headers.server, undefined)

  await upstream.close()
  const down = await ask(gateway, '/orders/1', { headers: { origin: APP, authorization: 'Bearer x' } })
  t.equal(down.status, 502)
  t.equal(down.headers['access-control-allow-origin'], APP)
  t.same(gateway.bugs, [])
})

test('edge plugins: ip-restriction goes by the client that a trusted proxy names, and by nobody else\'s word', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const routes = [{ path: '/*', plugins: [['ip-restriction', { allow: ['203.0.113.0/24', '2001:db8::/32'] }] as const] }]
  const trusting = await startGateway(t, { upstreamUrl: upstream.url, routes, listen: { trustedProxies: ['127.0.0.0/8'] } })
  const strict = await startGateway(t, { upstreamUrl: upstream.url, routes })
  const status = async (gateway: TestGateway, from: string | null): Promise<number> => (await ask(gateway, '/', { headers: from === null ? {} : { 'x-forwarded-for': from } })).status
  t.equal(await status(trusting, '203.0.113.9'), 200)
  t.equal(await status(trusting, '2001:db8::9'), 200)
  t.equal(await status(trusting, '::ffff:203.0.113.9'), 200)
  t.equal(await status(trusting, '198.51.100.1'), 403)
  t.equal(await status(trusting, '203.0.113.9, 198.51.100.1'), 403, 'the last hop counts, not what it was told')
  t.equal(await status(trusting, null), 403)
  t.equal(await status(strict, '203.0.113.9'), 403, 'a peer that is not trusted can claim nothing')
})

test('edge plugins: request-size refuses by Content-Length before the body is asked for, and a chunked one as it crosses', async (t) => {
  const upstream = await createUpstream((req, res) => { req.on('end', () => { res.end('whole') }).resume() }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*', plugins: [['request-size', { maxBody: '10b' }]] }] })

  const declared = await sendRaw(gateway.port, 'POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\nexpect: 100-continue\r\n\r\n')
  t.equal(declared.responses[0]?.status, 413, 'no 100 comes first')
  t.equal(upstream.requests.length, 0)

  const fits = await sendRaw(gateway.port, ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n', '5\r\n01234\r\n', '5\r\n56789\r\n', '0\r\n\r\n'])
  t.equal(fits.responses[0]?.status, 200)
  t.equal(fits.responses[0]?.body.toString(), 'whole')

  // The last chunk never comes: the answer is there as soon as the limit is crossed.
  const crossed = await sendRaw(gateway.port, ['POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n', '5\r\n01234\r\n', '6\r\n56789a\r\n'])
  t.equal(crossed.timedOut, false)
  t.equal(crossed.responses[0]?.status, 413)
  t.match(JSON.parse(crossed.responses[0]?.body.toString() ?? ''), { error: { code: 'PAYLOAD_TOO_LARGE', details: { reason: 'body_too_large', maxBytes: 10 } } })
  t.same(gateway.bugs, [])
})

test('edge plugins: redirect works with what the route matched', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, {
    upstreamUrl: upstream.url,
    routes: [
      { path: '/orders/:id', plugins: [['redirect', { to: '/v2/orders/{{ params.id }}', status: 308, keepQuery: true }]] },
      { path: '/docs/*', plugins: [['redirect', { to: '/{{ params.* }}' }]] }
    ]
  })
  const order = await ask(gateway, '/orders/a%20b?x=1', { method: 'POST', body: 'x' })
  t.equal(order.status, 308)
  t.equal(order.headers.location, '/v2/orders/a%20b?x=1')
  t.equal(order.body, '')
  t.equal((await ask(gateway, '/docs//evil.example/x')).headers.location, '/evil.example/x')
  const kept = await startGateway(t, { upstreamUrl: upstream.url, listen: { keepRepeatedSlashes: true }, routes: [{ path: '/docs/*', plugins: [['redirect', { to: '/{{ params.* }}' }]] }] })
  t.equal((await ask(kept, '/docs//evil.example/x')).headers.location, '/evil.example/x', 'also where repeated slashes are kept')
  t.equal(upstream.requests.length, 0)
})

test('edge plugins: a config that a plugin finds wrong names the key', async (t) => {
  const started = startGateway(t, { upstreamUrl: 'http://127.0.0.1:1', routes: [{ path: '/*', plugins: ['security-headers', ['cors', { origins: ['*', 'https://a.example/'], credentials: true }]] }] })
  const error: unknown = await started.then(() => null, (reason: unknown) => reason)
  if (!(error instanceof ConfigError)) throw new Error('the config was taken', { cause: error })
  t.match(error.findings.map(formatFinding), [
    /^projects\.test\.routes\[0\]\.plugins\[1\]\.cors\.origins\[1\]: "https:\/\/a\.example\/" is not an origin/,
    /^projects\.test\.routes\[0\]\.plugins\[1\]\.cors\.origins\[0\]: the origin "\*" can not be combined/
  ])
})

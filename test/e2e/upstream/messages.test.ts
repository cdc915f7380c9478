import { PassThrough } from 'node:stream'
import { test, type Test } from 'tap'
import type { Plugin } from '../../../core/plugin.js'
import { startGateway, type TestGateway } from '../../fixtures/gateway.js'
import { makePlugin } from '../../fixtures/pipeline.js'
import { openSocket, sendRaw, type RawExchange } from '../../fixtures/raw-client.js'
import type { RawResponse } from '../../fixtures/raw-response.js'
import { createRawUpstream, createUpstream } from '../../fixtures/upstream.js'

interface Raw { gateway: TestGateway, sent (): string, ask (answer: string, request?: string): Promise<RawExchange> }

/** A gateway in front of an upstream whose next answer are these bytes, latin1. Its connections stay open. */
async function startRaw (t: Test, authored: readonly Plugin[] = []): Promise<Raw> {
  let answer = ''
  const upstream = await createRawUpstream((socket, received) => {
    const serve = (): void => { socket.write(answer, 'latin1') }
    void received
    socket.on('data', serve)
    serve()
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored, routes: [{ path: '/*', plugins: authored.map(({ name }) => name) }] })
  return {
    gateway,
    sent: () => Buffer.concat(upstream.received).toString('latin1'),
    async ask (bytes, request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n') {
      answer = bytes
      return await sendRaw(gateway.port, request)
    }
  }
}

/** The fields that the upstream chose, without those of the gateway and of Node. */
function own (response: RawResponse | undefined): [string, string][] {
  return (response?.headers ?? []).filter(([name]) => !/^(date|connection|keep-alive|transfer-encoding|x-request-id)$/i.test(name))
}

test('messages: order, duplicates, Set-Cookie and every latin1 byte of an answer\'s fields are kept', async (t) => {
  const { gateway, ask } = await startRaw(t)
  const high = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)).join('')
  const fields: [string, string][] = [
    ['set-cookie', 'a=1; Path=/'], ['x-b', '1'], ['set-cookie', 'b=2, c'], ['vary', 'Accept'], ['x-b', '2'], ['vary', 'Origin'], ['set-cookie', 'a=3'],
    ['x-empty', ''], ['x-high', high], ['x-tab', 'a\tb'], ['www-authenticate', 'Basic realm="a"'], ['www-authenticate', 'Bearer'], ['content-length', '2']
  ]
  const { responses: [response] } = await ask(`HTTP/1.1 200 OK\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\nok`)
  t.same(own(response), fields)
  t.equal(response?.body.toString(), 'ok')
  t.same(gateway.bugs, [])
})

test('messages: the same holds on the way to the upstream', async (t) => {
  const { ask, sent } = await startRaw(t)
  const high = Array.from({ length: 128 }, (_, i) => String.fromCharCode(0x80 + i)).join('')
  await ask('HTTP/1.1 204 No Content\r\n\r\n', Buffer.from(`GET /x HTTP/1.1\r\nHost: a\r\nX-B: 1\r\nCookie: a=1\r\nX-High: ${high}\r\nX-B: 2\r\nCookie: b=2\r\nX-Empty:\r\nX-Tab: a\tb\r\n\r\n`, 'latin1') as unknown as string)
  const lines = sent().split('\r\n').filter((line) => /^(x-b|cookie|x-high|x-empty|x-tab):/.test(line))
  t.same(lines, ['x-b: 1', 'cookie: a=1', `x-high: ${high}`, 'x-b: 2', 'cookie: b=2', 'x-empty: ', 'x-tab: a\tb'])
})

test('messages: hop-by-hop fields of an answer and those that its Connection names end at the gateway', async (t) => {
  const { ask } = await startRaw(t)
  const { responses: [response], closed } = await ask('HTTP/1.1 200 OK\r\nConnection: X-Gone, close\r\nX-Gone: 1\r\nKeep-Alive: timeout=1\r\nProxy-Authenticate: Basic\r\nTrailer: X-T\r\nUpgrade: h2c\r\nX-Stays: 1\r\nContent-Length: 2\r\n\r\nok')
  t.same(own(response), [['x-stays', '1'], ['content-length', '2']])
  t.match(response?.header('connection'), /keep-alive/)
  t.notOk(closed)
})

test('messages: early hints reach the client before the answer, other interim answers do no harm', async (t) => {
  const { ask } = await startRaw(t)
  const { responses: [response] } = await ask('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload; as=style\r\nLink: </b.js>; rel=preload; as=script\r\nX-Hint: 1\r\n\r\n' +
    'HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 199 Odd\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  t.same(response?.interim.map(({ status }) => status), [103, 102])
  const hints = response?.interim[0]?.headers ?? []
  t.match(hints.filter(([name]) => name.toLowerCase() === 'link').map(([, value]) => value).join(', '), /^<\/a\.css>; rel=preload; as=style, <\/b\.js>; rel=preload; as=script$/)
  t.ok(hints.some(([name, value]) => name === 'x-hint' && value === '1'))
  t.equal(response?.body.toString(), 'ok')

  const old = await ask('HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  t.same(old.responses[0]?.interim, [], 'HTTP/1.0 knows none')
  t.equal(old.responses[0]?.body.toString(), 'ok')
})

test('messages: what has no body has none, whatever its fields say, and the connections live on', async (t) => {
  const { gateway, ask, sent } = await startRaw(t)
  const cases: readonly [string, string, Record<string, string | undefined>][] = [
    ['GET', '204 No Content\r\n\r\n', { 'content-length': undefined, 'transfer-encoding': undefined }],
    ['GET', '204 No Content\r\nContent-Length: 5\r\n\r\n', { 'content-length': undefined }],
    ['GET', '304 Not Modified\r\nETag: "a"\r\n\r\n', { etag: '"a"', 'content-length': undefined, 'transfer-encoding': undefined }],
    ['GET', '304 Not Modified\r\nContent-Length: 5000\r\n\r\n', { 'content-length': '5000' }],
    ['GET', '304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', { 'transfer-encoding': undefined }],
    ['HEAD', '200 OK\r\nContent-Length: 5000\r\n\r\n', { 'content-length': '5000' }],
    ['HEAD', '200 OK\r\nContent-Length: 0\r\n\r\n', { 'content-length': '0' }],
    ['HEAD', '200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', { 'content-length': undefined }],
    ['HEAD', '404 Not Found\r\n\r\n', { 'content-length': undefined }]
  ]
  for (const [method, answer, expected] of cases) {
    const request = `${method} / HTTP/1.1\r\nHost: a\r\n\r\n`
    const { responses: [response], bytes, closed } = await ask(`HTTP/1.1 ${answer}`, request)
    const title = `${method} ${answer.replaceAll('\r\n', ' ')}`
    t.equal(response?.status, Number(answer.slice(0, 3)), title)
    t.equal(bytes.indexOf('\r\n\r\n'), bytes.length - 4, `${title}: nothing behind the head`)
    for (const [name, value] of Object.entries(expected)) t.equal(response?.header(name), value, `${title}: ${name}`)
    t.notOk(closed, title)
  }
  t.equal((await ask('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')).responses[0]?.body.toString(), 'ok')
  t.match(sent(), /^HEAD \/ HTTP\/1\.1\r$/m, 'HEAD goes on as HEAD')
  t.same(gateway.bugs, [])
})

test('messages: two requests behind a 304 with a length, on one connection, get their own answers', async (t) => {
  const upstream = await createUpstream((req, res) => {
    if (req.url === '/304') res.writeHead(304, { 'content-length': 100 }).end()
    else res.end(req.url)
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const { responses } = await sendRaw(gateway.port, ['/304', '/a', '/304', '/b'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''), { count: 4 })
  t.same(responses.map(({ status, body }) => [status, body.toString()]), [[304, ''], [200, '/a'], [304, ''], [200, '/b']])
})

test('messages: response trailers come through, but for those that have no place there', async (t) => {
  const { ask } = await startRaw(t)
  const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: abc\r\nX-High: \xe9\r\nX-Sum: def\r\nSet-Cookie: a=1\r\nContent-Type: text/html\r\nKeep-Alive: timeout=9\r\nHost: evil\r\n\r\n'
  const { responses: [response] } = await ask(answer)
  t.equal(response?.body.toString(), 'hello')
  t.ok(response?.complete)
  t.same(response?.trailers.map(([name, value]) => [name.toLowerCase(), value]), [['x-sum', 'abc'], ['x-high', '\xe9'], ['x-sum', 'def']])
  const old = await ask(answer, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  t.equal(old.responses[0]?.body.toString(), 'hello', 'HTTP/1.0 has no place for them')
})

test('messages: response trailers follow a body that was collected too, but for those of a body that a step has changed', async (t) => {
  const answer = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: abc\r\nDigest: sha-256=x\r\n\r\n'
  const trailersOf = async (plugin: Plugin, request?: string): Promise<unknown> => {
    const { ask } = await startRaw(t, [plugin])
    const { responses: [response] } = await ask(answer, request)
    t.ok(response?.complete)
    return [response?.body.toString(), response?.header('content-length'), response?.trailers.map(([name, value]) => [name.toLowerCase(), value])]
  }
  const body = { response: { buffer: '1kb' } } as const
  t.same(await trailersOf(makePlugin('looks', { response () {} }, { body })), ['hello', undefined, [['x-sum', 'abc'], ['digest', 'sha-256=x']]])
  t.same(await trailersOf(makePlugin('changes', { response (ctx) { ctx.response.body = 'other' } }, { body })), ['other', undefined, [['x-sum', 'abc']]])
  t.same(await trailersOf(makePlugin('empties', { response (ctx) { ctx.response.status = 204 } }, { body })), ['', undefined, []])
  t.same(await trailersOf(makePlugin('old', { response () {} }, { body }), 'GET / HTTP/1.0\r\nHost: a\r\n\r\n'), ['hello', undefined, []], 'HTTP/1.0 has no place for them')
  const through = makePlugin('through', { response (ctx) { ctx.response.transform(new PassThrough()) } }, { body: { response: 'stream' } })
  t.same(await trailersOf(through), ['hello', undefined, [['x-sum', 'abc']]])
})

test('messages: "Expect: 100-continue" is met when the body is wanted, and not before', async (t) => {
  const upstream = await createUpstream((_req, res, { body }) => { res.end(body) })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/echo' }, { path: '/refused', plugins: [['ip-restriction', { allow: ['192.0.2.1'] }]] }] })
  const send = async (path: string): Promise<{ got: string, socket: Awaited<ReturnType<typeof openSocket>> }> => {
    const socket = await openSocket(gateway.port)
    socket.write(`POST ${path} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n`)
    const got = await new Promise<string>((resolve) => { socket.once('data', (chunk) => { resolve(chunk.toString()) }) })
    return { got, socket }
  }
  const { got, socket } = await send('/echo')
  t.equal(got, 'HTTP/1.1 100 Continue\r\n\r\n')
  socket.write('hello')
  const answer = await new Promise<string>((resolve) => { socket.once('data', (chunk) => { resolve(chunk.toString()) }) })
  t.match(answer, /^HTTP\/1\.1 200 OK\r\n[^]*hello/)
  socket.destroy()
  t.same(upstream.requests[0]?.values('expect'), [], 'the promise is the gateway\'s, the upstream is not asked again')

  const refused = await send('/refused')
  t.match(refused.got, /^HTTP\/1\.1 403 /, 'a refusal is the first word')
  t.match(refused.got, /connection: close/i)
  t.equal(upstream.requests.length, 1)

  const down = await startGateway(t, { upstreamUrl: 'http://127.0.0.1:1', routes: [{ path: '/*' }] })
  const { responses: [unreachable], closed } = await sendRaw(down.port, 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n')
  t.equal(unreachable?.status, 502)
  t.same(unreachable?.interim, [], 'nobody asks for a body that can not go anywhere')
  t.ok(closed)
})

test('messages: an upstream of HTTP/1.0 is understood', async (t) => {
  const upstream = await createRawUpstream('HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nto the end')
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const { responses: [response] } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(response?.version, 'HTTP/1.1')
  t.equal(response?.body.toString(), 'to the end')
  t.equal(response?.header('transfer-encoding'), 'chunked')
})

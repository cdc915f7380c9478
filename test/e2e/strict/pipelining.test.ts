import { once } from 'node:events'
import { test } from 'tap'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { PIPELINED, startStrict, summaryOf } from '../../fixtures/refusals.js'

const get = (path: string, more = ''): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
const post = (path: string, body: string): string => `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const WEBSOCKET = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'

test('strict: pipelined requests are served one after the other, in their order', async (t) => {
  const gateway = await startStrict(t)
  const order: string[] = []
  gateway.upstream.handle(async (req, res) => {
    order.push(`begin ${String(req.url)}`)
    await new Promise((resolve) => { setTimeout(resolve, 30) })
    order.push(`end ${String(req.url)}`)
    res.end(req.url)
  })
  const exchange = await sendRaw(gateway.port, post('/1', 'hello') + get('/2') + post('/3', 'x'.repeat(100_000)) + get('/4'), { count: 4, methods: ['POST', 'GET', 'POST', 'GET'] })
  t.same(exchange.responses.map(({ status, body }) => [status, body.toString()]), [[200, '/1'], [200, '/2'], [200, '/3'], [200, '/4']])
  t.same(order, [1, 2, 3, 4].flatMap((number) => [`begin /${number}`, `end /${number}`]))
})

test('strict: what is pipelined behind an answer that closes is not served', async (t) => {
  const gateway = await startStrict(t)
  for (const [name, bytes, status] of [
    ['a client that closes', get('/1', 'Connection: close\r\n'), 200], ['HTTP/1.0', 'GET /1 HTTP/1.0\r\nHost: a\r\n\r\n', 200], ['a refusal', get('/%00'), 400], ['CONNECT', 'CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n', 405]
  ] as const) {
    gateway.handled.length = 0
    t.same(summaryOf(await sendRaw(gateway.port, bytes + PIPELINED + PIPELINED, { untilClose: true })), { statuses: [status], closed: true, timedOut: false }, name)
    t.same(gateway.handled.map(({ target }) => target), status === 200 ? ['/1'] : [], name)
  }
})

test('strict: what comes whole before a refusal is served before it', async (t) => {
  const gateway = await startStrict(t)
  for (const [name, bytes, status] of [
    ['a bad path', get('/%00'), 400], ['garbage', 'GARBAGE\r\n\r\n', 400], ['two lengths', 'POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', 400], ['a transfer coding', 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\nab', 400],
    ['a bad chunk', 'POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n', 400], ['CONNECT', 'CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n\r\n', 405]
  ] as const) {
    gateway.handled.length = 0
    const exchange = await sendRaw(gateway.port, get('/1') + get('/2') + bytes + PIPELINED, { untilClose: true })
    t.same(summaryOf(exchange), { statuses: [200, 200, status], closed: true, timedOut: false }, name)
    t.same(gateway.handled.map(({ target }) => target), ['/1', '/2'], name)
  }
  t.same(gateway.bugs, [])
})

test('strict: an upgrade that is pipelined behind another request waits its turn', async (t) => {
  const gateway = await startStrict(t)
  const exchange = await sendRaw(gateway.port, PIPELINED + get('/ws', WEBSOCKET), { untilClose: true })
  t.same(summaryOf(exchange), { statuses: [200, 200], closed: true, timedOut: false })
  t.same(gateway.handled.map(({ target }) => target), ['/pipelined', '/ws'])
  gateway.upstream.server.on('upgrade', (_req, socket) => { socket.on('end', () => { socket.end() }).resume().write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\nhello') })
  const socket = await openSocket(gateway.port)
  socket.write(PIPELINED + get('/ws', WEBSOCKET))
  let text = ''
  while (!text.includes('hello')) text += ((await once(socket, 'data')) as [Buffer])[0].toString()
  t.match(text, /^HTTP\/1\.1 200 .*HTTP\/1\.1 101 .*\r\n\r\nhello$/s, 'and opens its tunnel then')
  socket.destroy()
  t.same(gateway.bugs, [])
})

test('strict: a connection can not make the gateway do everything at once', async (t) => {
  const gateway = await startStrict(t)
  let most = 0
  let now = 0
  gateway.upstream.handle(async (_req, res) => {
    most = Math.max(most, ++now)
    await new Promise((resolve) => { setImmediate(resolve) })
    now--
    res.end('ok')
  })
  const deep = await sendRaw(gateway.port, PIPELINED.repeat(200), { count: 200, methods: Array<string>(200).fill('GET') })
  t.equal(deep.responses.filter(({ status }) => status === 200).length, 200)
  t.equal(most, 1)
})

test('strict: what waits behind an answer is not served to a client that has gone', async (t) => {
  const gateway = await startStrict(t)
  let release = (): void => {}
  gateway.upstream.handle((req, res) => { release = () => { res.end(req.url) } })
  const socket = await openSocket(gateway.port)
  socket.write(get('/1') + get('/2'))
  while (gateway.upstream.requests.length === 0) await new Promise((resolve) => { setTimeout(resolve, 5) })
  const gone = new Promise((resolve) => { gateway.upstream.server.once('connection', resolve); setTimeout(resolve, 300) })
  socket.resetAndDestroy()
  await gone
  release()
  t.same(gateway.upstream.requests.map(({ target }) => target), ['/1'])
})

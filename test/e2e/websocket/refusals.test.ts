import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/index.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createRawUpstream, createUpstream } from '../../fixtures/upstream.js'
import { createTunnelUpstream, gone, handshake, openTunnel, SocketReader, switching } from '../../fixtures/web-socket.js'

async function start (t: Test, upstream: { url: string, close (): Promise<void> }, more: Partial<TestGatewayOptions> = {}) {
  t.teardown(() => upstream.close())
  return await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*', more: { upgrades: ['chat'] } }, { path: '/plain/*' }], ...more })
}

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'

test('websocket: what is no handshake is refused before the upstream sees it', async (t) => {
  const upstream = await createRawUpstream((socket, received) => { socket.write(switching(received)) })
  const { port, bugs } = await start(t, upstream)
  for (const [why, fields, reason] of [
    ['no key', { 'Sec-WebSocket-Key': undefined }, 'websocket_key'],
    ['a short key', { 'Sec-WebSocket-Key': 'c2hvcnQ=' }, 'websocket_key'],
    ['a long key', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZSBpcyBsb25n' }, 'websocket_key'],
    ['a key that is no base64', { 'Sec-WebSocket-Key': '!!!!!!!!!!!!!!!!!!!!!!==' }, 'websocket_key'],
    ['two keys', { 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==' }, 'websocket_key'],
    ['no version', { 'Sec-WebSocket-Version': undefined }, 'websocket_version'],
    ['an old version', { 'Sec-WebSocket-Version': '8' }, 'websocket_version'],
    ['a future version', { 'Sec-WebSocket-Version': '131' }, 'websocket_version'],
    ['two versions', { 'sec-websocket-version': '8' }, 'websocket_version']
  ] as const) {
    const { responses, closed } = await sendRaw(port, handshake('/ws', fields) + SMUGGLED, { untilClose: true })
    t.same(responses.map(({ status }) => status), [400], why)
    t.equal((JSON.parse(responses[0]?.body.toString() ?? '') as { error: { details: { reason: string } } }).error.details.reason, reason)
    if (reason === 'websocket_version') t.equal(responses[0]?.header('sec-websocket-version'), '13', 'the version that is spoken (RFC 6455 section 4.4)')
    t.ok(closed)
  }
  t.equal(upstream.received.length, 0, 'the upstream saw none of it')
  t.same(bugs, [])
})

test('websocket: only GET on HTTP/1.1 with exactly one token tunnels; the rest goes on as plain requests', async (t) => {
  const upstream = await createUpstream()
  upstream.server.on('upgrade', (_req, socket) => { socket.end(switching(Buffer.alloc(0))) })
  const { port } = await start(t, upstream)
  for (const [why, head] of [
    ['POST', handshake('/', {}, 'POST / HTTP/1.1')],
    ['HTTP/1.0', handshake('/', {}, 'GET / HTTP/1.0')],
    ['two tokens', handshake('/', { Upgrade: 'websocket, chat' })],
    ['two fields', handshake('/', { upgrade: 'chat' })],
    ['an unknown token', handshake('/', { Upgrade: 'h2c' })],
    ['no Connection: Upgrade', handshake('/', { Connection: 'keep-alive' })],
    ['a token that this route does not list', handshake('/plain/x', { Upgrade: 'chat' })]
  ] as const) {
    const { responses } = await sendRaw(port, head)
    t.same(responses.map(({ status, body }) => [status, body.toString()]), [[200, 'ok']], why)
    const seen = upstream.requests[upstream.requests.length - 1]
    t.same(seen?.values('upgrade'), [], `${why}: the upstream is not asked to switch`)
  }
})

test('websocket: the gateway\'s own routes answer a client that would rather speak something else', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.yaml'), 'listen: { host: 127.0.0.1, port: 0, health: true }\naccessLog: false\n')
  const port = await startSluice(t, ['start', '-c', 'gateway.yaml', '--json'], { cwd }).port('data')
  for (const token of ['h2c', 'websocket']) {
    const { responses, closed } = await sendRaw(port, handshake('/health', { Upgrade: token, 'HTTP2-Settings': 'AAMAAABkAAQAoAAAAAIAAAAA' }) + SMUGGLED, { untilClose: true })
    t.same(responses.map(({ status, body }) => [status, body.toString()]), [[200, '{"status":"ok"}']], token)
    t.ok(closed)
  }
})

test('websocket: an upgrade with a body is refused, and its body is never a request', async (t) => {
  const upstream = await createUpstream()
  const { port } = await start(t, upstream)
  for (const fields of [{ 'Content-Length': String(SMUGGLED.length) }, { 'Content-Length': '3000000' }, { 'Transfer-Encoding': 'chunked' }]) {
    const { responses, closed } = await sendRaw(port, handshake('/', fields) + SMUGGLED.repeat(2_000), { untilClose: true })
    t.same(responses.map(({ status }) => status), [400], JSON.stringify(fields))
    t.ok(closed)
  }
  t.equal(upstream.requests.length, 0)
})

test('websocket: an upstream that does not switch is relayed as it answers, and what is pipelined behind is neither tunnel nor request', async (t) => {
  for (const [answer, status, body] of [
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', 200, 'hello'],
    ['HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno', 403, 'no'],
    ['HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 14\r\nContent-Length: 0\r\n\r\n', 426, ''],
    ['HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n', 200, 'abc'],
    ['HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone', 404, 'gone'],
    ['HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 204, ''],
    [`${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(64)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`, 200, 'ok'],
    [`${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(65)}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`, 502, /too_many_interim/],
    ['HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\nto the end', 302, 'to the end']
  ] as const) {
    const upstream = await createRawUpstream((socket) => { socket.write(answer); if (status === 302) socket.end() })
    const { port } = await start(t, upstream)
    const { responses, closed } = await sendRaw(port, [handshake(), SMUGGLED, 'raw bytes'], { untilClose: true })
    t.match(responses.filter((one) => one.status >= 200).map((one) => [one.status, one.body.toString()]), [[status, body]], String(status))
    t.ok(status !== 204 || responses[0]?.header('content-length') === undefined, 'a 204 has no length')
    t.ok(closed, 'the connection ends')
    t.equal(upstream.received.length, 1, 'one request')
    t.notMatch(upstream.received[0]?.toString(), /smuggled|raw bytes/, 'nothing of what came behind')
  }
})

test('websocket: an upstream\'s 101 counts only when it proves that it understood', async (t) => {
  for (const [why, fields, statuses] of [
    ['no Accept', { 'Sec-WebSocket-Accept': undefined }, [502]],
    ['another Accept', { 'Sec-WebSocket-Accept': 'AAAAAAAAAAAAAAAAAAAAAAAAAAA=' }, [502]],
    ['another protocol', { Upgrade: 'chat' }, [502]],
    ['no Upgrade', { Upgrade: undefined }, [502]],
    ['no Connection', { Connection: undefined }, [502]]
  ] as const) {
    const upstream = await createTunnelUpstream({ fields })
    const { port, bugs } = await start(t, upstream, { upstream: { timeouts: { headersMs: 200, idleMs: 0, totalMs: 0 } } })
    const { responses, closed } = await sendRaw(port, [handshake(), 'raw bytes'], { untilClose: true })
    t.same(responses.map(({ status }) => status), statuses, why)
    t.ok(closed)
    const peer = await upstream.next()
    await peer.toEnd()
    t.notMatch(upstream.received[0]?.toString('latin1'), /raw bytes/, 'nothing reached it raw')
    t.same(bugs, [])
  }
})

test('websocket: a 101 that nobody asked for is no answer', async (t) => {
  const upstream = await createTunnelUpstream()
  const { port } = await start(t, upstream, { upstream: { timeouts: { headersMs: 300, idleMs: 0, totalMs: 0 } } })
  const { responses } = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(responses.map(({ status }) => status), [/50[24]/])
})

test('websocket: an upstream that can not be reached, is silent or breaks off is told as for any request', async (t) => {
  const refused = await createUpstream()
  await refused.close()
  const silent = await createRawUpstream(() => {})
  const broken = await createRawUpstream((socket) => { socket.destroy() })
  const invalid = await createRawUpstream('nonsense\r\n\r\n')
  for (const [upstream, status, code] of [[refused, 502, 'UPSTREAM_UNREACHABLE'], [silent, 504, 'UPSTREAM_TIMEOUT'], [broken, 502, 'UPSTREAM_UNREACHABLE'], [invalid, 502, 'UPSTREAM_INVALID_RESPONSE']] as const) {
    const { port } = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], upstream: { timeouts: { headersMs: 200, idleMs: 0, totalMs: 0 } } })
    const { responses } = await sendRaw(port, handshake(), { untilClose: true })
    t.same(responses.map((one) => [one.status, (JSON.parse(one.body.toString()) as { error: { code: string } }).error.code]), [[status, code]])
  }
  const { port } = await startGateway(t, { upstreamUrl: refused.url, routes: [{ path: '/*' }], upstream: { targets: [{ url: refused.url, weight: 1 }, { url: silent.url, weight: 1 }, { url: broken.url, weight: 0 }], timeouts: { headersMs: 200, idleMs: 0, totalMs: 0 } } })
  for (let count = 0; count < 2; count++) t.equal((await sendRaw(port, handshake())).responses[0]?.status, 504, 'a refused connection tries the next target')
  await Promise.all([silent, broken, invalid].map((upstream) => upstream.close()))
})

test('websocket: request steps decide before the upgrade: cors and ip-restriction keep it from the upstream', async (t) => {
  const upstream = await createTunnelUpstream()
  const { port } = await start(t, upstream, {
    routes: [
      { path: '/locked', plugins: [['ip-restriction', { deny: ['127.0.0.0/8'] }]] },
      { path: '/open', plugins: [['ip-restriction', { allow: ['127.0.0.0/8'] }], ['cors', { origins: ['https://app.example.com'] }]] }
    ]
  })
  const locked = await sendRaw(port, handshake('/locked') + SMUGGLED, { untilClose: true })
  t.same(locked.responses.map(({ status }) => status), [403])
  t.ok(locked.closed)
  t.equal(upstream.received.length, 0)
  const client = await openTunnel(port, handshake('/open', { Origin: 'https://app.example.com' }))
  t.match(client.answer, /^HTTP\/1.1 101 /)
  client.socket.destroy()
  await gone((await upstream.next()).socket)
})

test('websocket: other tokens tunnel where the route lists them, whatever their bytes', async (t) => {
  const upstream = await createTunnelUpstream({ fields: { Upgrade: 'chat', 'Sec-WebSocket-Accept': undefined } })
  const { port } = await start(t, upstream)
  const client = await openTunnel(port, 'GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: Chat\r\n\r\n')
  t.match(client.answer, /^HTTP\/1.1 101 /)
  t.match(client.answer, /\r\nupgrade: chat/i)
  const peer = await upstream.next()
  client.socket.write('hello')
  t.equal((await peer.take(5)).toString(), 'hello')
  peer.socket.end('bye')
  t.equal((await client.toEnd()).toString(), 'bye')
  client.socket.destroy()
})

test('websocket: an upgrade that is pipelined behind other requests waits for their answers', async (t) => {
  const upstream = await createUpstream((req, res) => {
    if (req.url === '/large') { res.end(Buffer.alloc(3_000_000)); return }
    setTimeout(() => { res.end(`answer to ${req.url ?? ''}`) }, 20)
  })
  upstream.server.on('upgrade', (req, socket) => { socket.write(switching(Buffer.from(`sec-websocket-key: ${String(req.headers['sec-websocket-key'])}\r\n`))) })
  const { port, bugs } = await start(t, upstream)
  const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`
  const socket = await openSocket(port)
  const reader = new SocketReader(socket)
  socket.write(get('/1') + get('/2') + handshake())
  for (const path of ['/1', '/2']) {
    t.match(await reader.head(), /^HTTP\/1.1 200/)
    t.equal((await reader.take(12)).toString(), `answer to ${path}`)
  }
  t.match(await reader.head(), /^HTTP\/1.1 101/)
  socket.destroy()
  const slow = await openSocket(port)
  slow.pause()
  slow.write(get('/large') + handshake())
  await new Promise((resolve) => setTimeout(resolve, 100))
  const slowReader = new SocketReader(slow)
  slow.resume()
  t.match(await slowReader.head(), /^HTTP\/1.1 200/)
  t.equal((await slowReader.take(3_000_000)).length, 3_000_000, 'one that fills the connection goes on when the client reads')
  t.match(await slowReader.head(), /^HTTP\/1.1 101/)
  slow.destroy()
  const closing = await sendRaw(port, `GET /large HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n${handshake()}`, { untilClose: true })
  t.same(closing.responses.map(({ status }) => status), [200], 'behind an answer that closes there is nothing')
  t.same(bugs, [])
})

test('websocket: a step that makes something unsendable is a 500, not the end of the process', async (t) => {
  const breaking = definePlugin({ name: 'breaking', stage: 'edge', config: Type.Object({}), create: () => ({ request (ctx) { ctx.forward.path = '/a b' } }) })
  const upstream = await createTunnelUpstream()
  const { port, bugs } = await start(t, upstream, { authored: [breaking], routes: [{ path: '/*', plugins: ['breaking'] }] })
  const { responses } = await sendRaw(port, handshake(), { untilClose: true })
  t.same(responses.map(({ status }) => status), [500])
  t.match(bugs, [/unescaped characters/])
})

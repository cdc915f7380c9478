import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test, type Test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import type { AddressInfo } from 'node:net'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/index.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { openSocket } from '../../fixtures/raw-client.js'
import { createRawUpstream } from '../../fixtures/upstream.js'
import { createTunnelUpstream, frame, gone, handshake, openTunnel, until, type SocketReader } from '../../fixtures/web-socket.js'

async function start (t: Test, upstream: { url: string, close (): Promise<void> }, more: Partial<TestGatewayOptions> = {}) {
  t.teardown(() => upstream.close())
  return await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*', more: { upgrades: ['chat'] } }], redact: [], ...more })
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** A WebSocket server that answers each message with itself. */
async function echoServer (t: Test, options: Record<string, unknown> = {}): Promise<{ url: string, server: WebSocketServer, close (): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', ...options })
  await once(server, 'listening')
  server.on('connection', (socket) => { socket.on('message', (data, isBinary) => { socket.send(data, { binary: isBinary }) }) })
  t.teardown(() => { for (const client of server.clients) client.terminate() })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, close: () => new Promise((resolve) => { server.close(() => { resolve() }) }) }
}

test('websocket: what stands behind the heads, and everything after, passes unchanged both ways', async (t) => {
  const fromUpstream = randomBytes(1_000)
  const fromClient = randomBytes(70_000)
  const upstream = await createTunnelUpstream({ glued: fromUpstream })
  const { port } = await start(t, upstream)
  const client = await openTunnel(port, handshake('/ws?x=1'), fromClient)
  t.match(client.answer, /^HTTP\/1.1 101 Switching Protocols\r\n/)
  t.match(client.answer, /\r\nupgrade: websocket/i)
  t.match(client.answer, /\r\nconnection: upgrade/i)
  t.match(client.answer, /\r\nsec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=/i, 'the answer to the key of RFC 6455')
  t.match(client.answer, /\r\nx-request-id: /i)
  const peer = await upstream.next()
  t.match(peer.request, /^GET \/ws\?x=1 HTTP\/1.1\r\n/)
  t.match(peer.request, /\r\nx-forwarded-for: 127.0.0.1/i)
  t.equal(digest(await client.take(fromUpstream.length)), digest(fromUpstream), 'what was glued to the 101')
  t.equal(digest(await peer.take(fromClient.length)), digest(fromClient), 'what was glued to the handshake')
  for (const size of [1, 2, 100, 65_536, 3_000_000]) {
    const bytes = randomBytes(size)
    client.socket.write(bytes)
    t.equal(digest(await peer.take(size)), digest(bytes), `${size} bytes up`)
    peer.socket.write(bytes)
    t.equal(digest(await client.take(size)), digest(bytes), `${size} bytes down`)
  }
  client.socket.destroy()
  await gone(peer.socket)
})

test('websocket: what a client sends before the upgrade is decided reaches the upstream', async (t) => {
  const early = randomBytes(500_000)
  const upstream = await createTunnelUpstream()
  let entered = (): void => {}
  let release = (): void => {}
  const inStep = new Promise<void>((resolve) => { entered = resolve })
  const released = new Promise<undefined>((resolve) => { release = () => { resolve(undefined) } })
  const slow = definePlugin({ name: 'slow', stage: 'edge', config: Type.Object({}), create: () => ({ request () { entered(); return released } }) })
  const { port } = await start(t, upstream, { authored: [slow], routes: [{ path: '/*', plugins: ['slow'] }] })
  const opening = openTunnel(port, handshake(), early.subarray(0, 200_000))
  await inStep
  release()
  const client = await opening
  client.socket.write(early.subarray(200_000))
  const peer = await upstream.next()
  t.equal(digest(await peer.take(early.length)), digest(early))
  client.socket.destroy()
  await gone(peer.socket)
})

test('websocket: a client that goes while its upgrade is undecided ends the request', async (t) => {
  let arrived = (): void => {}
  let cut = (): void => {}
  const upstream = await createRawUpstream((socket) => { arrived(); socket.once('close', () => { cut() }) })
  const { port, accessLines } = await start(t, upstream)
  for (const leave of ['end', 'destroy'] as const) {
    const atUpstream = new Promise<void>((resolve) => { arrived = resolve })
    const wasCut = new Promise<void>((resolve) => { cut = resolve })
    const socket = await openSocket(port)
    socket.write(handshake())
    await atUpstream
    const startedAt = performance.now()
    socket[leave]()
    await wasCut
    t.ok(performance.now() - startedAt < 1_000, `${leave}: the upstream is cut within a second`)
    await gone(socket.resume())
  }
  await until(() => accessLines.length === 2)
  t.match(accessLines.map((line) => JSON.parse(line) as unknown), [{ complete: false }, { complete: false }])
})

test('websocket: frames of any size and fragmentation come through whole, and one ping gets one pong', async (t) => {
  const upstream = await echoServer(t)
  const { port } = await start(t, upstream)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false })
  await once(socket, 'open')
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 5_000_000]) {
    const message = randomBytes(size)
    socket.send(message)
    const [echoed] = await once(socket, 'message') as [Buffer]
    t.ok(echoed.equals(message), `${size} bytes`)
  }
  socket.send('frag', { fin: false })
  socket.send('men', { fin: false })
  socket.send('ted', { fin: true })
  const [text] = await once(socket, 'message') as [Buffer]
  t.equal(text.toString(), 'fragmented')
  let pongs = 0
  socket.on('pong', () => { pongs++ })
  socket.ping('are you there')
  const [payload] = await once(socket, 'pong') as [Buffer]
  t.equal(payload.toString(), 'are you there')
  // The echo of a later message would come behind a second pong.
  socket.send('after')
  await once(socket, 'message')
  t.equal(pongs, 1)
  socket.terminate()
})

test('websocket: a ping of the upstream reaches the client, and the gateway answers none itself', async (t) => {
  const upstream = await createTunnelUpstream()
  const { port } = await start(t, upstream)
  const client = await openTunnel(port)
  const peer = await upstream.next()
  const ping = frame(9, Buffer.from('hello'))
  peer.socket.write(ping)
  t.ok((await client.take(ping.length)).equals(ping))
  const pong = frame(10, Buffer.from('hello'), { mask: true })
  client.socket.write(pong)
  t.ok((await peer.take(pong.length)).equals(pong), 'the first bytes that come are the client\'s pong')
  t.equal(peer.rest.length, 0)
  client.socket.destroy()
  await gone(peer.socket)
})

test('websocket: compressed messages and subprotocols are agreed end to end', async (t) => {
  const upstream = await echoServer(t, { perMessageDeflate: { threshold: 0 }, handleProtocols: () => 'v2' })
  const { port } = await start(t, upstream)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, ['v1', 'v2'])
  await once(socket, 'open')
  t.equal(socket.protocol, 'v2')
  t.match(socket.extensions, 'permessage-deflate')
  socket.send('a'.repeat(100_000))
  const [echoed] = await once(socket, 'message') as [Buffer]
  t.equal(echoed.length, 100_000)
  socket.terminate()
})

test('websocket: close codes and reasons are relayed both ways', async (t) => {
  const upstream = await echoServer(t)
  const { port } = await start(t, upstream)
  for (const code of [1000, 1001, 1008, 4321]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const [[peer]] = await Promise.all([once(upstream.server, 'connection') as Promise<[WebSocket]>, once(socket, 'open')])
    const closed = once(peer, 'close') as Promise<[number, Buffer]>
    socket.close(code, 'bye')
    const [seen, reason] = await closed
    t.same([seen, reason.toString()], [code, 'bye'], `${code} from the client`)
  }
  for (const code of [1000, 1011, 4999]) {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
    const [[peer]] = await Promise.all([once(upstream.server, 'connection') as Promise<[WebSocket]>, once(socket, 'open')])
    peer.close(code, 'enough')
    const [seen, reason] = await once(socket, 'close') as [number, Buffer]
    t.same([seen, reason.toString()], [code, 'enough'], `${code} from the upstream`)
  }
})

test('websocket: a side that ends or breaks off ends the other', async (t) => {
  const upstream = await createTunnelUpstream()
  const { port } = await start(t, upstream)
  for (const end of [(side: SocketReader) => { side.socket.end() }, (side: SocketReader) => { side.socket.destroy() }, (side: SocketReader) => { side.socket.resetAndDestroy() }]) {
    for (const which of ['client', 'upstream'] as const) {
      const client = await openTunnel(port)
      const peer = await upstream.next()
      const [ending, other] = which === 'client' ? [client, peer] : [peer, client]
      end(ending)
      await other.toEnd()
      t.ok(other.closed, which)
      other.socket.destroy()
      await Promise.all([gone(client.socket), gone(peer.socket)])
    }
  }
})

test('websocket: a reader that stops holds the writer, in both directions', async (t) => {
  const upstream = await createTunnelUpstream()
  const { port } = await start(t, upstream)
  const client = await openTunnel(port)
  const peer = await upstream.next()
  for (const [from, to] of [[client, peer], [peer, client]] as const) {
    to.socket.pause()
    const piece = frame(2, Buffer.alloc(64 * 1024), { fin: false })
    let sent = 0
    // A flood of fragments: what is not read stays with its sender.
    while (from.socket.writableLength < 1024 * 1024 && sent < 512) {
      from.socket.write(piece)
      sent++
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    t.ok(sent < 512, `held after ${sent * 64} KB`)
    to.socket.resume()
    await to.take(sent * piece.length)
    t.equal(to.rest.length, 0, 'and nothing was lost')
  }
  client.socket.destroy()
  await gone(peer.socket)
})

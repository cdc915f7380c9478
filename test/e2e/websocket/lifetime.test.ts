import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { once } from 'node:events'
import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { WebSocket } from 'ws'
import { definePlugin } from '../../../core/index.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createTunnelUpstream, frame, gone, handshake, openTunnel, until } from '../../fixtures/web-socket.js'

async function start (t: Test, options: Partial<TestGatewayOptions> = {}, upstreamOptions: Parameters<typeof createTunnelUpstream>[0] = {}) {
  const upstream = await createTunnelUpstream(upstreamOptions)
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*', more: { upgrades: ['chat'] } }], redact: [], ...options })
  const open = async (head?: string) => {
    const client = await openTunnel(gateway.port, head)
    const peer = await upstream.next()
    return { client, peer }
  }
  return { ...gateway, upstream, open }
}

const GOING_AWAY = Buffer.from([0x88, 0x02, 0x03, 0xe9])

test('websocket: draining says 1001 once, between two frames, and passes the client\'s close on', async (t) => {
  const { gateway, open } = await start(t)
  const { client, peer } = await open()
  const message = frame(1, Buffer.from('before'))
  peer.socket.write(message)
  await client.take(message.length)
  const drained = gateway.drained()
  t.ok((await client.take(4)).equals(GOING_AWAY))
  void gateway.drained()
  peer.socket.write(frame(1, Buffer.from('after the farewell')))
  const close = frame(8, Buffer.from([0x03, 0xe9]), { mask: true })
  client.socket.write(close)
  t.ok((await peer.take(close.length)).equals(close), 'the upstream hears the client\'s close')
  peer.socket.end(frame(8, Buffer.from([0x03, 0xe9])))
  t.equal((await client.toEnd()).length, 0, 'nothing comes behind the 1001: no second one, nothing of the upstream')
  client.socket.end()
  await drained
  t.equal(gateway.tunnels.size, 0)
})

test('websocket: in the middle of a frame the 1001 waits for its end', async (t) => {
  const sent = frame(2, Buffer.alloc(100_000, 7))
  for (const cut of [1, 2, 3, 9, 10, 11, 50_000, sent.length - 1]) {
    const { gateway, open } = await start(t)
    const { client, peer } = await open()
    peer.socket.write(sent.subarray(0, cut))
    await client.take(cut)
    void gateway.drained()
    peer.socket.write(sent.subarray(cut, cut + 1))
    await client.take(1)
    // What follows the frame in the same packet comes too late.
    peer.socket.write(Buffer.concat([sent.subarray(cut + 1), frame(1, Buffer.from('too late'))]))
    t.ok((await client.take(sent.length - cut - 1)).equals(sent.subarray(cut + 1)), `cut at ${cut}: the frame is whole`)
    t.ok((await client.take(4)).equals(GOING_AWAY), 'then comes the 1001')
    client.socket.destroy()
    await gone(peer.socket)
    t.equal(client.rest.length, 0)
  }
})

test('websocket: a client of ws sees the 1001 as a clean close', async (t) => {
  const { gateway, port } = await start(t)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`)
  await once(socket, 'open')
  const drained = gateway.drained()
  const [code] = await once(socket, 'close') as [number]
  t.equal(code, 1001)
  await drained
})

test('websocket: a tunnel that opens while the gateway drains is told at once', async (t) => {
  const { gateway, open } = await start(t)
  const { client: first } = await open()
  void gateway.drained()
  await first.take(4)
  const { client } = await open()
  t.ok((await client.take(4)).equals(GOING_AWAY))
  first.socket.destroy()
  client.socket.destroy()
})

test('websocket: draining just closes tunnels of other protocols', async (t) => {
  const { gateway, open } = await start(t, {}, { fields: { Upgrade: 'chat', 'Sec-WebSocket-Accept': undefined } })
  const { client, peer } = await open('GET /x HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: chat\r\n\r\n')
  const drained = gateway.drained()
  t.equal((await client.toEnd()).length, 0, 'no frame among bytes that are none')
  t.equal((await peer.toEnd()).length, 0)
  client.socket.destroy()
  await drained
})

test('websocket: silence beyond the idle limit ends a tunnel; a byte in either direction is none', async (t) => {
  const { open } = await start(t, { routes: [{ path: '/*', more: { upgradeIdleMs: 400 } }] })
  const startedAt = performance.now()
  const { client, peer } = await open()
  for (let count = 0; count < 6; count++) {
    await new Promise((resolve) => setTimeout(resolve, 150))
    const [from, to] = count % 2 === 0 ? [client, peer] : [peer, client]
    from.socket.write('x')
    await to.take(1)
  }
  t.ok(performance.now() - startedAt > 850, 'twice the limit, and it stands')
  const silentSince = performance.now()
  await Promise.all([client.toEnd(), peer.toEnd()])
  const silentMs = performance.now() - silentSince
  t.ok(silentMs > 350 && silentMs < 1_000, `it ended after ${Math.round(silentMs)} ms of silence`)
  client.socket.destroy()
})

test('websocket: neither keep-alive nor header time-outs touch a tunnel, on a reused connection either', async (t) => {
  const { port, upstream } = await start(t, {
    listen: { limits: { keepAliveMs: 200, headersMs: 300 } }, upstream: { timeouts: { headersMs: 300, idleMs: 300, totalMs: 400 } },
    routes: [{ path: '/ws', more: { upgradeIdleMs: 0 } }, { path: '/answered', plugins: [['respond', { status: 200, body: 'ok' }]] }]
  })
  const client = await openTunnel(port, 'GET /answered HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(client.answer, /^HTTP\/1.1 200/)
  await client.take(2)
  client.socket.write(handshake('/ws'))
  t.match(await client.head(), /^HTTP\/1.1 101/)
  const peer = await upstream.next()
  // Node looks at its own limits every 5 s; keep-alive is a timer of the connection.
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  peer.socket.write('still here')
  t.equal((await client.take(10)).toString(), 'still here')
  client.socket.destroy()
  await gone(peer.socket)
})

test('websocket: log hooks and access log have one record, when the tunnel ends, with what passed', async (t) => {
  const logged: unknown[] = []
  const logging = definePlugin({ name: 'logging', stage: 'edge', config: Type.Object({}), create: () => ({ log (ctx) { logged.push(ctx.outcome) } }) })
  const { open, accessLines, gateway, metrics } = await start(t, { authored: [logging], routes: [{ path: '/*', plugins: ['logging'] }] })
  const { client, peer } = await open(handshake('/ws?a=1'))
  client.socket.write('12345')
  await peer.take(5)
  peer.socket.write('1234567')
  await client.take(7)
  t.same(logged, [], 'nothing while it stands')
  t.equal(accessLines.length, 0)
  t.equal(gateway.requests, 1)
  await new Promise((resolve) => setTimeout(resolve, 60))
  client.socket.end()
  await peer.toEnd()
  peer.socket.end()
  await until(() => gateway.requests === 0)
  t.equal(logged.length, 1)
  t.match(logged, [{ status: 101, complete: true, bytesIn: 5, bytesOut: 7, errorCode: null }])
  t.match(accessLines.map((line) => JSON.parse(line) as unknown), [{ status: 101, method: 'GET', path: '/ws', route: 'route-0' }])
  const { durationMs, upstreamMs } = logged[0] as { durationMs: number, upstreamMs: number }
  t.ok(durationMs >= 60 && upstreamMs < durationMs, 'it lasted as long as the tunnel')
  t.match(await metrics(), /sluice_requests_total\{[^}]*status="(101|1xx)"[^}]*\} 1\n/)
  client.socket.destroy()
})

test('websocket: a refused upgrade is logged once too', async (t) => {
  const { port, accessLines, gateway } = await start(t)
  await sendRaw(port, handshake('/ws', { 'Sec-WebSocket-Key': 'x' }), { untilClose: true })
  await until(() => gateway.requests === 0)
  t.match(accessLines.map((line) => JSON.parse(line) as unknown), [{ status: 400 }])
})

test('websocket: a tunnel survives a reload, keeps its own plugins until it ends, and nothing else of the old snapshot', async (t) => {
  const closed: string[] = []
  let created = 0
  const counted = definePlugin({ name: 'counted', stage: 'edge', config: Type.Object({}), create () { const name = String(created++); return { log () {}, close () { closed.push(name) } } } })
  const { gateway, open, reload, upstream } = await start(t, { authored: [counted], routes: [{ path: '/*', plugins: ['counted'] }] })
  const { client, peer } = await open()
  const old = new WeakRef(gateway.current as object)
  await reload({ upstreamUrl: upstream.url, routes: [{ path: '/other/*' }] })
  await reload({ upstreamUrl: upstream.url, routes: [{ path: '/*', plugins: ['counted'] }] })
  client.socket.write('hello')
  t.equal((await peer.take(5)).toString(), 'hello')
  t.same(closed, [], 'the tunnel\'s plugin waits for its last request')
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  for (let count = 0; count < 10 && old.deref() !== undefined; count++) {
    await new Promise((resolve) => { setImmediate(resolve) })
    collect()
  }
  t.equal(old.deref(), undefined, 'the old snapshot is gone')
  client.socket.destroy()
  await gone(peer.socket)
  await until(() => closed.length > 0)
  t.same(closed, ['0'], 'and only then it is closed')
})

test('websocket: closing the port ends tunnels that stand', async (t) => {
  const upstream = await createTunnelUpstream()
  let closed = false
  await t.test('with a gateway', async (inner) => {
    const gateway = await startGateway(inner, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
    const client = await openTunnel(gateway.port)
    const peer = await upstream.next()
    peer.socket.once('close', () => { closed = true })
    client.socket.resume()
  })
  await until(() => closed)
  t.pass('the port closed without waiting for its peers')
  await upstream.close()
})

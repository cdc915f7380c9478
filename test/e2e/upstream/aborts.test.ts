import { test, type Test } from 'tap'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { startGateway, type TestGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { createRawUpstream, createUpstream, type Upstream } from '../../fixtures/upstream.js'

const MB = 1024 * 1024

interface Watched { gateway: TestGateway, upstream: Upstream, exchange: Promise<{ req: IncomingMessage, res: ServerResponse, gone: Promise<number> }> }

/** A gateway in front of an upstream that tells of its next exchange, and when that one's connection was lost. */
async function watch (t: Test, handler: (req: IncomingMessage, res: ServerResponse) => void): Promise<Watched> {
  let tell: (value: Awaited<Watched['exchange']>) => void = () => {}
  const exchange: Watched['exchange'] = new Promise((resolve) => { tell = resolve })
  const upstream = await createUpstream((req, res) => {
    tell({ req, res, gone: new Promise((resolve) => { req.socket.once('close', () => { resolve(performance.now()) }) }) })
    handler(req, res)
  }, { stream: true })
  t.teardown(() => upstream.close())
  return { gateway: await startGateway(t, { upstreamUrl: upstream.url, upstream: { timeouts: { headersMs: 2_000, idleMs: 2_000, totalMs: 0 } }, routes: [{ path: '/*' }], redact: [] }), upstream, exchange }
}

/** Waits for a line of the access log: the record of an exchange that is over. */
async function record (gateway: TestGateway, waitMs = 2_000): Promise<Record<string, unknown>> {
  const find = (): string | undefined => gateway.accessLines.find((line) => /"method":"[A-Z]/.test(line))
  for (let i = 0; i < waitMs / 10 && find() === undefined; i++) await new Promise((resolve) => { setTimeout(resolve, 10) })
  return JSON.parse(find() ?? '{}') as Record<string, unknown>
}

const flood = async (res: ServerResponse): Promise<void> => {
  res.setMaxListeners(0).writeHead(200)
  while (!res.destroyed) if (!res.write(Buffer.alloc(64 * 1024))) await Promise.race([once(res, 'drain'), once(res, 'close')])
}

test('aborts: a client that goes takes the upstream\'s request with it, whatever that one is doing', async (t) => {
  // undici sends a head with the first piece of its body.
  const upload = `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${100 * MB}\r\n\r\nx`
  const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
  const cases: readonly [string, string, (req: IncomingMessage, res: ServerResponse) => void, (socket: Socket) => Promise<unknown>][] = [
    ['before the head', get, () => {}, async () => {}],
    ['between head and body', get, (_req, res) => { res.writeHead(200).flushHeaders() }, (socket) => once(socket.resume(), 'data')],
    ['while the body flows', get, (_req, res) => { void flood(res) }, (socket) => once(socket.resume(), 'data')],
    ['while the body waits for the client', get, (_req, res) => { void flood(res) }, () => new Promise((resolve) => { setTimeout(resolve, 500) })],
    ['while the body is uploaded', upload, (req) => { req.resume() }, async (socket) => { socket.write(Buffer.alloc(MB)) }],
    ['during an upload with an early head', upload, (req, res) => { req.resume(); res.writeHead(200).flushHeaders() }, async (socket) => {
      socket.write(Buffer.alloc(MB))
      await once(socket.resume(), 'data')
    }]
  ]
  for (const [name, request, handler, meanwhile] of cases) {
    for (const how of ['end', 'reset'] as const) {
      const { gateway, upstream, exchange } = await watch(t, handler)
      const socket = await openSocket(gateway.port)
      socket.pause()
      socket.write(request)
      const { gone } = await exchange
      await meanwhile(socket)
      const since = performance.now()
      if (how === 'reset') socket.resetAndDestroy()
      else socket.destroy()
      const ms = await gone - since
      t.ok(ms <= 1_000, `${name}, ${how}: ${ms.toFixed(0)} ms`)
      t.match(await record(gateway), { complete: false }, name)
      await new Promise((resolve) => { setTimeout(resolve, 30) })
      t.equal(upstream.connections(), 1, 'and no new connection takes the place of the one that was cut')
      t.same(gateway.bugs, [])
    }
  }
})

test('aborts: while an upload waits for an upstream that does not read, nobody hears the client go: the time limit ends it', async (t) => {
  const { gateway, exchange } = await watch(t, () => {})
  const socket = await openSocket(gateway.port)
  socket.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${100 * MB}\r\n\r\n`)
  const since = performance.now()
  for (let i = 0; i < 30; i++) socket.write(Buffer.alloc(MB))
  const { req } = await exchange
  await new Promise((resolve) => { setTimeout(resolve, 500) })
  socket.destroy()
  t.match(await record(gateway, 4_000), { status: 504, errorReason: 'headers_timeout' })
  const ms = performance.now() - since
  t.ok(ms > 2_000 && ms < 3_500, `${ms.toFixed(0)} ms`)
  const gone = new Promise<void>((resolve) => { req.once('error', () => { resolve() }) })
  req.resume()
  await gone
  t.ok(req.destroyed)
})

test('aborts: an upstream that breaks off breaks the answer off, never ends it', async (t) => {
  const heads = { length: 'HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n', 'a small length': 'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n', chunks: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n', 'chunks and close': 'HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n', 'length and close': 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 20000\r\n\r\n', 'neither': 'HTTP/1.1 200 OK\r\n\r\n' }
  for (const [name, head] of Object.entries(heads)) {
    for (const how of ['end', 'reset'] as const) {
      if (name === 'neither' && how === 'end') continue
      for (const version of ['1.1', '1.0']) {
        const upstream = await createRawUpstream((socket) => {
          socket.write(`${head}hello`)
          setTimeout(() => { if (how === 'end') socket.end(); else socket.resetAndDestroy() }, 30)
        })
        const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], redact: [] })
        const socket = await openSocket(gateway.port)
        let got = ''
        let ended = false
        let error = ''
        socket.on('data', (chunk) => { got += chunk.toString('latin1') })
        socket.on('end', () => { ended = true })
        socket.on('error', (failure: NodeJS.ErrnoException) => { error = failure.code ?? '' })
        socket.write(`GET / HTTP/${version}\r\nHost: a\r\n\r\n`)
        await new Promise((resolve) => { socket.once('close', resolve) })
        const title = `${name}, ${how}, HTTP/${version}`
        t.match(got, /^HTTP\/1\.1 200 OK\r\n/, title)
        t.match(got, /hello/)
        if (version === '1.1') t.notMatch(got, /0\r\n\r\n$/)
        else t.ok(!ended && error === 'ECONNRESET', `${title}: the end of the connection would say that this was all`)
        t.match(await record(gateway), { complete: false, status: 200 }, title)
        await upstream.close()
      }
    }
  }
})

test('aborts: an answer that ends with its connection is complete when that one ends', async (t) => {
  const upstream = await createRawUpstream('HTTP/1.1 200 OK\r\n\r\nall of it')
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const { responses: [response], closed } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(response?.complete, true)
  t.equal(response?.body.toString(), 'all of it')
  t.notOk(closed, 'and the client\'s connection goes on')
})

test('aborts: a client that goes before there is a connection costs the upstream nothing', async (t) => {
  const mute = await createRawUpstream(() => {})
  t.teardown(() => mute.close())
  const gateway = await startGateway(t, { upstreamUrl: mute.url.replace('http:', 'https:'), upstream: { connectMs: 300 }, routes: [{ path: '/*' }], redact: [] })
  const socket = await openSocket(gateway.port)
  const opened = once(mute.server, 'connection') as Promise<[Socket]>
  socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const [upstreamSocket] = await opened
  const over = once(upstreamSocket, 'close')
  socket.destroy()
  t.match(await record(gateway), { complete: false, status: 0 })
  await over
  t.same(gateway.bugs, [])
})

test('aborts: a client that goes while its request waits for a connection leaves that one to the others', async (t) => {
  let finish = (): void => {}
  const upstream = await createUpstream((req, res) => {
    if (req.url === '/first') finish = () => { res.end('first') }
    else res.end(req.url)
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, upstream: { connections: 1 }, routes: [{ path: '/*' }], redact: [] })
  const arrived = once(upstream.server, 'request')
  const first = sendRaw(gateway.port, 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n', { settleMs: 0 })
  await arrived
  const gone = await openSocket(gateway.port)
  gone.write('GET /gone HTTP/1.1\r\nHost: a\r\n\r\n')
  const third = sendRaw(gateway.port, 'GET /third HTTP/1.1\r\nHost: a\r\n\r\n', { settleMs: 0 })
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  gone.destroy()
  t.match(await record(gateway), { path: '/gone', complete: false })
  finish()
  t.equal((await first).responses[0]?.body.toString(), 'first')
  t.equal((await third).responses[0]?.body.toString(), '/third')
  t.same(upstream.requests.map(({ target }) => target), ['/first', '/third'])
  t.equal(upstream.connections(), 1)
  t.same(gateway.bugs, [])
})

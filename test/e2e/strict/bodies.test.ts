import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { parseResponses } from '../../fixtures/raw-response.js'
import { PIPELINED, startStrict, summaryOf } from '../../fixtures/refusals.js'

const LIMITED = [{ path: '/*', plugins: [['request-size', { maxBody: '1mb' }] as const] }]
const MB = 1024 * 1024

const buffering = definePlugin({
  name: 'buffering', stage: 'validate', body: { request: { buffer: '64kb', inflate: true } }, config: Type.Object({}),
  create: () => ({ request (ctx) { ctx.forward.headers.set('x-inflated', String(ctx.body?.length ?? 'none')) } })
})

const sized = (bytes: number, more = ''): string => `POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n${more}\r\n`

test('strict: a body that says it is too large is refused before anything is forwarded', async (t) => {
  for (const routes of [LIMITED, [{ path: '/*', plugins: ['buffering'] }]]) {
    const gateway = await startStrict(t, { routes, authored: [buffering] })
    for (const bytes of [MB + 1, 1_000_000_000]) {
      const exchange = await sendRaw(gateway.port, sized(bytes, 'Expect: 100-continue\r\n'), { untilClose: true })
      t.same(summaryOf(exchange), { statuses: [413], closed: true, timedOut: false }, `${bytes} announced`)
      t.same(exchange.responses[0]?.interim, [], 'no 100 comes first')
      const sent = await sendRaw(gateway.port, [sized(bytes), 'x'.repeat(100_000), PIPELINED], { untilClose: true })
      t.same(summaryOf(sent), { statuses: [413], closed: true, timedOut: false }, `${bytes} announced and begun`)
      t.match(JSON.parse(sent.responses[0]?.body.toString() ?? ''), { error: { code: 'PAYLOAD_TOO_LARGE', details: { reason: 'body_too_large' } } })
    }
    t.equal(gateway.upstream.connections(), 0, 'the upstream was not even connected to')
    t.same(gateway.bugs, [])
  }
})

test('strict: a body that grows too large is refused as it does, however much still comes', async (t) => {
  for (const routes of [LIMITED, [{ path: '/*', plugins: ['buffering'] }]]) {
    const gateway = await startStrict(t, { routes, authored: [buffering] })
    const socket = await openSocket(gateway.port)
    const chunks: Buffer[] = []
    const client = { closed: false, goOn: () => {} }
    socket.on('data', (chunk: Buffer) => { chunks.push(chunk) })
    socket.on('drain', () => { client.goOn() })
    socket.on('close', () => { client.closed = true; client.goOn() })
    socket.write('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
    const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
    let sent = 0
    while (!client.closed && sent < 200 * MB) {
      sent += 65_536
      if (!socket.write(piece)) await new Promise<void>((resolve) => { client.goOn = resolve })
    }
    t.equal(client.closed, true, `closed after ${Math.round(sent / MB)} MB of an endless body`)
    t.ok(sent < 20 * MB, 'and not much later')
    const [answer] = parseResponses(Buffer.concat(chunks), ['POST'], true)
    t.equal(answer?.status, 413, 'the answer came through before')
    t.same(gateway.handled, [], 'the upstream got no whole request')
    t.same(gateway.bugs, [])
  }
})

test('strict: a body at its limit passes, and the connection goes on behind it', async (t) => {
  const gateway = await startStrict(t, { routes: LIMITED })
  const exchange = await sendRaw(gateway.port, [sized(MB), 'x'.repeat(MB), PIPELINED], { count: 2, methods: ['POST', 'GET'] })
  t.same(summaryOf(exchange), { statuses: [200, 200], closed: false, timedOut: false })
  t.equal(gateway.handled.find(({ method }) => method === 'POST')?.body.length, MB)
})

test('strict: bombs do not go off where a plugin has bodies inflated', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: '/*', plugins: ['buffering'] }], authored: [buffering] })
  const zeros = Buffer.alloc(8 * MB)
  const small = Buffer.from('{"a":1}')
  const cases: readonly (readonly [name: string, encoding: string, body: Buffer, status: number])[] = [
    ['gzip of 8 MB', 'gzip', gzipSync(zeros), 413], ['deflate of 8 MB', 'deflate', deflateSync(zeros), 413], ['brotli of 8 MB', 'br', brotliCompressSync(zeros), 413], ['gzip in gzip', 'gzip, gzip', gzipSync(gzipSync(zeros)), 415],
    ['fifty codings', Array.from({ length: 50 }, () => 'gzip').join(','), gzipSync(zeros), 415], ['an unknown coding', 'zstd', small, 415], ['x-nothing', 'x-nothing', small, 415], ['no gzip', 'gzip', small, 400], ['half a gzip', 'gzip', gzipSync(small).subarray(0, 15), 400],
    ['a gzip with something behind', 'gzip', Buffer.concat([gzipSync(small), small]), 400], ['a fair gzip', 'gzip', gzipSync(small), 200], ['identity', 'identity', small, 200]
  ]
  for (const [name, encoding, body, status] of cases) {
    const exchange = await sendRaw(gateway.port, [sized(body.length, `Content-Encoding: ${encoding}\r\n`), body])
    t.equal(exchange.responses[0]?.status, status, name)
  }
  t.same(gateway.handled.map((request) => request.values('x-inflated')), [['7'], ['7']])
  t.same(gateway.handled.map((request) => request.body.length), [gzipSync(small).length, 7], 'what goes on is what came')
  t.same(gateway.bugs, [])
})

test('strict: an answer to a request whose body nobody read reaches a client that is still sending', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: '/closed', plugins: [['respond', { status: 403 }]] }, { path: '/*' }] })
  for (const [name, line, status] of [['a refusal before a route', 'POST /%00 HTTP/1.1\r\nHost: a', 400], ['a bad host', 'POST / HTTP/1.1\r\nHost: a b', 400], ['a reply of a step', 'POST /closed HTTP/1.1\r\nHost: a', 403]] as const) {
    for (const length of [200_000, 8 * MB]) {
      const exchange = await sendRaw(gateway.port, [`${line}\r\nContent-Length: ${length}\r\n\r\n`, 'x'.repeat(length)])
      t.equal(exchange.responses[0]?.status, status, `${name}, ${length} bytes`)
      t.equal(exchange.responses[0]?.complete, true, `${name}, ${length} bytes: whole`)
    }
  }
  t.same(gateway.handled, [])
})

test('strict: what no step wants to see flows through without being held', async (t) => {
  let received = 0
  const server = createServer((req, res) => {
    req.on('data', (chunk: Buffer) => { received += chunk.length })
    req.on('end', () => { res.end(String(received)) })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close() })
  const gateway = await startGateway(t, { upstreamUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, routes: [{ path: '/*' }] })
  const length = 256 * MB
  const socket = await openSocket(gateway.port)
  const answer = once(socket, 'data') as Promise<[Buffer]>
  socket.write(sized(length))
  const piece = Buffer.alloc(MB)
  const before = process.memoryUsage.rss()
  let most = 0
  for (let sent = 0; sent < length; sent += MB) {
    if (!socket.write(piece)) await once(socket, 'drain')
    most = Math.max(most, process.memoryUsage.rss())
  }
  t.match((await answer)[0].toString('latin1'), new RegExp(`\\r\\n\\r\\n${length}$`))
  t.ok(most - before < 100 * MB, `RSS of client, gateway and upstream together grew by ${Math.round((most - before) / MB)} MB`)
  socket.destroy()
})

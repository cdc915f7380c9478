import { test } from 'tap'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

const MB = 1024 * 1024

/** `total` bytes that repeat nowhere within a megabyte, in pieces of odd sizes. */
function * bytes (total: number): Generator<Buffer> {
  const block = Buffer.alloc(MB + 7)
  for (let i = 0; i < block.length; i++) block[i] = (i * 2_654_435_761) >>> 24
  for (let sent = 0, size = 1; sent < total; size = size * 7 % 65_521 + 1) {
    const length = Math.min(size, total - sent)
    yield block.subarray(sent % MB, sent % MB + length)
    sent += Math.min(length, block.length - sent % MB)
  }
}

async function hash (stream: AsyncIterable<Buffer> | Iterable<Buffer>): Promise<{ sha: string, size: number }> {
  const sum = createHash('sha256')
  let size = 0
  for await (const chunk of stream) { sum.update(chunk); size += chunk.length }
  return { sha: sum.digest('hex'), size }
}

test('streaming: 100 MB come through byte for byte, both ways at once, with a length and in chunks', async (t) => {
  const total = 100 * MB
  const expected = await hash(bytes(total))
  t.equal(expected.size, total)
  const upstream = await createUpstream(async (req, res) => {
    const sized = req.url === '/sized'
    const got = hash(req)
    res.writeHead(200, sized ? { 'content-length': total } : {})
    await pipeline(Readable.from(withLastAfter(got)), res)
    received = await got
    framing = [req.headers['content-length'] ?? null, req.headers['transfer-encoding'] ?? null]
  }, { stream: true })
  // An answer that ends before its request would end that one, too.
  async function * withLastAfter (got: Promise<unknown>): AsyncGenerator<Buffer> {
    let last: Buffer | null = null
    for (const chunk of bytes(total)) {
      if (last !== null) yield last
      last = chunk
    }
    await got
    yield last as Buffer
  }
  let received = { sha: '', size: 0 }
  let framing: (string | null)[] = []
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  for (const sized of [true, false]) {
    const request = httpRequest(`${gateway.url}/${sized ? 'sized' : 'chunked'}`, { method: 'POST', agent: false, headers: sized ? { 'content-length': total } : {} })
    const sending = pipeline(Readable.from(bytes(total)), request)
    const [response] = await once(request, 'response') as [IncomingMessage]
    t.same(await hash(response), expected)
    await sending
    t.same(received, expected)
    t.same(framing, sized ? [String(total), null] : [null, 'chunked'])
    t.equal(response.headers['content-length'], sized ? String(total) : undefined)
    t.equal(response.headers['transfer-encoding'], sized ? undefined : 'chunked')
  }
  t.same(gateway.bugs, [])
})

test('streaming: the head and each event of a stream reach the client at once', async (t) => {
  let answer: ServerResponse | null = null
  const upstream = await createUpstream((_req, res) => {
    answer = res
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    res.flushHeaders()
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const request = httpRequest(gateway.url, { agent: false })
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  t.equal(response.headers['content-type'], 'text/event-stream', 'the head came without a byte of body')
  const delays: number[] = []
  for (let i = 0; i < 40; i++) {
    const event = `id: ${i}\ndata: ${'x'.repeat(i * 300)}\n\n`
    const since = performance.now()
    ;(answer as unknown as ServerResponse).write(event)
    let got = ''
    while (got.length < event.length) got += String((await once(response, 'data') as [Buffer])[0])
    delays.push(performance.now() - since)
    t.equal(got, event, `event ${i}`)
  }
  delays.sort((a, b) => a - b)
  t.comment(`first byte to last: median ${delays[20]?.toFixed(2)} ms, slowest ${delays.at(-1)?.toFixed(2)} ms`)
  // Client, gateway and upstream share this process and maybe a busy machine: one event in ten may meet a pause that is not the gateway's.
  t.ok((delays[35] ?? 99) <= 20, `nine of ten within ${delays[35]?.toFixed(2)} ms`)
  const ended = once(response, 'end')
  ;(answer as unknown as ServerResponse).end()
  await ended
  t.ok(response.complete)
})

test('streaming: a small answer of known length that comes in two halves is not held back for the second', async (t) => {
  let finish = (): void => {}
  const upstream = await createUpstream((_req, res) => {
    res.writeHead(200, { 'content-length': 10 })
    res.write('first')
    finish = () => { res.end('later') }
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const request = httpRequest(gateway.url, { agent: false })
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  t.equal(String((await once(response, 'data') as [Buffer])[0]), 'first')
  const ended = once(response, 'end')
  finish()
  t.equal(String((await once(response, 'data') as [Buffer])[0]), 'later')
  await ended
})

/** Waits until `value` has been the same for `quietMs`. */
async function settled (value: () => number, quietMs = 300): Promise<number> {
  for (let last = -1; ;) {
    if (last === value()) return last
    last = value()
    await new Promise((resolve) => { setTimeout(resolve, quietMs) })
  }
}

test('streaming: a client that does not read stops the upstream, and gets everything once it reads', async (t) => {
  const total = 60 * MB
  let sent = 0
  const upstream = await createUpstream(async (_req, res) => {
    res.writeHead(200, { 'content-length': total })
    for (const chunk of bytes(total)) {
      sent += chunk.length
      if (!res.write(chunk)) await once(res, 'drain')
    }
    res.end()
  })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const socket = await openSocket(gateway.port)
  socket.pause()
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  const before = await settled(() => sent)
  t.ok(before < 20 * MB, `${before} bytes left the upstream: the kernel's buffers, and the gateway's few`)
  let length = 0
  const sum = createHash('sha256')
  for await (const chunk of socket) {
    const data = length === 0 ? (chunk as Buffer).subarray((chunk as Buffer).indexOf('\r\n\r\n') + 4) : chunk as Buffer
    length += (chunk as Buffer).length
    sum.update(data)
  }
  t.equal(sum.digest('hex'), (await hash(bytes(total))).sha)
})

test('streaming: an upstream that does not read stops the client, and gets everything once it reads', async (t) => {
  const total = 60 * MB
  let read = (): void => {}
  const upstream = await createUpstream(async (req, res) => {
    await new Promise<void>((resolve) => { read = resolve })
    res.end((await hash(req)).sha)
  }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const request = httpRequest(gateway.url, { method: 'POST', agent: false })
  let sent = 0
  const sending = (async () => {
    for (const chunk of bytes(total)) {
      sent += chunk.length
      if (!request.write(chunk)) await once(request, 'drain')
    }
    request.end()
  })()
  const before = await settled(() => sent)
  t.ok(before < 20 * MB, `${before} bytes left the client`)
  const answered = once(request, 'response') as Promise<[IncomingMessage]>
  read()
  const [response] = await answered
  await sending
  t.equal(String((await once(response, 'data') as [Buffer])[0]), (await hash(bytes(total))).sha)
})

test('streaming: a body is on its way upstream before it is complete, however slowly it comes', async (t) => {
  const seen: string[] = []
  let arrived = (): void => {}
  const upstream = await createUpstream(async (req, res) => {
    for await (const chunk of req as AsyncIterable<Buffer>) { seen.push(String(chunk)); arrived() }
    res.end(seen.join('|'))
  }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const request = httpRequest(gateway.url, { method: 'POST', agent: false })
  const delays: number[] = []
  const pieces = Array.from({ length: 20 }, (_, i) => `piece ${i}`)
  for (const piece of pieces) {
    const there = new Promise<void>((resolve) => { arrived = resolve })
    const since = performance.now()
    request.write(piece)
    await there
    delays.push(performance.now() - since)
    t.equal(seen.at(-1), piece)
  }
  delays.sort((a, b) => a - b)
  t.ok((delays[17] ?? 99) <= 20, `nine of ten within ${delays[17]?.toFixed(2)} ms`)
  request.end()
  const [response] = await once(request, 'response') as [IncomingMessage]
  t.equal(String((await once(response, 'data') as [Buffer])[0]), pieces.join('|'))
})

test('streaming: an HTTP/1.0 client gets a streamed answer to the end of the connection, and no chunks', async (t) => {
  const upstream = await createUpstream((_req, res) => { res.write('one '); res.end('two') })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const { responses: [response], closed } = await sendRaw(gateway.port, 'GET / HTTP/1.0\r\nHost: a\r\n\r\n')
  t.equal(response?.body.toString(), 'one two')
  t.equal(response?.header('transfer-encoding'), undefined)
  t.ok(closed)
})

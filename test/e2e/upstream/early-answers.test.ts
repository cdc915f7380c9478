import { test } from 'tap'
import { once } from 'node:events'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { parseResponses } from '../../fixtures/raw-response.js'
import { createRawUpstream, createUpstream } from '../../fixtures/upstream.js'

const MB = 1024 * 1024

/** Sends `total` bytes behind the head `request`, as fast as they are taken, and reads; resolves when the connection is over. */
async function upload (port: number, request: string, total: number): Promise<{ received: Buffer, sent: number, ms: number }> {
  const socket = await openSocket(port)
  const chunks: Buffer[] = []
  const since = performance.now()
  let sent = 0
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  const over = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  socket.write(request)
  const piece = Buffer.alloc(256 * 1024, 'x')
  const more = (): void => {
    while (sent < total && !socket.destroyed) {
      sent += piece.length
      if (!socket.write(piece)) { socket.once('drain', more); return }
    }
  }
  more()
  await over
  return { received: Buffer.concat(chunks), sent, ms: performance.now() - since }
}

test('early answers: one that comes while a small body is still coming leaves the connection usable', async (t) => {
  const upstream = await createUpstream((req, res) => { if (req.method === 'POST') res.writeHead(401).end('no'); else res.end('next') }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  for (const [head, rest] of [['Content-Length: 10\r\n\r\nhello', 'world'], ['Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n', '5\r\nworld\r\n0\r\n\r\n']] as const) {
    const socket = await openSocket(gateway.port)
    let got = ''
    socket.on('data', (chunk) => { got += chunk.toString() })
    socket.write(`POST / HTTP/1.1\r\nHost: a\r\n${head}`)
    await once(socket, 'data')
    t.match(got, /^HTTP\/1\.1 401 [^]*no/)
    t.notMatch(got, /connection: close/i)
    socket.write(`${rest}GET / HTTP/1.1\r\nHost: a\r\n\r\n`)
    await once(socket, 'data')
    t.match(got, /HTTP\/1\.1 200 [^]*next$/)
    socket.destroy()
  }
  t.same(gateway.bugs, [])
})

test('early answers: one that comes before a large body reaches the client whole, and the connection closes soon', async (t) => {
  for (const body of ['too much', 'x'.repeat(200_000)]) {
    const upstream = await createUpstream((_req, res) => { res.writeHead(413, { 'content-length': body.length }).end(body) }, { stream: true })
    const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], redact: [] })
    for (const framing of [`Content-Length: ${1000 * MB}`, 'Transfer-Encoding: chunked']) {
      const { received, sent, ms } = await upload(gateway.port, `POST / HTTP/1.1\r\nHost: a\r\n${framing}\r\n\r\n${framing.startsWith('T') ? `${(1000 * MB).toString(16)}\r\n` : ''}`, 1000 * MB)
      const [response] = parseResponses(received, ['POST'], true)
      t.equal(response?.status, 413, framing)
      t.equal(response?.body.toString(), body)
      t.ok(response?.complete)
      t.ok(ms < 4_000, `the connection was over after ${ms.toFixed(0)} ms`)
      t.ok(sent < 1000 * MB, `after ${(sent / MB).toFixed(0)} MB`)
    }
    t.same(gateway.bugs, [])
    await upstream.close()
  }
})

test('early answers: a client that is slow with what nobody reads is let go of', async (t) => {
  const upstream = await createUpstream((_req, res) => { res.writeHead(403, { 'content-length': 2 }).end('no') }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const socket = await openSocket(gateway.port)
  let got = ''
  socket.on('data', (chunk) => { got += chunk.toString() })
  const over = new Promise<number>((resolve) => { socket.once('close', () => { resolve(performance.now()) }) })
  const since = performance.now()
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nhello')
  const timer = setInterval(() => { socket.write('.') }, 100)
  const ms = await over - since
  clearInterval(timer)
  t.match(got, /^HTTP\/1\.1 403 [^]*no$/)
  t.ok(ms > 1_000 && ms < 4_000, `after ${ms.toFixed(0)} ms`)
})

test('early answers: an answer may stream while its request still does', async (t) => {
  const upstream = await createUpstream((req, res) => { res.writeHead(200); req.pipe(res) }, { stream: true })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const socket = await openSocket(gateway.port)
  let got = ''
  socket.on('data', (chunk) => { got += chunk.toString() })
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (const word of ['ping', 'pong', 'pang']) {
    socket.write(`4\r\n${word}\r\n`)
    while (!got.includes(`4\r\n${word}\r\n`)) await once(socket, 'data')
  }
  socket.write('0\r\n\r\n')
  while (!got.endsWith('0\r\n\r\n')) await once(socket, 'data')
  t.notMatch(got, /connection: close/i)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nok')
  while (!got.endsWith('2\r\nok\r\n0\r\n\r\n')) await once(socket, 'data')
  t.pass('and the connection goes on')
  socket.destroy()
})

test('early answers: an upstream that answers and closes without reading is heard', async (t) => {
  const upstream = await createRawUpstream((socket) => { socket.pause(); socket.end('HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno') })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  for (let i = 0; i < 10; i++) {
    const { received } = await upload(gateway.port, `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${100 * MB}\r\n\r\n`, 100 * MB)
    const [response] = parseResponses(received, ['PUT'], true)
    t.equal(response?.status, 413)
    t.equal(response?.body.toString(), 'no')
  }
  t.equal((await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).responses[0]?.status, 413)
  t.same(gateway.bugs, [])
})

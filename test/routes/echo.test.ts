import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, request, type IncomingHttpHeaders, type IncomingMessage, type RequestOptions, type ServerResponse } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { WebSocket } from 'ws'
import { createEcho, type EchoService } from '../../routes/builtin/echo.js'
import { answerBytes, type EchoReport } from '../../routes/builtin/echo-answers.js'

async function start (t: Test): Promise<EchoService> {
  const echo = await createEcho()
  t.teardown(() => echo.close())
  return echo
}

interface Answer { status: number, headers: IncomingHttpHeaders, body: Buffer }

async function open (url: string, options: RequestOptions = {}, body: string | Buffer = ''): Promise<IncomingMessage> {
  const req = request(url, { agent: false, ...options })
  req.end(body)
  const [res] = await once(req, 'response') as [IncomingMessage]
  return res
}

async function get (url: string, options: RequestOptions = {}, body: string | Buffer = ''): Promise<Answer> {
  const res = await open(url, options, body)
  const chunks: Buffer[] = []
  for await (const chunk of res as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status: res.statusCode ?? 0, headers: res.headers, body: Buffer.concat(chunks) }
}

const json = (answer: Answer): EchoReport & { error?: string } => JSON.parse(answer.body.toString()) as EchoReport & { error?: string }

test('echo: tells method, path, query, headers in order, and the body with its size and hash', async (t) => {
  const { url } = await start(t)
  const body = '{"naïve":"✓"}'
  const answer = await get(url, { path: '/a/%2e%2E/b?x=1&y=2&y=%203&__proto__=z', method: 'PUT', headers: { 'X-One': '1', 'x-two': ['a', 'b'], 'Content-Type': 'application/json' } }, body)
  t.equal(answer.status, 200)
  t.equal(answer.headers['content-type'], 'application/json; charset=utf-8')
  const report = json(answer)
  t.equal(report.method, 'PUT')
  t.equal(report.path, '/a/%2e%2E/b', 'the path is as it came')
  t.equal(report.query, 'x=1&y=2&y=%203&__proto__=z')
  t.same(Object.entries(report.parameters), [['x', '1'], ['y', ['2', ' 3']], ['__proto__', 'z']])
  t.same(report.headers.slice(0, 4), [['X-One', '1'], ['x-two', 'a'], ['x-two', 'b'], ['Content-Type', 'application/json']])
  t.same(report.body, { size: Buffer.byteLength(body), sha256: createHash('sha256').update(body).digest('hex'), text: body })
})

test('echo: keeps no long body and shows none that is not UTF-8', async (t) => {
  const { url } = await start(t)
  const long = Buffer.alloc(3_000_000, 'é')
  t.same(json(await get(url, { method: 'POST' }, long)).body, { size: long.length, sha256: createHash('sha256').update(long).digest('hex'), text: null })
  t.equal(json(await get(url, { method: 'POST' }, Buffer.from([0x66, 0xff]))).body.text, null)
  const chunked = await get(url, { method: 'POST', headers: { 'transfer-encoding': 'chunked' } }, 'pieces')
  t.equal(json(chunked).body.text, 'pieces')
})

test('echo: a HEAD gets the head of the GET', async (t) => {
  const { url } = await start(t)
  for (const path of ['/x', '/status/404', '/bytes/100000', '/stream/3', '/sse?events=2&interval=0']) {
    const head = await get(url + path, { method: 'HEAD' })
    const full = await get(url + path)
    t.equal(head.status, full.status, path)
    t.equal(head.body.length, 0, path)
    t.equal(head.headers['content-type'], full.headers['content-type'], path)
    // The echoed method is a letter longer.
    const expected = path === '/x' ? Number(full.headers['content-length']) + 1 : full.headers['content-length']
    t.equal(head.headers['content-length'], expected === undefined ? undefined : `${expected}`, path)
  }
})

test('echo: /status answers with that status, and no body where there can be none', async (t) => {
  const { url } = await start(t)
  for (const status of [200, 201, 299, 301, 404, 418, 500, 599]) {
    const answer = await get(`${url}/status/${status}`, { method: 'POST' }, 'ignored')
    t.equal(answer.status, status)
    t.same(JSON.parse(answer.body.toString()), { status })
  }
  for (const status of [204, 304]) {
    const answer = await get(`${url}/status/${status}`)
    t.same([answer.status, answer.body.length, answer.headers['content-length']], [status, 0, undefined])
  }
  const reset = await get(`${url}/status/205`)
  t.same([reset.status, reset.body.length, reset.headers['content-length']], [205, 0, '0'])
})

test('echo: a number that makes no sense is a 400 that says so', async (t) => {
  const { url } = await start(t)
  for (const path of ['/status/100', '/status/600', '/status/-1', '/status/x', '/status/', '/status/2e2', '/delay/60001', '/delay/1.5', '/bytes/2147483649', '/bytes/99999999999999999999',
    '/bytes/1?chunked=2', '/stream/1000001', '/stream/1?interval=x', '/sse?events=-1', '/sse?interval=60001']) {
    const answer = await get(url + path)
    t.equal(answer.status, 400, path)
    t.match(json(answer).error, /must be a whole number from \d+ to \d+$/, path)
  }
  t.equal(json(await get(`${url}/status/418/x?interval=x`)).path, '/status/418/x', 'any other path is echoed')
})

test('echo: /delay waits, reads the body meanwhile, and stops waiting when the client goes', async (t) => {
  const { url } = await start(t)
  const before = performance.now()
  const answer = await get(`${url}/delay/60`, { method: 'POST' }, 'late')
  t.ok(performance.now() - before >= 59)
  t.equal(json(answer).body.text, 'late')
  const timers = countTimers()
  const req = request(`${url}/delay/60000`, { agent: false })
  req.on('error', () => undefined)
  req.end()
  await until(() => countTimers() > timers)
  req.destroy()
  await until(() => countTimers() <= timers)
  t.pass('its timer is gone')
})

test('echo: /bytes sends a pattern that shows lost bytes, with and without a length', async (t) => {
  const { url } = await start(t)
  for (const count of [0, 1, 251, 64256, 64257, 1_000_003]) {
    const answer = await get(`${url}/bytes/${count}`)
    t.equal(answer.headers['content-length'], `${count}`)
    t.ok(answer.body.equals(Buffer.from(Uint8Array.from({ length: count }, (_, i) => i % 251))), `${count} bytes`)
  }
  const chunked = await get(`${url}/bytes/70000?chunked=1`)
  t.equal(chunked.headers['content-length'], undefined)
  t.equal(chunked.headers['transfer-encoding'], 'chunked')
  t.equal(chunked.body.length, 70000)
})

test('echo: /bytes sends no faster than it is read', async (t) => {
  const gone = new AbortController()
  const server = createServer((_req, res) => { void answerBytes(res, 2 ** 31, false, gone.signal).catch(() => undefined) }).listen(0, '127.0.0.1')
  t.teardown(() => { server.closeAllConnections(); server.close() })
  const requested = once(server, 'request') as Promise<[IncomingMessage, ServerResponse]>
  await once(server, 'listening')
  const client = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const [, res] = await requested
  await until(() => res.writableNeedDrain)
  t.ok(res.writableLength < 200_000, `${res.writableLength} bytes wait for the client`)
  const [first] = await once(client, 'data') as [Buffer]
  t.equal(first[250], 250)
  await until(() => client.socket.bytesRead > 50_000_000)
  t.ok(res.writableLength < 200_000, 'and no more of them later')
  gone.abort()
})

test('echo: /stream sends one chunk a line', async (t) => {
  const { url, port } = await start(t)
  const answer = await get(`${url}/stream/3?interval=1`)
  t.equal(answer.headers['content-type'], 'application/x-ndjson')
  t.equal(answer.body.toString(), '{"n":0}\n{"n":1}\n{"n":2}\n')
  const socket = connect(port, '127.0.0.1')
  socket.write('GET /stream/2?interval=5 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
  let raw = ''
  for await (const chunk of socket as AsyncIterable<Buffer>) raw += chunk.toString()
  t.ok(raw.endsWith('\r\n\r\n8\r\n{"n":0}\n\r\n8\r\n{"n":1}\n\r\n0\r\n\r\n'), raw)
})

test('echo: /sse sends events one by one, and stops when the client goes', async (t) => {
  const { url } = await start(t)
  const answer = await get(`${url}/sse?events=2&interval=1`)
  t.equal(answer.headers['content-type'], 'text/event-stream')
  t.equal(answer.body.toString(), 'id: 0\nevent: tick\ndata: {"n":0}\n\nid: 1\nevent: tick\ndata: {"n":1}\n\n')
  const timers = countTimers()
  const res = await open(`${url}/sse?events=1000&interval=30000`)
  const [first] = await once(res, 'data') as [Buffer]
  t.match(first.toString(), /^id: 0\n/, 'the first event comes at once')
  await until(() => countTimers() > timers)
  res.destroy()
  await until(() => countTimers() <= timers)
  t.pass('its timer is gone')
})

test('echo: /ws gives messages back as they are, answers pings, and mirrors the close code', async (t) => {
  const { url } = await start(t)
  const ws = new WebSocket(`${url.replace('http', 'ws')}/ws?any=thing`)
  await once(ws, 'open')
  ws.send('naïve')
  t.same(await message(ws), ['naïve', false])
  ws.send(Buffer.from([0, 255, 1]))
  t.same(await message(ws), [Buffer.from([0, 255, 1]).toString(), true])
  const large = Buffer.alloc(5_000_000, 'x')
  ws.send(large)
  t.same(await message(ws), [large.toString(), true])
  ws.ping('there?')
  const [pong] = await once(ws, 'pong') as [Buffer]
  t.equal(pong.toString(), 'there?')
  ws.close(4123, 'enough')
  const [code] = await once(ws, 'close') as [number]
  t.equal(code, 4123)
})

test('echo: what is not a WebSocket on /ws, or one elsewhere, is refused', async (t) => {
  const { url } = await start(t)
  const plain = await get(`${url}/ws`)
  t.same([plain.status, plain.headers['upgrade']], [426, 'websocket'])
  const elsewhere = new WebSocket(`${url.replace('http', 'ws')}/other`)
  const [error] = await once(elsewhere, 'error') as [Error]
  t.match(error.message, '400')
  const upgrade = { connection: 'upgrade', upgrade: 'h2c' }
  t.equal((await get(`${url}/ws`, { headers: upgrade })).status, 400)
  t.equal((await get(`${url}/x`, { headers: upgrade })).status, 400)
})

test('echo: closes with streams, WebSockets and idle connections open', async (t) => {
  const echo = await createEcho({ host: '127.0.0.1', port: 0 })
  const stream = await open(`${echo.url}/sse?events=1000&interval=30000`)
  stream.on('error', () => undefined)
  const ws = new WebSocket(`${echo.url.replace('http', 'ws')}/ws`)
  await once(ws, 'open')
  const idle = connect(echo.port, '127.0.0.1')
  await once(idle, 'connect')
  const ended = Promise.all([once(ws, 'close'), new Promise((resolve) => { stream.once('close', resolve) }), once(idle.resume(), 'close')])
  await echo.close()
  await ended
  await t.rejects(get(echo.url), { code: 'ECONNREFUSED' })
  const first = await start(t)
  await t.rejects(createEcho({ port: first.port }), { code: 'EADDRINUSE' })
})

async function message (ws: WebSocket): Promise<[string, boolean]> {
  const [data, isBinary] = await once(ws, 'message') as [Buffer, boolean]
  return [data.toString(), isBinary]
}

function countTimers (): number {
  return process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
}

/** Looks again every few milliseconds; tap's own limit ends a wait that is in vain. */
async function until (holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 5) })
}

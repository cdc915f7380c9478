import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { test } from 'tap'
import { brotliDecompressSync, createGunzip, gunzipSync, gzipSync } from 'node:zlib'
import { sendRaw } from '../fixtures/raw-client.js'
import { startPluginGateway } from '../fixtures/plugin-gateway.js'
import { createUpstream, type UpstreamHandler } from '../fixtures/upstream.js'

async function start (t: { teardown (handler: () => Promise<void>): void }, uses: Record<string, unknown>, handler?: UpstreamHandler, operatorToken?: string) {
  const upstream = await createUpstream(handler)
  const gateway = await startPluginGateway(upstream.url, uses, operatorToken)
  t.teardown(async () => { await gateway.close(); await upstream.close() })
  const open = async (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<IncomingMessage> => {
    const sent = request(`${gateway.url}${path}`, { headers, method })
    sent.end()
    const [response] = await once(sent, 'response') as [IncomingMessage]
    return response
  }
  const get = async (path: string, headers?: Record<string, string>, method?: string) => {
    const response = await open(path, headers, method)
    const pieces: Buffer[] = []
    for await (const piece of response) pieces.push(piece as Buffer)
    return { status: response.statusCode, headers: response.headers, body: Buffer.concat(pieces) }
  }
  return { upstream, gateway, open, get }
}

test('compression on a socket: bodies of any size and framing come through whole', async (t) => {
  const text = JSON.stringify(Array.from({ length: 20_000 }, (_, id) => ({ id })))
  const { get, gateway } = await start(t, { compression: {} }, (req, res) => {
    const body = text.slice(0, Number(req.url?.slice(1)))
    res.setHeader('content-type', 'application/json')
    res.setHeader('etag', '"v1"')
    if (req.headers['x-chunked'] === undefined) res.setHeader('content-length', body.length)
    res.end(body)
  })
  for (const size of [0, 1, 1023, 1024, 16_384, 16_385, 65_537, 200_000]) {
    for (const [encoding, decode] of [['gzip', gunzipSync], ['br', brotliDecompressSync]] as const) {
      for (const framing of [{}, { 'x-chunked': '1' }] as Record<string, string>[]) {
        const { headers, body } = await get(`/${size}`, { 'accept-encoding': encoding, ...framing })
        const compressed = headers['content-encoding'] === encoding
        t.equal((compressed ? decode(body) : body).toString(), text.slice(0, size), `${size} bytes, ${encoding}, ${compressed ? 'compressed' : 'as it is'}`)
        t.equal(headers.etag, compressed ? 'W/"v1"' : '"v1"')
        if (size >= 1024) t.ok(compressed)
        const head = await get(`/${size}`, { 'accept-encoding': encoding, ...framing }, 'HEAD')
        t.same([head.status, head.body.length], [200, 0])
        // Without a length nothing tells how small the body to GET would be.
        if (framing['x-chunked'] === undefined) t.same([head.headers['content-encoding'], head.headers.vary, head.headers.etag], [headers['content-encoding'], headers.vary, headers.etag])
      }
    }
  }
  t.same(gateway.errors, [])
})

test('compression on a socket: a streamed piece reaches the client before the next one is sent', async (t) => {
  const next: (() => void)[] = []
  const { open } = await start(t, { compression: {} }, (_req, res) => {
    res.writeHead(200, { 'content-type': 'application/x-ndjson' })
    let count = 0
    const write = (): void => { if (count < 5) res.write(`{"n":${count++}}\n`); else res.end() }
    next.push(write)
    write()
  })
  const response = await open('/', { 'accept-encoding': 'gzip' })
  t.equal(response.headers['content-encoding'], 'gzip')
  const decoder = response.pipe(createGunzip())
  for (let count = 0; count < 5; count++) {
    const [piece] = await once(decoder, 'data') as [Buffer]
    t.equal(piece.toString(), `{"n":${count}}\n`)
    next[0]?.()
  }
  await once(decoder, 'end')
})

test('compression on a socket: an upstream that breaks off breaks the answer off', async (t) => {
  const { gateway } = await start(t, { compression: {} }, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain', 'content-length': 100_000 })
    res.write('x'.repeat(50_000), () => { res.destroy() })
  })
  const { responses, closed } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n', { untilClose: true })
  t.ok(closed)
  t.equal(responses[0]?.complete, false, 'no clean end')
})

test('compression on a socket: a client that goes cancels the upstream', async (t) => {
  let gone: () => void = () => {}
  const cancelled = new Promise<void>((resolve) => { gone = resolve })
  const { open } = await start(t, { compression: {} }, (_req, res) => {
    res.writeHead(200, { 'content-type': 'text/plain' })
    res.write('first')
    res.on('close', gone)
  })
  const response = await open('/', { 'accept-encoding': 'br' })
  response.destroy()
  await cancelled
  t.pass('the upstream saw its connection close')
})

test('compression on a socket: what the upstream compressed goes through untouched', async (t) => {
  const body = gzipSync('x'.repeat(5000))
  const { get } = await start(t, { compression: {} }, (_req, res) => { res.writeHead(200, { 'content-type': 'text/plain', 'content-encoding': 'gzip' }).end(body) })
  const answer = await get('/', { 'accept-encoding': 'br, gzip' })
  t.equal(answer.headers['content-encoding'], 'gzip')
  t.same(answer.body, body)
})

test('headers on a socket: nothing a client sends splits a message, on either side', async (t) => {
  const uses = { headers: { request: { set: { 'x-q': '{{ request.query.q }}' }, add: { 'x-id': ['{{ params.id | "none" }}'] } }, response: { set: { 'x-q': '{{ request.query.q }}', 'x-h': '{{ request.header.x-h }}' } } } }
  const { upstream, gateway } = await start(t, uses)
  for (const [path, xId, q] of [
    ['/named/a%20b?q=%0d%0aX-Evil:%201%0d%0a%0d%0aGET%20/', 'a b', '%0D%0AX-Evil: 1%0D%0A%0D%0AGET /'],
    ['/named/%E2%82%AC?q=%e2%82%ac%ff', '%E2%82%AC', '%e2%82%ac%ff']
  ] as const) {
    const { responses, bytes } = await sendRaw(gateway.port, Buffer.from(`GET ${path} HTTP/1.1\r\nHost: a\r\nX-H: caf\xe9\tx\r\n\r\n`, 'latin1'))
    t.equal(responses[0]?.status, 200, bytes.toString())
    t.equal(responses[0]?.header('x-evil'), undefined)
    t.equal(responses[0]?.header('x-q'), q)
    t.same(upstream.requests.at(-1)?.values('x-q'), [q])
    t.same(upstream.requests.at(-1)?.values('x-id'), [xId])
    t.ok(bytes.includes(Buffer.from('caf\xe9\tx', 'latin1')), 'bytes of a header go on as they came')
  }
  const { responses } = await sendRaw(gateway.port, 'GET /named/a%0D%0AX-Evil:%201 HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(responses[0]?.status, 400, 'a path can not even hold them')
})

test('debug on a socket: shows the upstream\'s time to the operator, and its token to nobody', async (t) => {
  const uses = { debug: {}, compression: {}, headers: { request: { set: { 'x-a': '1' } } } }
  const { get, upstream } = await start(t, uses, (_req, res) => { setTimeout(() => { res.end('ok') }, 30) }, 'an-operator-token')
  const answer = await get('/', { 'x-sluice-debug': 'an-operator-token', 'x-sluice-debug-trace': '1' })
  const timing = String(answer.headers['server-timing'])
  const upstreamMs = Number(/upstream;dur=([\d.]+)/.exec(timing)?.[1])
  t.ok(upstreamMs >= 28 && upstreamMs < 1000, timing)
  t.match(timing, /headers;dur=[\d.]+;desc="request: next", compression;dur=[\d.]+;desc="response: next"$/)
  t.match(JSON.parse(String(answer.headers['x-sluice-trace'])), { route: 'all', project: 'test', source: 'upstream', steps: [{ plugin: 'headers' }, { plugin: 'compression' }] })
  t.notOk(JSON.stringify(upstream.requests).includes('an-operator-token'))
  const other = await get('/', { 'x-sluice-debug': 'wrong' })
  t.same([other.headers['server-timing'], other.headers['x-sluice-trace'], other.headers['cache-control']], [undefined, undefined, undefined])
})

test('respond on a socket: answers, HEAD and GET alike, and holds the answer back on real time', async (t) => {
  const { get, upstream } = await start(t, { respond: { body: { path: '{{ request.path }}' }, delay: '20ms' } })
  const began = performance.now()
  const answer = await get('/a%20b')
  t.ok(performance.now() - began >= 18)
  t.same(JSON.parse(answer.body.toString()), { path: '/a%20b' })
  const head = await get('/a%20b', {}, 'HEAD')
  t.same([head.status, head.headers['content-length'], head.body.length], [200, String(answer.body.length), 0])
  t.equal(upstream.requests.length, 0)
})

import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { PassThrough, Transform } from 'node:stream'
import { test, type Test } from 'tap'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import type { Plugin } from '../../../core/plugin.js'
import { ask, errorOf } from '../../fixtures/ask.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { makePlugin } from '../../fixtures/pipeline.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream, readAll, type UpstreamHandler } from '../../fixtures/upstream.js'
import { SocketReader, until } from '../../fixtures/web-socket.js'

async function start (t: Test, plugins: readonly Plugin[], handler?: UpstreamHandler, more: Partial<TestGatewayOptions> & { stream?: boolean } = {}) {
  const { stream = false, ...options } = more
  const upstream = await createUpstream(handler, { stream })
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored: plugins, routes: [{ path: '/*', plugins: plugins.map(({ name }) => name) }], ...options })
  return { ...gateway, upstream, last: () => upstream.requests[upstream.requests.length - 1] }
}

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
const echo: UpstreamHandler = (_req, res, { body }) => { res.end(body) }

/** A plugin that wants the whole request body, and gives what it saw to `see`. */
function buffering (name: string, buffer: string | number, see: (body: Buffer | null) => void = () => {}, inflate = false): Plugin {
  return makePlugin(name, { request (ctx) { see(ctx.body) } }, { body: { request: { buffer, inflate } } })
}

test('body modes: a route whose plugins want no body passes pieces as they come, both ways, untouched', async (t) => {
  const pieces: Buffer[] = []
  const { port, bugs } = await start(t, [makePlugin('none', { request (ctx) { ctx.annotate('body', String(ctx.body)) }, response (ctx) { ctx.annotate('answer', String(ctx.response.body)) } })], (req, res) => {
    res.writeHead(200, { 'x-got-length': String(req.headers['content-length']), 'content-digest': 'sha-256=:x:', etag: '"1"' })
    req.on('data', (piece: Buffer) => { pieces.push(piece); res.write(piece) })
    req.on('end', () => { res.end() })
  }, { stream: true })
  const req = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/', headers: { 'content-length': 30 }, agent: false })
  const answered = new Promise<IncomingMessage>((resolve) => { req.on('response', resolve) })
  req.write('0123456789')
  const res = await answered
  t.equal(res.headers['x-got-length'], '30', 'the length is kept')
  t.equal(res.headers['content-digest'], 'sha-256=:x:')
  t.equal(res.headers.etag, '"1"')
  for (let round = 1; round <= 2; round++) {
    await until(() => res.readableLength > 0)
    t.equal(String(res.read()), '0123456789', 'each piece is back before the next one is sent')
    req.write('0123456789')
  }
  req.end()
  t.equal(String(await readAll(res)), '0123456789')
  t.same(bugs, [])
})

test('body modes: a buffering step has the whole body before it runs, and the upstream gets the same bytes', async (t) => {
  for (const size of [0, 1, 65_536, 1_000_000]) {
    const body = randomBytes(size)
    for (const sent of [body, [body.subarray(0, size / 2), body.subarray(size / 2)]]) {
      const seen: (Buffer | null)[] = []
      const { port, last } = await start(t, [buffering('a', '1mb', (whole) => seen.push(whole))])
      t.equal((await ask(port, '/', { method: 'POST', body: sent })).status, 200)
      const [whole] = seen
      if (size === 0 && Buffer.isBuffer(sent)) t.equal(whole, null, 'a body of no bytes is none')
      else t.equal(digest(whole ?? randomBytes(1)), digest(body))
      t.equal(digest(last()?.body ?? randomBytes(1)), digest(body))
    }
  }
})

test('body modes: several buffering steps share one buffer at the smallest maximum; streams and buffers go together', async (t) => {
  const seen: (Buffer | null)[] = []
  const shouting = makePlugin('c', { request (ctx) { ctx.forward.transform(new Transform({ transform (chunk, _encoding, done) { done(null, String(chunk).toUpperCase()) } })) } }, { body: { request: 'stream' } })
  const { port, last, upstream } = await start(t, [buffering('a', 100, (body) => seen.push(body)), buffering('b', 10, (body) => seen.push(body)), shouting])
  t.equal((await ask(port, '/', { method: 'POST', body: '0123abcdef' })).status, 200)
  t.equal(seen.length, 2)
  t.equal(seen[0], seen[1], 'the very same bytes')
  t.equal(last()?.body.toString(), '0123ABCDEF')
  const refused = await ask(port, '/', { method: 'POST', body: '01234567890' })
  t.match([refused.status, errorOf(refused)], [413, { code: 'PAYLOAD_TOO_LARGE', details: { reason: 'body_too_large' } }])
  t.equal(seen.length, 2, 'neither ran')
  t.equal(upstream.requests.length, 1)
})

test('body modes: too large a body is refused by its length before it is asked for, a chunked one where it crosses', async (t) => {
  const { port, upstream } = await start(t, [buffering('a', '1kb')])
  const expecting = await sendRaw(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\nExpect: 100-continue\r\n\r\n')
  t.same(expecting.responses.map(({ status, interim }) => [status, interim.length]), [[413, 0]], 'no 100 for what will be refused')
  const accepted = await sendRaw(port, ['POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n', 'abc'])
  t.same(accepted.responses.map(({ status, interim }) => [status, interim.map((one) => one.status)]), [[200, [100]]])
  const socket = await openSocket(port)
  const reader = new SocketReader(socket)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const chunk = `200\r\n${'x'.repeat(512)}\r\n`
  socket.write(chunk + chunk)
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.equal(reader.rest.length, 0, '1 024 bytes are allowed')
  socket.write('1\r\nx\r\n')
  t.match(await reader.head(), /^HTTP\/1.1 413 /, 'the answer comes before the end of the body')
  socket.destroy()
  t.equal(upstream.requests.length, 1)
})

test('body modes: a request without a body waits for nothing, and none is made for it', async (t) => {
  const seen: unknown[] = []
  const { port, last } = await start(t, [buffering('a', '1mb', (body) => seen.push(body))])
  t.equal((await ask(port, '/')).status, 200)
  t.same(seen, [null])
  t.same([last()?.values('content-length'), last()?.values('transfer-encoding')], [[], []])
})

const ENCODERS: Record<string, (body: Buffer) => Buffer> = { gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, br: (body) => brotliCompressSync(body) }

test('body modes: a step that asks for it sees the body inflated, the upstream gets what was sent', async (t) => {
  const text = Buffer.from(JSON.stringify(Array.from({ length: 5_000 }, (_, id) => ({ id }))))
  for (const [coding, encode] of [...Object.entries(ENCODERS), ['deflate', deflateRawSync] as const, ['identity', (body: Buffer) => body] as const]) {
    const seen: (Buffer | null)[] = []
    const { port, last } = await start(t, [buffering('a', '1mb', (body) => seen.push(body), true)])
    const sent = encode(text)
    t.equal((await ask(port, '/', { method: 'POST', headers: { 'content-encoding': coding.toUpperCase() }, body: sent })).status, 200, coding)
    t.equal(digest(seen[0] ?? randomBytes(1)), digest(text))
    t.equal(digest(last()?.body ?? randomBytes(1)), digest(sent))
    t.same(last()?.values('content-encoding'), [coding.toUpperCase()])
  }
})

test('body modes: bombs, nested and unknown codings and broken bodies are refused, quickly and without the memory they ask for', async (t) => {
  const zeros = Buffer.alloc(20_000_000)
  const small = Buffer.from('{"a":1}')
  const best = { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } }
  const cases: [string, string, Buffer, number, string][] = [
    ['gzip beyond the maximum', 'gzip', gzipSync(zeros), 413, 'inflated_body_too_large'],
    ['deflate beyond the maximum', 'deflate', deflateSync(zeros), 413, 'inflated_body_too_large'],
    ['raw deflate beyond the maximum', 'deflate', deflateRawSync(zeros), 413, 'inflated_body_too_large'],
    ['br beyond the maximum', 'br', brotliCompressSync(zeros, best), 413, 'inflated_body_too_large'],
    ['gzip beyond the ratio only', 'gzip', gzipSync(Buffer.alloc(900_000)), 413, 'inflated_body_too_large'],
    ['br beyond the ratio only', 'br', brotliCompressSync(Buffer.alloc(900_000), best), 413, 'inflated_body_too_large'],
    ['gzip in gzip', 'gzip, gzip', gzipSync(gzipSync(zeros)), 415, 'content_encoding_not_supported'],
    ['a long list', Array.from({ length: 50 }, () => 'gzip').join(','), gzipSync(small), 415, 'content_encoding_not_supported'],
    ['gzip and identity', 'gzip, identity', gzipSync(small), 415, 'content_encoding_not_supported'],
    ['zstd', 'zstd', small, 415, 'content_encoding_not_supported'],
    ['no gzip at all', 'gzip', small, 400, 'content_encoding_corrupt'],
    ['half a gzip', 'gzip', gzipSync(randomBytes(10_000)).subarray(0, 5_000), 400, 'content_encoding_corrupt'],
    ['half a br', 'br', brotliCompressSync(randomBytes(10_000)).subarray(0, 5_000), 400, 'content_encoding_corrupt'],
    ['something behind the gzip', 'gzip', Buffer.concat([gzipSync(small), Buffer.from('more')]), 400, 'content_encoding_corrupt']
  ]
  const { port, upstream } = await start(t, [buffering('a', '1mb', () => {}, true)])
  const before = process.memoryUsage.rss()
  for (const [why, coding, body, status, reason] of cases) {
    const startedAt = performance.now()
    const answer = await ask(port, '/', { method: 'POST', headers: { 'content-encoding': coding }, body })
    t.match([answer.status, errorOf(answer).details['reason']], [status, reason], why)
    t.ok(performance.now() - startedAt < 1_000, `${why}: ${Math.round(performance.now() - startedAt)} ms`)
    if (status === 415) t.equal(answer.headers['accept-encoding'], 'gzip, deflate, br')
  }
  await Promise.all(Array.from({ length: 50 }, () => ask(port, '/', { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: cases[0]?.[2] ?? '' })))
  const grownMb = (process.memoryUsage.rss() - before) / 1024 / 1024
  t.ok(grownMb < 150, `50 bombs of 20 MB at once took ${Math.round(grownMb)} MB`)
  t.equal(upstream.requests.length, 0)
})

test('body modes: a step that replaces an inflated body sends it as what it is', async (t) => {
  const changing = makePlugin('a', { request (ctx) { ctx.forward.body = `${String(ctx.body)}!` } }, { body: { request: { buffer: '1kb', inflate: true } } })
  const { port, last } = await start(t, [changing])
  await ask(port, '/', { method: 'POST', headers: { 'content-encoding': 'gzip' }, body: gzipSync('hello') })
  t.same([last()?.body.toString(), last()?.values('content-encoding'), last()?.values('content-length')], ['hello!', [], ['6']])
})

test('body modes: a buffering response step has the whole answer, inflated when it asks, and its bounds hold for the upstream', async (t) => {
  const answerWith = (body: Buffer, coding?: string): UpstreamHandler => (_req, res) => { res.writeHead(200, { etag: '"1"', ...coding === undefined ? {} : { 'content-encoding': coding } }); res.end(body) }
  const looking = (inflate: boolean): Plugin => makePlugin('a', { response (ctx) { ctx.response.headers.set('x-saw', digest(ctx.response.body ?? randomBytes(1))) } }, { body: { response: { buffer: '1mb', inflate } } })
  const text = Buffer.from('hello '.repeat(1_000))
  const untouched = await ask((await start(t, [looking(false)], answerWith(gzipSync(text), 'gzip'))).port, '/')
  t.same([untouched.headers['x-saw'], untouched.headers['content-encoding'], untouched.headers.etag], [digest(gzipSync(text)), 'gzip', '"1"'])
  t.equal(digest(untouched.body), digest(gzipSync(text)))
  for (const [coding, encode] of Object.entries(ENCODERS)) {
    const inflated = await ask((await start(t, [looking(true)], answerWith(encode(text), coding))).port, '/')
    t.same([inflated.headers['x-saw'], inflated.headers['content-encoding'], inflated.headers.etag, inflated.headers['content-length']], [digest(text), undefined, undefined, '6000'], coding)
    t.equal(digest(inflated.body), digest(text))
  }
  for (const [body, coding, reason] of [
    [Buffer.alloc(1_048_577), undefined, 'response_too_large'], [gzipSync(Buffer.alloc(20_000_000)), 'gzip', 'response_not_inflatable'],
    [text, 'gzip', 'response_not_inflatable'], [gzipSync(gzipSync(text)), 'gzip, gzip', 'response_not_inflatable']
  ] as const) {
    const answer = await ask((await start(t, [looking(true)], answerWith(body, coding))).port, '/')
    t.match([answer.status, errorOf(answer)], [502, { code: 'UPSTREAM_INVALID_RESPONSE', details: { reason } }])
  }
})

const tagging = (tag: string): Transform => new Transform({ transform (chunk, _encoding, done) { done(null, `${String(chunk)}${tag}`) } })

test('body modes: stream transforms chain in the order in which steps add them: as the steps come on the way in, reversed on the way out', async (t) => {
  const plugin = (name: string): Plugin => makePlugin(name, {
    request (ctx) { ctx.forward.transform(tagging(name)) }, response (ctx) { ctx.response.transform(tagging(name)) }
  }, { body: { request: 'stream', response: 'stream' } })
  const { port, last } = await start(t, [plugin('a'), plugin('b'), plugin('c')], echo)
  const answer = await ask(port, '/', { method: 'POST', headers: { 'content-digest': 'x' }, body: '0' })
  t.equal(last()?.body.toString(), '0abc')
  t.same([last()?.values('content-length'), last()?.values('content-digest')], [[], []])
  t.equal(answer.text, '0abccba')
  t.equal(answer.headers['content-length'], undefined)
})

test('body modes: what a transform gives may be text or bytes of any kind, and nothing else', async (t) => {
  const giving = (value: unknown): Transform => new Transform({ readableObjectMode: true, transform (_chunk, _encoding, done) { done(null, value) } })
  const decoded = (): Transform => new PassThrough().setEncoding('utf8')
  for (const [make, expected] of [[() => giving('é text'), 'é text'], [() => giving(new TextEncoder().encode('é bytes')), 'é bytes'], [decoded, 'é body'], [() => giving({ an: 'object' }), null], [() => giving(7), null]] as const) {
    const plugin = makePlugin('a', { response (ctx) { ctx.response.transform(make()) } }, { body: { response: 'stream' } })
    const { port, bugs } = await start(t, [plugin], (_req, res) => { res.end('é body') })
    const { responses: [answer] } = await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n', { settleMs: 0 })
    if (expected === null) t.notOk(answer?.complete)
    else t.equal(answer?.body.toString(), expected)
    t.equal(bugs.length, expected === null ? 1 : 0, String(bugs))
  }
})

test('body modes: streams of any size pass transforms whole, with backpressure', async (t) => {
  let most = 0
  const through = (): Transform => new Transform({
    transform (chunk, _encoding, done) { most = Math.max(most, this.writableLength + this.readableLength); done(null, chunk) }
  })
  const plugin = (name: string): Plugin => makePlugin(name, {
    request (ctx) { ctx.forward.transform(through()) }, response (ctx) { ctx.response.transform(through()) }
  }, { body: { request: 'stream', response: 'stream' } })
  const { port } = await start(t, [plugin('a'), plugin('b')], (req, res) => { req.pipe(res) }, { stream: true })
  const body = randomBytes(20_000_000)
  const req = httpRequest({ port, host: '127.0.0.1', method: 'POST', path: '/', agent: false })
  const answered = new Promise<IncomingMessage>((resolve) => { req.on('response', resolve) })
  const hash = createHash('sha256')
  void (async () => {
    for (let from = 0; from < body.length; from += 100_000) if (!req.write(body.subarray(from, from + 100_000))) await new Promise((resolve) => req.once('drain', resolve))
    req.end()
  })()
  const res = await answered
  let slept = 0
  for await (const piece of res as AsyncIterable<Buffer>) {
    hash.update(piece)
    if (slept++ % 20 === 0) await new Promise((resolve) => setTimeout(resolve, 1))
  }
  t.equal(hash.digest('hex'), digest(body))
  t.ok(most < 2_000_000, `a transform never held more than ${most} bytes`)
})

test('body modes: a slow client with a body through transforms is not taken for a slow upstream', async (t) => {
  const plugin = makePlugin('a', { request (ctx) { ctx.forward.transform(tagging('')) } }, { body: { request: 'stream' } })
  const { port, last } = await start(t, [plugin], undefined, { upstream: { timeouts: { headersMs: 300, idleMs: 300, totalMs: 0 } } })
  const socket = await openSocket(port)
  const reader = new SocketReader(socket)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  for (let count = 0; count < 10; count++) {
    socket.write('1\r\nx\r\n')
    await new Promise((resolve) => setTimeout(resolve, 80))
  }
  socket.write('0\r\n\r\n')
  t.match(await reader.head(), /^HTTP\/1.1 200 /)
  t.equal(last()?.body.toString(), 'xxxxxxxxxx')
  socket.destroy()
})

test('body modes: a client that breaks off in its body breaks the transformed forward off', async (t) => {
  const plugin = makePlugin('a', { request (ctx) { ctx.forward.transform(tagging('')) } }, { body: { request: 'stream' } })
  let ended = ''
  const { port, bugs, gateway } = await start(t, [plugin], (req) => {
    req.on('end', () => { ended = 'end' })
    req.on('error', () => { ended = 'error' })
    req.resume()
  }, { stream: true })
  const socket = await openSocket(port)
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  await until(() => gateway.requests === 1)
  await new Promise((resolve) => setTimeout(resolve, 50))
  socket.destroy()
  await until(() => ended !== '')
  t.equal(ended, 'error', 'never a clean end')
  await until(() => gateway.requests === 0)
  t.same(bugs, [])
})

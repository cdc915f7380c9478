import { once } from 'node:events'
import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

test('answers: a short answer leaves with its head in one piece, and the connection serves the next', async (t) => {
  const upstream = await createUpstream((_req, res) => { res.setHeader('content-length', 5).end('hello') })
  t.teardown(() => upstream.close())
  const { port } = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const socket = await openSocket(port)
  t.teardown(() => { socket.destroy() })
  for (let i = 0; i < 3; i++) {
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    const [piece] = await once(socket, 'data') as [Buffer]
    const text = piece.toString('latin1')
    t.match(text, /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\nhello$/)
    t.equal(text.match(/^date:/gm)?.length, 1)
    t.equal(text.match(/^connection: keep-alive\r\nkeep-alive: timeout=\d+\r\n/gm)?.length, 1)
  }
})

test('answers: of two pipelined requests each gets its own answer in its turn, also when the second would be ready first', async (t) => {
  const upstream = await createUpstream((req, res) => {
    const answer = (): void => { res.setHeader('content-length', 2).end(req.url?.slice(-2)) }
    if (req.url === '/s1') setTimeout(answer, 50)
    else answer()
  })
  t.teardown(() => upstream.close())
  const { port } = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  const { responses } = await sendRaw(port, 'GET /s1 HTTP/1.1\r\nHost: a\r\n\r\nGET /q2 HTTP/1.1\r\nHost: a\r\n\r\n', { count: 2 })
  t.strictSame(responses.map(({ body }) => body.toString()), ['s1', 'q2'])
})

test('answers: a step that writes what no head can hold costs its own request, with a 500 that holds nothing of it', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  let broken: (flat: string[], ctx: { status: number }) => void = () => {}
  const plugin = definePlugin({
    name: 'broken', stage: 'transform', config: Type.Object({}),
    create: () => ({ response (ctx) { broken(ctx.response.headers.flat, ctx.response) } })
  })
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored: [plugin], routes: [{ path: '/*', plugins: ['broken'] }] })
  for (const [what, change] of [
    ['a line break', (flat) => { flat.push('x-a', 'a\r\nx-evil: 1') }], ['a character whose low byte is one', (flat) => { flat.push('x-a', 'a\u010d\u010ax-evil: 1') }],
    ['a line break in a name', (flat) => { flat.push('x-evil: 1\r\nx-a', 'a') }],
    ['a status that is none', (_flat, draft) => { draft.status = 1000 }], ['an interim status', (_flat, draft) => { draft.status = 103 }]
  ] as [string, typeof broken][]) {
    broken = change
    const { responses, closed } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    t.equal(responses[0]?.status, 500, what)
    t.notOk(responses[0]?.headers.some(([name]) => /evil/i.test(name)), what)
    t.match(JSON.parse(String(responses[0]?.body)), { error: { code: 'INTERNAL_ERROR' } }, what)
    t.notOk(closed)
  }
  t.equal(gateway.bugs.length, 5)
})

test('answers: one whose length a step has set wrongly is broken off, and is not taken for two', async (t) => {
  const upstream = await createUpstream((_req, res) => { res.write('hello'); setImmediate(() => { res.end('HTTP/1.1 200 OK') }) })
  t.teardown(() => upstream.close())
  let length = ''
  const plugin = definePlugin({
    name: 'wrong', stage: 'transform', config: Type.Object({}),
    create: () => ({ response (ctx) { ctx.response.headers.set('content-length', length) } })
  })
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored: [plugin], routes: [{ path: '/*', plugins: ['wrong'] }] })
  for (const said of ['3', '5', '100']) {
    length = said
    const { bytes, closed } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', { untilClose: true })
    t.ok(closed, said)
    const body = bytes.toString().split('\r\n\r\n').slice(1).join('')
    t.ok('helloHTTP/1.1 200 OK'.startsWith(body) && body.length <= Number(said), `${said}: "${body}"`)
  }
  t.equal(gateway.bugs.length, 3)
  length = '20'
  const { responses, closed } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(responses[0]?.body.toString(), 'helloHTTP/1.1 200 OK')
  t.notOk(closed)
})

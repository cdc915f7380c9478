import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { composeHead, keepAliveFields } from '../../../core/listen/http1-head.js'
import { definePlugin } from '../../../core/plugin.js'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

const KEEP_ALIVE = keepAliveFields(5_000)

async function serve (t: Test, listener: RequestListener): Promise<number> {
  const server = createServer(listener)
  t.teardown(() => { server.close(); server.closeAllConnections() })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

test('head: what is composed is what Node writes, but for the case of names', async (t) => {
  const cases: [number, string, string[]][] = [
    [200, '', ['content-type', 'text/plain', 'content-length', '2']],
    [404, 'Nowhere', ['content-length', '2', 'date', 'Mon, 01 Jan 2024 00:00:00 GMT']],
    [599, '', ['set-cookie', 'a=1', 'content-length', '2', 'set-cookie', 'b=2', 'x-e', 'caf\xe9']]
  ]
  for (const [status, reason, headers] of cases) {
    const port = await serve(t, (req, res) => {
      if (req.url === '/composed') t.ok(composeHead(res, status, reason, headers, KEEP_ALIVE), 'Node keeps heads where this needs them')
      else if (reason === '') res.writeHead(status, headers)
      else res.writeHead(status, reason, headers)
      res.end('ok')
    })
    const heads = []
    for (const path of ['composed', 'node']) {
      const { responses, bytes } = await sendRaw(port, `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
      const [line, ...fields] = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n')).split('\r\n')
      t.equal(responses[0]?.body.toString(), 'ok')
      heads.push([line, ...fields.map((field) => field.replace(/^[^:]+/, (name) => name.toLowerCase()).replace(/^(date: .*)\d\d GMT/, '$1'))])
    }
    t.strictSame(heads[0], heads[1])
  }
})

test('head: other kinds of answers are left to Node', async (t) => {
  const composed: boolean[] = []
  const port = await serve(t, (_req, res) => {
    for (const [status, headers] of [
      [204, []], [304, ['content-length', '2']], [101, ['content-length', '0']], [600, ['content-length', '0']], [200, ['content-type', 'a/b']],
      [200, ['content-length', '2', 'connection', 'close']], [200, ['transfer-encoding', 'chunked', 'content-length', '2']], [200, ['content-length', '2', 'trailer', 'x']]
    ] as const) composed.push(composeHead(res, status, '', headers, KEEP_ALIVE))
    if (res.req.httpVersion === '1.0' || res.req.headers.connection === 'close') composed.push(composeHead(res, 200, '', ['content-length', '0'], KEEP_ALIVE))
    t.notOk(res.headersSent)
    res.end('ok')
  })
  for (const request of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n']) await sendRaw(port, request)
  t.strictSame(new Set(composed), new Set([false]))
  t.equal(composed.length, 8 * 3 + 2)
})

test('head: a short answer leaves with its head in one piece, and the connection serves the next', async (t) => {
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

test('head: of two pipelined requests each gets its own answer in its turn, also when the second would be ready first', async (t) => {
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

test('head: a step that writes what no head can hold costs its own request, with a 500 that holds nothing of it', async (t) => {
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

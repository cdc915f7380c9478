import { test } from 'tap'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { startGateway } from '../../fixtures/gateway.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'

test('reloads: streams that run go on to their end, also where their route and their upstream are gone', async (t) => {
  const streams: ServerResponse[] = []
  const old = await createUpstream(async (req, res) => {
    if (req.url === '/download') { res.writeHead(200).write('a'); streams.push(res); return }
    let size = 0
    for await (const chunk of req as AsyncIterable<Buffer>) size += chunk.length
    res.end(String(size))
  }, { stream: true })
  const next = await createUpstream((_req, res) => { res.end('next') })
  t.teardown(() => Promise.all([old.close(), next.close()]))
  const gateway = await startGateway(t, { upstreamUrl: old.url, routes: [{ path: '/download' }, { path: '/upload' }, { path: '/' }] })

  const download = httpRequest(`${gateway.url}/download`, { agent: false })
  download.end()
  const [response] = await once(download, 'response') as [IncomingMessage]
  let got = ''
  response.setEncoding('utf8').on('data', (chunk: string) => { got += chunk })
  const ended = once(response, 'end')
  const upload = httpRequest(`${gateway.url}/upload`, { method: 'POST', agent: false })
  const arrived = once(old.server, 'request')
  upload.write('x'.repeat(1000))
  await arrived

  // Longer than a pool without users keeps its connections.
  const until = performance.now() + 6_000
  for (let i = 0; performance.now() < until; i++) {
    await gateway.reload({ upstreamUrl: next.url, routes: [{ path: i % 2 === 0 ? '/' : '/*' }] })
    t.equal((await sendRaw(gateway.port, GET, { settleMs: 0 })).responses[0]?.body.toString(), 'next')
    streams[0]?.write('b')
    upload.write('y'.repeat(1000))
    await new Promise((resolve) => { setTimeout(resolve, 200) })
  }
  const answered = once(upload, 'response') as Promise<[IncomingMessage]>
  streams[0]?.end('c')
  upload.end()
  await ended
  t.match(got, /^ab{20,}c$/)
  const [answer] = await answered
  const [size] = await once(answer, 'data') as [Buffer]
  t.equal(Number(String(size)), (got.length - 1) * 1000)
  t.same(gateway.bugs, [])
})

test('reloads: a target that stays keeps its warm connections, one that goes for a moment, too', async (t) => {
  const one = await createUpstream((_req, res) => { res.end('one') })
  const two = await createUpstream((_req, res) => { res.end('two') })
  t.teardown(() => Promise.all([one.close(), two.close()]))
  const gateway = await startGateway(t, { upstreamUrl: one.url, routes: [{ path: '/' }] })
  const ask = async (): Promise<string> => String((await sendRaw(gateway.port, GET, { settleMs: 0 })).responses[0]?.body)
  t.equal(await ask(), 'one')
  for (let i = 0; i < 10; i++) {
    await gateway.reload({ upstreamUrl: one.url, routes: [{ path: i % 2 === 0 ? '/*' : '/' }], upstream: { timeouts: { headersMs: 1_000 + i, idleMs: 0, totalMs: 0 } } })
    t.equal(await ask(), 'one')
    await gateway.reload({ upstreamUrl: two.url, routes: [{ path: '/' }] })
    t.equal(await ask(), 'two')
  }
  await gateway.reload({ upstreamUrl: one.url, routes: [{ path: '/' }] })
  t.equal(await ask(), 'one')
  t.equal(one.connections(), 1)
  t.equal(two.connections(), 1)
  t.equal(one.requests.length, 12)
})

test('reloads: connections to a target that is gone are closed after a while', async (t) => {
  const gone = await createUpstream()
  const stays = await createUpstream()
  t.teardown(() => Promise.all([gone.close(), stays.close()]))
  const gateway = await startGateway(t, { upstreamUrl: gone.url, routes: [{ path: '/' }] })
  const opened = once(gone.server, 'connection') as Promise<[IncomingMessage['socket']]>
  await sendRaw(gateway.port, GET, { settleMs: 0 })
  const [socket] = await opened
  const closed = once(socket, 'close')
  const since = performance.now()
  await gateway.reload({ upstreamUrl: stays.url, routes: [{ path: '/' }] })
  await closed
  const ms = performance.now() - since
  t.ok(ms > 4_000 && ms < 7_000, `${ms.toFixed(0)} ms`)
})

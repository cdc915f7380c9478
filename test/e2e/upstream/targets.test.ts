import { test, type Test } from 'tap'
import { once } from 'node:events'
import { Agent, request as httpRequest, type IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { TargetConfig, UpstreamConfig } from '../../../core/route.js'
import { startGateway, type TestGateway } from '../../fixtures/gateway.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createRawUpstream, createUpstream, type RawUpstream } from '../../fixtures/upstream.js'

async function gatewayTo (t: Test, targets: readonly TargetConfig[], upstream: Partial<UpstreamConfig> = {}): Promise<TestGateway> {
  return await startGateway(t, { upstreamUrl: '', upstream: { targets, ...upstream }, routes: [{ path: '/*' }] })
}

async function status (gateway: TestGateway, line = 'GET /', more = ''): Promise<number> {
  const { responses } = await sendRaw(gateway.port, `${line} HTTP/1.1\r\nHost: client.example:99\r\n${more}\r\n`, { settleMs: 0 })
  return responses[0]?.status ?? 0
}

test('targets: each gets its share of 10 000 requests, within 3 %', async (t) => {
  const upstreams = await Promise.all([7, 2, 1, 0].map(async (weight) => ({ weight, upstream: await createUpstream() })))
  t.teardown(() => Promise.all(upstreams.map(({ upstream }) => upstream.close())))
  const gateway = await gatewayTo(t, upstreams.map(({ weight, upstream }) => ({ url: upstream.url, weight })))
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  t.teardown(() => { agent.destroy() })
  const total = 10_000
  let sent = 0
  const client = async (): Promise<void> => {
    while (sent++ < total) {
      const request = httpRequest(gateway.url, { agent })
      request.end()
      const [response] = await once(request, 'response') as [IncomingMessage]
      response.resume()
      await once(response, 'end')
    }
  }
  await Promise.all(Array.from({ length: 20 }, client))
  for (const { weight, upstream } of upstreams) {
    const share = upstream.requests.length / total
    t.ok(Math.abs(share - weight / 10) <= 0.03 * weight / 10, `weight ${weight}: ${upstream.requests.length}`)
  }
  t.equal(upstreams.reduce((sum, { upstream }) => sum + upstream.requests.length, 0), total)
})

test('targets: one that refuses connections costs nobody a request, with a body or without', async (t) => {
  const up = await createUpstream((_req, res, { body }) => { res.end(body) })
  const down = await createUpstream()
  t.teardown(() => up.close())
  await down.close()
  const gateway = await gatewayTo(t, [{ url: down.url, weight: 3 }, { url: up.url, weight: 1 }, { url: down.url, weight: 0 }])
  for (let i = 0; i < 8; i++) {
    t.equal(await status(gateway, i % 2 === 0 ? 'GET /' : 'DELETE /'), 200)
    const { responses } = await sendRaw(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n', { settleMs: 0 })
    t.equal(responses[0]?.body.toString(), 'hello')
  }
  t.equal(up.requests.length, 16)
  await up.close()
  const { responses } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.match(JSON.parse(String(responses[0]?.body)), { error: { code: 'UPSTREAM_UNREACHABLE', details: { reason: 'connection_refused' } } }, 'with nobody left the reason is the last one\'s')
})

/** Answers the first request of a connection, and does with the next what `then` does, when its head is in. */
async function createFickle (then: (socket: Socket) => void): Promise<RawUpstream & { requests (): number }> {
  let requests = 0
  const upstream = await createRawUpstream((socket, received) => {
    const answer = (): void => { socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok') }
    requests++
    answer()
    let tail = received.subarray(0, 0).toString()
    socket.on('data', (chunk: Buffer) => {
      tail += chunk.toString('latin1')
      if (!tail.includes('\r\n\r\n')) return
      tail = ''
      requests++
      then(socket)
    })
  })
  return { ...upstream, requests: () => requests }
}

test('targets: what is safe to repeat is sent once more when a reused connection was lost before any byte, and nothing else is', async (t) => {
  const cases: readonly [string, (socket: Socket) => void, string, string, number, number][] = [
    ['a GET on a closed connection', (socket) => { socket.end() }, 'GET /', '', 200, 3],
    ['a GET on a reset connection', (socket) => { socket.resetAndDestroy() }, 'GET /', '', 200, 3],
    ['a DELETE without a body', (socket) => { socket.resetAndDestroy() }, 'DELETE /', '', 200, 3],
    ['a POST', (socket) => { socket.resetAndDestroy() }, 'POST /', 'Content-Length: 0\r\n', 502, 2],
    ['a PATCH', (socket) => { socket.end() }, 'PATCH /', '', 502, 2],
    ['half a head', (socket) => { socket.end('HTTP/1.1 2') }, 'GET /', '', 502, 2],
    ['an interim answer', (socket) => { socket.end('HTTP/1.1 103 Early Hints\r\n\r\n') }, 'GET /', '', 502, 2]
  ]
  for (const [name, then, line, more, expected, requests] of cases) {
    const upstream = await createFickle(then)
    const gateway = await gatewayTo(t, [{ url: upstream.url, weight: 1 }])
    t.equal(await status(gateway), 200)
    t.equal(await status(gateway, line, more), expected, name)
    t.equal(upstream.requests(), requests, `${name}: requests`)
    await upstream.close()
  }
})

test('targets: a PUT with a body goes once, however its connection is lost', async (t) => {
  const upstream = await createFickle((socket) => { socket.resetAndDestroy() })
  t.teardown(() => upstream.close())
  const gateway = await gatewayTo(t, [{ url: upstream.url, weight: 1 }])
  t.equal(await status(gateway), 200)
  const { responses } = await sendRaw(gateway.port, 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi')
  t.equal(responses[0]?.status, 502)
  t.equal(upstream.requests(), 2)
})

test('targets: the second attempt is the last one', async (t) => {
  let connections = 0
  const upstream = await createRawUpstream((socket) => {
    if (++connections > 1) { socket.resetAndDestroy(); return }
    socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    socket.on('data', () => { socket.resetAndDestroy() })
  })
  t.teardown(() => upstream.close())
  const gateway = await gatewayTo(t, [{ url: upstream.url, weight: 1 }])
  t.equal(await status(gateway), 200)
  t.equal(await status(gateway), 502)
  t.equal(connections, 2)
  t.equal(await status(gateway), 502)
  t.equal(connections, 3, 'a new connection is tried once')
})

test('targets: Host is the target\'s, the client\'s or what the config says, and a path in the target comes first', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  for (const [host, expected] of [['target', `127.0.0.1:${upstream.port}`], ['preserve', 'client.example:99'], [{ literal: 'api.internal' }, 'api.internal']] as const) {
    const gateway = await gatewayTo(t, [{ url: `${upstream.url}/base/`, weight: 1 }], { host })
    t.equal(await status(gateway, 'GET /a%20b/c?x=%2F&y'), 200)
    const seen = upstream.requests.at(-1)
    t.same(seen?.values('host'), [expected])
    t.equal(seen?.target, '/base/a%20b/c?x=%2F&y')
    t.same(seen?.values('x-forwarded-host'), ['client.example:99'])
    t.same(seen?.values('connection'), ['keep-alive'])
  }
})

test('targets: `connections` bounds what is open to one, and the others wait their turn', async (t) => {
  let open = 0
  let most = 0
  const upstream = await createUpstream(async (_req, res) => {
    most = Math.max(most, ++open)
    await new Promise((resolve) => { setTimeout(resolve, 20) })
    open--
    res.end('ok')
  })
  t.teardown(() => upstream.close())
  const gateway = await gatewayTo(t, [{ url: upstream.url, weight: 1 }], { connections: 3 })
  const statuses = await Promise.all(Array.from({ length: 15 }, () => status(gateway)))
  t.ok(statuses.every((one) => one === 200))
  t.equal(most, 3)
  t.equal(upstream.connections(), 3)
})

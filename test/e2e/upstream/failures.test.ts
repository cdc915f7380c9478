import { test } from 'tap'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import type { Test } from 'tap'
import type { RouteTimeouts, UpstreamConfig } from '../../../core/route.js'
import { startGateway, type TestGateway } from '../../fixtures/gateway.js'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import type { RawResponse } from '../../fixtures/raw-response.js'
import { createRawUpstream, createUpstream } from '../../fixtures/upstream.js'

interface Failed { response: RawResponse, error: { code: string, message: string, details: { reason: string }, requestId: string, timestamp: string, docs: string }, ms: number }

async function fail (gateway: TestGateway, request = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'): Promise<Failed> {
  const since = performance.now()
  const { responses } = await sendRaw(gateway.port, request, { timeoutMs: 8_000, settleMs: 0 })
  const ms = performance.now() - since
  const response = responses[0] as RawResponse
  return { response, error: (JSON.parse(String(response.body)) as { error: Failed['error'] }).error, ms }
}

async function gatewayTo (t: Test, url: string, timeouts: Partial<RouteTimeouts> = {}, upstream: Partial<UpstreamConfig> = {}, ofRoute: Partial<RouteTimeouts> = {}): Promise<TestGateway> {
  return await startGateway(t, {
    upstreamUrl: url, upstream: { timeouts: { headersMs: 5_000, idleMs: 5_000, totalMs: 0, ...timeouts }, ...upstream }, routes: [{ path: '/*', more: { timeouts: ofRoute } }]
  })
}

/** A port where the kernel lets no connection come to stand: a server that never accepts, its queue full. */
async function createBlackHole (t: Test): Promise<string> {
  const worker = new Worker(`
    const server = require('node:net').createServer()
    server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:worker_threads').parentPort.postMessage(server.address().port)
      setTimeout(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0), 20)
    })`, { eval: true })
  t.teardown(() => worker.terminate())
  const [port] = await once(worker, 'message') as [number]
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  for (;;) {
    const filler = connect({ port, host: '127.0.0.1' })
    filler.on('error', () => {})
    t.teardown(() => { filler.destroy() })
    const stands = await Promise.race([once(filler, 'connect').then(() => true), new Promise<boolean>((resolve) => { setTimeout(resolve, 200, false) })])
    if (!stands) return `http://127.0.0.1:${port}`
  }
}

test('failures: what can not be reached is a 502, in words that do not tell where it was', async (t) => {
  const silent = await createRawUpstream((socket) => { socket.end() })
  const resetting = await createRawUpstream((socket) => { socket.resetAndDestroy() })
  t.teardown(() => Promise.all([silent.close(), resetting.close()]))
  const closed = await createUpstream()
  await closed.close()
  for (const [url, reason] of [[closed.url, 'connection_refused'], ['http://nowhere.invalid:81', 'name_not_resolved'], [silent.url, 'connection_lost'], [resetting.url, 'connection_lost']] as const) {
    const gateway = await gatewayTo(t, url, {}, { connectMs: 5_000 })
    for (const method of ['GET', 'POST']) {
      const { response, error } = await fail(gateway, `${method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n`)
      t.equal(response.status, 502, reason)
      t.equal(error.code, 'UPSTREAM_UNREACHABLE')
      t.equal(error.details.reason, reason)
      const shown = String(response.body) + JSON.stringify(response.headers)
      t.notMatch(shown, /127\.0\.0\.1|nowhere|ECONN|ENOTFOUND|EAI_AGAIN|at .*\.js/)
      t.notMatch(shown, new RegExp(`:${new URL(url).port}\\b`))
    }
    t.ok(gateway.logLines.every((line) => line.includes(url)), 'the log tells')
    t.same(gateway.bugs, [])
  }
  t.equal(silent.received.length, 2, 'a connection that is lost at its first request was no idle one: nothing is sent twice')
})

test('failures: every error has the documented shape, or that of RFC 9457 for who asks for it, and its request id', async (t) => {
  const closed = await createUpstream()
  await closed.close()
  const gateway = await gatewayTo(t, closed.url)
  const { response, error } = await fail(gateway)
  t.equal(response.header('content-type'), 'application/json; charset=utf-8')
  t.equal(response.header('content-length'), String(response.body.length))
  t.same(Object.keys(error), ['code', 'message', 'details', 'requestId', 'timestamp', 'docs'])
  t.equal(error.requestId, response.header('x-request-id'))
  t.equal(error.message, 'The upstream could not be reached.')
  t.ok(Math.abs(Date.parse(error.timestamp) - Date.now()) < 5_000)

  const { responses: [problem] } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\nAccept: application/problem+json\r\n\r\n')
  t.equal(problem?.header('content-type'), 'application/problem+json')
  t.match(JSON.parse(String(problem?.body)), {
    type: 'urn:sluice:error:upstream_unreachable', title: 'The upstream could not be reached.', status: 502, code: 'UPSTREAM_UNREACHABLE',
    requestId: problem?.header('x-request-id'), details: { reason: 'connection_refused' }
  })
  const { responses: [head] } = await sendRaw(gateway.port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(head?.status, 502)
  t.equal(head?.body.length, 0)
  t.equal(head?.header('x-request-id')?.length, 36)
})

test('failures: a connection that does not come to stand in time is a 504', async (t) => {
  const mute = await createRawUpstream(() => {})
  t.teardown(() => mute.close())
  for (const url of [await createBlackHole(t), mute.url.replace('http:', 'https:')]) {
    const gateway = await gatewayTo(t, url, {}, { connectMs: 400 })
    const { response, error, ms } = await fail(gateway)
    t.equal(response.status, 504)
    t.match(error, { code: 'UPSTREAM_TIMEOUT', details: { reason: 'connect_timeout' } })
    t.ok(ms >= 390 && ms < 1_400, `after ${ms.toFixed(0)} ms`)
  }
})

test('failures: an upstream that says nothing for its time is a 504, by the limit of the upstream or that of the route', async (t) => {
  const upstream = await createUpstream(() => {})
  t.teardown(() => upstream.close())
  const cases = [
    [{ headersMs: 300 }, {}, 'headers_timeout', 300], [{ headersMs: 5_000 }, { headersMs: 400 }, 'headers_timeout', 400],
    [{ totalMs: 300 }, {}, 'total_timeout', 300], [{ totalMs: 200 }, { totalMs: 500 }, 'total_timeout', 500], [{ headersMs: 200 }, { headersMs: 0, totalMs: 600 }, 'total_timeout', 600]
  ] as const
  for (const [timeouts, ofRoute, reason, limitMs] of cases) {
    const gateway = await gatewayTo(t, upstream.url, timeouts, {}, ofRoute)
    const { response, error, ms } = await fail(gateway)
    t.equal(response.status, 504)
    t.match(error, { code: 'UPSTREAM_TIMEOUT', details: { reason } })
    t.ok(ms >= limitMs - 5 && ms < limitMs + 400, `${limitMs} ms: after ${ms.toFixed(0)} ms`)
  }
})

test('failures: once the head is out, a limit breaks the answer off', async (t) => {
  const upstream = await createUpstream((_req, res) => {
    res.writeHead(200)
    res.write('some')
    const timer = setInterval(() => { if (_req.url === '/busy') res.write('.') }, 50)
    res.once('close', () => { clearInterval(timer) })
  })
  t.teardown(() => upstream.close())
  for (const [path, timeouts, reason] of [['/', { idleMs: 300 }, 'idle_timeout'], ['/busy', { idleMs: 300, totalMs: 600 }, 'total_timeout']] as const) {
    const gateway = await gatewayTo(t, upstream.url, timeouts)
    const { responses: [response], closed } = await sendRaw(gateway.port, `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`)
    t.equal(response?.status, 200)
    t.equal(response?.complete, false)
    t.ok(closed)
    t.match(gateway.logLines.at(-1), new RegExp(`UPSTREAM_TIMEOUT.*${reason}`))
  }
})

test('failures: the time for all of it covers every target that is tried', async (t) => {
  const mutes = await Promise.all([1, 2, 3].map(() => createRawUpstream(() => {})))
  t.teardown(() => Promise.all(mutes.map((mute) => mute.close())))
  const gateway = await gatewayTo(t, '', { totalMs: 900 }, { connectMs: 400, targets: mutes.map(({ url }) => ({ url: url.replace('http:', 'https:'), weight: 1 })) })
  const { response, error, ms } = await fail(gateway)
  t.equal(response.status, 504)
  t.match(error, { code: 'UPSTREAM_TIMEOUT', details: { reason: 'total_timeout' } })
  t.ok(ms >= 890 && ms < 1_300, `after ${ms.toFixed(0)} ms`)
  const opened = await Promise.all(mutes.map((mute) => new Promise<number>((resolve) => { mute.server.getConnections((_error, count) => { resolve(count) }) })))
  t.ok(opened.filter((count) => count > 0).length <= 1, 'and the attempt under way is given up')
})

test('failures: a client that is slow with its body is not a slow upstream', async (t) => {
  const upstream = await createUpstream((_req, res, { body }) => { res.end(body) })
  t.teardown(() => upstream.close())
  const gateway = await gatewayTo(t, upstream.url, { headersMs: 300 })
  const socket: Socket = await openSocket(gateway.port)
  t.teardown(() => { socket.destroy() })
  socket.write('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n')
  for (const piece of 'slow!') {
    await new Promise((resolve) => { setTimeout(resolve, 400) })
    socket.write(piece)
  }
  const [answer] = await once(socket, 'data') as [Buffer]
  t.match(answer.toString(), /^HTTP\/1\.1 200 [^]*slow!$/)
})

test('failures: an upstream whose every target has weight 0 is a 503', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const gateway = await gatewayTo(t, '', {}, { targets: [{ url: upstream.url, weight: 0 }] })
  const { response, error } = await fail(gateway)
  t.equal(response.status, 503)
  t.match(error, { code: 'SERVICE_UNAVAILABLE', details: { reason: 'no_target' } })
  t.equal(upstream.requests.length, 0)
})

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { test } from 'tap'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { parseResponses, type RawResponse } from '../../fixtures/raw-response.js'
import { startStrict } from '../../fixtures/refusals.js'

interface Slow { answers: RawResponse[], afterMs: number }

/** Sends `start` at once and then a byte of `rest` every `everyMs`, over and over, until the peer ends the connection; gives what came back and when it ended. */
async function sendSlowly (port: number, start: string, rest: string, everyMs: number): Promise<Slow> {
  const socket: Socket = await openSocket(port)
  const chunks: Buffer[] = []
  const begun = performance.now()
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk) })
  socket.write(start)
  let at = 0
  const timer = setInterval(() => { socket.write(rest.charAt(at++ % rest.length)) }, everyMs)
  const limit = setTimeout(() => { socket.destroy() }, 10_000)
  await once(socket, 'end').catch(() => undefined)
  clearInterval(timer)
  clearTimeout(limit)
  socket.destroy()
  return { answers: parseResponses(Buffer.concat(chunks), [], true), afterMs: performance.now() - begun }
}

test('strict: a head that takes too long is answered with 408, and the connection closed', async (t) => {
  const gateway = await startStrict(t, { listen: { limits: { headersMs: 400 } }, redact: [] })
  const slow = await Promise.all([
    sendSlowly(gateway.port, 'GET /a HTTP/1.1\r\nHost: a\r\nX: ', 'x', 50),
    sendSlowly(gateway.port, 'GET /', 'x', 50),
    sendSlowly(gateway.port, '', 'GET /a HTTP/1.1\r\nHost: a\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', 50),
    sendSlowly(gateway.port, '', '\r\n', 50),
    sendSlowly(gateway.port, 'GET /a HTTP/1.1\r\n', 'X: y\r\n', 50),
    sendSlowly(gateway.port, 'GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b', 'b', 50)
  ])
  for (const { answers, afterMs } of slow) {
    const answer = answers.at(-1)
    t.equal(answer?.status, 408)
    t.equal(answer?.header('connection'), 'close')
    t.match(JSON.parse(answer?.body.toString() ?? ''), { error: { code: 'REQUEST_TIMEOUT', details: { reason: 'headers_too_slow' }, requestId: answer?.header('x-request-id') } })
    t.ok(afterMs > 350 && afterMs < 2_000, `after ${Math.round(afterMs)} ms`)
  }
  t.same(slow.at(-1)?.answers.map(({ status }) => status), [200, 408], 'what came whole before is served')
  t.same(gateway.handled.map(({ target }) => target), ['/a'])
  t.same(gateway.accessLines.map((line) => (JSON.parse(line) as { status: number }).status).sort(), [200, 408, 408, 408, 408, 408, 408])
})

test('strict: a connection on which nothing comes is closed', async (t) => {
  const gateway = await startStrict(t, { listen: { limits: { headersMs: 300, keepAliveMs: 300 } } })
  const silent = await sendRaw(gateway.port, '', { untilClose: true })
  t.same([silent.closed, silent.responses.map(({ status }) => status)], [true, [408]])
  const idle = await sendRaw(gateway.port, 'GET /a HTTP/1.1\r\nHost: a\r\n\r\n', { untilClose: true })
  t.same([idle.closed, idle.responses.map(({ status }) => status)], [true, [200]], 'one that was used and idles is closed without a word')
})

test('strict: a body that comes too slowly is answered with 408, and the connection closed', async (t) => {
  const gateway = await startStrict(t, { listen: { limits: { bodyGraceMs: 300, bodyBytesPerSecond: 1_024 } }, redact: [] })
  for (const [name, head, rest] of [
    ['a chunked one', 'Transfer-Encoding: chunked', '1\r\nx\r\n'], ['one of a known length', 'Content-Length: 1000', 'x'], ['a large one', 'Content-Length: 1000000', 'x'], ['one that waits for a 100', 'Expect: 100-continue\r\nContent-Length: 1000', 'x']
  ] as const) {
    const { answers, afterMs } = await sendSlowly(gateway.port, `POST /${name.replaceAll(' ', '-')} HTTP/1.1\r\nHost: a\r\n${head}\r\n\r\n`, rest, 50)
    t.same(answers.map(({ status }) => status), [408], name)
    t.equal(answers[0]?.header('connection'), 'close', name)
    t.match(JSON.parse(answers[0]?.body.toString() ?? ''), { error: { code: 'REQUEST_TIMEOUT', details: { reason: 'body_too_slow' } } }, name)
    t.ok(afterMs > 250 && afterMs < 2_500, `${name}: after ${Math.round(afterMs)} ms`)
  }
  t.same(gateway.handled, [], 'nothing reached the upstream whole')
  t.same(gateway.accessLines.map((line) => (JSON.parse(line) as { status: number, errorReason: string }).errorReason), Array(4).fill('body_too_slow'))
  t.same(gateway.bugs, [])
})

test('strict: a body that keeps to the least rate passes, however long it takes', async (t) => {
  const gateway = await startStrict(t, { listen: { limits: { bodyGraceMs: 200, bodyBytesPerSecond: 1_024 } } })
  const socket = await openSocket(gateway.port)
  t.teardown(() => { socket.destroy() })
  socket.write('POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const begun = performance.now()
  while (performance.now() - begun < 1_200) {
    socket.write(`80\r\n${'x'.repeat(128)}\r\n`)
    await new Promise((resolve) => { setTimeout(resolve, 50) })
  }
  const answer = once(socket, 'data') as Promise<[Buffer]>
  socket.write('0\r\n\r\n')
  t.match((await answer)[0].toString(), /^HTTP\/1.1 200 /)
})

test('strict: a slow upstream is no slow client', async (t) => {
  const gateway = await startStrict(t, { listen: { limits: { bodyGraceMs: 100, bodyBytesPerSecond: 1_000_000 } } })
  gateway.upstream.handle(async (_req, res) => { await new Promise((resolve) => { setTimeout(resolve, 700) }); res.end('late') })
  const { responses } = await sendRaw(gateway.port, 'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello')
  t.same([responses[0]?.status, responses[0]?.body.toString()], [200, 'late'])
})

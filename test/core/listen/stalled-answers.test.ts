import { test, type Test } from 'tap'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectionOf } from '../../../core/listen/connection.js'
import { keepAliveFields } from '../../../core/listen/answer-text.js'
import { Http1Sink } from '../../../core/listen/http1-sink.js'
import { openSocket } from '../../fixtures/raw-client.js'

const STALL_MS = 400

/** A server whose sinks wait `STALL_MS` for a client; `answer` says what to write. Gives its port, and how each answer ended. */
async function serve (t: Test, keepAliveMs: number, answer: (sink: Http1Sink, url: string) => void): Promise<{ port: number, ended: { complete: boolean, ms: number }[], next (): Promise<void> }> {
  const ended: { complete: boolean, ms: number }[] = []
  let tell = (): void => {}
  const server = createServer({ keepAliveTimeout: keepAliveMs }, (req, res) => {
    const since = performance.now()
    const sink = new Http1Sink(res, null, { draining: false, keepAlive: keepAliveFields(keepAliveMs), stallMs: () => STALL_MS }, connectionOf(req.socket, () => false))
    sink.onClose = (complete) => {
      ended.push({ complete, ms: performance.now() - since })
      tell()
    }
    answer(sink, req.url ?? '')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  return { port: (server.address() as AddressInfo).port, ended, next: () => new Promise((resolve) => { tell = resolve }) }
}

// More than the kernel takes.
const BIG = 20 * 1024 * 1024
const whole = (sink: Http1Sink): void => { sink.answer(200, ['content-length', String(BIG)], Buffer.alloc(BIG), false) }
const streamed = (sink: Http1Sink): void => {
  sink.head(200, '', [])
  sink.write(Buffer.alloc(BIG))
  sink.end(null)
}

test('stalled answers: a client that takes nothing of the rest of an answer is let go of', async (t) => {
  for (const answer of [whole, streamed]) {
    const { port, ended, next } = await serve(t, 5_000, answer)
    const over = next()
    const socket = await openSocket(port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await over
    t.equal(ended[0]?.complete, false)
    t.ok((ended[0]?.ms ?? 0) >= STALL_MS - 5 && (ended[0]?.ms ?? 0) < STALL_MS * 4, `${answer.name}: after ${ended[0]?.ms.toFixed(0)} ms`)
    socket.destroy()
  }
})

test('stalled answers: a client that goes before it has taken the rest of an answer has not got it', async (t) => {
  for (const how of ['end', 'reset']) {
    const { port, ended, next } = await serve(t, 5_000, whole)
    const over = next()
    const socket = await openSocket(port)
    socket.pause()
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    if (how === 'end') socket.destroy()
    else socket.resetAndDestroy()
    await over
    t.equal(ended[0]?.complete, false, how)
    t.ok((ended[0]?.ms ?? 0) < STALL_MS - 100)
  }
})

test('stalled answers: one that takes it slowly gets it all, and its connection is kept as long as any', async (t) => {
  const { port, ended } = await serve(t, 5_000, (sink, url) => {
    if (url === '/big') { whole(sink); return }
    sink.answer(200, ['content-length', '2'], 'ok', false)
  })
  const socket = await openSocket(port)
  socket.pause()
  socket.write('GET /big HTTP/1.1\r\nHost: a\r\n\r\n')
  let got = 0
  let text = ''
  let until = 0
  const count = (chunk: Buffer): void => {
    got += chunk.length
    if (got > until) socket.pause()
  }
  socket.on('data', count)
  // In steps of 2 MB, each well within the time.
  for (;;) {
    if (got >= BIG) break
    until = got + 2 * 1024 * 1024
    socket.resume()
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  socket.off('data', count)
  t.match(ended, [{ complete: true }])
  t.ok((ended[0]?.ms ?? 0) > STALL_MS)
  // Idle for longer than a stalled answer may be.
  await new Promise((resolve) => { setTimeout(resolve, STALL_MS * 2) })
  t.notOk(socket.destroyed)
  socket.on('data', (chunk: Buffer) => { text += chunk.toString() })
  socket.resume()
  socket.write('GET /small HTTP/1.1\r\nHost: a\r\n\r\n')
  while (!text.endsWith('ok')) await once(socket, 'data')
  socket.destroy()
})

import { test, type Test } from 'tap'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ResponseSink } from '../../../core/context.js'
import { attachListener, serverOptions } from '../../../core/listen/http1-listener.js'
import { compilePolicy } from '../../../core/listen/policy.js'
import { openSocket } from '../../fixtures/raw-client.js'

const STALL_MS = 400

/** The usual requests are answered directly, the other ones by Node's server. */
const VERSIONS = ['HTTP/1.1', 'HTTP/1.0'] as const
const get = (path: string, version: string): string => `GET ${path} ${version}\r\nHost: a\r\nConnection: keep-alive\r\n\r\n`

/** A listener whose answers wait `STALL_MS` for a client; `answer` says what to write. Gives its port, and how each answer ended. */
async function serve (t: Test, keepAliveMs: number, answer: (sink: ResponseSink, path: string) => void): Promise<{ port: number, ended: { complete: boolean, ms: number }[], next (): Promise<void> }> {
  const ended: { complete: boolean, ms: number }[] = []
  let tell = (): void => {}
  const limits = { headerBytes: 32_768, headerFields: 100, urlBytes: 8_192, headersMs: 5_000, bodyGraceMs: 5_000, bodyBytesPerSecond: 1, stallMs: STALL_MS, keepAliveMs }
  const policy = compilePolicy({ host: '', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [], limits }, [], null)
  const server = createServer(serverOptions(policy))
  const listener = attachListener(server, {
    policy,
    handle ({ path }, sink) {
      const since = performance.now()
      sink.onClose = (complete) => {
        ended.push({ complete, ms: performance.now() - since })
        tell()
      }
      answer(sink, path)
    },
    isOwn: () => false,
    refuseEarly () { throw new Error('nothing here is refused') }
  }, () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); listener.closeAll() })
  return { port: (server.address() as AddressInfo).port, ended, next: () => new Promise((resolve) => { tell = resolve }) }
}

// More than the kernel takes.
const BIG = 20 * 1024 * 1024
const whole = (sink: ResponseSink): void => { sink.answer(200, ['content-length', String(BIG)], Buffer.alloc(BIG), false) }
const streamed = (sink: ResponseSink): void => {
  sink.head(200, '', [], false)
  sink.write(Buffer.alloc(BIG))
  sink.end(null)
}

test('stalled answers: a client that takes nothing of the rest of an answer is let go of', async (t) => {
  for (const version of VERSIONS) for (const answer of [whole, streamed]) {
    const { port, ended, next } = await serve(t, 5_000, answer)
    const over = next()
    const socket = await openSocket(port)
    socket.pause()
    socket.write(get('/', version))
    await over
    t.equal(ended[0]?.complete, false)
    t.ok((ended[0]?.ms ?? 0) >= STALL_MS - 5 && (ended[0]?.ms ?? 0) < STALL_MS * 4, `${answer.name}, ${version}: after ${ended[0]?.ms.toFixed(0)} ms`)
    socket.destroy()
  }
})

test('stalled answers: a client that goes before it has taken the rest of an answer has not got it', async (t) => {
  for (const version of VERSIONS) for (const how of ['end', 'reset']) {
    const { port, ended, next } = await serve(t, 5_000, whole)
    const over = next()
    const socket = await openSocket(port)
    socket.pause()
    socket.write(get('/', version))
    await new Promise((resolve) => { setTimeout(resolve, 100) })
    if (how === 'end') socket.destroy()
    else socket.resetAndDestroy()
    await over
    t.equal(ended[0]?.complete, false, `${how}, ${version}`)
    t.ok((ended[0]?.ms ?? 0) < STALL_MS - 100)
  }
})

for (const version of VERSIONS) test(`stalled answers: one that takes it slowly gets it all, and its connection is kept as long as any, ${version}`, async (t) => {
  const { port, ended } = await serve(t, 5_000, (sink, path) => {
    if (path === '/big') { whole(sink); return }
    sink.answer(200, ['content-length', '2'], Buffer.from('ok'), false)
  })
  const socket = await openSocket(port)
  socket.pause()
  socket.write(get('/big', version))
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
  socket.write(get('/small', version))
  while (!text.endsWith('ok')) await once(socket, 'data')
  socket.destroy()
})

import { writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { openSocket } from '../../fixtures/raw-client.js'
import { parseResponses, type RawResponse } from '../../fixtures/raw-response.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const CONFIG = `listen: { host: 127.0.0.1, port: 0, health: true }
admin: { host: 127.0.0.1, port: 0 }
accessLog: false
stop: { timeout: 10s }
projects:
  demo:
    upstreams: { echo: { builtin: echo } }
    routes: [ { id: echo, match: { path: "/*" }, upstream: echo } ]
`

async function started (t: Test, config: string = CONFIG, args: readonly string[] = []): Promise<{ sluice: SluiceProcess, data: number, admin: number }> {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), config)
  const sluice = startSluice(t, ['start', '--json', ...args], { cwd })
  return { sluice, data: await sluice.port('data'), admin: await sluice.port('admin') }
}

/** A connection and what came on it. */
interface Client { socket: Socket, send (path: string, more?: string): void, responses (): RawResponse[], until (what: (responses: RawResponse[]) => boolean): Promise<RawResponse[]>, closed: Promise<RawResponse[]> }

async function client (t: Test, port: number): Promise<Client> {
  const socket = await openSocket(port)
  t.teardown(() => { socket.destroy() })
  const chunks: Buffer[] = []
  let ended = false
  const responses = (): RawResponse[] => parseResponses(Buffer.concat(chunks), [], ended)
  const closed = new Promise<RawResponse[]>((resolve) => { socket.once('close', () => { ended = true; resolve(responses()) }) })
  socket.on('data', (chunk: Buffer) => { chunks.push(chunk); socket.emit('more') })
  return {
    socket,
    send (path, more = '') { socket.write(`GET ${path} HTTP/1.1\r\nHost: any.example\r\n${more}\r\n`) },
    responses,
    until: (what) => new Promise((resolve, reject) => {
      const look = (): void => { if (what(responses())) { socket.off('more', look); resolve(responses()) } }
      socket.on('more', look)
      socket.once('close', () => { reject(new Error(`closed after ${Buffer.concat(chunks).toString()}`)) })
      look()
    }),
    closed
  }
}

for (const [how, args] of [['one process', []], ['two workers', ['--workers', '2']]] as const) {
  test(`stop: SIGTERM lets everything under way end and takes nothing new, ${how}`, async (t) => {
    const { sluice, data, admin } = await started(t, CONFIG, args)
    const [streaming, waiting, idle, unused] = [await client(t, data), await client(t, data), await client(t, data), await client(t, data)]
    streaming.send('/stream/20?interval=100')
    waiting.send('/delay/800')
    idle.send('/status/200')
    await idle.until(([first]) => first?.complete === true)
    await streaming.until(([first]) => (first?.body.length ?? 0) > 0)
    t.equal(idle.responses()[0]?.header('connection'), 'keep-alive', 'kept alive before')
    t.equal((await fetch(`http://127.0.0.1:${admin}/readyz`)).status, 200)

    sluice.kill('SIGTERM')
    await sluice.logged('stopping; a second signal ends at once')
    // Workers hear of it a moment later; once nothing is taken any more, all of them have.
    await nothingTaken(data)
    idle.send('/status/201')
    const [, late] = await idle.closed
    t.match(late, { status: 201, complete: true }, 'what was on its way on a kept-alive connection is answered')
    t.equal(late?.header('connection'), 'close')
    const notReady = await fetch(`http://127.0.0.1:${admin}/readyz`)
    t.equal(notReady.status, 503)
    t.match(await notReady.json(), { error: { details: { reasons: ['the gateway is stopping'] } } })
    t.equal((await fetch(`http://127.0.0.1:${admin}/livez`)).status, 200)
    await t.rejects(openSocket(data), { code: 'ECONNREFUSED' }, 'listeners are closed')
    await unused.closed

    const [slow] = await waiting.closed
    t.match(slow, { status: 200, complete: true })
    t.equal(slow?.header('connection'), 'close')
    const [stream] = await streaming.until(([first]) => first?.complete === true)
    t.equal(stream?.body.toString().trim().split('\n').length, 20, 'the stream is whole')
    t.strictSame(await sluice.exited, { code: 0, signal: null })
  })
}

test('stop: the health path on the data port says that it is stopping', async (t) => {
  const { sluice, data } = await started(t)
  const [streaming, probe] = [await client(t, data), await client(t, data)]
  streaming.send('/stream/8?interval=100')
  probe.send('/health')
  await probe.until(([first]) => first?.complete === true)
  sluice.kill('SIGTERM')
  await sluice.logged('stopping; a second signal ends at once')
  probe.send('/health')
  const [before, after] = await probe.closed
  t.match([before?.status, after?.status], [200, 503])
  t.equal(after?.header('connection'), 'close')
  t.equal((await sluice.exited).code, 0)
})

test('stop: requests that keep coming are answered whole or not at all', async (t) => {
  const { sluice, data } = await started(t)
  const clients = await Promise.all(Array.from({ length: 20 }, () => client(t, data)))
  let sent = 0
  for (const one of clients) {
    one.socket.on('more', () => {
      const done = one.responses()
      if (done.at(-1)?.complete === true && one.socket.writable && done.at(-1)?.header('connection') !== 'close') { sent++; one.send('/bytes/20000') }
    })
    one.send('/bytes/20000')
  }
  await Promise.all(clients.map((one) => one.until((responses) => responses.length >= 3)))
  sluice.kill('SIGTERM')
  const all = await Promise.all(clients.map(async (one) => await one.closed))
  t.strictSame(all.flatMap((responses) => responses.filter(({ complete, status, body }) => !complete || status !== 200 || body.length !== 20_000)), [])
  t.strictSame(all.map((responses) => responses.at(-1)?.header('connection')), clients.map(() => 'close'), 'the last answer on each connection said so')
  t.ok(sent > 20)
  t.equal((await sluice.exited).code, 0)
})

for (const [how, args] of [['one process', []], ['two workers', ['--workers', '2']]] as const) {
  test(`stop: a second signal ends at once, and past the deadline what is left is cut off, ${how}`, async (t) => {
    const twice = await started(t, CONFIG, args)
    const first = await client(t, twice.data)
    first.send('/stream/100?interval=100')
    await first.until(([response]) => (response?.body.length ?? 0) > 0)
    twice.sluice.kill('SIGTERM')
    await twice.sluice.logged('stopping; a second signal ends at once')
    const at = performance.now()
    twice.sluice.kill('SIGTERM')
    t.strictSame(await twice.sluice.exited, { code: 3, signal: null })
    t.ok(performance.now() - at < 3_000, 'at once')
    t.equal((await first.closed)[0]?.complete, false, 'a broken answer, not a clean end')

    const short = await started(t, CONFIG.replace('10s', '300ms'), args)
    const second = await client(t, short.data)
    second.send('/stream/100?interval=100')
    await second.until(([response]) => (response?.body.length ?? 0) > 0)
    short.sluice.kill('SIGTERM')
    t.strictSame(await short.sluice.exited, { code: 3, signal: null })
    t.equal((await second.closed)[0]?.complete, false)
    t.match(await short.sluice.logs().find(({ msg }) => msg === 'the stop deadline cuts off what is still under way'), { level: 'warn', requests: 1 })
  })
}

/** Resolves once a port takes no connection any more. */
async function nothingTaken (port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const taken = await new Promise<boolean>((resolve) => { socket.once('connect', () => { resolve(true) }).once('error', () => { resolve(false) }) })
    socket.destroy()
    if (!taken) return
  }
}

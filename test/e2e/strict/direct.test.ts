import { once } from 'node:events'
import type { Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { tempDir } from '../../fixtures/temp-dir.js'
import { openSocket } from '../../fixtures/raw-client.js'
import { parseResponses, type RawResponse } from '../../fixtures/raw-response.js'
import { startStrict, type StrictGateway } from '../../fixtures/refusals.js'
import { service } from '../../fixtures/services.js'
import { createAuthority } from '../../fixtures/tls.js'

const HOST = 'Host: a\r\n'
const get = (path: string, fields = ''): string => `GET ${path} HTTP/1.1\r\n${HOST}${fields}\r\n`
const WEBSOCKET = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n'

/** Requests that are not of the usual kind, behind some that are: what they are answered with, and whether the connection is closed then. */
const UNUSUAL: readonly (readonly [name: string, bytes: string, status: number, closes: boolean, body?: string])[] = [
  ['HTTP/1.0', `GET /old HTTP/1.0\r\n${HOST}\r\n`, 200, true, '/old '],
  ['HTTP/1.0 that stays', `GET /old HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`, 200, false, '/old '],
  ['a chunked body', `POST /chunked HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`, 200, false, '/chunked abc'],
  ['a body behind 100', `POST /expect HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc`, 200, false, '/expect abc'],
  ['an absolute target', `GET http://a/absolute HTTP/1.1\r\n${HOST}\r\n`, 200, false, '/absolute '],
  ['an empty line in front', `\r\n${get('/line')}`, 200, false, '/line '],
  ['an upgrade that no route takes', get('/upgrade', 'Connection: Upgrade\r\nUpgrade: h2c\r\n'), 200, true, '/upgrade '],
  // Nothing is registered for it here: the answer is that of who serves such routes.
  ['the gateway\'s own route', get('/health'), 404, false],
  ['a refused path', get('/../a'), 400, true],
  ['a refused length', `POST / HTTP/1.1\r\n${HOST}Content-Length: 1, 1\r\n\r\na`, 400, true],
  ['no HTTP', 'nonsense\r\n\r\n', 400, true],
  ['CONNECT', `CONNECT a:1 HTTP/1.1\r\n${HOST}\r\n`, 405, true]
]

async function start (t: Test, tls: object | null): Promise<StrictGateway> {
  const gateway = await startStrict(t, { listen: { health: ['/health'], ...(tls === null ? {} : { tls }) } as never })
  gateway.upstream.handle((req, res, { body }) => { res.end(`${String(req.url)} ${body.toString()}`) })
  return gateway
}

/** Writes `bytes`, and reads until there are `count` final answers, or the peer has ended the connection. */
async function exchange (socket: Socket, bytes: string, count: number, methods: readonly string[]): Promise<{ answers: RawResponse[], closed: boolean }> {
  const chunks: Buffer[] = []
  let closed = false
  const done = new Promise<void>((resolve) => {
    const look = (): void => { if (parseResponses(Buffer.concat(chunks), methods, false).filter(({ complete, status }) => complete && status >= 200).length >= count) resolve() }
    socket.on('data', (chunk: Buffer) => { chunks.push(chunk); look() })
    socket.once('end', () => { closed = true; resolve() })
    socket.once('error', () => { closed = true; resolve() })
  })
  socket.write(bytes, 'latin1')
  await done
  socket.removeAllListeners('data')
  return { answers: parseResponses(Buffer.concat(chunks), methods, closed).filter(({ status }) => status >= 200), closed }
}

for (const encrypted of [false, true]) {
  const over = encrypted ? 'over TLS' : 'in the clear'
  const { skip } = encrypted ? service('openssl') : { skip: false as const }
  const open = async (t: Test): Promise<{ gateway: StrictGateway, connect (): Promise<Socket> }> => {
    if (!encrypted) {
      const gateway = await start(t, null)
      return { gateway, connect: () => openSocket(gateway.port) }
    }
    const authority = createAuthority(tempDir(t))
    const { certFile, keyFile } = authority.issue('a', ['a'])
    const gateway = await start(t, { certificates: [{ hosts: [], certFile, keyFile }], minVersion: 'TLSv1.2' })
    return {
      gateway,
      async connect () {
        const socket = connectTls({ port: gateway.port, host: '127.0.0.1', ca: authority.ca, servername: 'a' })
        await once(socket, 'secureConnect')
        return socket
      }
    }
  }

  test(`direct: what is not of the usual kind is served all the same, on the same connection, ${over}`, { skip }, async (t) => {
    const { gateway, connect } = await open(t)
    for (const [name, bytes, status, closes, body] of UNUSUAL) {
      for (const before of [0, 1, 3]) {
        for (const pipelined of [false, true]) {
          const socket = await connect()
          const usual = Array.from({ length: before }, (_, i) => (i === 1 ? `POST /${i} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nok` : get(`/${i}`)))
          const methods = [...usual.map((text) => text.startsWith('POST') ? 'POST' : 'GET'), bytes.trimStart().split(' ', 1)[0] ?? '']
          const said = `${name}, behind ${before}${pipelined ? ', pipelined' : ''}`
          const answers: RawResponse[] = []
          if (pipelined) answers.push(...(await exchange(socket, usual.join('') + bytes, before + 1, methods)).answers)
          else for (const [i, text] of [...usual, bytes].entries()) answers.push(...(await exchange(socket, text, 1, [methods[i] as string])).answers)
          t.strictSame(answers.map((answer) => answer.status), [...usual.map(() => 200), status], said)
          if (body !== undefined) t.equal(answers.at(-1)?.body.toString(), body, said)
          if (!closes) {
            const { answers: [next] } = await exchange(socket, get('/next'), 1, ['GET'])
            t.equal(next?.body.toString(), '/next ', `${said}: the connection goes on`)
          } else t.equal(answers.at(-1)?.header('connection') ?? 'close', 'close', said)
          socket.destroy()
        }
      }
    }
    t.same(gateway.bugs, [])
  })

  test(`direct: heads and bodies come whole however they are cut, ${over}`, { skip }, async (t) => {
    const { gateway, connect } = await open(t)
    const big = 'x'.repeat(300_000)
    const bytes = `${get('/a', 'X-Long: '.concat('y'.repeat(5_000), '\r\n'))}POST /b HTTP/1.1\r\n${HOST}Content-Length: ${big.length}\r\n\r\n${big}PUT /c HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nhello${get('/d')}`
    for (const pieceLength of [7, 100, 4_096, 70_000, bytes.length]) {
      const socket = await connect()
      const reading = exchange(socket, '', 4, ['GET', 'POST', 'PUT', 'GET'])
      // One byte after the other would take the whole minute: small pieces only where heads are.
      let at = 0
      while (at < bytes.length) {
        const length = pieceLength < 1_000 && at > 6_000 && at < bytes.length - 1_000 ? 50_000 : pieceLength
        await new Promise<void>((resolve) => { socket.write(bytes.slice(at, at + length), 'latin1', () => { setImmediate(resolve) }) })
        at += length
      }
      const { answers } = await reading
      t.strictSame(answers.map(({ body }) => body.toString()), ['/a ', `/b ${big}`, '/c hello', '/d '], `pieces of ${pieceLength}`)
      socket.destroy()
    }
    t.same(gateway.bugs, [])
  })

  test(`direct: a tunnel opens behind usual requests, ${over}`, { skip }, async (t) => {
    const { gateway, connect } = await open(t)
    await gateway.reload({ upstreamUrl: gateway.upstream.url, routes: [{ path: '/*', more: { upgrades: ['websocket'] } }] })
    gateway.upstream.server.on('upgrade', (_req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n')
      socket.on('data', (chunk: Buffer) => { socket.write(chunk) }).on('error', () => {})
    })
    const socket = await connect()
    await exchange(socket, get('/1'), 1, ['GET'])
    let text = ''
    socket.on('data', (chunk: Buffer) => { text += chunk.toString('latin1') })
    socket.write(get('/ws', WEBSOCKET))
    while (!text.includes('\r\n\r\n')) await once(socket, 'data')
    const frame = Buffer.from([0x81, 0x82, 1, 2, 3, 4, 0x68 ^ 1, 0x69 ^ 2])
    for (let i = 0; i < 3; i++) {
      socket.write(frame)
      while (!text.endsWith(frame.toString('latin1').repeat(i + 1))) await once(socket, 'data')
    }
    t.match(text, /^HTTP\/1\.1 101 /)
    socket.destroy()
    t.same(gateway.bugs, [])
  })
}

test('direct: a connection says when it closes, and closes then', async (t) => {
  const gateway = await start(t, null)
  for (const field of ['Connection: close\r\n', 'Connection: Close\r\n', 'Connection: x, close\r\n', 'Connection: keep-alive\r\nConnection: close\r\n']) {
    const socket = await openSocket(gateway.port)
    const closed = once(socket, 'end')
    const { answers: [answer] } = await exchange(socket, get('/', field) + get('/behind'), 2, ['GET', 'GET'])
    t.equal(answer?.header('connection'), 'close', field)
    await closed
    socket.destroy()
  }
  t.notOk(gateway.handled.some(({ target }) => target === '/behind'), 'what stands behind is not served')
  t.notOk(gateway.upstream.requests.some(({ target }) => target === '/behind'))
})

test('direct: more than is held behind a request waits in the client, and is served when its turn has come', async (t) => {
  const gateway = await start(t, null)
  let release = (): void => {}
  const first = new Promise<void>((resolve) => {
    gateway.upstream.handle((req, res) => {
      if (req.url !== '/first') { res.end(req.url); return }
      release = () => { res.end(req.url) }
      resolve()
    })
  })
  const socket = await openSocket(gateway.port)
  let sent = false
  // More than two kernels take between them.
  const body = 'x'.repeat(48 * 1024 * 1024)
  const reading = exchange(socket, get('/first'), 2, ['GET', 'POST'])
  socket.write(`POST /second HTTP/1.1\r\n${HOST}Content-Length: ${body.length}\r\n\r\n${body}`, 'latin1', () => { sent = true })
  await first
  await new Promise((resolve) => { setTimeout(resolve, 300) })
  t.notOk(sent, 'the client waits')
  release()
  t.strictSame((await reading).answers.map(({ body: answer }) => answer.toString()), ['/first', '/second'])
  socket.destroy()
})

/** One request of a connection, in each form that a client can give it, and what its answer has to say. */
const step = fc.record({
  kind: fc.constantFrom('get', 'get', 'head', 'sized', 'sized', 'chunked', 'expect', 'absolute', 'old', 'get'),
  size: fc.constantFrom(0, 1, 5, 3_000, 70_000),
  answer: fc.constantFrom('sized', 'chunked', 'slow', 'large')
}).map(({ kind, size, answer }) => ({
  kind,
  // Who waits for 100 and has no body to send, or gets an answer without a length on HTTP/1.0, has the connection closed.
  size: kind === 'expect' ? Math.max(1, size) : size,
  answer: kind === 'old' && answer === 'chunked' ? 'sized' : answer
}))

function write (kind: string, size: number, target: string): { bytes: string, method: string, sent: number } {
  const body = 'b'.repeat(size)
  switch (kind) {
    case 'head': return { bytes: `HEAD ${target} HTTP/1.1\r\n${HOST}\r\n`, method: 'HEAD', sent: 0 }
    case 'sized': return { bytes: `PUT ${target} HTTP/1.1\r\n${HOST}Content-Length: ${size}\r\n\r\n${body}`, method: 'PUT', sent: size }
    case 'chunked': return { bytes: `PUT ${target} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n${size === 0 ? '' : `${size.toString(16)}\r\n${body}\r\n`}0\r\n\r\n`, method: 'PUT', sent: size }
    case 'expect': return { bytes: `PUT ${target} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: ${size}\r\n\r\n${body}`, method: 'PUT', sent: size }
    case 'absolute': return { bytes: `GET http://a${target} HTTP/1.1\r\n${HOST}\r\n`, method: 'GET', sent: 0 }
    case 'old': return { bytes: `GET ${target} HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`, method: 'GET', sent: 0 }
    default: return { bytes: get(target), method: 'GET', sent: 0 }
  }
}

test('direct: whatever a connection carries, in whatever pieces, each request gets its own answer, in its turn', async (t) => {
  const gateway = await startStrict(t)
  gateway.upstream.handle((req, res, { body }) => {
    const [, answer] = (req.url ?? '').split('/') as [string, string]
    const text = `${String(req.url)} ${body.length}`
    const send = (): void => {
      if (answer === 'chunked') { res.write(text); setImmediate(() => { res.end() }) } else if (answer === 'large') res.end(text.padEnd(200_000))
      else res.setHeader('content-length', text.length).end(text)
    }
    if (answer === 'slow') setTimeout(send, 3)
    else send()
  })
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 6 }), fc.array(fc.nat(400_000), { maxLength: 6 }), fc.boolean(), async (steps, cuts, small) => {
    const requests = steps.map(({ kind, size, answer }, i) => write(kind, size, `/${answer}/${kind}/${i}`))
    const bytes = requests.map((request) => request.bytes).join('')
    const places = [...new Set([...cuts.map((cut) => cut % bytes.length), ...(small ? [1, 5, 17, 40, 41, 42, 60] : [])])].filter((place) => place > 0 && place < bytes.length).sort((a, b) => a - b)
    const socket = await openSocket(gateway.port)
    const methods = requests.map(({ method }) => method)
    const reading = exchange(socket, '', requests.length, methods)
    for (const [i, from] of [0, ...places].entries()) {
      await new Promise<void>((resolve) => { socket.write(bytes.slice(from, places[i] ?? bytes.length), 'latin1', () => { setImmediate(resolve) }) })
    }
    const { answers } = await reading
    socket.destroy()
    t.strictSame(answers.map(({ status, body }) => [status, body.toString().trimEnd()]), requests.map(({ method, sent }, i) => [200, method === 'HEAD' ? '' : `/${steps[i]?.answer ?? ''}/${steps[i]?.kind ?? ''}/${i} ${sent}`]))
  }), { numRuns: 150 })
  t.same(gateway.bugs, [])
})

import { once } from 'node:events'
import { createServer } from 'node:http'
import { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { test } from 'tap'
import { GatewayError } from '../../../core/errors.js'
import { createRequestFieldTable } from '../../../core/lib/header-names.js'
import { Connection } from '../../../core/listen/connection.js'
import { DirectBody, type BodyOwner } from '../../../core/listen/direct-body.js'
import { DirectHeadReader, INCOMPLETE, LEFT_TO_NODE } from '../../../core/listen/direct-head.js'
import { serverOptions } from '../../../core/listen/http1-listener.js'
import { readRequest } from '../../../core/listen/http1-request.js'
import { compilePolicy } from '../../../core/listen/policy.js'
import { Refusal } from '../../../core/reply.js'

/** A request as a parser reads it. */
interface Read { method: string, url: string, fields: string[], body: string }

const LIMITS = { headerBytes: 32 * 1024, headerFields: 200, urlBytes: 8_192, headersMs: 0, bodyGraceMs: 0, bodyBytesPerSecond: 0, stallMs: 0, keepAliveMs: 0 }
const POLICY = compilePolicy({ host: '', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [], limits: LIMITS }, [], null)
const TABLE = createRequestFieldTable([], null)
const OWNER: BodyOwner = { limits: LIMITS, answering: true, gone: false, readOn () {}, stopReading () {}, sayContinue: () => false, endGently () {}, cut () {} }
const CONNECTION = new Connection(new Socket(), () => false)

/** The requests of a connection, up to the first that is left to Node or refused: nothing that follows is read. */
function readDirectly (bytes: Buffer): Read[] {
  const reader = new DirectHeadReader()
  const requests: Read[] = []
  for (let at = 0; at < bytes.length;) {
    const end = reader.read(bytes, at, bytes.length, TABLE)
    if (end === INCOMPLETE || end === LEFT_TO_NODE || reader.head === null) break
    let body: DirectBody | null = null
    const request = readRequest(reader.head, CONNECTION, POLICY, { makeBody: (length, awaits) => body = new DirectBody(OWNER, length, awaits) })
    if (request instanceof Refusal) break
    const { method, url, rawHeaders } = reader.head
    const read: Read = { method, url, fields: [...rawHeaders], body: '' }
    at = end
    const made = body as DirectBody | null
    if (made !== null) {
      made.start({ data (chunk) { read.body += chunk.toString('latin1'); return true }, end () {}, error () {} })
      try {
        while (at < bytes.length && !made.received) at = made.take(bytes, at, bytes.length)
      } catch (error) {
        if (!(error instanceof GatewayError)) throw error
        made.abandon()
        break
      }
      if (!made.received) { made.breakOff(new GatewayError('INTERNAL_ERROR')); break }
    }
    requests.push(read)
    if (request.closes) break
  }
  return requests
}

/** The same as Node's server, and with it llhttp, reads them. */
async function readByNode (bytes: Buffer): Promise<Read[]> {
  const requests: Read[] = []
  const server = createServer(serverOptions(POLICY), (req, res) => {
    const request: Read = { method: req.method ?? '', url: req.url ?? '', fields: req.rawHeaders, body: '' }
    req.on('data', (chunk: Buffer) => { request.body += chunk.toString('latin1') })
    req.on('end', () => { requests.push(request) })
    res.end()
  })
  server.maxHeadersCount = 0
  // What was read before still has to be heard of.
  server.on('clientError', (_error, socket) => { setImmediate(() => { socket.destroy() }) })
  const socket = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
  server.emit('connection', socket)
  const closed = once(socket, 'close')
  socket.push(bytes)
  socket.push(null)
  await closed
  return requests
}

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_!#$%&\'*+.^`|~'), minLength: 1, maxLength: 10 })
const value = fc.string({ unit: fc.constantFrom(...'aB1 ,;="\t\xe4\xff:'), maxLength: 16 }).map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const plainName = token.filter((name) => !['content-length', 'transfer-encoding', 'connection', 'upgrade', 'expect'].includes(name.toLowerCase()))
const request = fc.record({
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'QUERY', 'M-SEARCH'),
  url: fc.string({ unit: fc.constantFrom(...'/ab?&=%2F.~:@;#"<'), maxLength: 20 }).map((text) => `/${text}`),
  fields: fc.array(fc.tuple(plainName, value), { maxLength: 5 }),
  blanks: fc.constantFrom('', ' ', ' \t '),
  connection: fc.constantFrom('', 'keep-alive', 'Keep-Alive, x'),
  body: fc.string({ unit: fc.constantFrom(...'ab\r\n\0\xff:/'), maxLength: 30 }),
  chunked: fc.boolean(),
  trailers: fc.constantFrom('', '', 'X-T: y\r\n', 'X-T: y\r\nX-U:\r\n')
}).map(({ method, url, fields, blanks, connection, body, chunked, trailers }) => {
  const lines = fields.map(([name, text]) => `${name}:${blanks}${text}${blanks}\r\n`)
  const last: [string, string][] = [...(connection === '' ? [] : [['Connection', connection] as [string, string]]), ...(body === '' ? [] : [(chunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(body.length)]) as [string, string]])]
  const half = Math.ceil(body.length / 2)
  const pieces = [body.slice(0, half), body.slice(half)].filter((piece) => piece !== '').map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`)
  const sent = body === '' || !chunked ? body : `${pieces.join('')}0\r\n${trailers}\r\n`
  const text = `${method} ${url} HTTP/1.1\r\nHost: a\r\n${lines.join('')}${last.map(([name, field]) => `${name}: ${field}\r\n`).join('')}\r\n${sent}`
  return { text, sent, read: { method, url, fields: ['Host', 'a', ...fields.flat(), ...last.flat()], body } }
})

test('direct head: a usual request is what it says, however its bytes are cut, wherever they stand', async (t) => {
  fc.assert(fc.property(request, fc.array(fc.nat(200), { maxLength: 6 }), fc.nat(40), ({ text, sent, read }, cuts, before) => {
    const bytes = Buffer.from('x'.repeat(before) + text, 'latin1')
    const stop = bytes.length - sent.length
    const places = [...new Set([...cuts.map((cut) => before + 1 + cut % (stop - before)), bytes.length])].sort((a, b) => a - b)
    const reader = new DirectHeadReader()
    for (const place of places) {
      const end = reader.read(bytes, before, place, TABLE)
      t.equal(end, place < stop ? INCOMPLETE : stop)
      if (end === INCOMPLETE) continue
      t.strictSame({ method: reader.head?.method, url: reader.head?.url, fields: reader.head?.rawHeaders }, { method: read.method, url: read.url, fields: read.fields })
      return
    }
  }), { numRuns: 500 })
})

test('direct head: what is taken of a connection, bodies too, the parser of Node takes, and reads alike', async (t) => {
  const edit = fc.tuple(fc.nat(400), fc.constantFrom('', ' ', '\t', '\r', '\n', '\r\n', '\0', ':', '0', '9', 'x', ';', ',', '\x7f', '\xe9', ' HTTP/1.1', ' HTTP/1.0', 'HTTP/2.0', '/',
    '\r\nContent-Length: 3', '\r\nContent-Length:\t3', '\r\nContent-Length : 3', '\r\nTransfer-Encoding: chunked', '\r\nTransfer-Encoding:\tchunked', '\r\nTransfer-Encoding: x', '\r\n0\r\n\r\n', '0x', ';a', ';a="b"', '\r\nContent-Length: 3\r\n\r\n', '\r\n a: b', '\r\nExpect: 100-continue', '\r\nUpgrade: x\r\nConnection: upgrade', '\r\nConnection: close', 'CONNECT ', 'PRI * ', 'GET /z HTTP/1.1\r\n\r\n'), fc.nat(3))
  let taken = 0
  let left = 0
  await fc.assert(fc.asyncProperty(fc.array(request, { minLength: 1, maxLength: 3 }), fc.array(edit, { maxLength: 2 }), async (requests, edits) => {
    let text = requests.map((one) => one.text).join('')
    for (const [at, put, drop] of edits) text = text.slice(0, at % text.length) + put + text.slice(at % text.length + drop)
    const bytes = Buffer.from(text, 'latin1')
    const ours = readDirectly(bytes)
    if (ours.length === 0) { left++; return }
    taken++
    const nodes = await readByNode(bytes)
    t.strictSame(nodes.slice(0, ours.length), ours, JSON.stringify(text))
  }), { numRuns: 1_500 })
  t.ok(taken > 300 && left > 300, `taken ${taken}, left to Node ${left}`)
})

test('direct head: what is not of the usual kind is left to Node, at once', async (t) => {
  const head = 'Host: a\r\n\r\n'
  for (const bytes of [
    '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', `GET / HTTP/1.0\r\n${head}`, `GET http://a/ HTTP/1.1\r\n${head}`, `OPTIONS * HTTP/1.1\r\n${head}`, `CONNECT a:1 HTTP/1.1\r\n${head}`, `get / HTTP/1.1\r\n${head}`,
    `GET  / HTTP/1.1\r\n${head}`, `GET /\tHTTP/1.1\r\n${head}`, `GET / HTTP/1.1 \r\n${head}`, 'GET / HTTP/1.1\nHost: a\n\n', `GET /\xe9 HTTP/1.1\r\n${head}`, 'GET / HTTP/1.1\r\n\x00', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n',
    'GET / HTTP/1.1\r\n a: b\r\nHost: a\r\n\r\n', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 'GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: a\r\n\r\n',
    '\x16\x03\x01\x02\x00\x01', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  ]) {
    const buffer = Buffer.from(bytes, 'latin1')
    t.equal(new DirectHeadReader().read(buffer, 0, buffer.length, TABLE), LEFT_TO_NODE, JSON.stringify(bytes))
  }
})

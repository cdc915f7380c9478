import { once } from 'node:events'
import { createServer } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { test } from 'tap'
import { createRequestFieldTable } from '../../../core/lib/header-names.js'
import { DirectHeadReader, INCOMPLETE, LEFT_TO_NODE } from '../../../core/listen/direct-head.js'
import { serverOptions } from '../../../core/listen/http1-listener.js'
import { compilePolicy } from '../../../core/listen/policy.js'

/** A request as a parser reads it. */
interface Read { method: string, url: string, fields: string[], body: string }

const LIMITS = { headerBytes: 32 * 1024, headerFields: 200, urlBytes: 8_192, headersMs: 0, bodyGraceMs: 0, bodyBytesPerSecond: 0, stallMs: 0, keepAliveMs: 0 }
const POLICY = compilePolicy({ host: '', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [], limits: LIMITS }, [], null)
const TABLE = createRequestFieldTable([], null)
const LENGTH = /^(0|[1-9][0-9]{0,14})$/

/** The requests of a connection, up to the first that is left to Node. A length that is none is refused behind the parser: nothing that follows is read. */
function readDirectly (bytes: Buffer): Read[] {
  const reader = new DirectHeadReader()
  const requests: Read[] = []
  for (let at = 0; at < bytes.length;) {
    const end = reader.read(bytes, at, bytes.length, TABLE)
    if (end === INCOMPLETE || end === LEFT_TO_NODE || reader.head === null) break
    const { method, url, rawHeaders } = reader.head
    const lengths = rawHeaders.filter((_, i) => i % 2 === 1 && /^content-length$/i.test(rawHeaders[i - 1] as string))
    if (lengths.length > 1 || (lengths.length === 1 && !LENGTH.test(lengths[0] as string))) break
    const length = Number(lengths[0] ?? 0)
    if (end + length > bytes.length) break
    requests.push({ method, url, fields: [...rawHeaders], body: bytes.toString('latin1', end, end + length) })
    at = end + length
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
  body: fc.string({ unit: fc.constantFrom(...'ab\r\n\0\xff:/'), maxLength: 30 })
}).map(({ method, url, fields, blanks, connection, body }) => {
  const lines = fields.map(([name, text]) => `${name}:${blanks}${text}${blanks}\r\n`)
  const last: [string, string][] = [...(connection === '' ? [] : [['Connection', connection] as [string, string]]), ...(body === '' ? [] : [['Content-Length', String(body.length)] as [string, string]])]
  const text = `${method} ${url} HTTP/1.1\r\nHost: a\r\n${lines.join('')}${last.map(([name, field]) => `${name}: ${field}\r\n`).join('')}\r\n${body}`
  return { text, read: { method, url, fields: ['Host', 'a', ...fields.flat(), ...last.flat()], body } }
})

test('direct head: a usual request is what it says, however its bytes are cut, wherever they stand', async (t) => {
  fc.assert(fc.property(request, fc.array(fc.nat(200), { maxLength: 6 }), fc.nat(40), ({ text, read }, cuts, before) => {
    const bytes = Buffer.from('x'.repeat(before) + text, 'latin1')
    const stop = bytes.length - read.body.length
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

test('direct head: what it takes of a connection, the parser of Node takes, and reads alike', async (t) => {
  const edit = fc.tuple(fc.nat(400), fc.constantFrom('', ' ', '\t', '\r', '\n', '\r\n', '\0', ':', '0', '9', 'x', ';', ',', '\x7f', '\xe9', ' HTTP/1.1', ' HTTP/1.0', 'HTTP/2.0', '/',
    '\r\nContent-Length: 3', '\r\nContent-Length:\t3', '\r\nContent-Length : 3', '\r\nTransfer-Encoding: chunked', '\r\n a: b', '\r\nExpect: 100-continue', '\r\nUpgrade: x\r\nConnection: upgrade', '\r\nConnection: close', 'CONNECT ', 'PRI * ', 'GET /z HTTP/1.1\r\n\r\n'), fc.nat(3))
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
    // A closing request is the last that is served: what stands behind it Node does not read.
    const last = ours.findIndex(({ fields }) => fields.some((text, i) => i % 2 === 1 && /^connection$/i.test(fields[i - 1] as string) && /\bclose\b/i.test(text)))
    const served = last === -1 ? ours : ours.slice(0, last + 1)
    t.strictSame(nodes.slice(0, served.length), served, JSON.stringify(text))
  }), { numRuns: 1_500 })
  t.ok(taken > 300 && left > 300, `taken ${taken}, left to Node ${left}`)
})

test('direct head: what is not of the usual kind is left to Node, at once', async (t) => {
  const head = 'Host: a\r\n\r\n'
  for (const bytes of [
    '\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', `GET / HTTP/1.0\r\n${head}`, `GET http://a/ HTTP/1.1\r\n${head}`, `OPTIONS * HTTP/1.1\r\n${head}`, `CONNECT a:1 HTTP/1.1\r\n${head}`, `get / HTTP/1.1\r\n${head}`,
    `GET  / HTTP/1.1\r\n${head}`, `GET /\tHTTP/1.1\r\n${head}`, `GET / HTTP/1.1 \r\n${head}`, 'GET / HTTP/1.1\nHost: a\n\n', `GET /\xe9 HTTP/1.1\r\n${head}`, 'GET / HTTP/1.1\r\n\x00', 'GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n',
    'GET / HTTP/1.1\r\n a: b\r\nHost: a\r\n\r\n', 'GET / HTTP/1.1\r\nHost : a\r\n\r\n', 'GET / HTTP/1.1\r\nHost\r\n\r\n', 'GET / HTTP/1.1\r\nUpgrade: h2c\r\nHost: a\r\n\r\n',
    'POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\n\r\n', 'POST / HTTP/1.1\r\nExpect: 100-continue\r\nHost: a\r\n\r\n', '\x16\x03\x01\x02\x00\x01', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
  ]) {
    const buffer = Buffer.from(bytes, 'latin1')
    t.equal(new DirectHeadReader().read(buffer, 0, buffer.length, TABLE), LEFT_TO_NODE, JSON.stringify(bytes))
  }
})

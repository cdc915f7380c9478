import { once } from 'node:events'
import { test } from 'tap'
import { openSocket, sendRaw } from '../../fixtures/raw-client.js'
import { expectRefused, PIPELINED, startStrict, summaryOf, type RefusedCase } from '../../fixtures/refusals.js'

const post = (fields: string, body: string, version = '1.1'): string => `POST /a HTTP/${version}\r\nHost: a\r\n${fields}\r\n\r\n${body}`

const TWO_LENGTHS: readonly RefusedCase[] = [
  ['CL then TE', post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  ['TE then CL', post('Transfer-Encoding: chunked\r\nContent-Length: 5', '0\r\n\r\n')],
  ['CL 0 and TE', post('Content-Length: 0\r\nTransfer-Encoding: chunked', '0\r\n\r\n')],
  ['TE in another case and CL', post('tRANSFER-eNCODING: CHUNKED\r\nContent-Length: 5', '0\r\n\r\n')],
  ['CL and TE on HTTP/1.0', post('Content-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n', '1.0')],
  ['CL and TE with an Upgrade', post('Connection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\nTransfer-Encoding: chunked', '0\r\n\r\n')]
].map(([name = '', bytes = '']) => ({ name, bytes, status: 400 }))

const TRANSFER_ENCODINGS: readonly RefusedCase[] = [
  ',chunked', 'chunked,', 'xchunked', 'chunkedx', 'chunked, identity', 'identity, chunked', 'identity', 'gzip, chunked', 'chunked, chunked', 'chunked;q=1', '"chunked"', '\x0bchunked', '\x0cchunked',
  'chun ked', 'chunked\x0b', '', 'chunk', 'cow', '\x00chunked', 'chünked'
].map((value) => ({ name: `Transfer-Encoding: ${JSON.stringify(value)}`, bytes: post(`Transfer-Encoding: ${value}`, '0\r\n\r\n'), status: 400 }))

const TRANSFER_ENCODING_FIELDS: readonly RefusedCase[] = [
  ['twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked'],
  ['chunked and identity', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
  ['identity and chunked', 'Transfer-Encoding: identity\r\nTransfer-Encoding: chunked'],
  ['a space in front of the colon', 'Transfer-Encoding : chunked'],
  ['a tab in front of the colon', 'Transfer-Encoding\t: chunked'],
  ['a space in front of the name', 'X: x\r\n Transfer-Encoding: chunked'],
  ['a first field with a space in front', ' Transfer-Encoding: chunked'],
  ['a folded value', 'Transfer-Encoding:\r\n chunked'],
  ['a value folded in the middle', 'Transfer-Encoding: chunked,\r\n identity'],
  ['behind a bare LF', 'X: x\nTransfer-Encoding: chunked'],
  ['behind a bare CR', 'X: x\rTransfer-Encoding: chunked'],
  ['no colon', 'Transfer-Encoding chunked'],
  ['a vertical tab in the name', 'Transfer\x0b-Encoding: chunked'],
  ['a NUL in the name', 'Transfer-Encoding\0: chunked'],
  ['a byte above ASCII in the name', 'Transfer-Enc\xf6ding: chunked'],
  ['an empty name', ': chunked']
].map(([name = '', fields = '']) => ({ name: `Transfer-Encoding: ${name}`, bytes: post(fields, '0\r\n\r\n'), status: 400 }))

const OLD_TRANSFER_ENCODING: readonly RefusedCase[] = [
  { name: 'chunked on HTTP/1.0', bytes: post('Transfer-Encoding: chunked', '0\r\n\r\n', '1.0'), status: 400 },
  { name: 'chunked on HTTP/1.0, kept alive', bytes: post('Connection: keep-alive\r\nTransfer-Encoding: chunked', '0\r\n\r\n', '1.0'), status: 400 }
]

const LENGTHS: readonly RefusedCase[] = [
  '+5', '-1', '-0', '0x10', '1_0', '', '010', '00', '05', '5 5', '5,5', '5, 5', '5;', '5.0', '1e1', ' ', '\x0b5', '5\x0b', '٥', '99999999999999999999', '18446744073709551621', '9007199254740993', '0, 5', 'abc', '5\t5', '"5"'
].map((value) => ({ name: `Content-Length: ${JSON.stringify(value)}`, bytes: post(`Content-Length: ${value}`, 'hello'), status: 400 }))

const LENGTH_FIELDS: readonly RefusedCase[] = [
  ['0 and 31', 'Content-Length: 0\r\nContent-Length: 31'],
  ['the same one twice', 'Content-Length: 5\r\nContent-Length: 5'],
  ['5 and 6', 'Content-Length: 5\r\nContent-Length: 6'],
  ['a space in front of the colon', 'Content-Length : 5'],
  ['a folded value', 'Content-Length:\r\n 5'],
  ['behind a bare LF', 'X: x\nContent-Length: 5'],
  ['behind a bare CR', 'X: x\rContent-Length: 5']
].map(([name = '', fields = '']) => ({ name: `Content-Length: ${name}`, bytes: post(fields, 'hello'), status: 400 }))

const chunked = (body: string): string => post('Transfer-Encoding: chunked', body)

const CHUNKS: readonly RefusedCase[] = [
  ['an underscore in the size', '0_2e\r\nGET /hidden HTTP/1.1\r\nHost: a\r\n\r\n'],
  ['a bare LF behind the size', '5\nhello\r\n0\r\n\r\n'],
  ['a bare LF behind the data', '5\r\nhello\n0\r\n\r\n'],
  ['a bare LF behind the last size', '5\r\nhello\r\n0\n\n'],
  ['a bare CR behind the size', '5\rhello\r\n0\r\n\r\n'],
  ['two CR in front of an extension', '5\r\r;\nhello\r\n0\r\n\r\n'],
  ['two CR behind the size', '5\r\r\nhello\r\n0\r\n\r\n'],
  ['a space in front of the size', ' 5\r\nhello\r\n0\r\n\r\n'],
  ['a tab in front of the size', '\t5\r\nhello\r\n0\r\n\r\n'],
  ['a space behind the size', '5 \r\nhello\r\n0\r\n\r\n'],
  ['a plus', '+5\r\nhello\r\n0\r\n\r\n'],
  ['a minus', '-5\r\nhello\r\n0\r\n\r\n'],
  ['0x', '0x5\r\nhello\r\n0\r\n\r\n'],
  ['no hex digit', 'g\r\nhello\r\n0\r\n\r\n'],
  ['an empty size', '\r\nhello\r\n0\r\n\r\n'],
  ['an extension alone', ';a=b\r\nhello\r\n0\r\n\r\n'],
  ['a size beyond 64 bits', '10000000000000005\r\nhello\r\n0\r\n\r\n'],
  ['more data than the size says', '4\r\nhello\r\n0\r\n\r\n'],
  ['no CRLF behind the data', '5\r\nhello0\r\n\r\n'],
  ['a bare LF in an extension', '5;a\nb\r\nhello\r\n0\r\n\r\n'],
  ['a bare CR in an extension', '5;a\rb\r\nhello\r\n0\r\n\r\n'],
  ['a NUL in an extension', '5;a\0b\r\nhello\r\n0\r\n\r\n'],
  ['an extension of 64 KB', `5;${'x'.repeat(65_536)}\r\nhello\r\n0\r\n\r\n`],
  ['extensions of 20 KB on each chunk', `${`1;${'x'.repeat(20_480)}\r\na\r\n`.repeat(4)}0\r\n\r\n`],
  ['a trailer with a space in front of its colon', '5\r\nhello\r\n0\r\nX : y\r\n\r\n'],
  ['a trailer behind a bare LF', '5\r\nhello\r\n0\r\nX: y\nZ: z\r\n\r\n'],
  ['a trailer that frames', '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n'],
  ['no CRLF behind the last one', '5\r\nhello\r\n0\r\n']
].map(([name = '', body = '']) => ({ name: `chunk: ${name}`, bytes: chunked(body), status: 400 }))

test('strict: two ways to frame one message are refused', async (t) => { await expectRefused(t, await startStrict(t), TWO_LENGTHS) })
test('strict: only Transfer-Encoding: chunked is taken', async (t) => { await expectRefused(t, await startStrict(t), TRANSFER_ENCODINGS) })
test('strict: Transfer-Encoding in disguise is refused', async (t) => { await expectRefused(t, await startStrict(t), [...TRANSFER_ENCODING_FIELDS, ...OLD_TRANSFER_ENCODING]) })
test('strict: only a plain decimal Content-Length is taken', async (t) => { await expectRefused(t, await startStrict(t), [...LENGTHS, ...LENGTH_FIELDS]) })
test('strict: chunks are what RFC 9112 says and nothing else', async (t) => { await expectRefused(t, await startStrict(t), CHUNKS) })

test('strict: bad chunks are refused in a later packet, too', async (t) => {
  const gateway = await startStrict(t)
  await expectRefused(t, gateway, CHUNKS.map(({ name, bytes, status }) => {
    const [head = '', ...body] = (bytes as string).split('\r\n\r\n')
    return { name, bytes: [`${head}\r\n\r\n`, body.join('\r\n\r\n')], status }
  }))
})

test('strict: trailers count like header fields', async (t) => {
  const bytes = chunked(`5\r\nhello\r\n0\r\nX: ${'y'.repeat(65_536)}\r\n\r\n`)
  await expectRefused(t, await startStrict(t), [{ name: 'trailers of 64 KB', bytes, status: 431 }])
})

test('strict: framing that is unusual but right is served, and nothing of it is taken for a request', async (t) => {
  const gateway = await startStrict(t)
  const bodies: readonly (readonly [name: string, bytes: string, body: string])[] = [
    ['upper-case hex and leading zeros', chunked(`000A\r\n${'a'.repeat(10)}\r\n00\r\n\r\n`), 'a'.repeat(10)],
    ['an extension', chunked('5;a=b;c="d"\r\nhello\r\n0;x\r\n\r\n'), 'hello'],
    ['trailers, which are dropped', chunked('5\r\nhello\r\n0\r\nX-Trailer: y\r\n\r\n'), 'hello'],
    ['CHUNKED', post('Transfer-Encoding: CHUNKED', '1\r\nx\r\n0\r\n\r\n'), 'x'],
    ['a request as the body', post(`Content-Length: ${PIPELINED.length}`, PIPELINED), PIPELINED],
    ['a request as a chunk', chunked(`${PIPELINED.length.toString(16)}\r\n${PIPELINED}\r\n0\r\n\r\n`), PIPELINED],
    ['a GET with a body', 'GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc', 'abc'],
    ['a length of 0', post('Content-Length: 0', ''), '']
  ]
  for (const [name, bytes, body] of bodies) {
    gateway.handled.length = 0
    const exchange = await sendRaw(gateway.port, bytes + PIPELINED, { count: 2, methods: ['POST', 'GET'] })
    t.same(summaryOf(exchange), { statuses: [200, 200], closed: false, timedOut: false }, name)
    const first = gateway.handled.find((request) => request.target === '/a')
    t.same([first?.method, first?.body.toString(), first?.values('x-trailer')], [bytes.split(' ')[0], body, []], name)
    t.equal(gateway.handled.length, 2, name)
  }
})

test('strict: what is malformed behind an answered request is refused, and the connection closed', async (t) => {
  const gateway = await startStrict(t)
  for (const [name, pieces, statuses] of [
    ['in the same packet', [`${PIPELINED}GARBAGE\r\n\r\n`], [200, 400]], ['in the next one', [PIPELINED, 'GARBAGE\r\n\r\n'], [200, 400]], ['behind three', [PIPELINED.repeat(3), 'GET / HTTP/9.9\r\n\r\n', PIPELINED], [200, 200, 200, 400]],
    ['behind a refused one', ['GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n', 'GARBAGE\r\n\r\n'], [400]]
  ] as const) {
    const exchange = await sendRaw(gateway.port, pieces, { untilClose: true })
    t.same(summaryOf(exchange), { statuses, closed: true, timedOut: false }, name)
  }
  // Once the answer is out, Node keeps no message for the connection.
  const socket = await openSocket(gateway.port)
  socket.write(PIPELINED)
  await once(socket, 'data')
  await new Promise((resolve) => { setTimeout(resolve, 20) })
  const answer = once(socket, 'data') as Promise<[Buffer]>
  socket.write('GARBAGE\r\n\r\n')
  t.match((await answer)[0].toString(), /^HTTP\/1.1 400 /)
  await once(socket, 'close')
  t.same(gateway.bugs, [])
})

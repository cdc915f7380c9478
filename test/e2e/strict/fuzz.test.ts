import fc from 'fast-check'
import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict } from '../../fixtures/refusals.js'

const SEEDS = [
  'GET /a?b=c HTTP/1.1\r\nHost: a\r\nAccept: */*\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello',
  'POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n',
  'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  'POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc',
  'HEAD /closed HTTP/1.0\r\nHost: a\r\n\r\n', 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 'PUT http://a/a HTTP/1.1\r\nHost: a\r\nConnection: close, X-A\r\nX-A: 1\r\nContent-Length: 0\r\n\r\n',
  'DELETE /closed HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc'
]

type Mutation = readonly [kind: 'insert' | 'replace' | 'remove' | 'repeat', at: number, text: string]

const mutation: fc.Arbitrary<Mutation> = fc.tuple(fc.constantFrom('insert', 'replace', 'remove', 'repeat'), fc.nat({ max: 200 }),
  fc.constantFrom('\r\n', '\n', '\r', '\0', ' ', '\t', ':', ';', ',', '/', '%', '%00', '..', '0', '5', 'ffffffff', '-1', '\xff', '\x80', 'chunked', 'close', 'Content-Length: 1\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: b\r\n', 'Upgrade: h2c\r\n', 'Expect: x\r\n', ' HTTP/1.1', 'GET ', '\r\n\r\n'))

function mutate (seed: string, mutations: readonly Mutation[]): string {
  return mutations.reduce((text, [kind, at, what]) => {
    const place = at % (text.length + 1)
    if (kind === 'insert') return text.slice(0, place) + what + text.slice(place)
    if (kind === 'replace') return text.slice(0, place) + what + text.slice(place + what.length)
    if (kind === 'remove') return text.slice(0, place) + text.slice(place + what.length)
    return text.slice(0, place) + text.slice(Math.max(0, place - 20), place) + text.slice(place)
  }, seed)
}

test('strict: whatever comes over a connection, each has its end, and the next one is served', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: '/closed', plugins: [['respond', { status: 403 }]] }, { path: '/*' }], listen: { limits: { headersMs: 300, bodyGraceMs: 300, keepAliveMs: 300 } }, redact: [] })
  const piece = fc.tuple(fc.constantFrom(...SEEDS), fc.array(mutation, { maxLength: 3 })).map(([seed, mutations]) => mutate(seed, mutations))
  const statuses = new Map<number, number>()
  await fc.assert(fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 3 }), fc.nat({ max: 300 }), fc.boolean(), async (pieces, cut, halfClose) => {
    const bytes = Buffer.from(pieces.join(''), 'latin1')
    const place = cut % (bytes.length + 1)
    const { closed, timedOut, bytes: got } = await sendRaw(gateway.port, [bytes.subarray(0, place), bytes.subarray(place)].filter((part) => part.length > 0), { untilClose: true, timeoutMs: 6_000, halfClose })
    const answers = [...got.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status))
    for (const status of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    return closed && !timedOut && answers.every((status) => status < 500 || status === 505)
  }), { numRuns: 300, interruptAfterTimeLimit: 20_000, markInterruptAsFailure: false })
  t.ok((statuses.get(200) ?? 0) > 5 && (statuses.get(400) ?? 0) > 5, `answers: ${[...statuses].map(([status, count]) => `${count} x ${status}`).join(', ')}`)
  const fine = await sendRaw(gateway.port, SEEDS[0] as string)
  t.equal(fine.responses[0]?.status, 200)
  for (const line of gateway.accessLines) JSON.parse(line)
  t.same(gateway.bugs, [])
})

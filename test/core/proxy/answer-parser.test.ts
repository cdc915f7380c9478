import { request as httpRequest } from 'node:http'
import { Duplex } from 'node:stream'
import fc from 'fast-check'
import { test } from 'tap'
import { type AnswerEvents, AnswerParser } from '../../../core/proxy/answer-parser.js'
import { UpstreamFault } from '../../../core/proxy/upstream-fault.js'

/** What became of one answer. */
interface Outcome {
  status: number
  fields: [string, string][]
  body: string
  trailers: [string, string][]
  /** Interim statuses in front of it. */
  interim: number[]
  complete: boolean
  /** Whether another answer could follow on the connection. */
  clean: boolean
}

function pairs (flat: readonly string[]): [string, string][] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string])
}

/** Parses bytes that come in these pieces and end in order; null where they are no answer. */
function parse (pieces: readonly Buffer[], headOnly = false, pauseAtHead = false): Outcome | null {
  const outcome: Outcome = { status: 0, fields: [], body: '', trailers: [], interim: [], complete: false, clean: false }
  const events: AnswerEvents = {
    answerStarted () {},
    answerInform ({ status }) { outcome.interim.push(status) },
    answerHead ({ status, fields }) {
      outcome.status = status
      outcome.fields = pairs(fields)
      return !pauseAtHead
    },
    answerData (chunk) { outcome.body += chunk.toString('latin1') },
    answerEnd (trailers, clean) {
      outcome.complete = true
      outcome.clean = clean
      outcome.trailers = pairs(trailers ?? [])
    }
  }
  const parser = new AnswerParser(events)
  parser.begin(headOnly)
  // The parser's caller reads into one buffer again and again.
  const shared = Buffer.alloc(64 * 1024)
  try {
    for (const piece of pieces) {
      shared.fill('!')
      piece.copy(shared)
      if (!outcome.complete) parser.feed(shared, piece.length)
    }
    shared.fill('!')
    if (pauseAtHead) parser.resume()
    parser.finish()
  } catch (error) {
    if (!(error instanceof UpstreamFault)) throw error
    return outcome.status === 0 ? null : outcome
  }
  return outcome
}

/** What Node's client, and with it llhttp, makes of the same bytes. */
function parseByNode (bytes: Buffer, method: string): Promise<Outcome | null> {
  return new Promise((resolve) => {
    const socket = new Duplex({ read () {}, write (_chunk, _encoding, done) { done() } })
    const outcome: Outcome = { status: 0, fields: [], body: '', trailers: [], interim: [], complete: false, clean: false }
    const request = httpRequest({ createConnection: () => socket as never, method, host: 'a', maxHeaderSize: 64 * 1024 })
    request.on('information', ({ statusCode }) => { outcome.interim.push(statusCode) })
    request.on('response', (answer) => {
      outcome.status = answer.statusCode ?? 0
      outcome.fields = pairs(answer.rawHeaders)
      answer.on('data', (chunk: Buffer) => { outcome.body += chunk.toString('latin1') })
      answer.on('error', () => {})
      answer.on('close', () => {
        outcome.complete = answer.complete
        outcome.trailers = pairs(answer.rawTrailers)
        resolve(outcome)
      })
    })
    request.on('error', () => { resolve(outcome.status === 0 ? null : outcome) })
    request.on('upgrade', () => { resolve(null) })
    request.end()
    setImmediate(() => { socket.push(bytes); socket.push(null) })
  })
}

const token = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_!#$%&\'*+.^`|~'), minLength: 1, maxLength: 12 })
const value = fc.string({ unit: fc.constantFrom(...'aB1 ,;="\t\xe4\xff:'), maxLength: 20 }).map((text) => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const framing = ['content-length', 'transfer-encoding', 'connection', 'trailer', 'upgrade', 'keep-alive']
const field = fc.tuple(token.filter((name) => !framing.includes(name.toLowerCase())), value)
const body = fc.string({ unit: fc.constantFrom(...'ab\r\n\0\xff0;HTTP/1.'), maxLength: 60 })

/** A good answer, and what it says. */
const answer = fc.record({
  status: fc.integer({ min: 200, max: 999 }).filter((status) => status !== 204 && status !== 304),
  reason: fc.constantFrom('OK', '', 'Not Found', 'Caf\xe9'),
  fields: fc.array(field, { maxLength: 6 }),
  body,
  by: fc.constantFrom('length', 'chunks', 'end'),
  cuts: fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }),
  extension: fc.constantFrom('', ';a', ';a=b', ';a="b c"', ';a;b="\\""'),
  trailers: fc.array(field, { maxLength: 2 }),
  interim: fc.array(fc.constantFrom(100, 102, 103, 199), { maxLength: 2 }),
  blanks: fc.constantFrom('', ' ', ' \t ')
}).map(({ status, reason, fields, body, by, cuts, extension, trailers, interim, blanks }) => {
  const lines = fields.map(([name, value]) => `${name}:${blanks}${value}${blanks}\r\n`)
  let text = interim.map((status) => `HTTP/1.1 ${status} Interim\r\nx-i: 1\r\n\r\n`).join('')
  text += `HTTP/1.1 ${status} ${reason}\r\n${lines.join('')}`
  if (by === 'length') text += `Content-Length: ${body.length}\r\n\r\n${body}`
  else if (by === 'end') text += `\r\n${body}`
  else {
    text += 'Transfer-Encoding: Chunked\r\n\r\n'
    let rest = body
    for (const cut of cuts) {
      const piece = rest.slice(0, cut)
      if (piece === '') break
      rest = rest.slice(cut)
      text += `${piece.length.toString(16)}${extension}\r\n${piece}\r\n`
    }
    if (rest !== '') text += `${rest.length.toString(16).toUpperCase()}\r\n${rest}\r\n`
    text += `0${extension}\r\n${trailers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
  }
  const last: [string, string][] = by === 'length' ? [['Content-Length', String(body.length)]] : by === 'chunks' ? [['Transfer-Encoding', 'Chunked']] : []
  const expected: Outcome = { status, fields: [...fields, ...last], body, trailers: by === 'chunks' ? trailers : [], interim, complete: true, clean: by !== 'end' }
  return { bytes: Buffer.from(text, 'latin1'), expected }
})

function split (bytes: Buffer, at: readonly number[]): Buffer[] {
  const places = [...new Set(at.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, i) => bytes.subarray(from, places[i] ?? bytes.length)).filter((piece) => piece.length > 0)
}

test('answer parser: a good answer is what it says, however its bytes are cut, and also when its body waits', async (t) => {
  fc.assert(fc.property(answer, fc.array(fc.nat(400), { maxLength: 8 }), fc.boolean(), ({ bytes, expected }, at, pause) => {
    t.strictSame(parse(split(bytes, at), false, pause), expected)
    t.strictSame(parse([...bytes].map((byte) => Buffer.from([byte]))), expected)
  }), { numRuns: 300 })
})

test('answer parser: what it takes, the parser of Node takes for the same message', async (t) => {
  const edit = fc.tuple(fc.nat(400), fc.constantFrom('', ' ', '\t', '\r', '\n', '\r\n', '\0', ':', '0', '9', 'x', ';', ',', '\x7f', '\xe9', 'Content-Length: 3\r\n', 'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: gzip\r\n', 'HTTP/1.1 200 OK\r\n\r\n'), fc.nat(3))
  let taken = 0
  let refused = 0
  await fc.assert(fc.asyncProperty(answer, fc.array(edit, { minLength: 1, maxLength: 2 }), fc.constantFrom('GET', 'HEAD'), async ({ bytes }, edits, method) => {
    let text = bytes.toString('latin1')
    for (const [at, put, drop] of edits) text = text.slice(0, at % text.length) + put + text.slice(at % text.length + drop)
    const changed = Buffer.from(text, 'latin1')
    const ours = parse([changed], method === 'HEAD')
    if (ours === null || !ours.complete) { refused++; return }
    taken++
    const theirs = await parseByNode(changed, method)
    t.strictSame(theirs === null ? null : { ...theirs, clean: ours.clean, interim: ours.interim, fields: theirs.fields }, ours, JSON.stringify(text))
  }), { numRuns: 1_500 })
  t.comment(`${taken} taken, ${refused} refused`)
  t.ok(taken > 100 && refused > 100)
})

test('answer parser: an answer behind which something stands leaves no clean connection, nor does one that ought to have no body and announces one', async (t) => {
  const cases: readonly [string, boolean, boolean][] = [
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', false, true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!', false, false],
    ['HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', false, false],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n', false, true],
    ['HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n\r\n', false, false],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n', false, true],
    ['HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx', false, false],
    ['HTTP/1.1 204 No Content\r\n\r\n', false, true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n', false, true],
    ['HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', false, false],
    ['HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n', false, false],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n', true, false]
  ]
  for (const [text, headOnly, clean] of cases) {
    const outcome = parse([Buffer.from(text, 'latin1')], headOnly)
    t.match(outcome, { complete: true, clean }, text)
  }
})

test('answer parser: what will never be a head is refused before it is complete', async (t) => {
  for (const text of ['SSH-2.0-OpenSSH_9.2\r\n', '220 mail.example ESMTP', 'H1', 'HTTP/2', 'HTTP/1.1 200 OK\nServer: x\n', '\r\n']) {
    const parser = new AnswerParser({ answerStarted () {}, answerInform () {}, answerHead: () => true, answerData () {}, answerEnd () {} })
    parser.begin(false)
    t.throws(() => { parser.feed(Buffer.from(text), text.length) }, { name: 'UpstreamFault' }, text)
  }
  const parser = new AnswerParser({ answerStarted () {}, answerInform () {}, answerHead: () => true, answerData () {}, answerEnd () {} })
  parser.begin(false)
  parser.feed(Buffer.from('HTT'), 3)
  parser.feed(Buffer.from('P/1.1 200 OK\r'), 13)
  t.throws(() => { parser.feed(Buffer.from('x'), 1); parser.feed(Buffer.from('\n'), 1) }, { name: 'UpstreamFault' }, 'a line feed alone, in a piece of its own')
})

import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'tap'
import { brotliDecompressSync, createGunzip, createInflate, createBrotliDecompress, gunzipSync, inflateSync } from 'node:zlib'
import { testPlugin, type TestUpstreamAnswer } from '../../core/testing.js'
import compression from '../../plugins/compression/index.js'
import { Compressor, compressorFactory } from '../../plugins/compression/compressor.js'
import { negotiator, type Coding } from '../../plugins/compression/negotiate.js'

const JSON_TYPE = { 'content-type': 'application/json' }
const TEXT = JSON.stringify(Array.from({ length: 200 }, (_, id) => ({ id, name: `item ${id}` })))
const DECODE = { gzip: gunzipSync, deflate: inflateSync, br: brotliDecompressSync }
const LEVELS = { gzip: 4, deflate: 4, br: 4 }
const CODINGS: Coding[] = ['br', 'gzip', 'deflate']

async function answerOf (acceptEncoding: string | null, answer: TestUpstreamAnswer = {}, config: unknown = {}, init: { method?: string, headers?: [string, string][] } = {}) {
  const plugin = await testPlugin(compression, config, { upstream: () => ({ headers: JSON_TYPE, body: TEXT, ...answer }) })
  const headers: [string, string][] = [...init.headers ?? [], ...acceptEncoding === null ? [] : [['accept-encoding', acceptEncoding] as [string, string]]]
  const result = await plugin.request({ method: init.method ?? 'GET', headers })
  const field = (name: string): string | undefined => result.headers.joined(name)
  const encoding = field('content-encoding')
  const decoded = (): string => encoding !== undefined && Object.hasOwn(DECODE, encoding) ? DECODE[encoding as Coding](result.body).toString() : result.body.toString()
  return { ...result, field, encoding, get text () { return decoded() }, vary: field('vary') }
}

test('compression: each coding gives the body back, smaller and without what described the old one', async (t) => {
  for (const coding of CODINGS) {
    const answer = await answerOf(coding, {
      headers: { ...JSON_TYPE, etag: '"v1"', 'accept-ranges': 'bytes', 'content-digest': 'sha-256=:x:', 'repr-digest': 'sha-256=:x:', 'content-md5': 'x', vary: 'Origin', 'x-other': '1' }
    })
    t.equal(answer.encoding, coding)
    t.equal(answer.text, TEXT)
    t.ok(answer.body.length * 4 < TEXT.length, `${coding}: ${answer.body.length} of ${TEXT.length} bytes`)
    t.equal(answer.vary, 'Origin, Accept-Encoding')
    t.equal(answer.field('etag'), 'W/"v1"', 'the ETag is weak now')
    t.equal(answer.field('x-other'), '1')
    for (const gone of ['content-length', 'accept-ranges', 'content-digest', 'repr-digest', 'content-md5']) t.equal(answer.field(gone), undefined, gone)
  }
  t.equal((await answerOf('gzip', { headers: { ...JSON_TYPE, etag: 'W/"v1"' } })).field('etag'), 'W/"v1"', 'a weak one stays')
})

test('compression: Accept-Encoding decides, weights and all', async (t) => {
  for (const [field, expected] of [
    [null, undefined],
    ['', undefined],
    ['gzip', 'gzip'],
    ['GZip', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip, deflate, br', 'br'],
    ['gzip;q=1, br;q=0.9', 'gzip'],
    ['br;q=0, gzip;q=0.001', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip ; Q=0.5 , deflate ; q=0.8', 'deflate'],
    ['*', 'br'],
    ['*;q=0.5, gzip', 'gzip'],
    ['*, br;q=0', 'gzip'],
    ['*;q=0', undefined],
    ['identity', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['gzip, identity;q=0.5', 'gzip'],
    ['identity;q=0, gzip', 'gzip'],
    ['identity;q=0', undefined],
    ['gzip;q=high', undefined],
    ['gzip;q=1.1', undefined],
    ['gzip;q=-1', undefined],
    ['gzip;q=0.5555', undefined],
    ['zstd, gzip', 'gzip'],
    ['gzipped', undefined],
    [',,;,gzip;;', 'gzip'],
    ['__proto__, constructor', undefined]
  ] as const) {
    const answer = await answerOf(field)
    t.equal(answer.encoding, expected, String(field))
    t.equal(answer.text, TEXT)
    t.equal(answer.vary, 'Accept-Encoding', 'a cache has to know in either case')
  }
  t.equal((await answerOf('gzip, br', {}, { encodings: ['gzip', 'br'] })).encoding, 'gzip', 'the first listed wins among equals')
  t.equal((await answerOf('br', {}, { encodings: ['gzip'] })).encoding, undefined, 'only what is offered')
})

test('compression: what may not be changed goes through byte for byte, without Vary', async (t) => {
  for (const [why, answer, sent] of [
    ['encoded already', { headers: { ...JSON_TYPE, 'content-encoding': 'gzip' } }],
    ['encoded by something unknown', { headers: { ...JSON_TYPE, 'content-encoding': 'zstd' } }],
    ['encoded twice', { headers: { ...JSON_TYPE, 'content-encoding': 'br, gzip' } }],
    ['a part', { status: 206 }],
    ['a part by its Content-Range', { headers: { ...JSON_TYPE, 'content-range': 'bytes 0-1/2' } }],
    ['no-transform', { headers: { ...JSON_TYPE, 'cache-control': 'max-age=60, No-Transform' } }],
    ['no-transform in the request', {}, [['cache-control', 'no-transform']]],
    ['an event stream', { headers: { 'content-type': 'Text/Event-Stream; charset=utf-8' } }],
    ['an image', { headers: { 'content-type': 'image/png' } }],
    ['no type', { headers: {} }]
  ] as [string, TestUpstreamAnswer, [string, string][]?][]) {
    const result = await answerOf('gzip, br', answer, {}, { headers: sent })
    t.equal(result.encoding, answer.headers?.['content-encoding'], why)
    t.equal(result.body.toString(), TEXT)
    t.equal(result.field('content-length'), String(TEXT.length))
    t.equal(result.vary, undefined)
  }
  t.equal((await answerOf('gzip', { headers: { ...JSON_TYPE, 'content-encoding': 'identity' } })).encoding, 'gzip', 'identity is no coding')
  t.equal((await answerOf('gzip', { headers: { ...JSON_TYPE, 'cache-control': 'x-no-transform-y' } })).encoding, 'gzip')
})

test('compression: small bodies go out as they are, but keep caches informed', async (t) => {
  const bytes = (count: number): TestUpstreamAnswer => ({ body: 'a'.repeat(count) })
  for (const [count, config, expected] of [[1023, {}, undefined], [1024, {}, 'gzip'], [99, { minSize: '100b' }, undefined], [100, { minSize: '100b' }, 'gzip'], [1, { minSize: '0' }, 'gzip'], [0, { minSize: '0' }, undefined]] as const) {
    const answer = await answerOf('gzip', bytes(count), config)
    t.equal(answer.encoding, expected, `${count} bytes`)
    t.equal(answer.text, 'a'.repeat(count))
    t.equal(answer.vary, 'Accept-Encoding')
  }
})

test('compression: a client that refuses identity gets everything that may be compressed', async (t) => {
  for (const refusal of ['gzip, identity;q=0', 'gzip, *;q=0']) {
    t.equal((await answerOf(refusal, { body: 'small' })).text, 'small')
    t.equal((await answerOf(refusal, { body: 'small' })).encoding, 'gzip')
    t.equal((await answerOf(refusal, { headers: { 'content-type': 'image/png' } })).encoding, 'gzip')
    t.equal((await answerOf(refusal, { headers: { 'content-type': 'text/event-stream' } })).encoding, undefined, 'an event stream never')
    t.equal((await answerOf(refusal, { headers: { ...JSON_TYPE, 'content-encoding': 'br' } })).encoding, 'br', 'and nothing twice')
  }
})

test('compression: types are exact, a family, or a suffix', async (t) => {
  const types = ['application/json', 'text/*', '*+json']
  for (const [type, expected] of [
    ['application/json; charset=utf-8', 'gzip'], ['Application/JSON', 'gzip'], ['text/x-anything', 'gzip'], ['application/problem+json', 'gzip'],
    ['application/json5', undefined], ['text', undefined], ['application/xml', undefined], ['application/json+zip', undefined]
  ] as const) {
    t.equal((await answerOf('gzip', { headers: { 'content-type': type } }, { types })).encoding, expected, type)
  }
  for (const type of ['text/html', 'text/css', 'application/javascript', 'image/svg+xml', 'application/graphql-response+json', 'application/wasm', 'application/x-ndjson']) {
    t.equal((await answerOf('gzip', { headers: { 'content-type': type } })).encoding, 'gzip', `${type} by default`)
  }
  for (const config of [{ types: ['json'] }, { types: ['*/*'] }, { types: ['Text/html'] }, { encodings: [] }, { encodings: ['zstd'] }, { encodings: ['br', 'br'] }, { levels: { gzip: 10 } }, { levels: { br: 12 } }, { minSize: 'much' }, { level: 1 }]) {
    await t.rejects(testPlugin(compression, config), /config of plugin "compression"/, JSON.stringify(config))
  }
})

test('compression: HEAD has the fields that GET would have', async (t) => {
  const head = await answerOf('gzip', { headers: { ...JSON_TYPE, etag: '"v1"' } }, {}, { method: 'HEAD' })
  t.same([head.status, head.encoding, head.body.length, head.field('content-length'), head.vary, head.field('etag')], [200, 'gzip', 0, undefined, 'Accept-Encoding', 'W/"v1"'])
  const plain = await answerOf('', { headers: JSON_TYPE }, {}, { method: 'HEAD' })
  t.same([plain.encoding, plain.field('content-length'), plain.vary], [undefined, String(TEXT.length), 'Accept-Encoding'])
})

test('compression: a 304 has the Vary and the ETag of the 200 that the client holds', async (t) => {
  for (const [held, sent, expected] of [
    ['W/"v1"', '"v1"', 'W/"v1"'], ['"v1"', '"v1"', '"v1"'], ['"v0", W/"v1"', '"v1"', 'W/"v1"'], ['W/"v10"', '"v1"', '"v1"'], ['W/"v1"', 'W/"v1"', 'W/"v1"']
  ] as const) {
    const answer = await answerOf('gzip', { status: 304, headers: { etag: sent }, body: null }, {}, { headers: [['if-none-match', held]] })
    t.same([answer.status, answer.encoding, answer.vary, answer.field('etag')], [304, undefined, 'Accept-Encoding', expected], held)
  }
  t.same((await answerOf('gzip', { status: 204, headers: JSON_TYPE, body: null })).encoding, undefined)
})

test('compression: compresses the answers of the gateway itself', async (t) => {
  const plugin = await testPlugin(compression, { minSize: '10b' }, { upstream: () => { throw new Error('gone') } })
  const result = await plugin.request({ headers: { 'accept-encoding': 'gzip' } })
  t.same([result.status, result.headers.get('content-encoding')], [502, 'gzip'])
  t.equal((JSON.parse(gunzipSync(result.body).toString()) as { error: { code: string } }).error.code, 'UPSTREAM_UNREACHABLE')
})

test('compression: every level works, at once and streamed', async (t) => {
  for (const coding of CODINGS) {
    for (const level of coding === 'br' ? [0, 4, 5, 6, 11] : [1, 4, 9]) {
      for (const body of [TEXT, TEXT.repeat(10)]) {
        const answer = await answerOf(coding, { body }, { levels: { [coding]: level } })
        t.equal(answer.encoding, coding)
        t.ok(answer.text === body, `${coding} ${level}, ${body.length} bytes`)
      }
    }
  }
})

test('compressor: any pieces come out whole, with the length known or not', async (t) => {
  const data = Buffer.from(TEXT.repeat(5))
  for (const coding of CODINGS) {
    for (const size of [7, 1000, 16 * 1024, 1 << 20]) {
      for (const expected of [data.length, null]) {
        const compressor = new Compressor(compressorFactory(coding, LEVELS), expected)
        const out: Buffer[] = []
        compressor.on('data', (chunk: Buffer) => out.push(chunk))
        for (let from = 0; from < data.length; from += size) {
          if (!compressor.write(data.subarray(from, from + size))) await once(compressor, 'drain')
        }
        compressor.end()
        await once(compressor, 'end')
        t.ok(DECODE[coding](Buffer.concat(out)).equals(data), `${coding} in pieces of ${size}, length ${String(expected)}`)
      }
    }
    const empty = new Compressor(compressorFactory(coding, LEVELS), null)
    empty.end()
    const out: Buffer[] = []
    for await (const chunk of empty) out.push(chunk as Buffer)
    t.equal(DECODE[coding](Buffer.concat(out)).length, 0, `${coding} of nothing`)
  }
})

test('compressor: each piece can be decoded before the next one is written', async (t) => {
  const decoders = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress }
  for (const coding of CODINGS) {
    const compressor = new Compressor(compressorFactory(coding, LEVELS), null)
    const decoder = compressor.pipe(decoders[coding]())
    for (let count = 0; count < 5; count++) {
      const piece = `event ${count}\n`
      const arrived = once(decoder, 'data')
      compressor.write(piece)
      const [chunk] = await arrived as [Buffer]
      t.equal(chunk.toString(), piece, coding)
    }
    compressor.end()
    await once(decoder, 'end')
  }
})

test('compressor: takes no more than its reader takes', async (t) => {
  const noise = randomBytes(64 * 1024)
  const compressor = new Compressor(compressorFactory('gzip', LEVELS), null)
  let taken = 0
  for (; taken < 1000; taken++) {
    if (!compressor.write(noise)) {
      const drained = await Promise.race([once(compressor, 'drain').then(() => true), new Promise<boolean>((resolve) => { setTimeout(resolve, 200, false) })])
      if (!drained) break
    }
  }
  t.ok(taken < 20, `it stopped after ${taken} pieces of 64 KB`)
  let out = 0
  compressor.on('data', (chunk: Buffer) => { out += chunk.length })
  compressor.end()
  await once(compressor, 'end')
  t.ok(out > 0, 'and went on when it was read')
})

test('compressor: can be destroyed while it works', async (t) => {
  for (const coding of CODINGS) {
    const compressor = new Compressor(compressorFactory(coding, LEVELS), null)
    compressor.write(Buffer.alloc(1 << 20))
    compressor.resume()
    compressor.destroy()
    await once(compressor, 'close')
    t.ok(compressor.destroyed, coding)
  }
})

test('compression: remembers choices only within a bound', (t) => {
  const choose = negotiator(['gzip'])
  for (let count = 0; count < 100_000; count++) choose(`gzip;q=0.${count % 1000}, x-${count}`)
  for (let count = 0; count < 10; count++) choose(`gzip, ${'x'.repeat(1 << 20)}${count}`)
  t.same(choose('gzip, br'), { coding: 'gzip', identityRefused: false })
  t.end()
})

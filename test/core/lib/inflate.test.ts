import { test } from 'tap'
import fc from 'fast-check'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { inflateBody, InflateError, type InflateFailure } from '../../../core/lib/inflate.js'

const limits = { maxBytes: 1024 * 1024, maxRatio: 100 }
const encoders = { gzip: gzipSync, 'x-gzip': gzipSync, deflate: deflateSync, br: brotliCompressSync, identity: (data: Buffer) => data, '': (data: Buffer) => data }

async function failureOf (promise: Promise<Buffer>): Promise<InflateFailure | null> {
  try {
    await promise
    return null
  } catch (error) {
    if (error instanceof InflateError) return error.reason
    throw error
  }
}

test('inflate: gives back what was compressed, for every coding', async (t) => {
  await fc.assert(fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.constantFrom(...Object.keys(encoders) as (keyof typeof encoders)[]), async (bytes, coding) => {
    const data = Buffer.from(bytes)
    return data.equals(await inflateBody(encoders[coding](data), coding, limits))
  }), { numRuns: 200 })
  const text = Buffer.from('some text, '.repeat(50))
  t.same(await inflateBody(gzipSync(text), ' GZip ', limits), text, 'case and space do not matter')
  t.same(await inflateBody(deflateRawSync(text), 'deflate', limits), text, 'deflate without a zlib header')
  t.same(await inflateBody(Buffer.concat([gzipSync(text), gzipSync(text)]), 'gzip', limits), Buffer.concat([text, text]), 'gzip of two members')
  t.same(await inflateBody(Buffer.alloc(0), 'gzip', limits), Buffer.alloc(0), 'an empty body stays one')
})

test('inflate: unknown and nested codings are unsupported', async (t) => {
  const twice = gzipSync(gzipSync('x'))
  for (const coding of ['gzip,gzip', 'gzip, gzip', 'identity, gzip', 'br, gzip', 'gzip,', ',gzip', 'zstd', 'compress', 'x', 'gzip;q=1', 'gzip gzip', Array(1000).fill('gzip').join(',')]) {
    t.equal(await failureOf(inflateBody(twice, coding, limits)), 'unsupported', coding.slice(0, 40))
  }
})

test('inflate: what is cut off, mangled or has something behind its end is corrupt', async (t) => {
  const text = Buffer.from('some text, '.repeat(50))
  for (const [coding, encode] of Object.entries({ gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync })) {
    const whole = encode(text)
    t.equal(await failureOf(inflateBody(whole.subarray(0, -3), coding, limits)), 'corrupt', `${coding} cut off`)
    t.equal(await failureOf(inflateBody(whole.subarray(0, 1), coding, limits)), 'corrupt', `${coding} of one byte`)
    t.equal(await failureOf(inflateBody(Buffer.concat([whole, Buffer.from('GET /')]), coding, limits)), 'corrupt', `${coding} with a tail`)
    t.equal(await failureOf(inflateBody(Buffer.from('not compressed at all'), coding, limits)), 'corrupt', `${coding} that is none`)
  }
  const gzip = gzipSync(text)
  gzip[gzip.length - 5] = (gzip[gzip.length - 5] ?? 0) ^ 0xff
  t.equal(await failureOf(inflateBody(gzip, 'gzip', limits)), 'corrupt', 'a wrong checksum')
})

test('inflate: the size limit holds to the byte', async (t) => {
  const random = Buffer.from(Array.from({ length: 5000 }, (_, index) => (index * 7919) % 251))
  for (const [coding, encode] of Object.entries(encoders)) {
    const body = encode(random)
    t.equal(await failureOf(inflateBody(body, coding, { maxBytes: 5000, maxRatio: 100 })), null, `${coding}: 5000 of 5000`)
    t.equal(await failureOf(inflateBody(body, coding, { maxBytes: 4999, maxRatio: 100 })), 'too large', `${coding}: 5000 of 4999`)
  }
  t.equal(await failureOf(inflateBody(gzipSync('a'), 'gzip', { maxBytes: 0, maxRatio: 100 })), 'too large', 'nothing is allowed')
  t.equal(await failureOf(inflateBody(gzipSync(''), 'gzip', { maxBytes: 0, maxRatio: 100 })), null, 'nothing is there')
})

test('inflate: the ratio limit holds above its floor of 64 KB', async (t) => {
  const generous = { maxBytes: 1024 * 1024 * 1024, maxRatio: 100 }
  t.equal(await failureOf(inflateBody(gzipSync(Buffer.alloc(64 * 1024)), 'gzip', generous)), null, '64 KB of zeros pass')
  t.equal(await failureOf(inflateBody(gzipSync(Buffer.alloc(64 * 1024 + 1)), 'gzip', generous)), 'too large', 'one more does not')
})

test('inflate: bombs stop early, and memory stays bounded', async (t) => {
  const zeros = Buffer.alloc(128 * 1024 * 1024)
  const bombs = { gzip: gzipSync(zeros, { level: 1 }), deflate: deflateSync(zeros, { level: 1 }), br: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } }) }
  t.ok(bombs.gzip.length * 200 < zeros.length, 'they are bombs')
  const before = process.memoryUsage.rss()
  let peak = before
  for (let round = 0; round < 10; round++) {
    for (const [coding, bomb] of Object.entries(bombs)) {
      t.equal(await failureOf(inflateBody(bomb, coding, { maxBytes: 1024 * 1024, maxRatio: 1e9 })), 'too large', `${coding} by size`)
      t.equal(await failureOf(inflateBody(bomb, coding, { maxBytes: 1e9, maxRatio: 2 })), 'too large', `${coding} by ratio`)
      peak = Math.max(peak, process.memoryUsage.rss())
    }
  }
  // Each may inflate 1 MB before it stops: 60 MB if nothing at all is collected in between.
  t.ok(peak - before < 96 * 1024 * 1024, `60 bombs of 128 MB grew the process by ${Math.round((peak - before) / 1048576)} MB`)
})

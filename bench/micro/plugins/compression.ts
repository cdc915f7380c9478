/**
 * What compression costs: the decision per answer; CPU and size per coding, body size and piece size; how long a piece is held back.
 * Run: node dist/bench/micro/plugins/compression.js
 */
import { once } from 'node:events'
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { Compressor, compressorFactory } from '../../../plugins/compression/compressor.js'
import compression from '../../../plugins/compression/index.js'
import type { Coding } from '../../../plugins/compression/negotiate.js'
import { benchResponse, instanceOf } from './plugin-hooks.js'

benchResponse('response, too small', await instanceOf(compression, {}), {})
benchResponse('response, not a listed type', await instanceOf(compression, { types: ['text/*'] }), {})
benchResponse('response, to be compressed', await instanceOf(compression, { minSize: '0' }), {})

const LEVELS = { br: 4, gzip: 4, deflate: 4 }
const CODINGS: Coding[] = ['br', 'gzip', 'deflate']
const rows = Array.from({ length: 8000 }, (_, id) => JSON.stringify({ id, name: `Item number ${(id * 7919) % 1000}`, price: (id * 31 % 9999) / 100, active: id % 2 === 0 }))
const text = Buffer.from(rows.join('\n'))

async function compress (coding: Coding, pieces: readonly Buffer[], bytes: number | null): Promise<number> {
  const compressor = new Compressor(compressorFactory(coding, LEVELS), bytes)
  let out = 0
  compressor.on('data', (chunk: Buffer) => { out += chunk.length })
  for (const piece of pieces) if (!compressor.write(piece)) await once(compressor, 'drain')
  compressor.end()
  await once(compressor, 'end')
  return out
}

console.log('\ncoding   body bytes  piece bytes  ratio  CPU us per body')
for (const coding of CODINGS) {
  for (const [body, piece, runs] of [[1024, 1024, 1000], [16384, 16384, 500], [65536, 65536, 200], [524288, 256, 3], [524288, 2048, 10], [524288, 16384, 30], [524288, 65536, 30]] as const) {
    const data = text.subarray(0, body)
    const pieces = Array.from({ length: Math.ceil(body / piece) }, (_, index) => data.subarray(index * piece, (index + 1) * piece))
    for (let run = 0; run < runs / 5; run++) await compress(coding, pieces, pieces.length === 1 ? body : null)
    const before = process.cpuUsage()
    let out = 0
    for (let run = 0; run < runs; run++) out = await compress(coding, pieces, pieces.length === 1 ? body : null)
    const { user, system } = process.cpuUsage(before)
    console.log(`${coding.padEnd(7)} ${String(body).padStart(11)} ${String(piece).padStart(12)} ${(body / out).toFixed(2).padStart(6)} ${((user + system) / runs).toFixed(0).padStart(16)}`)
  }
}

console.log('\ncoding   from writing 100 bytes to having them decoded, us: p50  p99')
const DECODERS = { gzip: createGunzip, deflate: createInflate, br: createBrotliDecompress }
for (const coding of CODINGS) {
  const compressor = new Compressor(compressorFactory(coding, LEVELS), null)
  const decoder = compressor.pipe(DECODERS[coding]())
  const times: number[] = []
  for (let run = 0; run < 500; run++) {
    const start = performance.now()
    const arrived = once(decoder, 'data')
    compressor.write(text.subarray(run * 100, run * 100 + 100))
    await arrived
    times.push(performance.now() - start)
  }
  compressor.destroy()
  decoder.destroy()
  const sorted = times.slice(100).sort((a, b) => a - b)
  const at = (share: number): string => ((sorted[Math.floor(sorted.length * share)] ?? 0) * 1000).toFixed(0).padStart(5)
  console.log(`${coding.padEnd(7)} ${' '.repeat(52)}${at(0.5)}${at(0.99)}`)
}

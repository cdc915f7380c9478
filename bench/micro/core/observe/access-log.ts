/** Nanoseconds per access-log record, formatting alone and with the writer. Run: node dist/bench/micro/core/observe/access-log.js */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { destination } from 'pino'
import { createAccessLog, type AccessRecord } from '../../../../core/observe/access-log.js'
import { createLineWriter, type LineWriter } from '../../../../core/observe/line-writer.js'
import { nsPerCall } from '../../ns-per-call.js'

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36'
const CONFIG = { sample: 1, redact: [], file: null }
const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))

const record = (n: number): AccessRecord => ({
  time: 1_767_225_600_000 + n, requestId: `0190f8e0-6a5b-7cc1-9d3a-${String(n).padStart(12, '0')}`, client: `203.0.113.${n & 255}`, method: 'GET', scheme: 'https', host: 'shop.example.com',
  path: `/api/v1/orders/${n}`, query: `page=${n & 63}&limit=50`, status: 200, complete: true, durationMs: 1.2345 + (n % 1000) / 7, upstreamMs: 0.9876 + (n % 999) / 7, target: 'http://127.0.0.1:9001',
  bytesIn: 0, bytesOut: 1234 + (n & 1023), project: 'shop', route: 'orders', consumer: 'acme', errorCode: null, errorReason: null, userAgent: CHROME, httpVersion: '1.1', fields: null
})
const plain = Array.from({ length: 4096 }, (_, n) => record(n))
const secret = plain.map((one) => ({ ...one, query: `${one.query}&api_key=abc` }))
const hostile = plain.map((one) => ({ ...one, userAgent: `${CHROME} "é"` }))

let bytes = 0
const nowhere: LineWriter = { beforeWriting: null, write (line) { bytes += line.length }, flush: async () => {}, reopen () {}, close: async () => {}, dropped: 0 }
const log = createAccessLog(CONFIG, nowhere)
const sampledLog = createAccessLog({ ...CONFIG, sample: 0.01 }, nowhere)

const row = (name: string, ns: number): void => { console.log(`${name.padEnd(46)}${ns.toFixed(0).padStart(6)} ns`) }
row('a record, formatted', nsPerCall((n) => { log.record(plain[n & 4095] as AccessRecord) }))
row('  with a secret in its query', nsPerCall((n) => { log.record(secret[n & 4095] as AccessRecord) }))
row('  with characters to escape in its user agent', nsPerCall((n) => { log.record(hostile[n & 4095] as AccessRecord) }))
row('  left out by sampling (1 in 100 kept)', nsPerCall((n) => { sampledLog.record(plain[n & 4095] as AccessRecord) }))
row('JSON.stringify of the same record', nsPerCall((n) => { bytes += JSON.stringify(plain[n & 4095]).length }))

/** CPU per line (user and system), in bursts with pauses for the disk, as requests come. */
async function cpuPerLine (write: (line: string) => void): Promise<number> {
  const line = `${'x'.repeat(480)}\n`
  const lines = 50_000
  const start = process.cpuUsage()
  for (let n = 0; n < lines; n++) {
    write(`${n}${line}`) // a text of its own each, as records are
    if (n % 32 === 31) await new Promise((resolve) => { setImmediate(resolve) })
  }
  const { user, system } = process.cpuUsage(start)
  return (user + system) * 1000 / lines
}

const ours = createLineWriter({ file: join(folder, 'ours.log'), maxPendingBytes: 64 * 1024 * 1024 })
const sonic = destination({ dest: join(folder, 'sonic.log'), sync: false, minLength: 256 * 1024, maxWrite: 512 * 1024 })
await new Promise((resolve) => { sonic.once('ready', resolve) })
const results: [number, number][] = []
for (let round = 0; round < 4; round++) results.push([await cpuPerLine((line) => { ours.write(line) }), await cpuPerLine((line) => { sonic.write(line) })])
row('a line through createLineWriter (CPU, both sides)', Math.min(...results.slice(1).map(([own]) => own)))
row("a line through pino's destination (the same)", Math.min(...results.slice(1).map(([, theirs]) => theirs)))
if (bytes === 0 || ours.dropped > 0) throw new Error(`${ours.dropped} lines were dropped`)
await ours.close()
sonic.end()
rmSync(folder, { recursive: true, force: true })

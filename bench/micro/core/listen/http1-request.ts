/**
 * Nanoseconds to read a client's request head, cleaning its fields on the way, by their number.
 * Run: node dist/bench/micro/core/listen/http1-request.js [--quick]
 */
import { Socket } from 'node:net'
import { Connection } from '../../../../core/listen/connection.js'
import { type BodyMaker, readRequest, type RequestHead } from '../../../../core/listen/http1-request.js'
import { compilePolicy } from '../../../../core/listen/policy.js'
import { Refusal } from '../../../../core/reply.js'
import { printGrowth, printSizes } from '../../growth.js'
import { nsPerCall } from '../../ns-per-call.js'

const policy = compilePolicy({
  host: '127.0.0.1', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [],
  limits: { headerBytes: 65_536, headerFields: 200, urlBytes: 8_192, headersMs: 0, bodyGraceMs: 0, bodyBytesPerSecond: 0, stallMs: 60_000, keepAliveMs: 0 }
}, ['x-consumer-id', 'x-tenant'], 'x-request-id')
const connection = new Connection(new Socket(), policy.isTrusted)
const SIZES = [8, 20, 100]
const USUAL = ['Host', 'shop.example.com', 'User-Agent', 'bench', 'Accept', '*/*', 'Accept-Encoding', 'gzip, br', 'Connection', 'keep-alive']
const HOSTILE = ['X-Consumer-Id', 'me', 'X-Forwarded-For', '10.0.0.1', 'Keep-Alive', '3', 'Connection', 'x-a, x-b, close']

function message (fields: number, first: readonly string[], target: string): RequestHead {
  const rawHeaders = first.slice(0, fields * 2)
  for (let n = rawHeaders.length / 2; n < fields; n++) rawHeaders.push(`X-Field-${n}`, `the value of field ${n}`)
  return { method: 'GET', url: target, httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders }
}

const NO_BODY: BodyMaker = { makeBody: () => { throw new Error('none of these has a body') } }

printSizes('fields', SIZES)
for (const [title, first, target] of [
  ['usual fields', USUAL, '/api/v1/orders/42?page=2'], ['with some that are taken away', [...USUAL.slice(0, 4), ...HOSTILE], '/api/v1/orders/42?page=2'], ['and a path to bring into normal form', USUAL, '/api/./v1/%6Frders//42?page=2']
] as const) {
  printGrowth(title, SIZES.map((fields) => {
    const made = message(fields, first, target)
    const read = readRequest(made, connection, policy, NO_BODY)
    if (read instanceof Refusal || read.path !== '/api/v1/orders/42' || read.headers.has('x-consumer-id')) throw new Error(`${title}: it was not read as it should be`)
    return nsPerCall(() => { readRequest(made, connection, policy, NO_BODY) })
  }))
}

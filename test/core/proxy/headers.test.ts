import fc from 'fast-check'
import { test } from 'tap'
import { Connection } from '../../../core/listen/connection.js'
import { readRequest } from '../../../core/listen/http1-request.js'
import { compilePolicy } from '../../../core/listen/policy.js'
import { upstreamHeaders } from '../../../core/proxy/request-headers.js'
import { cleanResponseHeaders, cleanTrailers } from '../../../core/proxy/response-headers.js'
import { Refusal } from '../../../core/reply.js'
import type { ListenConfig } from '../../../core/route.js'

type Field = readonly [name: string, value: string]

// What the references go by: RFC 9110 section 7.6.1, promise R5, and nothing of the code under test.
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'proxy-authenticate', 'proxy-authorization', 'proxy-authentication-info', 'trailer', 'transfer-encoding', 'upgrade', 'http2-settings']
const CLAIMS = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'x-forwarded-port', 'x-forwarded-prefix', 'x-forwarded-anything', 'forwarded', 'x-real-ip', 'true-client-ip', 'x-original-url', 'x-http-method-override', 'via']
const IDENTITY = ['x-consumer-id', 'x-tenant']
const FRAMING = ['host', 'content-length']
const PLAIN = ['accept', 'authorization', 'cookie', 'x-a', 'x-b', 'x-consumer', 'date', 'set-cookie', '__proto__', 'constructor', 'x_tenant', 'x-consumer_id', 'content_length', 'te', 'etag']

const spelled = (names: readonly string[]): fc.Arbitrary<string> => fc.tuple(fc.constantFrom(...names), fc.integer()).map(([name, seed]) =>
  [...name].map((char, i) => ((seed >> (i % 31)) & 1) === 0 ? char : char.toUpperCase()).join(''))
const value = fc.string({ unit: fc.constantFrom('a', 'B', '1', ' ', ',', ';', '=', '"', '\xe4', '\t'), maxLength: 8 }).map((text) => text.trim())
const listed = fc.array(fc.oneof(spelled([...PLAIN, ...CLAIMS, ...IDENTITY, ...FRAMING, 'close', 'keep-alive', 'upgrade']), fc.constant('')), { maxLength: 4 }).map((names) => names.join(', '))
const field = (names: readonly string[]): fc.Arbitrary<Field> => fc.oneof(
  fc.tuple(spelled(names), value), fc.tuple(spelled(['connection']), listed), fc.tuple(spelled(['te']), fc.constantFrom('trailers', 'gzip, trailers', 'gzip', 'x-trailers')))

const limits: ListenConfig['limits'] = { headerBytes: 1e6, headerFields: 1_000, urlBytes: 8_192, headersMs: 0, bodyGraceMs: 0, bodyBytesPerSecond: 0, stallMs: 60_000, keepAliveMs: 0 }
const listen: ListenConfig = { host: '', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [], limits }
const policies = [false, true].map((trusted) => compilePolicy({ ...listen, trustedProxies: trusted ? ['192.0.2.1'] : [] }, IDENTITY, 'x-request-id'))

/** What the upstream gets of these fields, in front of what the gateway adds. */
function sentOf (fields: readonly Field[], trusted: boolean): Field[] {
  const policy = policies[Number(trusted)] as NonNullable<typeof policies[number]>
  const socket = { remoteAddress: '192.0.2.1', remotePort: 1, localPort: 2 } as ConstructorParameters<typeof Connection>[0]
  const head = { method: 'GET', url: '/a', httpVersionMajor: 1, httpVersionMinor: 1, rawHeaders: ['Host', 'h.example', ...fields.flat()] }
  const request = readRequest(head, new Connection(socket, policy.isTrusted), policy, { makeBody: () => { throw new Error('it has no body') } })
  if (request instanceof Refusal) throw new Error(JSON.stringify(request))
  return pairs(upstreamHeaders(request, { fields: request.headers.flat, requestIdHeader: 'x-request-id', requestId: 'id-1' }, 'target.example:80'))
}

function pairs (flat: readonly string[]): Field[] {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i] as string, flat[2 * i + 1] as string] as const)
}

/** The names that Connection fields list, less those that may not be listed away. */
function listedNames (fields: readonly Field[], kept: readonly string[]): Set<string> {
  const all = fields.filter(([name]) => name.toLowerCase() === 'connection').flatMap(([, names]) => names.split(',')).map((name) => name.trim().toLowerCase())
  return new Set(all.filter((name) => !kept.includes(name)))
}

const isClaim = (name: string): boolean => CLAIMS.includes(name) || name.startsWith('x-forwarded-')

test('request headers: what goes on is what a naive reading of the rules lets go on', async (t) => {
  const names = [...HOP_BY_HOP.filter((name) => !['connection', 'transfer-encoding'].includes(name)), ...CLAIMS, ...IDENTITY, ...PLAIN.filter((name) => name !== 'te'), 'x-request-id']
  fc.assert(fc.property(fc.array(field(names), { maxLength: 12 }), fc.boolean(), (fields, trusted) => {
    const gone = listedNames(fields, [...CLAIMS, ...FRAMING, 'te'])
    const lower = fields.map(([name, one]) => [name.toLowerCase(), one] as const)
    const own = ['x-forwarded-for', 'x-forwarded-host', 'x-forwarded-proto', 'forwarded', 'via']
    const through = lower.filter(([name]) => ![...HOP_BY_HOP, ...IDENTITY, ...own, 'x-request-id'].includes(name) && !name.includes('_') && !gone.has(name) && (trusted || !isClaim(name)))
      .filter(([name, one]) => name !== 'te' || one.split(',').some((coding) => coding.trim() === 'trailers')).map(([name, one]) => [name, name === 'te' ? 'trailers' : one] as const)
    const claimed = (name: string): string[] => trusted ? lower.filter(([one]) => one === name).map(([, one]) => one) : []
    const expected: Field[] = [
      ['host', 'target.example:80'], ...through, ['x-request-id', 'id-1'],
      ['x-forwarded-for', [...claimed('x-forwarded-for'), '192.0.2.1'].join(', ')],
      ['x-forwarded-host', claimed('x-forwarded-host').at(-1) ?? 'h.example'],
      ['x-forwarded-proto', claimed('x-forwarded-proto').at(-1) ?? 'http'],
      ['forwarded', [...claimed('forwarded'), 'for=192.0.2.1;host=h.example;proto=http'].join(', ')],
      ['via', [...claimed('via'), '1.1 sluice'].join(', ')]
    ]
    const actual = sentOf(fields, trusted)
    if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
  }), { numRuns: 3_000 })
  t.end()
})

test('request headers: no client can keep or take away what names it to the upstream', async (t) => {
  fc.assert(fc.property(fc.array(field([...IDENTITY, ...CLAIMS, 'x_consumer_id', 'X_TENANT']), { maxLength: 12 }), (fields) => {
    const sent = sentOf(fields, false)
    const names = sent.map(([name]) => name)
    return !names.some((name) => IDENTITY.includes(name.replaceAll('_', '-'))) && sent.find(([name]) => name === 'x-forwarded-for')?.[1] === '192.0.2.1' &&
      names.filter(isClaim).length === 5 && new Set(names.filter(isClaim)).size === 5
  }), { numRuns: 2_000 })
  t.end()
})

test('response headers: what goes on is what a naive reading of the rules lets go on', async (t) => {
  const names = [...HOP_BY_HOP.filter((name) => !['connection', 'transfer-encoding'].includes(name)), ...FRAMING, ...PLAIN, 'via', 'expect']
  fc.assert(fc.property(fc.array(fc.oneof(fc.tuple(spelled(names), value), fc.tuple(spelled(['connection']), listed), fc.tuple(spelled(['transfer-encoding']), fc.constantFrom('chunked', 'Chunked', 'gzip', 'gzip, chunked'))), { maxLength: 12 }), (fields) => {
    const codings = fields.filter(([name]) => name.toLowerCase() === 'transfer-encoding')
    const readable = codings.length === 0 || (codings.length === 1 && codings[0]?.[1].toLowerCase() === 'chunked')
    const gone = listedNames(fields, [...CLAIMS, ...FRAMING, 'te'])
    const expected = fields.map(([name, one]) => [name.toLowerCase(), one] as const).filter(([name]) => ![...HOP_BY_HOP, 'te'].includes(name) && !gone.has(name))
    const cleaned = cleanResponseHeaders(fields.flat())
    if (!readable || cleaned === null) return !readable && cleaned === null
    const actual = pairs(cleaned)
    if (JSON.stringify(actual) !== JSON.stringify(expected)) throw new Error(`${JSON.stringify(actual)} instead of ${JSON.stringify(expected)}`)
    return true
  }), { numRuns: 3_000 })
  t.end()
})

test('response trailers: nothing in them frames, routes, authenticates or sets a cookie', async (t) => {
  const allowed = ['x-a', 'x-sum', 'grpc-status', 'server-timing', 'etag']
  fc.assert(fc.property(fc.array(fc.tuple(spelled([...allowed, ...HOP_BY_HOP, ...FRAMING, ...CLAIMS, 'set-cookie', 'content-type', 'content-encoding', 'date', 'te', 'authorization', 'www-authenticate']), value), { maxLength: 8 }), (fields) => {
    const expected = fields.map(([name, one]) => [name.toLowerCase(), one] as const).filter(([name]) => allowed.includes(name))
    const cleaned = cleanTrailers(fields.flat())
    return expected.length === 0 ? cleaned === null : JSON.stringify(pairs(cleaned ?? [])) === JSON.stringify(expected)
  }), { numRuns: 2_000 })
  t.same(cleanTrailers(null), null)
  t.end()
})

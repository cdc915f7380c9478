import { test } from 'tap'
import fc from 'fast-check'
import type { HeaderList } from '../../core/lib/header-list.js'
import { testPlugin } from '../../core/testing.js'
import { compileOrigins } from '../../plugins/cors/origins.js'
import cors from '../../plugins/cors/index.js'
import { configFindings } from '../fixtures/config-findings.js'

const APP = 'https://app.example.com'

function preflight (origin: string, more: Record<string, string> = {}): { method: string, target: string, headers: Record<string, string> } {
  return { method: 'OPTIONS', target: '/orders', headers: { origin, 'access-control-request-method': 'PUT', ...more } }
}

/** The CORS fields and Vary of an answer. */
function corsOf (headers: HeaderList): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => name.startsWith('access-control-') || name === 'vary'))
}

test('cors: answers a preflight at the edge with 204', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP], credentials: true, maxAge: '2h' })
  const result = await plugin.request(preflight(APP, { 'access-control-request-headers': 'authorization,content-type' }))
  t.equal(result.status, 204)
  t.equal(result.forwarded, null, 'the upstream does not see it')
  t.same(corsOf(result.headers), {
    vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers',
    'access-control-allow-origin': APP,
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
    'access-control-allow-headers': 'authorization,content-type',
    'access-control-max-age': '7200'
  })
})

test('cors: answers a preflight from an origin that is not listed without saying yes', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP], credentials: true })
  const result = await plugin.request(preflight('https://evil.example'))
  t.equal(result.status, 204)
  t.equal(result.forwarded, null)
  t.same(corsOf(result.headers), { vary: 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers' })
})

test('cors: an OPTIONS that is no preflight goes on to the upstream', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP] }, { upstream: () => ({ status: 200, headers: { allow: 'GET' } }) })
  const others: Record<string, string>[] = [{}, { origin: APP }, { 'access-control-request-method': 'GET' }]
  for (const headers of others) {
    const result = await plugin.request({ method: 'OPTIONS', target: '/orders', headers })
    t.equal(result.status, 200)
    t.equal(result.forwarded?.method, 'OPTIONS')
  }
  const get = await plugin.request({ method: 'GET', target: '/orders', headers: { origin: APP, 'access-control-request-method': 'GET' } })
  t.equal(get.forwarded?.method, 'GET')
})

test('cors: a preflight gets the listed methods and headers, whatever it asks for', async (t) => {
  const plugin = await testPlugin(cors, { origins: ['*'], methods: ['get', 'POST'], allowHeaders: ['X-Api-Key', 'content-type'] })
  const result = await plugin.request(preflight(APP, { 'access-control-request-headers': 'x-evil' }))
  t.same(corsOf(result.headers), {
    vary: 'Access-Control-Request-Method',
    'access-control-allow-origin': '*',
    'access-control-allow-methods': 'GET, POST',
    'access-control-allow-headers': 'x-api-key, content-type',
    'access-control-max-age': '600'
  })
  const none = await testPlugin(cors, { origins: ['*'], allowHeaders: [] })
  t.notOk((await none.request(preflight(APP, { 'access-control-request-headers': 'x-a' }))).headers.has('access-control-allow-headers'))
})

test('cors: echoes requested headers only when they are header names', async (t) => {
  const plugin = await testPlugin(cors, { origins: ['*'] })
  const echoed = async (value: string): Promise<string | undefined> => (await plugin.request(preflight(APP, { 'access-control-request-headers': value }))).headers.get('access-control-allow-headers')
  t.equal(await echoed('x-a, x-b'), 'x-a, x-b')
  t.equal(await echoed('x-a; x="b"'), undefined)
  t.notOk((await plugin.request(preflight(APP))).headers.has('access-control-allow-headers'))
})

test('cors: answers for private networks only when told', async (t) => {
  const ask = preflight(APP, { 'access-control-request-private-network': 'true' })
  const off = await testPlugin(cors, { origins: [APP] })
  t.notOk((await off.request(ask)).headers.has('access-control-allow-private-network'))
  const on = await testPlugin(cors, { origins: [APP], privateNetwork: true })
  const { headers } = await on.request(ask)
  t.equal(headers.get('access-control-allow-private-network'), 'true')
  t.match(headers.get('vary'), /Access-Control-Request-Private-Network/)
  t.notOk((await on.request(preflight(APP))).headers.has('access-control-allow-private-network'))
})

test('cors: marks answers for listed origins and keeps caches from mixing them', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP], credentials: true, exposeHeaders: ['X-Request-Id', 'retry-after'] })
  const marked = await plugin.request({ target: '/orders', headers: { origin: APP } })
  t.same(corsOf(marked.headers), {
    vary: 'Origin',
    'access-control-allow-origin': APP,
    'access-control-allow-credentials': 'true',
    'access-control-expose-headers': 'x-request-id, retry-after'
  })
  t.equal(marked.forwarded?.headers.get('origin'), APP, 'the upstream sees the origin')
  const others: Record<string, string>[] = [{}, { origin: 'https://evil.example' }, { origin: 'null' }]
  for (const headers of others) {
    const unmarked = await plugin.request({ target: '/orders', headers })
    t.equal(unmarked.status, 200, 'CORS keeps no request away')
    t.same(corsOf(unmarked.headers), { vary: 'Origin' })
  }
})

test('cors: with any origin every answer is the same', async (t) => {
  const plugin = await testPlugin(cors, { origins: ['*'] })
  const all: Record<string, string>[] = [{}, { origin: APP }, { origin: 'null' }]
  for (const headers of all) {
    t.same(corsOf((await plugin.request({ target: '/', headers })).headers), { 'access-control-allow-origin': '*' })
  }
})

test('cors: replaces what the upstream says, and keeps its Vary', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP] }, {
    upstream: () => ({
      status: 200,
      headers: { 'access-control-allow-origin': '*', vary: 'accept-encoding', 'access-control-allow-credentials': 'true', 'content-type': 'text/plain', 'access-control-expose-headers': 'x-internal' }
    })
  })
  const marked = await plugin.request({ target: '/', headers: { origin: APP } })
  t.same(corsOf(marked.headers), { vary: 'accept-encoding, Origin', 'access-control-allow-origin': APP })
  t.equal(marked.headers.get('content-type'), 'text/plain')
  t.same(corsOf((await plugin.request({ target: '/', headers: { origin: 'https://evil.example' } })).headers), { vary: 'accept-encoding, Origin' })
})

test('cors: marks error answers too', async (t) => {
  const plugin = await testPlugin(cors, { origins: [APP] }, { upstream: () => ({ status: 401, headers: { 'www-authenticate': 'Bearer' } }) })
  const result = await plugin.request({ target: '/', headers: { origin: APP } })
  t.equal(result.status, 401)
  t.equal(result.headers.get('access-control-allow-origin'), APP)
})

test('cors: matches origins exactly, wildcards by whole labels', async (t) => {
  const cases: [entries: string[], yes: string[], no: string[]][] = [
    [['https://trusted.com'], ['https://trusted.com'], [
      'https://eviltrusted.com', 'https://trusted.com.evil.com', 'http://trusted.com', 'https://trusted.com:8443', 'https://trusted.com/', 'https://a.trusted.com',
      'https://trusted.co', 'https://TRUSTED.com', 'null', '', 'trusted.com', ' https://trusted.com', 'https://trusted.com, https://evil.com'
    ]],
    [['HTTPS://App.Example.com'], ['https://app.example.com'], []],
    [['https://*.example.com'], ['https://a.example.com', 'https://a.b.example.com', 'https://a-b_c.example.com'], [
      'https://example.com', 'https://evilexample.com', 'https://.example.com', 'https://a..example.com', 'http://a.example.com', 'https://a.example.com:8443', 'https://a.example.com.evil.com',
      'https://evil.com/.example.com', 'https://evil.com#.example.com', 'https://evil.com?.example.com', 'https://evil.com:80.example.com', 'https://evil.com@.example.com', 'https://evil.com\\.example.com',
      'https://*.example.com', 'https://evil.com%2f.example.com', 'https://é.example.com', 'null'
    ]],
    [['https://*.example.com:8443'], ['https://a.example.com:8443'], ['https://a.example.com', 'https://a.example.com:84430', 'https://:8443']],
    [['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'capacitor://localhost'], ['http://localhost:3000', 'http://127.0.0.1:3000', 'http://[::1]:3000', 'capacitor://localhost'], ['http://localhost:3001', 'http://localhost']],
    [['null'], ['null'], ['https://null', '']]
  ]
  for (const [entries, yes, no] of cases) {
    const plugin = await testPlugin(cors, { origins: entries })
    const marks = async (origin: string): Promise<string | undefined> => (await plugin.request({ target: '/', headers: { origin } })).headers.get('access-control-allow-origin')
    for (const origin of yes) t.equal(await marks(origin), origin, `${entries.join()} allows ${origin}`)
    for (const origin of no) {
      const rule = compileOrigins(entries)
      t.equal(rule.any ? null : rule.allows(origin), false, `${entries.join()} does not allow ${JSON.stringify(origin)}`)
    }
  }
})

test('cors: whatever a wildcard allows is a URL below its domain', async (t) => {
  const rule = compileOrigins(['https://*.example.com'])
  const piece = fc.constantFrom('https://', 'http://', 'evil.com', '.example.com', 'example.com', '.', '/', '#', '?', '@', ':', '\\', '%2e', '%', 'a', '-', '*', ' ', '\t', '..')
  fc.assert(fc.property(fc.array(piece, { maxLength: 6 }).map((pieces) => `https://${pieces.join('')}.example.com`), (origin) => {
    if (rule.any || !rule.allows(origin)) return true
    const url = new URL(origin)
    return url.origin === origin && url.hostname.endsWith('.example.com')
  }), { numRuns: 5000 })
  t.pass('5 000 origins')
})

test('cors: refuses a config that browsers would not understand or that opens too much', async (t) => {
  const cases: [config: Record<string, unknown>, findings: RegExp[]][] = [
    [{ origins: ['*'], credentials: true }, [/^origins\[0\]: the origin "\*" can not be combined with credentials \(list the origins/]],
    [{ origins: [APP, '*'], credentials: true, allowHeaders: ['*'], exposeHeaders: ['*'], methods: ['*'] }, [/^origins\[1\]: /, /^methods\[0\]: /, /^allowHeaders\[0\]: /, /^exposeHeaders\[0\]: /]],
    [{ origins: ['https://app.example.com/'] }, [/not an origin.*\(write https:\/\/app\.example\.com\)/]],
    [{ origins: ['https://app.example.com/path?x'] }, [/\(write https:\/\/app\.example\.com\)/]],
    [{ origins: ['https://app.example.com:443', 'http://app.example.com:80'] }, [/names the default port.*\(write https:\/\/app\.example\.com\)/, /^origins\[1\]: .*\(write http:\/\/app\.example\.com\)/]],
    [{ origins: ['app.example.com', 'https://', 'https://*', 'https://a.*.com', 'https://*example.com', '*.example.com', 'https://user@example.com', ''] }, Array.from({ length: 8 }, () => /is not an origin/)]
  ]
  for (const [config, expected] of cases) {
    const lines = await configFindings(() => testPlugin(cors, config))
    t.equal(lines.length, expected.length, lines.join('\n'))
    for (const [index, pattern] of expected.entries()) t.match(lines[index], pattern)
  }
  await t.rejects(testPlugin(cors, {}), 'origins are required')
  await t.rejects(testPlugin(cors, { origins: [] }), 'an empty list is refused')
  await t.rejects(testPlugin(cors, { origins: ['*'], maxAge: '600' }), 'maxAge needs a unit')
  await t.rejects(testPlugin(cors, { origins: ['*'], origin: '*' }), 'unknown keys are refused')
})

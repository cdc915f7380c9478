import { test } from 'tap'
import fc from 'fast-check'
import { testPlugin } from '../../core/testing.js'
import redirect from '../../plugins/redirect/index.js'
import { configFindings } from '../fixtures/config-findings.js'

interface Asked { target?: string, host?: string, params?: Record<string, string>, headers?: Record<string, string> }

/** The Location for one request. */
async function location (config: Record<string, unknown>, { target = '/', host = 'old.example', params = {}, headers = {} }: Asked = {}): Promise<string | undefined> {
  const plugin = await testPlugin(redirect, config, { params })
  return (await plugin.request({ target, host, headers })).headers.get('location')
}

test('redirect: answers with status and Location, and forwards nothing', async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const plugin = await testPlugin(redirect, { to: 'https://example.com/new#top', status })
    const result = await plugin.request({ target: '/old?x=1' })
    t.equal(result.status, status)
    t.equal(result.headers.get('location'), 'https://example.com/new#top')
    t.equal(result.forwarded, null)
    t.equal(result.body.length, 0)
  }
  t.equal((await (await testPlugin(redirect, { to: '/new' })).request({ target: '/old' })).status, 302)
})

test('redirect: puts values of the request into the target, encoded for their place', async (t) => {
  t.equal(await location({ to: '/v2/orders/{{ params.id }}' }, { params: { id: '42' } }), '/v2/orders/42')
  t.equal(await location({ to: '/v2/orders/{{ params.id }}' }, { params: { id: 'a%20b%3Fc%26d%2Fe' } }), '/v2/orders/a%20b%3Fc%26d%2Fe')
  t.equal(await location({ to: 'https://docs.example.com/{{ params.* }}' }, { params: { '*': 'a/b%20c' } }), 'https://docs.example.com/a/b%20c')
  t.equal(await location({ to: 'https://{{ request.host }}{{ request.path }}' }, { target: '/a/b' }), 'https://old.example/a/b')
  t.equal(await location({ to: '/search?q={{ request.query.term }}' }, { target: '/?term=a%26admin%3D1+%23x' }), '/search?q=a%26admin%3D1%20%23x')
  t.equal(await location({ to: '/u/{{ request.query.name }}' }, { target: '/?name=../admin' }), '/u/..%2Fadmin')
  t.equal(await location({ to: '/h/{{ request.header.x-where | "home" }}' }), '/h/home')
  t.equal(await location({ to: '/h/{{ request.header.x-where | "home" }}' }, { headers: { 'x-where': 'a/b?c' } }), '/h/a%2Fb%3Fc')
})

test('redirect: keeps the query when told', async (t) => {
  t.equal(await location({ to: '/new' }, { target: '/old?a=1&b=2' }), '/new')
  t.equal(await location({ to: '/new', keepQuery: true }, { target: '/old?a=1&b=%20' }), '/new?a=1&b=%20')
  t.equal(await location({ to: '/new?v=2', keepQuery: true }, { target: '/old?a=1' }), '/new?v=2&a=1')
  t.equal(await location({ to: '/new?v=2#top', keepQuery: true }, { target: '/old?a=1' }), '/new?v=2&a=1#top')
  t.equal(await location({ to: '/new#top', keepQuery: true }, { target: '/old' }), '/new#top')
})

test('redirect: a request can not take it to another site', async (t) => {
  const evil = ['/evil.example', '//evil.example', '\\evil.example', '%2Fevil.example', '%2F%2Fevil.example', '%5Cevil.example', 'https:%2F%2Fevil.example', '@evil.example', ':80@evil.example', '.evil.example', 'javascript:alert(1)', '?//evil.example']
  for (const value of evil) {
    for (const to of ['/{{ params.* }}', '/{{ request.query.next }}', '/x/{{ params.* }}', '{{ request.path }}', 'https://example.com/{{ params.* }}', 'https://example.com{{ request.path }}', 'https://example.com/?to={{ request.query.next }}']) {
      // As a parameter, as a path (whose backslashes no request can have) and as a query value.
      const found = await location({ to }, { target: `/${value.replaceAll('\\', '')}?next=${value}`, params: { '*': value } })
      t.equal(new URL(found ?? 'no:', 'https://example.com/base').origin, 'https://example.com', `${to} for ${value} gives ${found ?? 'nothing'}`)
    }
  }
  t.equal(await location({ to: 'https://{{ params.tenant }}.example.com/' }, { params: { tenant: 'evil.org%23' } }), 'https://evil.org%23.example.com/')
})

test('redirect: no value of any place leads away from the target, or breaks the header', async (t) => {
  const value = fc.array(fc.constantFrom('/', '\\', '@', ':', '#', '?', '&', '.', '..', 'evil.example', '%', '%2f', '%0d%0a', '\t', ' ', 'é', '\u2028', 'javascript:'), { maxLength: 6 }).map((parts) => parts.join(''))
  const plugins = await Promise.all(['/{{ request.query.next }}', 'https://example.com/a{{ request.query.next }}', 'https://example.com/?{{ request.query }}', '/?x={{ request.query.next }}#{{ request.query.next }}']
    .map((to) => testPlugin(redirect, { to, keepQuery: true })))
  await fc.assert(fc.asyncProperty(value, fc.constantFrom(...plugins), async (text, plugin) => {
    const found = (await plugin.request({ target: `/?next=${encodeURIComponent(text)}` })).headers.get('location') ?? ''
    return /^[\x21-\x7e]+$/.test(found) && new URL(found, 'https://example.com/base').origin === 'https://example.com'
  }), { numRuns: 500 })
  t.pass('500 values')
})

test('redirect: refuses when the host is a value that is missing', async (t) => {
  const plugin = await testPlugin(redirect, { to: 'https://{{ request.header.x-site }}/evil.example/' })
  const result = await plugin.request({ target: '/' })
  t.equal(result.status, 400)
  t.match(result.body.toString(), /"VALIDATION_ERROR".*"redirect_host_missing"/)
  t.equal((await plugin.request({ target: '/', headers: { 'x-site': 'new.example' } })).headers.get('location'), 'https://new.example/evil.example/')
})

test('redirect: refuses a target that lets the request choose the site, or that is none', async (t) => {
  const cases: [to: string, finding: RegExp][] = [
    ['https://example.com{{ request.query.x }}', /^to: .*the request could choose the site \(put a \/ before/],
    ['https://example.com{{ request.query }}', /could choose the site/],
    ['https://example.com{{ params.* }}', /could choose the site/],
    ['https://example.com:{{ params.port }}/', /could choose the site/],
    ['https://api.{{ request.header.x }}/', /could choose the site/],
    ['https://{{ params.x }}.com/', /could choose the site/],
    ['//example.com{{ params.x }}/', /could choose the site/],
    ['{{ request.query.next }}', /neither a path nor a URL \(begin it with/],
    ['{{ params.* }}', /neither a path nor a URL/],
    ['example.com/x', /neither a path nor a URL/],
    ['https:///x', /neither a path nor a URL/],
    ['javascript:alert(1)', /neither a path nor a URL/],
    ['?x=1', /neither a path nor a URL/],
    ['/a b', /characters that a URL can not \(percent-encode/],
    ['/a\r\nset-cookie: x', /characters that a URL can not/],
    ['/\\evil.example', /characters that a URL can not/],
    ['/café', /characters that a URL can not/],
    ['/{{ params.id', /^to: the template /],
    ['/{{ request.pth }}', /^to: .*did you mean "request\.path"/]
  ]
  for (const [to, finding] of cases) {
    const lines = await configFindings(() => testPlugin(redirect, { to }))
    t.equal(lines.length, 1, to)
    t.match(lines[0], finding, to)
  }
  for (const to of ['https://{{ request.host }}/', 'https://{{ request.host }}:8443/', '{{ request.scheme }}://{{ request.host }}/x', 'https://{{ params.t }}.example.com', 'http://{{ params.t }}.localhost:8080/', '//example.com/{{ params.x }}', 'myapp://done']) {
    await t.resolves(testPlugin(redirect, { to }), to)
  }
  for (const config of [{}, { to: '' }, { to: '/', status: 300 }, { to: '/', code: 301 }]) await t.rejects(testPlugin(redirect, config), JSON.stringify(config))
})

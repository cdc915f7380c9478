import fc from 'fast-check'
import t from 'tap'
import { ConfigError, formatFinding } from '../../../core/errors.js'
import { normalizePath } from '../../../core/lib/path.js'
import { checkRoutes } from '../../../core/pipeline/check-routes.js'
import { compileRouter, type RouteQuery, type Router } from '../../../core/pipeline/router.js'
import type { RouteConfig, RouteMatch } from '../../../core/route.js'
import { regexCosts } from '../../fixtures/regex-cost.js'
import { projectConfig, routeConfig, routeQuery } from '../../fixtures/routes.js'

type Matches = Readonly<Record<string, string | Partial<RouteMatch>>>

/** Routes by id: `{ orders: '/orders/:id', other: { pathRegex: '…' } }`. The value of a route is its id. */
function router (matches: Matches, basePath = ''): Router<string> {
  return compileRouter(basePath, configs(matches).map((config) => ({ config, value: config.id })))
}

function configs (matches: Matches): RouteConfig[] {
  return Object.entries(matches).map(([id, match], index) => routeConfig(id, typeof match === 'string' ? { path: match } : match, index))
}

function serve (router: Router<string>, target: string, method = 'GET', headers: Record<string, string> = {}, host?: string): string | null {
  const found = router.find(routeQuery(target, headers, host), method)
  return found === null || found === 'ambiguous' ? found : found.value
}

t.test('router: matches exact paths, parameters and prefixes segment by segment', async (t) => {
  const table: readonly (readonly [path: string, matched: readonly string[], missed: readonly string[]])[] = [
    ['/', ['/'], ['/a', '/a/']],
    ['/a/b', ['/a/b'], ['/a', '/a/b/', '/a/bc', '/a/B', '/A/b', '/a/b/c', '/x/a/b', '/']],
    ['/a/b/', ['/a/b/'], ['/a/b', '/a/b/c']],
    ['/orders/:id', ['/orders/1', '/orders/a%2Fb', '/orders/%20', '/orders/:id'], ['/orders', '/orders/', '/orders/1/', '/orders/1/2']],
    ['/orders/:id/', ['/orders/1/'], ['/orders/1', '/orders//']],
    ['/:a/:b', ['/1/2'], ['/1', '/1/', '/1/2/3']],
    ['/a/*', ['/a', '/a/', '/a/x', '/a/x/y/', '/a/%2F'], ['/ab', '/', '/b/a']],
    ['/*', ['/', '/a', '/a/b/c/'], []],
    ['/:id/*', ['/a', '/a/', '/a/b/c'], ['/']],
    ['/a/:id/c/*', ['/a/1/c', '/a/1/c/', '/a/1/c/d/e'], ['/a/c', '/a/1/cd', '/a//c']],
    ['/a:b', ['/a:b', '/a%3Ab'], ['/a', '/ab']],
    ['/%3Aid', ['/:id', '/%3Aid'], ['/1']],
    ['/caf%C3%A9', ['/caf%C3%A9'], ['/cafe']]
  ]
  for (const [path, matched, missed] of table) {
    for (const basePath of ['', '/shop', '/shop/v1']) {
      const based = router({ it: path }, basePath)
      for (const target of matched) t.equal(serve(based, basePath + target), 'it', `${path} matches ${target} below "${basePath}"`)
      for (const target of missed) t.equal(serve(based, basePath + target), null, `${path} does not match ${target} below "${basePath}"`)
    }
  }
})

t.test('router: the root of a project with a basePath has two spellings', async (t) => {
  const shop = router({ root: '/', rest: '/*' }, '/shop')
  t.equal(serve(shop, '/shop'), 'root')
  t.equal(serve(shop, '/shop/'), 'root')
  t.equal(serve(shop, '/shop/a'), 'rest')
})

t.test('router: hands out what parameters and wildcards matched, still percent-encoded', async (t) => {
  const table: readonly (readonly [path: string, target: string, params: Record<string, string>])[] = [
    ['/orders/:id', '/orders/42', { id: '42' }],
    ['/orders/:id', '/orders/a%2Fb%20c', { id: 'a%2Fb%20c' }],
    // Reserved characters count as one for matching, and stay as they were sent.
    ['/:a/x:y/:b', '/1%3A/x%3Ay/2%3B:', { a: '1%3A', b: '2%3B:' }],
    ['/a/:id/*', '/a/1/b/c', { id: '1', '*': 'b/c' }],
    ['/a/:id/*', '/a/1', { id: '1', '*': '' }],
    ['/a/:id/*', '/a/1/', { id: '1', '*': '' }],
    ['/*', '/', { '*': '' }],
    ['/*', '/a/b/', { '*': 'a/b/' }],
    ['/:constructor/:toString', '/1/2', { constructor: '1', toString: '2' }],
    ['/a/b', '/a/b', {}]
  ]
  for (const [path, target, params] of table) {
    for (const basePath of ['', '/shop']) {
      const found = router({ it: path }, basePath).find(routeQuery(basePath + target), 'GET')
      t.strictSame(found, { value: 'it', params }, `${path} for ${basePath}${target}`)
    }
  }
  const rest = router({ rest: '/*' }, '/shop')
  t.strictSame(rest.find(routeQuery('/shop'), 'GET'), { value: 'rest', params: { '*': '' } })
})

t.test('router: always hands out the same object for a route without parameters', async (t) => {
  const one = router({ it: '/a/b', re: { pathRegex: '/x.*' } })
  t.equal(one.find(routeQuery('/a/b'), 'GET'), one.find(routeQuery('/a/b'), 'POST'))
  t.equal(one.find(routeQuery('/x1'), 'GET'), one.find(routeQuery('/x2'), 'GET'))
})

t.test('router: compares paths segment by segment from the left, literal before parameter before wildcard, regexes last', async (t) => {
  const all = router({
    everything: '/*',
    regex: { pathRegex: '/a/.*' },
    wildcard: '/a/*',
    param: '/a/:x',
    literal: '/a/b',
    left: '/a/b/*',
    right: '/:x/b/c',
    deep: '/a/:x/c/d'
  })
  t.equal(serve(all, '/a/b'), 'literal')
  t.equal(serve(all, '/a/x'), 'param')
  t.equal(serve(all, '/a'), 'wildcard')
  t.equal(serve(all, '/a/x/y'), 'wildcard')
  t.equal(serve(all, '/a/b/c'), 'left', 'the literal further left decides, however much follows')
  t.equal(serve(all, '/a/b/c/d'), 'left')
  t.equal(serve(all, '/a/x/c/d'), 'deep')
  t.equal(serve(all, '/z/b/c'), 'right')
  t.equal(serve(all, '/z'), 'everything')
})

t.test('router: goes on to the next candidate when method or predicates do not pass', async (t) => {
  const all = router({
    literal: { path: '/a/b/c', methods: ['POST'] },
    param: { path: '/a/:x/c', headers: { 'x-on': { kind: 'exact', value: '1' } } },
    other: { path: '/:y/b/c', query: { q: { kind: 'present' } } },
    wildcard: { path: '/a/*', methods: ['GET', 'DELETE'] },
    regex: { pathRegex: '/a/b/[c-z]' }
  })
  t.equal(serve(all, '/a/b/c', 'POST'), 'literal')
  t.equal(serve(all, '/a/b/c', 'GET', { 'x-on': '1' }), 'param')
  t.equal(serve(all, '/a/b/c', 'GET'), 'wildcard', 'a wildcard under the literal is tried before a parameter further left')
  t.equal(serve(all, '/a/b/c?q', 'PUT'), 'other')
  t.equal(serve(all, '/a/b/c', 'PUT'), 'regex')
  t.equal(serve(all, '/a/b/1', 'PUT'), null)
})

t.test('router: more predicates win, then the more specific host; regexes go by their place in the list', async (t) => {
  const all = router({
    plain: '/a',
    one: { path: '/a', headers: { 'x-a': { kind: 'present' } } },
    two: { path: '/a', headers: { 'x-a': { kind: 'exact', value: '1' } }, query: { v: { kind: 'exact', value: '2' } } },
    exactHost: { path: '/h', hosts: ['a.b.example'] },
    longHost: { path: '/h', hosts: ['*.b.example'] },
    shortHost: { path: '/h', hosts: ['*.example', 'b.example'] },
    anyHost: '/h',
    second: { pathRegex: '/r.+' },
    first: { pathRegex: '/r1', headers: { 'x-a': { kind: 'present' } } }
  })
  t.equal(serve(all, '/a'), 'plain')
  t.equal(serve(all, '/a', 'GET', { 'x-a': '1' }), 'one')
  t.equal(serve(all, '/a?v=2', 'GET', { 'x-a': '1' }), 'two')
  t.equal(serve(all, '/a?v=2', 'GET', { 'x-a': '0' }), 'one')
  t.equal(serve(all, '/h', 'GET', {}, 'a.b.example'), 'exactHost')
  t.equal(serve(all, '/h', 'GET', {}, 'x.b.example'), 'longHost')
  t.equal(serve(all, '/h', 'GET', {}, 'y.x.b.example'), 'longHost')
  t.equal(serve(all, '/h', 'GET', {}, 'b.example'), 'shortHost')
  t.equal(serve(all, '/h', 'GET', {}, 'c.example'), 'shortHost')
  t.equal(serve(all, '/h', 'GET', {}, 'example'), 'anyHost')
  t.equal(serve(all, '/h', 'GET', {}, 'evilexample'), 'anyHost')
  t.equal(serve(all, '/r1', 'GET', { 'x-a': '1' }), 'second')
})

t.test('router: HEAD follows GET, unless a route of the same path names HEAD', async (t) => {
  const all = router({
    get: { path: '/a', methods: ['GET'] },
    head: { path: '/a', methods: ['HEAD'] },
    list: { path: '/b', methods: ['GET', 'POST'] },
    post: { path: '/c', methods: ['POST'] }
  })
  t.equal(serve(all, '/a', 'HEAD'), 'head')
  t.equal(serve(all, '/a', 'GET'), 'get')
  t.equal(serve(all, '/b', 'HEAD'), 'list')
  t.equal(serve(all, '/c', 'HEAD'), null)
})

t.test('router: header predicates see the fields of one name as one value', async (t) => {
  const of = (kind: RouteMatch['headers'][string]): Router<string> => router({ it: { path: '/', headers: { 'x-a': kind } } })
  const table: readonly (readonly [RouteMatch['headers'][string], Record<string, string>, boolean])[] = [
    [{ kind: 'exact', value: '1' }, { 'x-a': '1' }, true],
    [{ kind: 'exact', value: '1' }, { 'x-a': '1 ' }, false],
    [{ kind: 'exact', value: '1' }, {}, false],
    [{ kind: 'present' }, { 'x-a': '' }, true],
    [{ kind: 'present' }, {}, false],
    [{ kind: 'absent' }, {}, true],
    [{ kind: 'absent' }, { 'x-a': '' }, false],
    [{ kind: 'regex', pattern: 'v[0-9]+' }, { 'x-a': 'v12' }, true],
    [{ kind: 'regex', pattern: 'v[0-9]+' }, { 'x-a': 'xv12' }, false],
    [{ kind: 'regex', pattern: '.*' }, {}, false]
  ]
  for (const [predicate, headers, matches] of table) t.equal(serve(of(predicate), '/', 'GET', headers), matches ? 'it' : null, `${JSON.stringify(predicate)} for ${JSON.stringify(headers)}`)
  const twice = routeQuery('/')
  twice.headers.append('x-a', '1')
  twice.headers.append('x-a', '2')
  t.equal(of({ kind: 'exact', value: '1' }).find(twice, 'GET'), null)
  t.not(of({ kind: 'exact', value: '1, 2' }).find(twice, 'GET'), null)
})

t.test('router: query predicates compare decoded names and values', async (t) => {
  const of = (kind: RouteMatch['query'][string], name = 'v'): Router<string> => router({ it: { path: '/', query: { [name]: kind } } })
  const exact = (value: string): RouteMatch['query'][string] => ({ kind: 'exact', value })
  const table: readonly (readonly [Router<string>, string, boolean])[] = [
    [of(exact('1')), '/?v=1', true],
    [of(exact('1')), '/?a=0&v=1&b', true],
    [of(exact('1')), '/?v=%31', true],
    [of(exact('1')), '/?%76=1', true],
    [of(exact('1')), '/?V=1', false],
    [of(exact('1')), '/?vv=1', false],
    [of(exact('1')), '/?v=1;x', false],
    [of(exact('1')), '/?v', false],
    [of(exact('')), '/?v', true],
    [of(exact('')), '/?v=', true],
    [of(exact('a b')), '/?v=a+b', true],
    [of(exact('a b')), '/?v=a%20b', true],
    [of(exact('a+b')), '/?v=a%2Bb', true],
    [of(exact('=')), '/?v==', true],
    [of(exact('%zz')), '/?v=%zz', true],
    [of(exact('é')), '/?v=%C3%A9', true],
    [of(exact('1'), 'é x'), '/?%c3%a9+x=1', true],
    [of(exact('1'), 'a[b]'), '/?a%5Bb%5D=1', true],
    [of({ kind: 'present' }), '/?v', true],
    [of({ kind: 'present' }), '/?x&&=v', false],
    [of({ kind: 'absent' }), '/', true],
    [of({ kind: 'absent' }), '/?%76', false],
    [of({ kind: 'regex', pattern: '[0-9]+' }), '/?v=12', true],
    [of({ kind: 'regex', pattern: '[0-9]+' }), '/?v=12a', false]
  ]
  for (const [one, target, matches] of table) t.equal(serve(one, target), matches ? 'it' : null, target)
})

t.test('router: a query parameter that comes twice is ambiguous where first and last lead to different routes', async (t) => {
  const all = router({ admin: { path: '/a', query: { role: { kind: 'exact', value: 'admin' } } }, open: '/a' })
  t.equal(serve(all, '/a?role=x&role=admin'), 'ambiguous')
  t.equal(serve(all, '/a?role=admin&r%6Fle=x'), 'ambiguous')
  t.equal(serve(all, '/a?role=x&role=y'), 'open')
  t.equal(serve(all, '/a?role=admin&role=%61dmin'), 'admin')
  t.equal(serve(all, '/a?role=admin'), 'admin', 'what a former request left behind does not count')
  const alias = router({ admin: { path: '/a', query: { role: { kind: 'exact', value: 'admin' } } }, open: '/*' })
  t.equal(serve(alias, '/a/?role=x&role=admin'), 'ambiguous', 'a repeated parameter and an alias together')
  t.equal(serve(alias, '/a/?role=x'), 'open')
})

t.test('router: a regex matches the whole path below basePath, in linear time', async (t) => {
  const one = router({ it: { pathRegex: '/v[0-9]+/(orders|items)' } }, '/shop')
  t.equal(serve(one, '/shop/v1/orders'), 'it')
  t.equal(serve(one, '/shop/v1/orders/1'), null)
  t.equal(serve(one, '/shop/x/v1/orders'), null)
  t.equal(serve(router({ it: { pathRegex: '/?' } }, '/shop'), '/shop'), 'it')
  t.equal(serve(router({ it: { pathRegex: '/a:b' } }), '/a%3Ab'), 'it')
  for (const pattern of ['/(a+)+$', '/(.*a){10}', '/(x+x+)+y']) {
    const hostile = router({ it: { pathRegex: pattern }, header: { path: '/h', headers: { 'x-a': { kind: 'regex', pattern } } } })
    const text = `/${'a'.repeat(8_190)}!`
    t.equal(serve(hostile, text), null, pattern)
    t.equal(serve(hostile, '/h', 'GET', { 'x-a': text }), null)
    const [ms] = await regexCosts([{ pattern, text }]) as [number]
    t.ok(ms < 100, `${pattern} on 8 KB, the most that a request brings, takes ${ms.toFixed(0)} ms of CPU, less than 0.1 s`)
  }
})

t.test('router: nothing reaches a protected route through an alias that lenient upstreams take for it', async (t) => {
  const all = router({ admin: '/admin', users: '/admin/users/:id', panel: '/panel/*', slashed: '/s/b/', matrix: '/m;v=1/*', open: '/*' })
  const table: readonly (readonly [target: string, id: string])[] = [
    ['/admin', 'admin'],
    ['/admin/', 'ambiguous'],
    ['/admin;x=1', 'ambiguous'],
    ['/admin;', 'ambiguous'],
    ['/;x/admin', 'ambiguous'],
    ['/admin%3Bx', 'ambiguous'],
    ['/admin;x/', 'ambiguous'],
    ['/admin/;x', 'ambiguous'],
    ['/admin;x/users;y/7;z', 'ambiguous'],
    ['/admin/users/7/', 'ambiguous'],
    ['/admin/users/7;role=x', 'users'],
    ['/open/..;/admin', 'ambiguous'],
    ['/open/.;/x', 'open'],
    ['/..;/admin', 'ambiguous'],
    ['/open%2F..%2Fadmin', 'ambiguous'],
    ['/open/..%5Cadmin', 'ambiguous'],
    ['/open/..;%2Fadmin', 'ambiguous'],
    ['/admin%2F', 'ambiguous'],
    ['//admin', 'ambiguous'],
    ['/admin//users//7', 'ambiguous'],
    ['/panel', 'panel'],
    ['/panel/', 'panel'],
    ['/panel;x/a', 'ambiguous'],
    ['/panel/a;x/', 'panel'],
    ['/s/b/', 'slashed'],
    ['/s/b', 'ambiguous'],
    ['/s/b;x', 'ambiguous'],
    ['/m;v=1/a', 'matrix'],
    ['/m;v=1/a;x', 'matrix'],
    ['/m', 'open'],
    ['/other/', 'open'],
    ['/other;x', 'open'],
    ['/a%2Fb', 'open'],
    ['/', 'open'],
    // Not an alias: matching minds the case, and nothing that is encoded twice is decoded twice.
    ['/ADMIN', 'open'],
    ['/%2561dmin', 'open']
  ]
  for (const [target, id] of table) t.equal(serve(all, target), id, target)
  const shop = router({ open: '/*' }, '/shop')
  t.equal(serve(shop, '/shop/..;/other'), 'ambiguous', 'out of the basePath')
  t.equal(serve(shop, '/shop/a/..;/b'), 'open')
  t.equal(serve(shop, '/shop/'), 'open')
})

t.test('router: a route that is declared with the trailing slash or the semicolon wins as it is', async (t) => {
  const all = router({ plain: '/a/b', slashed: '/a/b/', param: '/:x', paramSlashed: '/:x/', semicolon: '/a;b' })
  t.equal(serve(all, '/a/b'), 'plain')
  t.equal(serve(all, '/a/b/'), 'slashed')
  t.equal(serve(all, '/z'), 'param')
  t.equal(serve(all, '/z/'), 'paramSlashed')
  t.equal(serve(all, '/a;b'), 'semicolon')
})

t.test('router: where a route allows encoded slashes they are part of its segment, but no way out of it', async (t) => {
  const all = router({ object: '/objects/:key', secret: '/objects/secret/*', rest: '/*' })
  t.equal(serve(all, '/objects/a%2Fb'), 'object')
  t.equal(serve(all, '/objects/secret%2Fb'), 'ambiguous')
  t.equal(serve(all, '/objects/..%2Fb'), 'ambiguous')
})

t.test('router: says which methods an address takes', async (t) => {
  const all = router({
    list: { path: '/orders', methods: ['GET', 'POST'] },
    one: { path: '/orders/:id', methods: ['DELETE'] },
    hidden: { path: '/orders', methods: ['PATCH'], headers: { 'x-a': { kind: 'present' } } },
    any: '/any',
    below: { path: '/any/*', methods: ['OPTIONS'] },
    regex: { pathRegex: '/orders/[0-9]', methods: ['PUT'] }
  })
  t.strictSame(all.allowed(routeQuery('/orders')).sort(), ['GET', 'HEAD', 'POST'])
  t.strictSame(all.allowed(routeQuery('/orders', { 'x-a': '1' })).sort(), ['GET', 'HEAD', 'PATCH', 'POST'])
  t.strictSame(all.allowed(routeQuery('/orders/1')).sort(), ['DELETE', 'PUT'])
  t.strictSame(all.allowed(routeQuery('/any')).sort(), ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'])
  t.strictSame(all.allowed(routeQuery('/nothing')), [])
})

t.test('router: explains why each route won or lost, in the order of precedence', async (t) => {
  const all = router({
    regex: { pathRegex: '/orders.*' },
    everything: '/*',
    post: { path: '/orders', methods: ['POST'] },
    host: { path: '/orders', methods: ['GET'], hosts: ['other.example'] },
    header: { path: '/orders', headers: { 'x-a': { kind: 'exact', value: '1' } }, methods: ['GET'] },
    query: { path: '/orders', query: { v: { kind: 'present' }, w: { kind: 'absent' } }, methods: ['GET'] },
    orders: { path: '/orders', methods: ['GET'] },
    item: '/orders/:id'
  })
  t.strictSame(all.explain(routeQuery('/orders'), 'GET').map(({ at: _, ...rest }) => rest), [
    { id: 'item', outcome: 'no match', reason: 'path: is not /orders/:id' },
    { id: 'query', outcome: 'no match', reason: 'query: v must be present' },
    { id: 'host', outcome: 'no match', reason: 'host: is none of other.example' },
    { id: 'header', outcome: 'no match', reason: 'header: x-a must be "1"' },
    { id: 'post', outcome: 'no match', reason: 'method: takes POST' },
    { id: 'orders', outcome: 'wins', reason: 'the most specific route that matches' },
    { id: 'everything', outcome: 'loses', reason: 'path: less specific than orders' },
    { id: 'regex', outcome: 'loses', reason: 'a regex comes after the path of orders' }
  ])
  const more = all.explain(routeQuery('/orders?v', { 'x-a': '1' }), 'GET')
  t.match(more.find(({ id }) => id === 'orders'), { outcome: 'loses', reason: 'fewer predicates than query' })
  t.match(all.explain(routeQuery('/orders/'), 'GET').find(({ id }) => id === 'everything'), { outcome: 'loses', reason: 'ambiguous: /orders would be served by orders' })
})

t.test('router: visits each node of the trie at most once, however many ways lead to nowhere', async (t) => {
  // Every way of 12 literals and parameters, and a path that all of them fail on.
  const ways = Array.from({ length: 2 ** 12 }, (_, bits) => `/${Array.from({ length: 12 }, (_, i) => (bits >> i & 1) === 0 ? 'a' : `:p${i}`).join('/')}/end`)
  const all = compileRouter('', ways.map((path, i) => ({ config: routeConfig(String(i), { path }), value: i })))
  const query = routeQuery(`/${'a/'.repeat(12)}miss`)
  const started = process.cpuUsage().user
  t.equal(all.find(query, 'GET'), null)
  t.ok(process.cpuUsage().user - started < 500_000, 'less than 0.5 s of CPU for 8 000 nodes')
})

t.test('compileRouter: throws the finding for a path or regex that can not be compiled', async (t) => {
  for (const match of [{ path: '/a/:' }, { pathRegex: '(' }, { path: '/', headers: { a: { kind: 'regex' as const, pattern: '(?=a)' } } }]) {
    t.throws(() => compileRouter('', [{ config: routeConfig('bad', match), value: 1 }]), ConfigError)
  }
})

function findings (matches: Matches): string[] {
  return checkRoutes(projectConfig('test', { routes: configs(matches) })).map(formatFinding)
}

t.test('checkRoutes: finds paths that are none, with the remedy', async (t) => {
  const table: readonly (readonly [match: string | Partial<RouteMatch>, expected: RegExp])[] = [
    ['orders', /routes\[0\]\.match\.path: .*does not begin with "\/".*\(write "\/orders"\)/],
    ['/a/:', /":" without a name/],
    ['/:1a', /":1a"|"1a" can not name a parameter/],
    ['/:a-b', /can not name a parameter/],
    ['/:__proto__', /can not name a parameter/],
    ['/:id/x/:id', /two parameters "id"/],
    ['/a/*/b', /"\*" that is not its last segment/],
    ['/a*', /"\*" that is not its last segment/],
    ['/%7ebob/a%2fb', /not in its normal form.*\(write "\/~bob\/a%2Fb"\)/],
    ['/a//b', /\(write "\/a\/b"\)/],
    ['/a/../:id', /\(write "\/:id"\)/],
    ['/café', /\(write "\/caf%C3%A9"\)/],
    ['/a b', /\(write "\/a%20b"\)/],
    ['/a?b=1', /"\?"/],
    ['/a/%zz', /two hex/],
    ['/..', /above the root/],
    [`/${'a/'.repeat(200)}`, /201 segments/],
    [{}, /has no path/],
    [{ path: '/', pathRegex: '/' }, /both path and pathRegex/],
    [{ pathRegex: '/(?=a)' }, /pathRegex: the regex is not valid.*RE2/],
    [{ pathRegex: '/(a{500}){3}' }, /the regex is not valid/],
    [{ pathRegex: `/${'a'.repeat(2000)}` }, /longer than/],
    [{ pathRegex: '/(a|b){200}' }, /too large/],
    [{ path: '/', headers: { 'x-a': { kind: 'regex', pattern: '[' } } }, /match\.headers\.x-a: the regex is not valid/],
    [{ path: '/', query: { v: { kind: 'regex', pattern: '*' } } }, /match\.query\.v: the regex is not valid/],
    [{ path: '/', methods: [] }, /takes no method/],
    [{ path: '/', hosts: [] }, /takes no host/],
    [{ path: '/', hosts: ['a.example', 'a.*.example'] }, /match\.hosts\[1\]: .*wildcard/]
  ]
  for (const [match, expected] of table) {
    const found = findings({ it: match })
    t.equal(found.length, 1, JSON.stringify(match))
    t.match(found[0], expected)
  }
})

t.test('checkRoutes: finds nothing in routes that are right', async (t) => {
  t.strictSame(findings({
    a: '/', b: '/*', c: '/:id', d: '/a/:id/*', e: '/a:b', f: '/%3Aid', g: '/caf%C3%A9/', h: '/a;v=1',
    get: { path: '/m', methods: ['GET'] }, post: { path: '/m', methods: ['POST'] }, head: { path: '/m', methods: ['HEAD'] },
    one: { path: '/v', headers: { v: { kind: 'exact', value: '1' } } }, two: { path: '/v', headers: { v: { kind: 'exact', value: '2' } } },
    re: { path: '/v', headers: { v: { kind: 'regex', pattern: '3.*' } } }, re2: { path: '/v', headers: { v: { kind: 'regex', pattern: '4.*' } } },
    none: { path: '/v', headers: { v: { kind: 'absent' } } }, plain: '/v',
    host: { path: '/h', hosts: ['a.example'] }, wild: { path: '/h', hosts: ['*.example'] }, header: { path: '/h', headers: { v: { kind: 'present' } } },
    regex: { pathRegex: '/x.*' }, again: { pathRegex: '/x.*' }
  }), [])
})

t.test('checkRoutes: finds two routes that nothing orders, naming both with their places', async (t) => {
  const table: readonly (readonly [a: string | Partial<RouteMatch>, b: string | Partial<RouteMatch>])[] = [
    ['/a', '/a'],
    ['/a/:x', '/a/:y'],
    ['/a/:x/*', '/a/:y/*'],
    ['/%3Aa', '/%3Aa'],
    ['/a:b', '/a%3Ab'],
    ['/a', { path: '/a', methods: ['GET'] }],
    [{ path: '/a', methods: ['GET', 'PUT'] }, { path: '/a', methods: ['PUT'] }],
    [{ path: '/a', headers: { x: { kind: 'present' } } }, { path: '/a', headers: { y: { kind: 'present' } } }],
    [{ path: '/a', headers: { x: { kind: 'present' } } }, { path: '/a', headers: { x: { kind: 'exact', value: '1' } } }],
    [{ path: '/a', headers: { x: { kind: 'exact', value: '1' } } }, { path: '/a', headers: { x: { kind: 'regex', pattern: '[0-9]' } } }],
    [{ path: '/a', headers: { x: { kind: 'regex', pattern: '1' } } }, { path: '/a', headers: { x: { kind: 'regex', pattern: '1' } } }],
    [{ path: '/a', query: { x: { kind: 'exact', value: '1' } } }, { path: '/a', query: { x: { kind: 'exact', value: '1' } } }],
    [{ path: '/a', hosts: ['a.example', 'b.example'] }, { path: '/a', hosts: ['c.example', 'B.example.'] }]
  ]
  for (const [a, b] of table) {
    const found = checkRoutes(projectConfig('test', { routes: configs({ first: a, between: '/z', second: b }) }))
    t.equal(found.length, 1, JSON.stringify([a, b]))
    t.match(found[0], { path: ['projects', 'test', 'routes', 2, 'match'], related: [{ path: ['projects', 'test', 'routes', 0, 'match'] }], message: /"first" and "second"/ })
  }
})

t.test('checkRoutes: stays fast with 100 000 routes, all different or all the same', async (t) => {
  const many = Array.from({ length: 100_000 }, (_, i) => routeConfig(`r${i}`, { path: `/v${i % 9}/r${i}/:id` }, i))
  const same = Array.from({ length: 100_000 }, (_, i) => routeConfig(`r${i}`, { path: '/same/:id' }, i))
  const apart = Array.from({ length: 100_000 }, (_, i) => routeConfig(`r${i}`, { path: '/same', headers: { v: { kind: 'exact', value: String(i) } } }, i))
  for (const [routes, expected] of [[many, 0], [same, 99_999], [apart, 0]] as const) {
    const started = process.cpuUsage().user
    t.equal(checkRoutes(projectConfig('test', { routes })).length, expected)
    t.ok(process.cpuUsage().user - started < 5_000_000, 'less than 5 s of CPU')
  }
})

// A reference that shares no code with the router: scores every route for a request.
interface Scored { id: string, kinds: string, predicates: number, host: number, head: boolean, index: number, regex: boolean }

function score (config: RouteConfig, index: number, basePath: string, request: RouteQuery, method: string): Scored | null {
  const { match } = config
  const path = request.path.slice(basePath.length).replace(/%(3A|3B)/g, (_, hex) => hex === '3A' ? ':' : ';')
  const parts = (path === '' ? '/' : path).split('/').slice(1)
  let kinds = ''
  if (match.path === null) {
    if (!new RegExp(`^(?:${match.pathRegex ?? ''})$`).test(path === '' ? '/' : path)) return null
  } else {
    const wanted = match.path.split('/').slice(1)
    const wildcard = wanted.at(-1) === '*'
    if (wildcard) wanted.pop()
    if (path === '' && wildcard && wanted.length === 0) parts.pop()
    if (wildcard ? parts.length < wanted.length : parts.length !== wanted.length) return null
    for (const [i, want] of wanted.entries()) {
      const part = parts[i] as string
      if (want.startsWith(':') ? part === '' : part !== want) return null
      kinds += want.startsWith(':') ? 'b' : 'a'
    }
    kinds += wildcard ? 'd' : 'c'
  }
  if (match.methods !== null && !match.methods.includes(method) && !(method === 'HEAD' && match.methods.includes('GET'))) return null
  let host = -1
  if (match.hosts !== null) {
    for (const pattern of match.hosts) {
      if (pattern.startsWith('*') ? request.host.endsWith(pattern.slice(1)) : request.host === pattern) host = Math.max(host, pattern.startsWith('*') ? pattern.length : 1000)
    }
    if (host === -1) return null
  }
  for (const [name, want] of Object.entries(match.headers)) {
    const value = request.headers.get(name)
    if (want.kind === 'exact' ? value !== want.value : want.kind === 'present' ? value === undefined : want.kind === 'absent' ? value !== undefined : true) return null
  }
  const query = new URLSearchParams(request.query)
  for (const [name, want] of Object.entries(match.query)) {
    const value = query.get(name)
    if (want.kind === 'exact' ? value !== want.value : want.kind === 'present' ? value === null : want.kind === 'absent' ? value !== null : true) return null
  }
  const predicates = Object.keys(match.headers).length + Object.keys(match.query).length + (match.hosts === null ? 0 : 1)
  return { id: config.id, kinds, predicates, host, head: match.methods?.includes('HEAD') ?? false, index, regex: match.path === null }
}

function reference (routes: readonly RouteConfig[], basePath: string, request: RouteQuery, method: string): Scored[] {
  return routes.map((config, index) => score(config, index, basePath, request, method)).filter((one) => one !== null).sort((a, b) => {
    if (a.regex || b.regex) return Number(a.regex) - Number(b.regex) || a.index - b.index
    if (a.kinds !== b.kinds) return a.kinds < b.kinds ? -1 : 1
    return b.predicates - a.predicates || b.host - a.host || Number(b.head) - Number(a.head) || a.index - b.index
  })
}

const segment = fc.constantFrom('a', 'b', 'c', ':x', ':y', 'a:b')
const somePath = fc.tuple(fc.array(segment, { maxLength: 4 }), fc.constantFrom('', '', '/*', '/')).map(([segments, end]) => {
  const seen = new Set<string>()
  const unique = segments.filter((one) => !one.startsWith(':') || !seen.has(one) && seen.add(one).size > 0)
  return `/${unique.join('/')}${end}`.replace(/^\/\//, '/')
})
const valueMatch = fc.constantFrom<RouteMatch['headers'][string]>({ kind: 'exact', value: '1' }, { kind: 'exact', value: '2' }, { kind: 'present' }, { kind: 'absent' })
const someMatch: fc.Arbitrary<Partial<RouteMatch>> = fc.record({
  path: somePath,
  methods: fc.constantFrom(null, null, ['GET'], ['POST'], ['HEAD'], ['GET', 'PUT']),
  hosts: fc.constantFrom(null, null, null, ['x.example'], ['*.example'], ['*.x.example', 'y.example']),
  headers: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: valueMatch.map((value) => ({ h: value })) }),
  query: fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: valueMatch.map((value) => ({ q: value })) })
})
const someRegex: fc.Arbitrary<Partial<RouteMatch>> = fc.constantFrom('/a.*', '/[ab]/[^/]+', '/.*/c').map((pathRegex) => ({ pathRegex }))
const someRoutes = fc.array(fc.oneof({ weight: 8, arbitrary: someMatch }, { weight: 1, arbitrary: someRegex }), { minLength: 1, maxLength: 12 })
  .map((matches) => matches.map((match, index) => routeConfig(`r${index}`, match, index)))
const someRequest = fc.record({
  segments: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'a:b', 'a%3Ab', 'a%20'), { maxLength: 5 }),
  end: fc.constantFrom('', '', '', '/'),
  query: fc.constantFrom('', '?q=1', '?q=2', '?%71=1', '?x=1&q'),
  headers: fc.constantFrom<Record<string, string>>({}, { h: '1' }, { h: '2' }),
  host: fc.constantFrom('x.example', 'y.example', 'z.x.example', 'other'),
  method: fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE')
})

t.test('router: agrees with a reference that scores every route', async (t) => {
  let ambiguous = 0
  let served = 0
  fc.assert(fc.property(someRoutes, fc.constantFrom('', '/base', '/a'), fc.array(someRequest, { minLength: 1, maxLength: 8 }), (drawn, basePath, requests) => {
    // Of routes that nothing orders only the first stays.
    const tied = new Set(checkRoutes(projectConfig('test', { routes: drawn })).map(({ path }) => path[3]))
    const routes = drawn.filter((_, index) => !tied.has(index))
    const compiled = compileRouter(basePath, routes.map((config) => ({ config, value: config.id })))
    for (const { segments, end, query, headers, host, method } of requests) {
      const path = `${basePath}/${segments.join('/')}${end}`.replace('//', '/')
      const request = routeQuery(path + query, headers, host)
      const expected = reference(routes, basePath, request, method)[0]
      const found = compiled.find(request, method)
      if (found === 'ambiguous') {
        ambiguous++
        // Only where the other spelling of the slash really leads to another route.
        const other = reference(routes, basePath, { ...request, path: path.endsWith('/') ? path.slice(0, -1) : `${path}/` }, method)[0]
        if (expected === undefined || other === undefined || other.id === expected.id) return false
        continue
      }
      if ((found?.value ?? null) !== (expected?.id ?? null)) return false
      if (found !== null) served++
      const explained = compiled.explain(request, method)
      if (explained.length !== routes.length || (explained.find(({ outcome }) => outcome === 'wins')?.id ?? null) !== (found?.value ?? null)) return false
      const methods = compiled.allowed(request)
      if (found !== null && ['GET', 'HEAD', 'POST', 'PUT', 'DELETE'].includes(method) && !methods.includes(method)) return false
      if (found === null && methods.includes(method)) return false
    }
    return true
  }), { numRuns: 3000 })
  t.ok(served > 1000, `${served} requests were served`)
  t.ok(ambiguous > 10, `${ambiguous} were ambiguous`)
})

t.test('checkRoutes: after it has found no tie, no request has two winners', async () => {
  fc.assert(fc.property(someRoutes, fc.array(someRequest, { minLength: 1, maxLength: 8 }), (drawn, requests) => {
    const tied = new Set(checkRoutes(projectConfig('test', { routes: drawn })).map(({ path }) => path[3]))
    const routes = drawn.filter((_, index) => !tied.has(index))
    return requests.every(({ segments, end, query, headers, host, method }) => {
      const [first, second] = reference(routes, '', routeQuery(`/${segments.join('/')}${end}${query}`, headers, host), method)
      if (first === undefined || second === undefined || first.regex || second.regex) return true
      return first.kinds !== second.kinds || first.predicates !== second.predicates || first.host !== second.host || (method === 'HEAD' && first.head !== second.head)
    })
  }), { numRuns: 3000 })
})

t.test('router: a path in any spelling gets the route of its normal form, or is refused', async () => {
  const all = router({ admin: '/admin/:id', list: '/admin', open: '/*' })
  const pieces = fc.array(fc.constantFrom('/', 'a', '%61', 'dmin', '%64min', '.', '%2e', '..', ';x', '%3B', '%2F', '%5c', 'b', ':', '%3a', '~'), { minLength: 1, maxLength: 10 })
  fc.assert(fc.property(pieces, (drawn) => {
    const path = normalizePath(`/${drawn.join('')}`, false)
    if (path === null) return true
    const found = serve(all, path)
    // What a server makes of it that decodes everything, strips parameters, and takes "\" for "/".
    const read = normalizePath(decodeURIComponent(path).replace(/;[^/]*/g, '').replaceAll('\\', '/').replace(/(?!^)\/+$/, ''), false)?.replace(/(?!^)\/+$/, '')
    if (read === undefined || !/^\/admin(\/[^/]+)?$/.test(read)) return true
    return found !== 'open'
  }), { numRuns: 5000, examples: [[['%3B', '%5c', '%3a', '%2F', 'a', '%64min', '/']]] })
})

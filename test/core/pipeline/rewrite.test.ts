import fc from 'fast-check'
import t from 'tap'
import { formatFinding } from '../../../core/errors.js'
import { normalizePath } from '../../../core/lib/path.js'
import { checkRewrite, compileRewrite } from '../../../core/pipeline/rewrite.js'
import { compileRouter } from '../../../core/pipeline/router.js'
import type { Rewrite } from '../../../core/route.js'
import { routeConfig, routeQuery } from '../../fixtures/routes.js'

/** The path that is forwarded for a request to a route, found by the real router. */
function forwarded (routePath: string, rewrite: Rewrite, path: string, basePath = ''): string {
  const change = compileRewrite(rewrite, routePath, basePath)
  const found = compileRouter(basePath, [{ config: routeConfig('it', { path: routePath }), value: 'it' }]).find(routeQuery(path), 'GET')
  if (found === null || found === 'ambiguous') throw new Error(`${path} does not match ${routePath}`)
  return change === null ? path : change(path, found.params)
}

const STRIP: Rewrite = { kind: 'stripPrefix' }
const template = (text: string): Rewrite => ({ kind: 'template', template: text })

t.test('rewrite: stripPrefix takes away the basePath and the literal beginning of the route', async (t) => {
  const table: readonly (readonly [routePath: string, basePath: string, path: string, forwarded: string])[] = [
    ['/api/v1/*', '', '/api/v1/orders/1', '/orders/1'],
    ['/api/v1/*', '', '/api/v1', '/'],
    ['/api/v1/*', '', '/api/v1/', '/'],
    ['/api/*', '/shop', '/shop/api/x/', '/x/'],
    ['/*', '/shop/v1', '/shop/v1/x', '/x'],
    ['/*', '/shop', '/shop', '/'],
    ['/', '/shop', '/shop', '/'],
    ['/', '/shop', '/shop/', '/'],
    ['/orders/:id/items', '', '/orders/1/items', '/1/items'],
    ['/orders/:id/*', '/shop', '/shop/orders/1', '/1'],
    ['/:id/x', '/shop', '/shop/1/x', '/1/x'],
    ['/a/b', '', '/a/b', '/'],
    ['/a/b/', '', '/a/b/', '/'],
    // In whatever spelling the request has it, and no matter what it looks like below.
    ['/a:b/*', '', '/a%3Ab/x%3Ay', '/x%3Ay'],
    ['/a/*', '', '/a/a/a', '/a/a'],
    ['/a/*', '', '/a//x', '/x'],
    ['/a/*', '', '/a/b%2Fc', '/b%2Fc']
  ]
  for (const [routePath, basePath, path, expected] of table) t.equal(forwarded(routePath, STRIP, path, basePath), expected, `${basePath} ${routePath}: ${path}`)
})

t.test('rewrite: costs nothing where the path stays', async (t) => {
  t.equal(compileRewrite({ kind: 'none' }, '/a/*', '/shop'), null)
  t.equal(compileRewrite(STRIP, '/:id', ''), null)
  t.equal(compileRewrite(STRIP, '/*', ''), null)
  t.equal(compileRewrite(STRIP, null, ''), null)
  t.equal(compileRewrite(STRIP, null, '/shop')?.('/shop/x', {}), '/x', 'a regex route has only its basePath to lose')
})

t.test('rewrite: a template puts in what was matched, and its result is in normal form', async (t) => {
  const table: readonly (readonly [routePath: string, template: string, path: string, forwarded: string])[] = [
    ['/orders/:id', '/v2/orders/:id', '/orders/7', '/v2/orders/7'],
    ['/a/:x/b/:y', '/:y/:x', '/a/1/b/2', '/2/1'],
    ['/a/:x/*', '/:x/all/*', '/a/1/b/c/', '/1/all/b/c/'],
    ['/a/*', '/v2/*', '/a', '/v2/'],
    ['/a/*', '/v2/*/end', '/a', '/v2/end'],
    ['/a/*', '/v2/*/end', '/a/', '/v2/end'],
    ['/a/*', '/*', '/a', '/'],
    ['/a/*', '/x/.*', '/a', '/x/'],
    ['/a/*', '/x/.*/y', '/a/./b', '/x/.b/y'],
    ['/a/*', '/x/..*/y', '/a', '/y'],
    ['/a/*', '/..*/../y', '/a', '/'],
    ['/a/:id', '/order-:id.json', '/a/7', '/order-7.json'],
    ['/a/:id', '/fixed', '/a/7', '/fixed'],
    ['/a/:id', '/v1/:id%3Acancel', '/a/7', '/v1/7%3Acancel'],
    ['/a/:id', '/x/:id', '/a/1%2F2%20', '/x/1%2F2%20']
  ]
  for (const [routePath, text, path, expected] of table) {
    t.equal(forwarded(routePath, template(text), normalizePath(path, false) ?? 'invalid'), expected, `${text}: ${path}`)
  }
})

t.test('rewrite: no request can put a line break, a separator or a dot segment into the path', async () => {
  const change = compileRewrite(template('/v2/:id/x/*'), '/a/:id/*', '') ?? ((path: string) => path)
  const all = compileRouter('', [{ config: routeConfig('it', { path: '/a/:id/*' }), value: 'it' }])
  const piece = fc.constantFrom('/', '.', '..', '%2e', '%0d%0a', '\r\n', '?', '#', '%3F', '%23', 'a', '%2F', '%5c', '//', ';', 'é', '%C3%A9', ' ', '%20')
  fc.assert(fc.property(fc.array(piece, { maxLength: 8 }), (pieces) => {
    const path = normalizePath(`/a/${pieces.join('')}`, false)
    if (path === null) return true
    const found = all.find(routeQuery(path), 'GET')
    if (found === null || found === 'ambiguous') return true
    const result = change(path, found.params)
    return /^\/v2\/[^/?#\s]+\/x(\/[^?#\s]*)?$/.test(result) && normalizePath(result, false) === result
  }), { numRuns: 3000 })
})

t.test('checkRewrite: finds names that the route does not have, and templates that are no path', async (t) => {
  const check = (routePath: string | null, rewrite: Rewrite): string => checkRewrite(routeConfig('it', { path: routePath }, 3, rewrite)).map(formatFinding).join('\n')
  for (const [routePath, text] of [['/a/:id/*', '/v2/:id/*'], ['/a/:id', '/:id.json'], ['/a', '/b'], ['/a/:id', '/x%3A:id'], ['/a/:id', '/caf%C3%A9/:id'], ['/a/:id', '/']] as const) t.equal(check(routePath, template(text)), '', text)
  t.equal(check('/a/*', STRIP), '')
  t.equal(check('/a/*', { kind: 'none' }), '')
  const table: readonly (readonly [routePath: string | null, template: string, expected: RegExp])[] = [
    ['/a/:id', '/v2/:ident', /^projects\.test\.routes\[3\]\.rewrite: the template names ":ident", .*\(use ":id"; /],
    ['/a/:id', '/v2/:x/:y', /":x"[^]*":y"/],
    ['/a/:id', '/v2/*', /names "\*"/],
    ['/a', '/v2/:id', /names ":id".*"%3A"/],
    [null, '/v2/:id', /names ":id"/],
    ['/a/:id', 'v2/:id', /does not begin with "\/".*\(write "\/v2\/:id"\)/],
    ['/a/:id', '', /does not begin/],
    ['/a/:id', '/v2?x=:id', /holds "\?" or "#"/],
    ['/a/:id', '/v2#:id', /holds "\?" or "#"/],
    ['/a/:id', '/a b/:id', /space/],
    ['/a/:id', '/../:id', /above the root/],
    ['/a/:id', '/x/../:id', /"\/x\/\.\.\/:id" is not in its normal form/],
    ['/a/:id', '/%7ex', /write "\/~x"/]
  ]
  for (const [routePath, text, expected] of table) t.match(check(routePath, template(text)), expected, text)
  t.equal(check('bad', template('/:id')), '', 'a path that is wrong itself is reported once, by checkRoutes')
})

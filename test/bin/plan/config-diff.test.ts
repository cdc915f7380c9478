import fc from 'fast-check'
import { test } from 'tap'
import { affectedRoutes } from '../../../bin/plan/affected-routes.js'
import { diffConfig, type ConfigChange } from '../../../bin/plan/config-diff.js'
import { printPlan } from '../../../bin/plan/print-plan.js'
import { keepTerminal } from '../../fixtures/cli.js'

const SHOP = {
  hosts: ['shop.example.com'],
  upstreams: { orders: { targets: ['http://a:1'], timeouts: { headers: '30s' } }, items: { targets: ['http://b:1'] } },
  plugins: ['security-headers', { cors: { origins: ['https://a.example'] } }],
  routes: [{ id: 'orders', match: { path: '/orders/*' }, upstream: 'orders' }, { id: 'items', match: { path: '/items/*' }, upstream: 'items' }]
}

test('config-diff: equal configurations differ in nothing, whatever the order of their keys', (t) => {
  t.strictSame(diffConfig(SHOP, structuredClone(SHOP)), [])
  t.strictSame(diffConfig({ a: 1, b: { c: [1, 2], d: null } }, { b: { d: null, c: [1, 2] }, a: 1 }), [])
  t.end()
})

test('config-diff: a difference is told at its place, and entries of lists by their names', (t) => {
  const table: [string, (config: typeof SHOP) => void, ConfigChange[]][] = [
    ['a value', (config) => { config.upstreams.orders.timeouts.headers = '10s' }, [{ path: ['upstreams', 'orders', 'timeouts', 'headers'], kind: 'changed', before: '30s', after: '10s' }]],
    ['a route in front', (config) => { config.routes.unshift({ id: 'new', match: { path: '/' }, upstream: 'items' }) }, [{ path: ['routes', 'new'], kind: 'added', before: null, after: { id: 'new', match: { path: '/' }, upstream: 'items' } }]],
    ['a route less', (config) => { config.routes.shift() }, [{ path: ['routes', 'orders'], kind: 'removed', before: SHOP.routes[0], after: null }]],
    ['a path', (config) => { (config.routes[1] as { match: { path: string } }).match.path = '/i/*' }, [{ path: ['routes', 'items', 'match', 'path'], kind: 'changed', before: '/items/*', after: '/i/*' }]],
    ['the order', (config) => { config.plugins.reverse() }, [{ path: ['plugins'], kind: 'moved', before: ['security-headers', 'cors'], after: ['cors', 'security-headers'] }]],
    ['a plugin', (config) => { config.plugins[0] = 'debug' }, [{ path: ['plugins', 'security-headers'], kind: 'removed', before: 'security-headers', after: null }, { path: ['plugins', 'debug'], kind: 'added', before: null, after: 'debug' }]]
  ]
  for (const [title, change, expected] of table) {
    const after = structuredClone(SHOP)
    change(after)
    t.strictSame(diffConfig(SHOP, after), expected, title)
  }
  t.end()
})

test('config-diff: there is a difference exactly where the two are not equal', (t) => {
  const json = fc.jsonValue({ maxDepth: 4 })
  fc.assert(fc.property(json, json, (left, right) => {
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
    const [a, b] = [plain(left), plain(right)]
    const { length } = diffConfig(a, b)
    return diffConfig(a, plain(a)).length === 0 && (length === 0) === (canonical(a) === canonical(b))
  }), { numRuns: 500 })
  t.pass()
  t.end()
})

/** JSON with the keys sorted. */
function canonical (value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => typeof inner === 'object' && inner !== null && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => a < b ? -1 : 1)) : inner)
}

test('affected-routes: a route counts that changed, whose upstream changed, or whose project did', (t) => {
  const affected = (change: (config: typeof SHOP) => void): string[] => {
    const after = structuredClone(SHOP)
    change(after)
    return affectedRoutes(SHOP, after, diffConfig(SHOP, after))
  }
  t.strictSame(affected((config) => { config.upstreams.items.targets = ['http://c:1'] }), ['items'])
  t.strictSame(affected((config) => { config.routes.pop() }), ['items'])
  t.strictSame(affected((config) => { config.routes.reverse() }), ['items', 'orders'])
  t.strictSame(affected((config) => { config.hosts.push('b.example.com') }), ['items', 'orders'])
  t.strictSame(affectedRoutes(null, SHOP, diffConfig({}, SHOP)), ['items', 'orders'])
  t.end()
})

test('print-plan: a line for each difference, and no secret', (t) => {
  const terminal = keepTerminal()
  const before = { ...SHOP, plugins: [{ hmac: { secret: 'canary-8c1f-old', window: '5m' } }] }
  const after = { ...SHOP, plugins: [{ hmac: { secret: 'canary-8c1f-new', window: '5m' } }], upstreams: { ...SHOP.upstreams, x: { targets: ['http://\u001b[2J:1'], password: 'canary-8c1f' } } }
  const changes = diffConfig(before, after)
  printPlan([
    { project: 'shop', action: 'change', changes, affectedRoutes: affectedRoutes(before, after, changes) },
    { project: 'other', action: 'none', changes: [], affectedRoutes: [] }
  ], terminal)
  t.match(terminal.out, [
    'project shop: 2 changes, 2 routes affected: items, orders',
    /^ {2}\+ upstreams\.x: \{"targets":\["http:\/\/\\u001b\[2J:1"\],"password":"sha256:[0-9a-f]{8}"\}$/,
    /^ {2}~ plugins\.hmac\.hmac\.secret: "sha256:[0-9a-f]{8}" -> "sha256:[0-9a-f]{8}"$/,
    '1 project to change, 1 as they are'
  ])
  t.notMatch(terminal.out.join('\n'), 'canary')
  const nothing = keepTerminal()
  printPlan([{ project: 'other', action: 'none', changes: [], affectedRoutes: [] }], nothing)
  t.strictSame(nothing.out, ['nothing to change'])
  t.end()
})

import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { affectedRoutes } from '../../../bin/plan/affected-routes.js'
import { sameEntries, longestRise } from '../../../bin/plan/same-entries.js'
import { diffConfig, type ConfigChange } from '../../../bin/plan/config-diff.js'
import { changeLine, printPlan } from '../../../bin/plan/print-plan.js'
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
    ['the order', (config) => { config.plugins.reverse() }, [{ path: ['plugins', 'security-headers'], kind: 'moved', before: null, after: 'cors' }]],
    ['the order of routes, which is none', (config) => { config.routes.reverse() }, []],
    ['a plugin', (config) => { config.plugins[0] = 'debug' }, [{ path: ['plugins', 'security-headers'], kind: 'removed', before: 'security-headers', after: null }, { path: ['plugins', 'debug'], kind: 'added', before: null, after: 'debug' }]]
  ]
  for (const [title, change, expected] of table) {
    const after = structuredClone(SHOP)
    change(after)
    t.strictSame(diffConfig(SHOP, after), expected, title)
  }
  t.end()
})

test('config-diff: of a list that moved, grew or shrank only that is told which differs', (t) => {
  const changed = (path: string[], before: unknown, after: unknown): ConfigChange => ({ path, kind: 'changed', before, after })
  const added = (path: string[], after: unknown): ConfigChange => ({ path, kind: 'added', before: null, after })
  const removed = (path: string[], before: unknown): ConfigChange => ({ path, kind: 'removed', before, after: null })
  const moved = (path: string[], before: string | null, after: string | null): ConfigChange => ({ path, kind: 'moved', before, after })
  const regex = (id: string): object => ({ id, match: { pathRegex: `/${id}` } })
  const table: [title: string, before: unknown, after: unknown, ConfigChange[]][] = [
    ['the first to the end: one move', { plugins: ['a', 'b', 'c', 'd'] }, { plugins: ['b', 'c', 'd', 'a'] }, [moved(['plugins', 'a'], null, 'd')]],
    ['the last to the front', { plugins: ['a', 'b', 'c', 'd'] }, { plugins: ['d', 'a', 'b', 'c'] }, [moved(['plugins', 'd'], 'c', null)]],
    ['one that moved and changed', { plugins: [{ a: { x: 1 } }, { b: {} }, { c: {} }] }, { plugins: [{ b: {} }, { c: {} }, { a: { x: 2 } }] }, [changed(['plugins', 'a', 'a', 'x'], 1, 2), moved(['plugins', 'a'], null, 'c')]],
    ['one more in front moves none', { plugins: ['a', 'b'] }, { plugins: ['c', 'a', 'b'] }, [added(['plugins', 'c'], 'c')]],
    ['two of one plugin', { plugins: [{ a: { x: 1 }, id: 'one' }, { a: { x: 1 }, id: 'two' }, { b: { x: 1 }, id: 'one' }] }, { plugins: [{ id: 'one', a: { x: 1 } }, { id: 'two', a: { x: 2 } }, { id: 'one', b: { x: 1 } }] }, [changed(['plugins', 'a:two', 'a', 'x'], 1, 2)]],
    ['targets, by their address', { targets: ['http://a', { url: 'http://b', weight: 2 }] }, { targets: [{ weight: 3, url: 'http://b' }, 'http://c'] }, [removed(['targets', 'http://a'], 'http://a'), changed(['targets', 'http://b', 'weight'], 2, 3), added(['targets', 'http://c'], 'http://c')]],
    ['limits, by their name', { limits: [{ name: 'a', limit: '1/s' }] }, { limits: [{ name: 'b', limit: '1/s' }, { limit: '2/s', name: 'a' }] }, [changed(['limits', 'a', 'limit'], '1/s', '2/s'), added(['limits', 'b'], { name: 'b', limit: '1/s' })]],
    ['what nothing names: what lies between is told', { list: [1, 2, 3, 3, { a: 1 }] }, { list: [1, 3, 3, { a: 1 }, 4] }, [removed(['list', '1'], 2), added(['list', '4'], 4)]],
    ['what nothing names, one of it changed', { list: [[1], { a: 1, b: { c: 1 } }, [2]] }, { list: [[1], { b: { c: 2 }, a: 1 }, [2]] }, [changed(['list', '1', 'b', 'c'], 1, 2)]],
    ['the same twice', { list: ['a', 'a', 'b'] }, { list: ['a', 'b'] }, [removed(['list', '1'], 'a')]],
    ['routes with a pathRegex have an order', { routes: [regex('a'), { id: 'x', match: { path: '/x' } }, regex('b')] }, { routes: [regex('b'), regex('a'), { id: 'x', match: { path: '/x' } }] }, [moved(['routes', 'a'], null, 'b')]]
  ]
  for (const [title, before, after, expected] of table) {
    t.strictSame(diffConfig(before, after), expected, title)
    t.strictSame(diffConfig(before, structuredClone(before)), [], `${title}: no difference`)
  }
  t.end()
})

test('config-diff: what is told is enough to make the one of the other, and no more than that is told', (t) => {
  const names = fc.uniqueArray(fc.constantFrom<string>('a', 'b', 'c', 'd', 'e', 'f'), { maxLength: 6 })
  fc.assert(fc.property(names, names, (left, right) => {
    const changes = diffConfig({ plugins: left }, { plugins: right })
    const told = (kind: string): string[] => changes.filter((change) => change.kind === kind).map(({ path }) => path[1] ?? '')
    const stays = (list: string[]): string[] => list.filter((name) => left.includes(name) && right.includes(name) && !told('moved').includes(name))
    assert.deepEqual(told('removed'), left.filter((name) => !right.includes(name)))
    assert.deepEqual(told('added'), right.filter((name) => !left.includes(name)))
    assert.deepEqual(stays(left), stays(right), 'those of which nothing is told are in one order')
  }))
  const values = fc.array(fc.constantFrom<unknown>(1, 2, 3, { a: 1 }), { maxLength: 8 })
  fc.assert(fc.property(values, values, (left, right) => {
    const common = sameEntries(left, right)
    for (const [index, [row, column]] of common.entries()) {
      assert.deepEqual(left[row], right[column])
      const [before] = common.slice(0, index).reverse()
      if (before !== undefined) assert.ok(before[0] < row && before[1] < column)
    }
    const told = diffConfig({ list: left }, { list: right }).length
    assert.ok(told <= left.length + right.length - 2 * common.length)
  }))
  fc.assert(fc.property(fc.uniqueArray(fc.nat(20), { maxLength: 12 }), (numbers) => {
    const rise = longestRise(numbers)
    assert.deepEqual(rise, numbers.filter((number) => rise.includes(number)))
    assert.deepEqual(rise, rise.toSorted((a, b) => a - b))
    assert.equal(rise.length, longest(numbers))
  }))
  t.pass()
  t.end()
})

/** How long the longest rise is, by trying each. */
function longest (numbers: readonly number[], above = -1): number {
  const [first, ...rest] = numbers
  if (first === undefined) return 0
  return Math.max(longest(rest, above), first > above ? 1 + longest(rest, first) : 0)
}

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
  t.strictSame(affected((config) => { config.routes.reverse() }), [])
  t.strictSame(affected((config) => { config.hosts.push('b.example.com') }), ['items', 'orders'])
  t.strictSame(affected((config) => { (config as { plans?: object }).plans = { free: {} } }), ['items', 'orders'])
  const own = { plugins: [{ cors: { origins: ['*'] } }], routes: [{ id: 'own', plugins: [{ cors: { origins: ['https://b.example'] } }] }, { id: 'none', plugins: [{ cors: false }] }, { id: 'theirs' }] }
  const changed = { ...own, plugins: [{ cors: { origins: ['https://c.example'] } }] }
  t.strictSame(affectedRoutes(own, changed, diffConfig(own, changed)), ['theirs'], 'those with a use of their own in its place, or none, are as they were')
  const moved = { routes: [{ id: 'a', match: { pathRegex: 'a' } }, { id: 'b', match: { pathRegex: 'b' } }, { id: 'c', match: { path: '/c' } }] }
  const other = { routes: moved.routes.toReversed() }
  t.strictSame(affectedRoutes(moved, other, diffConfig(moved, other)), ['a', 'b'])
  t.strictSame(affectedRoutes(null, SHOP, diffConfig({}, SHOP)), ['items', 'orders'])
  t.end()
})

test('print-plan: a line for each difference, and no secret', (t) => {
  const terminal = keepTerminal()
  const before = { ...SHOP, plugins: [{ hmac: { secret: 'canary-8c1f-old', window: '5m' } }] }
  const after = { ...SHOP, plugins: [{ hmac: { secret: 'canary-8c1f-new', window: '5m' } }], upstreams: { ...SHOP.upstreams, x: { targets: ['http://\u001b[2J:1'], password: 'canary-8c1f' } } }
  const changes = diffConfig(before, after)
  printPlan([
    { project: 'shop', action: 'change', source: 'store', changes, affectedRoutes: affectedRoutes(before, after, changes) },
    { project: 'other', action: 'none', source: 'store', changes: [], affectedRoutes: [] }
  ], terminal)
  t.match(terminal.out, [
    'project shop: 2 changes, 2 routes affected: items, orders',
    /^ {2}\+ upstreams\.x: \{"targets":\["http:\/\/\\u001b\[2J:1"\],"password":"sha256:[0-9a-f]{8}"\}$/,
    /^ {2}~ plugins\.hmac\.hmac\.secret: "sha256:[0-9a-f]{8}" -> "sha256:[0-9a-f]{8}"$/,
    '1 project to change, 1 as they are'
  ])
  t.notMatch(terminal.out.join('\n'), 'canary')
  const long = 'a line of some length, '.repeat(20)
  t.equal(changeLine({ path: ['body'], kind: 'changed', before: `${long}one`, after: `${long}two` }), '~ body: "…ine of some length, one" -> "…ine of some length, two"', 'of long texts what differs is seen')
  t.notMatch(changeLine({ path: ['password'], kind: 'changed', before: `${long}one`, after: `${long}two` }), 'some length')
  t.match(changeLine({ path: ['plugins', 'cors'], kind: 'moved', before: 'a', after: null }), 'plugins.cors: moved to the front')
  const nothing = keepTerminal()
  printPlan([{ project: 'other', action: 'none', source: 'store', changes: [], affectedRoutes: [] }], nothing)
  t.strictSame(nothing.out, ['nothing to change'])
  t.end()
})

import { test } from 'tap'
import { packRoute, shareMethods, unpackRoute, USUAL_ROUTE, type PackedRoute } from '../../../core/config/packed-route.js'
import type { RouteConfig } from '../../../core/route.js'

const AT = ['projects', 'shop']
const PLAIN: RouteConfig = {
  id: 'a', match: { path: '/a/*', pathRegex: null, methods: ['GET'], hosts: null, headers: {}, query: {} }, upstream: 'main', rewrite: { kind: 'none' }, plugins: [], timeouts: {},
  allowEncodedSlashes: false, upgrades: [], upgradeIdleMs: USUAL_ROUTE.upgradeIdleMs, accessLog: {}, at: [...AT, 'routes', 3]
}
const FULL: RouteConfig = {
  id: 'b', match: { path: null, pathRegex: '/x', methods: null, hosts: ['a.example'], headers: { 'x-a': { kind: 'present' } }, query: { q: { kind: 'exact', value: '' } } },
  upstream: null, rewrite: { kind: 'template', template: '/y' }, plugins: [{ name: 'cors', id: 'cors', hasId: false, use: null, remove: false, config: {}, stage: null, locked: false, timeoutMs: 5, at: [...AT, 'routes', 1, 'plugins', 0] }],
  timeouts: { headersMs: 0 }, allowEncodedSlashes: true, upgrades: ['mqtt'], upgradeIdleMs: 0, accessLog: false, at: ['environments', 'e', 'projects', 'shop', 'routes', 1]
}

test('packed route: crosses as JSON and is what it was, every field of it', (t) => {
  for (const route of [PLAIN, FULL, { ...PLAIN, accessLog: { sample: 0 } }, { ...PLAIN, at: [...AT, 'routes', 'x'] }]) {
    const packed = JSON.parse(JSON.stringify(packRoute(route, AT))) as PackedRoute
    t.strictSame(unpackRoute(packed, AT, shareMethods()), route)
  }
  t.same(packRoute(PLAIN, AT), { id: 'a', match: { path: '/a/*', methods: ['GET'] }, upstream: 'main', at: 3 }, 'what is usual is left out')
  t.end()
})

test('packed route: routes share what they have alike', (t) => {
  const shared = shareMethods()
  const [one, other] = [0, 1].map((n) => unpackRoute(JSON.parse(JSON.stringify(packRoute({ ...PLAIN, at: [...AT, 'routes', n] }, AT))) as PackedRoute, AT, shared))
  t.equal(one?.match.methods, other?.match.methods)
  t.equal(one?.timeouts, other?.timeouts)
  t.strictSame([one?.at, other?.at], [[...AT, 'routes', 0], [...AT, 'routes', 1]])
  t.end()
})

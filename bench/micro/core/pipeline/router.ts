/**
 * Nanoseconds to find the route of a request, by the number of routes of its project, and the project, by the number of projects.
 * Run: node dist/bench/micro/core/pipeline/router.js [--quick]
 */
import { HeaderList } from '../../../../core/lib/header-list.js'
import { buildHostIndex } from '../../../../core/pipeline/host-index.js'
import { compileRouter, type RouteQuery } from '../../../../core/pipeline/router.js'
import type { RouteConfig, RouteMatch } from '../../../../core/route.js'
import { printGrowth, printSizes } from '../../growth.js'
import { nsPerCall } from '../../ns-per-call.js'
import { QUICK } from '../../quick.js'

/** More requests than a branch predictor learns by heart. */
const REQUESTS = 4_096
const headers = new HeaderList(['host', 'shop.example.com', 'accept', '*/*', 'x-beta', '1'])

function route (id: string, match: Partial<RouteMatch>): RouteConfig {
  return {
    id, match: { path: null, pathRegex: null, methods: ['GET', 'POST'], hosts: null, headers: {}, query: {}, ...match }, upstream: null, rewrite: { kind: 'none' }, plugins: [], timeouts: {},
    allowEncodedSlashes: false, upgrades: [], upgradeIdleMs: 0, accessLog: {}, at: []
  }
}

/** A quarter each: literal, parameter, wildcard, and a parameter that needs a header. */
function routesOf (count: number): RouteConfig[] {
  return Array.from({ length: count }, (_, n) => {
    const base = `/api/v1/r${n >> 2}`
    if (n % 4 === 0) return route(`literal-${n}`, { path: base })
    if (n % 4 === 1) return route(`param-${n}`, { path: `${base}/items/:id` })
    return n % 4 === 2 ? route(`wildcard-${n}`, { path: `${base}/files/*` }) : route(`header-${n}`, { path: `${base}/items/:id`, headers: { 'x-beta': { kind: 'exact', value: '1' } } })
  })
}

const requests = (count: number, path: (resource: number, n: number) => string, query = ''): RouteQuery[] => {
  const resources = Math.max(1, count >> 2)
  return Array.from({ length: REQUESTS }, (_, n) => ({ path: path((n * 7919) % resources, n), query, host: 'shop.example.com', headers }))
}

const sizes = QUICK ? [10, 1_000, 10_000] : [10, 1_000, 100_000]
const routers = sizes.map((size) => compileRouter('', routesOf(size).map((config) => ({ config, value: config.id }))))
const kinds: [string, string, (resource: number, n: number) => string][] = [
  ['a literal path', 'literal', (resource) => `/api/v1/r${resource}`],
  ['a parameter, told apart by a header', 'header', (resource, n) => `/api/v1/r${resource}/items/${n}`],
  ['a wildcard', 'wildcard', (resource, n) => `/api/v1/r${resource}/files/a/${n}.png`],
  ['a path with an escape (looked at twice)', 'wildcard', (resource, n) => `/api/v1/r${resource}/files/%C3%A9/${n}`],
  ['nothing (404)', '', (resource, n) => `/api/v2/r${resource}/${n}`]
]
printSizes('routes of the project', sizes)
for (const [title, expected, path] of kinds) {
  printGrowth(title, sizes.map((size, i) => {
    const router = routers[i] as (typeof routers)[number]
    const asked = requests(size, path)
    for (const request of asked.slice(0, 100)) {
      const found = router.find(request, 'GET')
      const served = found === null || found === 'ambiguous' ? '' : found.value.replace(/-\d+$/, '')
      if (served !== expected) throw new Error(`${title}: ${request.path} is served by "${served}"`)
    }
    return nsPerCall((n) => { router.find(asked[n % REQUESTS] as RouteQuery, 'GET') })
  }))
}

const projects = QUICK ? [10, 1_000, 10_000] : [10, 1_000, 100_000]
const indexes = projects.map((count) => buildHostIndex(Array.from({ length: count }, (_, n) => ({
  name: `p${n}`, hosts: [n % 2 === 0 ? `p${n}.example.com` : `*.p${n}.example.com`], basePath: n % 10 === 0 ? '/api' : '', value: n
}))))
printSizes('\nprojects', projects)
for (const [title, host, expected] of [
  ['an exact host', (n: number) => `p${n}.example.com`, 2], ['a wildcard host', (n: number) => `eu.shop.p${n + 1}.example.com`, 3], ['a host of nobody', (n: number) => `p${n}.example.org`, null]
] as const) {
  printGrowth(title, projects.map((count, i) => {
    const index = indexes[i] as (typeof indexes)[number]
    if (index.find(host(2), '/api/x') !== expected) throw new Error(`${title}: the wrong project was found`)
    const hosts = Array.from({ length: REQUESTS }, (_, n) => host((n * 7919) % (count >> 1) * 2))
    return nsPerCall((n) => { index.find(hosts[n % REQUESTS] as string, '/api/v1/orders') })
  }))
}

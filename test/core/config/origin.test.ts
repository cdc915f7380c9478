import { test } from 'tap'
import { checkOrigin } from '../../../core/config/origin.js'
import type { Raw } from '../../../core/config/raw.js'
import { parseProject } from '../../../core/config/parse-project.js'
import { TEST_REGISTRY } from '../../fixtures/load-config.js'

const HOSTILE = `listen: { port: 1 }
include: [ /etc/* ]
basePath: "/\${HOME}"
upstreams:
  a: { builtin: echo }
  b: { targets: [ "https://127.0.0.1" ], tls: { ca: /etc/passwd, key: ../key.pem, cert: "-----BEGIN CERTIFICATE-----" } }
plugins: [ inspect, { use: ./x.ts, config: { a: "\${file:/etc/shadow}" } }, plain ]
routes: [ { match: { path: / }, upstream: a, plugins: [ { inspect: {} } ] } ]
`
const options = { name: 'shop', label: 'PUT /projects/shop', registry: TEST_REGISTRY }

test('origin: what an operator\'s file may say, others may not', (t) => {
  const paths = (origin: 'tenant' | 'operator-api'): string[] => {
    const { project, findings } = parseProject({ ...options, text: HOSTILE, origin })
    t.equal(project, null)
    return findings.map(({ path, position }) => `${position?.file} ${position?.line}:${position?.column} ${path.join('.')}`.replace('PUT /projects/shop ', ''))
  }
  const both = ['3:11 projects.shop.basePath', '7:49 projects.shop.plugins.1.config.a', '1:1 projects.shop.listen', '2:1 projects.shop.include', '6:53 projects.shop.upstreams.b.tls.ca', '6:71 projects.shop.upstreams.b.tls.key', '7:28 projects.shop.plugins.1.use']
  t.same(paths('operator-api').sort(), [...both].sort())
  t.same(paths('tenant').sort(), [...both, '5:17 projects.shop.upstreams.a.builtin', '7:12 projects.shop.plugins.0', '8:59 projects.shop.routes.0.plugins.0.inspect', '6:19 projects.shop.upstreams.b.targets.0'].sort())
  t.same(checkOrigin({ plugins: ['inspect'], listen: {}, basePath: '${X}' }, 'operator-file', TEST_REGISTRY), [])
  for (const odd of [null, 1, 'x', [], { plugins: 1, routes: {}, upstreams: [] }, { routes: [1, null, { plugins: [null, 1, []] }], upstreams: { a: null, b: { tls: 1 } } }] as Raw[]) t.same(checkOrigin(odd, 'tenant', TEST_REGISTRY), [], JSON.stringify(odd))
  t.end()
})

test('origin: a project that came over an API is built like any other, and what is wrong with it has places', (t) => {
  const good = parseProject({ ...options, origin: 'tenant', text: '{ "basePath": "/a", "upstreams": { "u": { "targets": [ "https://u.example" ] } }, "routes": [ { "match": { "path": "/x" }, "upstream": "u", "plugins": [ "plain" ] } ] }' })
  t.same(good.findings, [])
  t.match(good.project, { hash: /^[\w-]{43}$/, config: { name: 'shop', origin: 'tenant', basePath: '/a', routes: [{ upstream: 'u', plugins: [{ name: 'plain' }] }] } })
  const places = (text: string): string[] => parseProject({ ...options, origin: 'tenant', text }).findings.map(({ message, position }) => `${position?.line}:${position?.column} ${message}`)
  t.same(places('routes:\n  - match: { path: /a }\n    upstream: u\n__proto__: {}\n'), ['4:1 unknown key "__proto__"'])
  t.same(places('routes:\n  - match: { path: /a }\n    upstream: u\n'), ['3:15 there is no upstream "u" in this project'])
  t.same(places('basePath: [\n'), ['2:1 this is not YAML: flow sequence in block collection must be sufficiently indented and end with a ]'])
  t.match(places('- a\n'), [/^1:1 expected a project, found a list/])
  t.end()
})

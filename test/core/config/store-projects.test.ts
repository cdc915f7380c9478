import { test } from 'tap'
import { effectiveProject, type StoredProject } from '../../../core/config/effective-project.js'
import { buildStoredProject } from '../../../core/config/store-projects.js'
import { parseProject } from '../../../core/config/parse-project.js'
import { buildRegistry } from '../../../core/config/registry.js'
import { compileEgress, PUBLIC_ONLY } from '../../../core/lib/egress.js'
import { formatFinding } from '../../../core/errors.js'
import { definePlugin } from '../../../core/plugin.js'
import { Type } from 'typebox'
import { TEST_REGISTRY } from '../../fixtures/load-config.js'

const apiKey = definePlugin({ name: 'api-key', stage: 'authenticate', config: Type.Object({ header: Type.String({ default: 'x-api-key' }) }, { additionalProperties: false }), create: () => ({}) })
const REGISTRY = buildRegistry([...TEST_REGISTRY.values(), apiKey])
const surroundings = { registry: REGISTRY, egress: PUBLIC_ONLY, baseDomain: 'gate.example', domains: [] as string[] }
const stored = (more: Partial<StoredProject> = {}): StoredProject => ({ project_id: 'Shop-1', target_url: 'https://api.example.com/v1', auth_type: 'none', config: null, written_by: 'tenant', ...more })
const routes = [{ match: { path: '/*' }, upstream: 'u' }]
const upstreams = { u: { targets: ['https://u.example'] } }

test('store projects: the short form is one route to the target, behind the plugin of its auth_type', (t) => {
  t.same(effectiveProject(stored({ auth_type: 'api_key' })), {
    upstreams: { target: { targets: ['https://api.example.com/v1'] } },
    routes: [{ id: 'all', match: { path: '/*' }, upstream: 'target' }],
    plugins: ['api-key']
  })
  const { project, findings } = buildStoredProject(stored({ auth_type: 'api_key' }), surroundings)
  t.same(findings, [])
  t.match(project, { hash: /^[\w-]{43}$/, config: { name: 'Shop-1', origin: 'tenant', hosts: ['shop-1.gate.example'], plugins: [{ name: 'api-key', config: { header: 'x-api-key' } }], routes: [{ id: 'all', upstream: 'target' }] } })
  t.same(buildStoredProject(stored({ auth_type: 'oauth' }), surroundings).findings.map(formatFinding), ['projects.Shop-1.auth_type: this gateway has no plugin "oauth", which auth_type "oauth" stands for (choose api_key or none)'])
  t.match(buildStoredProject(stored({ target_url: 'http://127.0.0.1:1' }), surroundings), { project: null, findings: [{ path: ['projects', 'Shop-1', 'upstreams', 'target', 'targets', 0] }] })
  t.same(buildStoredProject(stored({ target_url: 'http://127.0.0.1:1' }), { ...surroundings, egress: compileEgress(['127.0.0.0/8']) }).findings, [])
  t.same(buildStoredProject(stored({ target_url: 'http://127.0.0.1:1', written_by: 'operator' }), surroundings).findings, [], 'operators may name any')
  t.end()
})

test('store projects: a config does not open by silence what its auth_type closes', (t) => {
  const plugins = (list?: unknown): unknown => effectiveProject(stored({ auth_type: 'api_key', target_url: null, config: { upstreams, routes, ...(list === undefined ? {} : { plugins: list }) } })).plugins
  t.same(plugins(), ['api-key'])
  t.same(plugins(['plain']), ['api-key', 'plain'])
  t.same(plugins(['plain', { 'api-key': { header: 'x-key' } }]), ['plain', { 'api-key': { header: 'x-key' } }])
  t.end()
})

test('store projects: hosts are the project\'s own and its verified domains, and nothing else, however it is written', (t) => {
  const hosts = (written: string[] | undefined, domains: string[], by: StoredProject['written_by'] = 'tenant'): readonly string[] | undefined =>
    buildStoredProject(stored({ target_url: null, config: { upstreams, routes, ...(written === undefined ? {} : { hosts: written }) }, written_by: by }), { ...surroundings, domains }).project?.config.hosts
  t.same(hosts(undefined, []), ['shop-1.gate.example'])
  t.same(hosts(undefined, ['shop.example']), ['shop-1.gate.example', 'shop.example'])
  t.same(hosts(['shop.example'], ['shop.example', 'other.example']), ['shop.example'])
  t.same(hosts(['bank.example', '*.example', 'shop.example'], ['shop.example']), ['shop.example'])
  t.same(hosts(['bank.example'], []), ['shop-1.gate.example'], 'a domain that was lost leaves the project its own host, never all hosts')
  t.same(hosts([], []), ['shop-1.gate.example'])
  t.same(hosts(['bank.example'], [], 'operator'), ['bank.example'])
  t.not(buildStoredProject(stored(), surroundings).project?.hash, buildStoredProject(stored(), { ...surroundings, domains: ['a.example'] }).project?.hash)
  t.end()
})

test('store projects: each thing that a tenant may not write is refused at its place, with what to do', (t) => {
  const options = { name: 'shop', label: 'config', registry: REGISTRY, egress: PUBLIC_ONLY, hosts: ['shop.gate.example', 'shop.example'] }
  const base = 'upstreams: { u: { targets: [ "https://u.example" ] } }\nroutes:\n  - { match: { path: "/*" }, upstream: u }\n'
  const ways: [text: string, place: string, message: RegExp][] = [
    ['listen: { port: 1 }', '4:1', /belongs to the gateway as a whole/], ['admin: false', '4:8', /belongs to the gateway/], ['state: { embedded: {} }', '4:1', /belongs to the gateway/], ['include: [ a.yaml ]', '4:1', /belongs to the gateway/],
    ['environments: {}', '4:1', /belongs to the gateway/], ['projects: {}', '4:1', /belongs to the gateway/], ['egress: { allow: [ 0.0.0.0/0 ] }', '4:1', /belongs to the gateway/], ['baseDomain: x.example', '4:13', /belongs to the gateway/],
    ['workers: 4', '4:10', /belongs to the gateway/], ['accessLog: "${HOME}"', '4:12', /environment of the gateway/], ['plugins: [ { use: ./x.ts } ]', '4:19', /plugin of one's own/], ['plugins: [ { use: /etc/passwd } ]', '4:19', /plugin of one's own/],
    ['plugins: [ inspect ]', '4:12', /kept for operators/], ['plugins: [ { inspect: {} } ]', '4:14', /kept for operators/], ['plugins: [ { plain: { a: "${file:/etc/shadow}" } } ]', '4:26', /environment of the gateway/],
    ['hosts: [ shop.example, bank.example ]', '4:24', /"bank\.example" is not a verified domain/], ['hosts: [ "*.example" ]', '4:10', /not a verified domain/], ['hosts: [ "*" ]', '4:10', /not a verified domain/],
    ['hosts: 5', '4:8', /expected/], ['nonsense: 1', '4:1', /unknown key/], ['__proto__: {}', '4:1', /__proto__/], ['plans: { constructor: { prototype: 1 } }', '', /^$/]
  ]
  for (const [line, place, message] of ways) {
    const { project, findings } = parseProject({ ...options, text: `${base}${line}\n`, origin: 'tenant' })
    if (place === '') { t.same(findings.map(formatFinding), [], line); continue }
    t.equal(project, null, line)
    const [found] = findings
    t.equal(`${found?.position?.line}:${found?.position?.column}`, place, line)
    t.match(found?.message, message, line)
    t.ok((found?.remedy ?? '') !== '', `${line}: says what to do`)
  }
  const inner: [text: string, message: RegExp][] = [
    ['upstreams: { u: { builtin: echo } }', /kept for operators/], ['upstreams: { u: { targets: [ "http://localhost:8081" ] } }', /not a public address/], ['upstreams: { u: { targets: [ { url: "http://169.254.169.254", weight: 1 } ] } }', /not a public address/],
    ['upstreams: { u: { targets: [ "https://a.example" ], tls: { ca: ./ca.pem } } }', /a file of the gateway/], ['upstreams: { u: { targets: [ "file:///etc/passwd" ] } }', /address/], ['upstreams: { u: { targets: [ "https://u:p@a.example" ] } }', /user or password/],
    ['routes: [ { match: { path: /, hosts: [ bank.example ] } } ]', /not a verified domain/], ['routes: [ { match: { path: / }, plugins: [ { use: x.ts } ] } ]', /plugin of one's own/], ['routes: [ { match: { path: / }, plugins: [ inspect ] } ]', /kept for operators/]
  ]
  for (const [text, message] of inner) {
    const { project, findings } = parseProject({ ...options, text, origin: 'tenant' })
    t.equal(project, null, text)
    t.match(findings[0]?.message, message, text)
    t.ok((findings[0]?.position?.line ?? 0) > 0 && (findings[0]?.remedy ?? '') !== '', text)
  }
  t.end()
})

import { test, type Test } from 'tap'
import type { TSchema } from 'typebox'
import { parseDocument } from 'yaml'
import { readProjectConfig, type OpenedProject } from '../../bin/project-configs.js'
import { NO_SECRETS } from '../../core/config/project-secrets.js'
import { buildRegistry } from '../../core/config/registry.js'
import { FileSchema, ProjectSchema } from '../../core/config/schema.js'
import type { Finding } from '../../core/errors.js'
import type { GatewayConfig } from '../../core/route.js'
import { plugins } from '../../plugins/index.js'
import { loadFiles } from '../fixtures/load-config.js'
import { project } from '../fixtures/store-records.js'

type Path = readonly (string | number)[]
type Schema = TSchema & { readonly properties?: Record<string, Schema>, readonly patternProperties?: Record<string, Schema>, readonly additionalProperties?: Schema | boolean, readonly items?: Schema, readonly anyOf?: readonly Schema[], readonly type?: string, readonly title?: string, readonly description?: string }

const PEM = '-----BEGIN CERTIFICATE-----'
// Public, and nobody connects to it.
const TARGET = 'https://93.184.215.14'

/** Everything that a tenant may write, each key of the schema at least once: who adds a key to the language decides here whether tenants have it. */
const ALLOWED: Record<string, unknown> = {
  hosts: ['shop.example'],
  basePath: '/shop',
  upstreams: {
    one: {
      targets: [TARGET, { url: TARGET, weight: 2 }], host: 'preserve', connections: 10, timeouts: { connect: '1s', headers: '1s', idle: '1s', total: '1s' },
      tls: { serverName: 'api.example', verify: true }
    }
  },
  plugins: ['security-headers', { cors: { origins: ['https://app.example'] }, id: 'own', timeout: '1s', stage: 'edge', locked: false }],
  plans: { free: { requests: '100/h', seats: 5, extra: true } },
  routes: [
    {
      id: 'all', match: { path: '/*', methods: ['GET'], hosts: ['shop.example'], headers: { 'x-a': 'b', 'x-b': true, 'x-c': { regex: 'a' } }, query: { q: { regex: 'b' } } }, upstream: 'one', rewrite: '/v2/*',
      plugins: ['security-headers'], timeouts: { headers: '1s', idle: '1s', total: '1s' }, allowEncodedSlashes: true, upgrades: ['tcp'], upgradeIdle: '1h', accessLog: { sample: 0.5 }
    },
    { match: { pathRegex: '/v[0-9]+' }, upstream: 'one', rewrite: { template: '/x' } },
    { match: { path: '/y/*' }, upstream: 'one', rewrite: { stripPrefix: true } }
  ],
  accessLog: { sample: 0.5 }
}

/** Keys of the schema that tenants may not write at all. */
const NEVER = ['upstreams.*.builtin']
/** Those that hold a file in files, and here the text alone: with what a text has to be. */
const TEXT_ALONE = ['upstreams.*.tls.ca', 'upstreams.*.tls.cert', 'upstreams.*.tls.key']

/** The keys that a schema has, as `routes[].match.path`; `*` for names that its writer chooses. */
function keysOf (schema: Schema, at = ''): Map<string, Schema> {
  const keys = new Map<string, Schema>()
  const below = (key: string, of: Schema): void => {
    if (at !== '' || key !== '') keys.set(key, of)
    for (const [name, one] of keysOf(of, key)) keys.set(name, one)
  }
  for (const [name, one] of Object.entries(schema.properties ?? {})) below(at === '' ? name : `${at}.${name}`, one)
  for (const one of [...Object.values(schema.patternProperties ?? {}), schema.additionalProperties]) if (typeof one === 'object') below(`${at}.*`, one)
  if (schema.items !== undefined) for (const [name, one] of keysOf(schema.items, `${at}[]`)) keys.set(name, one)
  for (const one of schema.anyOf ?? []) for (const [name, of] of keysOf(one, at)) keys.set(name, of)
  return keys
}

/** The texts that a value has, with their paths, and the maps. */
function partsOf (value: unknown, at: Path = []): { texts: Path[], maps: Path[] } {
  if (typeof value === 'string') return { texts: [at], maps: [] }
  if (value === null || typeof value !== 'object') return { texts: [], maps: [] }
  const parts = Object.entries(value).map(([key, one]) => partsOf(one, [...at, Array.isArray(value) ? Number(key) : key]))
  return { texts: parts.flatMap(({ texts }) => texts), maps: [...Array.isArray(value) ? [] : [at], ...parts.flatMap(({ maps }) => maps)] }
}

/** A copy with one thing in its place. */
function with_ (value: unknown, path: Path, put: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return put
  const copy = (Array.isArray(value) ? [...value as unknown[]] : { ...value as object }) as Record<string | number, unknown>
  copy[key] = with_(copy[key], rest, put)
  return copy
}

interface Tenant {
  read (config: unknown): Promise<{ text: string, findings: readonly Finding[] }>
}

async function tenant (t: Test): Promise<Tenant> {
  const { root, findings } = await loadFiles(t, { 'gateway.yaml': 'baseDomain: gate.example\nplugins: [ { headers: { request: { set: { x-a: b } } }, locked: true } ]\n' }, { registry: buildRegistry(plugins) })
  t.same(findings, [])
  const shop: OpenedProject = { ...project('shop'), config: null, customer_id: 'acme' }
  return {
    async read (config) {
      const text = JSON.stringify(config, null, 1)
      return { text, findings: (await readProjectConfig(shop, text, false, { root: root as GatewayConfig, domains: ['shop.example'], secrets: NO_SECRETS, digest: (one) => one })).findings }
    }
  }
}

/** Holds that there is a finding at this place, in path and in text, that says what to do. */
function refusedAt (t: Test, { text, findings }: { text: string, findings: readonly Finding[] }, path: Path, what: string): void {
  const found = findings.find((one) => JSON.stringify(one.path) === JSON.stringify(['projects', 'shop', ...path]))
  if (found === undefined) {
    t.fail(`${what}: not refused at ${path.join('.')}`, { findings })
    return
  }
  const node = parseDocument(text).getIn(path, true) as { range?: [number, number, number] } | undefined
  const line = text.slice(0, node?.range?.[0] ?? 0).split('\n').length
  t.ok(found.message !== '' && found.remedy !== '' && found.position?.file === 'config' && found.position.line === line, `${what}: ${found.message}`, { found, line })
}

test('tenant language: what tenants may write has every key of the schema but those that they may not', async (t) => {
  const { read } = await tenant(t)
  t.same((await read(ALLOWED)).findings, [], 'all of it is taken')
  const schema = keysOf(ProjectSchema as unknown as Schema)
  const written = new Set<string>()
  const walk = (value: unknown, at: string): void => {
    if (value === null || typeof value !== 'object') return
    for (const [key, one] of Object.entries(value)) {
      const place = Array.isArray(value) ? `${at}[]` : [at === '' ? key : `${at}.${key}`, `${at}.*`].find((name) => schema.has(name)) ?? ''
      if (!Array.isArray(value)) written.add(place)
      walk(one, place)
    }
  }
  walk(ALLOWED, '')
  t.same([...schema.keys()].filter((key) => !written.has(key) && !NEVER.includes(key) && !TEXT_ALONE.includes(key)), [], 'no key is left undecided')
  t.ok(schema.size > 50, `${schema.size} keys`)
  const files = [...schema].filter(([, one]) => /file/i.test(`${one.title} ${one.description}`)).map(([key]) => key)
  t.same(files, TEXT_ALONE, 'no other key can name a file')
})

test('tenant language: every key of the gateway is refused, at the root and inside every map', async (t) => {
  const { read } = await tenant(t)
  const own = Object.keys(ProjectSchema.properties)
  const forbidden = Object.keys(FileSchema.properties).filter((key) => !own.includes(key))
  t.ok(forbidden.length >= 13, forbidden.join(', '))
  for (const key of forbidden) refusedAt(t, await read({ ...ALLOWED, [key]: {} }), [key], key)
  // What is known there, under the same name, is the project's own: `accessLog` of a route.
  const maps = partsOf(ALLOWED).maps.filter((path) => path.length > 0)
  let tried = 0
  for (const map of maps) {
    for (const key of [...forbidden, 'use', 'origin', 'written_by', 'customer_id', '__proto__']) {
      const name = [...map, key]
      const { findings } = await read(key === '__proto__' ? JSON.parse(JSON.stringify(with_(ALLOWED, [...map, 'PROTO'], {})).replace('PROTO', '__proto__')) : with_(ALLOWED, name, {}))
      // In maps whose names are the writer's own the value is wrong, or the name stands for nothing of the gateway's.
      if (findings.length === 0) t.ok(['plans', 'upstreams'].includes(String(map[0])) || map.includes('query') || map.includes('headers'), `${name.join('.')} is a name like others`)
      else t.ok(findings.every(({ position }) => (position?.line ?? 0) > 0), name.join('.'))
      tried++
    }
  }
  t.ok(tried > 200, `${tried} keys`)
})

test('tenant language: no text of a project, wherever it stands, refers to the environment or a file', async (t) => {
  const { read } = await tenant(t)
  const full = with_(ALLOWED, ['upstreams', 'one', 'tls'], { ca: PEM, cert: PEM, key: PEM, serverName: 'x.example' })
  const { texts } = partsOf(full)
  for (const path of texts) for (const reference of ['${HOME}', 'x${HOME:-y}', '${file:/etc/passwd}', '${secret:OTHER}']) refusedAt(t, await read(with_(full, path, reference)), path, `${path.join('.')} ${reference}`)
  t.ok(texts.length > 30)
  for (const key of ['ca', 'cert', 'key']) for (const file of ['./x.pem', '/etc/ssl/private/x.pem', '../x', 'x']) refusedAt(t, await read(with_(ALLOWED, ['upstreams', 'one', 'tls'], { [key]: file })), ['upstreams', 'one', 'tls', key], `tls.${key}: ${file}`)
  // And in every setting of every plugin.
  for (const { name, config } of plugins) {
    for (const key of keysOf(config as unknown as Schema).keys()) {
      const path = key.split('.').flatMap((part) => [part.replace('[]', ''), ...part.endsWith('[]') ? [0] : []]).map((part) => part === '*' ? 'x-any' : part)
      const settings = path.reduceRight<unknown>((value, part) => part === 0 ? [value] : { [part]: value }, '${HOME}')
      refusedAt(t, await read({ ...ALLOWED, plugins: [{ [name]: settings }] }), ['plugins', 0, name, ...path], `${name}.${key}`)
    }
  }
})

test('tenant language: services and plugins of operators, plugins of one\'s own, and what the gateway locks are refused', async (t) => {
  const { read } = await tenant(t)
  const route = (list: unknown[]): unknown => with_(ALLOWED, ['routes', 0, 'plugins'], list)
  refusedAt(t, await read({ ...ALLOWED, upstreams: { one: { builtin: 'echo' } } }), ['upstreams', 'one', 'builtin'], 'builtin')
  const kept = plugins.filter(({ operatorOnly }) => operatorOnly).map(({ name }) => name)
  t.ok(kept.includes('debug'))
  for (const name of kept) {
    refusedAt(t, await read({ ...ALLOWED, plugins: [name] }), ['plugins', 0], name)
    refusedAt(t, await read(route([{ [name]: {} }])), ['routes', 0, 'plugins', 0, name], name)
    refusedAt(t, await read(route([{ [name]: false }])), ['routes', 0, 'plugins', 0, name], `${name}: false`)
  }
  for (const use of ['./x.ts', '/etc/passwd', 'https://x.example/x.js', 'debug']) {
    refusedAt(t, await read({ ...ALLOWED, plugins: [{ use }] }), ['plugins', 0, 'use'], use)
    refusedAt(t, await read(route([{ use, config: {} }])), ['routes', 0, 'plugins', 0, 'use'], use)
  }
  for (const entry of ['headers', { headers: {} }, { headers: false }, { headers: { request: { remove: ['x-a'] } } }]) {
    const place = typeof entry === 'object' && entry.headers === false ? 'headers' : null
    for (const [list, at] of [[{ ...ALLOWED, plugins: [entry] }, ['plugins', 0]], [route([entry]), ['routes', 0, 'plugins', 0]]] as const) {
      const { findings } = await read(list)
      t.ok(findings.length > 0 && findings.every(({ message, position }) => /locked/.test(message) && (position?.line ?? 0) > 1), `${at.join('.')} ${JSON.stringify(entry)} ${place ?? ''}`, { findings })
    }
  }
})

test('tenant language: hosts of others, and targets that lead inside, are refused at their place', async (t) => {
  const { read } = await tenant(t)
  for (const host of ['bank.example', '*.example', '*', 'shop.example.evil.example', 'a.shop.example', 'gate.example', 'other.gate.example', '*.gate.example', 'localhost']) {
    refusedAt(t, await read({ ...ALLOWED, hosts: [host] }), ['hosts', 0], host)
    refusedAt(t, await read(with_(ALLOWED, ['routes', 0, 'match', 'hosts'], [host])), ['routes', 0, 'match', 'hosts', 0], host)
  }
  for (const target of ['http://127.0.0.1', 'http://localhost:8081', 'http://[::1]', 'http://169.254.169.254', 'http://10.0.0.1', 'http://[::ffff:127.0.0.1]', 'http://0x7f.1', 'http://2130706433', 'http://100.64.0.1', 'http://[fd00:ec2::254]', 'http://[64:ff9b::7f00:1]']) {
    refusedAt(t, await read(with_(ALLOWED, ['upstreams', 'one', 'targets'], [target])), ['upstreams', 'one', 'targets', 0], target)
    refusedAt(t, await read(with_(ALLOWED, ['upstreams', 'one', 'targets'], [TARGET, { url: target }])), ['upstreams', 'one', 'targets', 1, 'url'], target)
  }
})

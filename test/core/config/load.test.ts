import path from 'node:path'
import { test } from 'tap'
import { createConfigCache } from '../../../core/config/cache.js'
import { loadProjects } from '../../../core/config/load-projects.js'
import type { ConfigChecks } from '../../../core/config/run-checks.js'
import { loadFiles } from '../../fixtures/load-config.js'

const DESIGN = `# yaml-language-server: $schema=docs/gateway.schema.json
listen: { host: 0.0.0.0, port: 8080 }
admin: { host: 127.0.0.1, port: 8081 }
state: { embedded: { path: ./data } }
counters: { local: {} }
accessLog: { sample: 1, redact: [ X-Session ] }
plugins: [ plain ]
include: [ "projects/*.yaml" ]
projects:
  shop:
    hosts: [ shop.localhost, "*.Shop.localhost" ]
    basePath: /api/
    plans:
      free: { requests: 100/h }
    upstreams:
      orders: { targets: [ "http://127.0.0.1:9001/", { url: "https://b.example/base/", weight: 3 } ], timeouts: { headers: 10s } }
      echo: { builtin: echo, host: preserve, connections: 5 }
    plugins:
      - inspect
      - rate-limit: { limits: [ { name: burst, limit: 100/m } ] }
        id: burst
        locked: true
        timeout: 2s
    routes:
      - { id: orders, match: { path: "/orders/:id", methods: [ get, POST ] }, upstream: orders, rewrite: "/v2/:id", timeouts: { total: 1m } }
      - match:
          pathRegex: "/v[0-9]+"
          headers: { X-Version: true, x-old: false, accept: { regex: ".*json" } }
          query: { q: "1" }
        upstream: echo
        rewrite: { stripPrefix: true }
        plugins: [ { plain: false }, { inspect: , stage: transform, id: two } ]
        upgrades: [ TCP ]
        accessLog: false
      - { match: { path: /orders, methods: [ GET ] }, upstream: orders }
      - { match: { path: /orders, methods: [ GET ] , query: { a: true } }, upstream: orders, accessLog: { sample: 0.5 } }
environments:
  staging:
    listen: { port: 9090 }
    admin: false
    projects: { shop: { basePath: null, upstreams: { orders: { targets: [ "http://staging:9001" ] } } } }
`

/** Line and column of a piece of DESIGN. */
function placeOf (piece: string): { line: number, column: number } {
  const before = DESIGN.slice(0, DESIGN.indexOf(piece)).split('\n')
  return { line: before.length, column: before.at(-1)!.length + 1 }
}

test('load: the key ring is a file beside the embedded store, or the one that is named', async (t) => {
  for (const [state, file] of [
    ['{ embedded: {} }', 'data/keys.json'],
    ['{ embedded: { path: store } }', 'store/keys.json'],
    ['{ embedded: { path: store }, keyRing: ./secret/ring.json }', 'secret/ring.json'],
    ['{ mongodb: { url: "mongodb://127.0.0.1/x" }, keyRing: ring.json }', 'ring.json'],
    ['{ mongodb: { url: "mongodb://127.0.0.1/x" } }', null]
  ] as const) {
    const { root, findings, directory } = await loadFiles(t, { 'gateway.yaml': `state: ${state}\n` })
    t.same(findings, [])
    t.equal(root.state.keyRing, file === null ? null : path.join(directory, file), state)
  }
})

test('load: a store in MongoDB has a pool, a time limit and a place for reports, each with a default', async (t) => {
  const load = (more: string) => loadFiles(t, { 'gateway.yaml': `state: { mongodb: { url: "mongodb://127.0.0.1/x"${more} } }\n` })
  t.match((await load('')).root.state, { kind: 'mongodb', url: 'mongodb://127.0.0.1/x', poolSize: 20, timeoutMs: 700, reportsFrom: 'primary' })
  const set = await load(', poolSize: 5, timeout: 2s, reportsFrom: secondaryPreferred')
  t.same(set.findings, [])
  t.match(set.root.state, { poolSize: 5, timeoutMs: 2_000, reportsFrom: 'secondaryPreferred' })
  for (const wrong of ['poolSize: 1', 'poolSize: many', 'timeout: 0', 'timeout: 49ms', 'timeout: soon', 'reportsFrom: anywhere']) {
    const { findings } = await load(`, ${wrong}`)
    t.equal(findings.length, 1, wrong)
    t.match(findings[0]?.path, ['state', 'mongodb', /^(?:poolSize|timeout|reportsFrom)$/])
  }
})

test('load: the design page\'s language becomes normalised values', async (t) => {
  const { root, projects, findings, files, directory } = await loadFiles(t, { 'gateway.yaml': DESIGN, projects: { 'b.yaml': 'projects: { blog: {} }\n', 'c.yml': 'nonsense' } })
  t.same(findings, [])
  t.same(files, ['gateway.yaml', 'projects', 'projects/b.yaml'].map((file) => path.join(directory, file)), 'the folder too: files may come')
  t.match(root, {
    listen: {
      host: '0.0.0.0', port: 8080, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [],
      limits: { headerBytes: 16_384, headerFields: 100, urlBytes: 8_192, headersMs: 30_000, bodyGraceMs: 30_000, bodyBytesPerSecond: 1_024, stallMs: 60_000, keepAliveMs: 72_000 }
    },
    admin: { host: '127.0.0.1', port: 8081, tokenFile: null },
    state: { kind: 'embedded', path: path.join(directory, 'data'), keyRing: path.join(directory, 'data', 'keys.json') },
    counters: { kind: 'local' },
    workers: 1,
    requestId: { header: 'x-request-id' },
    accessLog: { sample: 1, file: null },
    errorDocs: null,
    stopMs: 30_000,
    egress: { allow: [] },
    baseDomain: 'localhost', projectPaths: null, domains: { resolvers: [] },
    plugins: [{ name: 'plain', id: 'plain', hasId: false, use: null, remove: false, config: {}, stage: null, locked: false, timeoutMs: 5_000, at: ['plugins', 0] }]
  })
  t.ok(root.accessLog !== false && root.accessLog.redact.includes('x-session') && root.accessLog.redact.includes('authorization'), 'what is redacted is added to')
  t.ok(root.metrics !== false && root.metrics.buckets.length > 5)
  t.same([...projects.keys()], ['shop', 'blog'])
  const shop = projects.get('shop')!.config
  t.same({ name: shop.name, origin: shop.origin, hosts: shop.hosts, basePath: shop.basePath, plans: shop.plans, at: shop.at }, {
    name: 'shop', origin: 'operator-file', hosts: ['shop.localhost', '*.shop.localhost'], basePath: '/api', plans: { free: { requests: '100/h' } }, at: ['projects', 'shop']
  })
  t.same(shop.upstreams, {
    orders: {
      name: 'orders', targets: [{ url: 'http://127.0.0.1:9001', weight: 1 }, { url: 'https://b.example/base', weight: 3 }], builtin: null, host: 'target', connectMs: 5_000,
      timeouts: { headersMs: 10_000, idleMs: 60_000, totalMs: 0 }, connections: null, tls: null, at: ['projects', 'shop', 'upstreams', 'orders']
    },
    echo: {
      name: 'echo', targets: [], builtin: 'echo', host: 'preserve', connectMs: 5_000, timeouts: { headersMs: 30_000, idleMs: 60_000, totalMs: 0 }, connections: 5, tls: null,
      at: ['projects', 'shop', 'upstreams', 'echo']
    }
  })
  t.same(shop.plugins[1], {
    name: 'rate-limit', id: 'burst', hasId: true, use: null, remove: false, stage: null, locked: true, timeoutMs: 2_000, at: ['projects', 'shop', 'plugins', 1],
    config: { limits: [{ name: 'burst', limit: '100/m', by: 'consumer' }], window: '1m', memory: '1mb', most: 10, strict: false }
  }, 'defaults of a plugin are filled in')
  const [orders, regex, plain, sampled] = shop.routes
  t.same(orders, {
    id: 'orders', match: { path: '/orders/:id', pathRegex: null, methods: ['GET', 'POST'], hosts: null, headers: {}, query: {} }, upstream: 'orders', rewrite: { kind: 'template', template: '/v2/:id' },
    plugins: [], timeouts: { totalMs: 60_000 }, allowEncodedSlashes: false, upgrades: [], upgradeIdleMs: 3_600_000, accessLog: {}, at: ['projects', 'shop', 'routes', 0]
  })
  t.match(regex, {
    id: '* ~/v[0-9]+',
    match: { path: null, pathRegex: '/v[0-9]+', methods: null, headers: { 'x-version': { kind: 'present' }, 'x-old': { kind: 'absent' }, accept: { kind: 'regex', pattern: '.*json' } }, query: { q: { kind: 'exact', value: '1' } } },
    rewrite: { kind: 'stripPrefix' }, upgrades: ['tcp'], accessLog: false
  })
  t.match(regex!.plugins, [{ name: 'plain', remove: true }, { name: 'inspect', id: 'two', stage: 'transform', config: { token: '' } }])
  t.equal(plain!.id, 'GET /orders')
  t.match(sampled, { id: 'GET /orders #2', accessLog: { sample: 0.5 } }, 'made ids are told apart')
})

test('load: an environment is laid over: maps merge, lists replace, null deletes', async (t) => {
  const { root, projects, findings, locate, directory } = await loadFiles(t, { 'gateway.yaml': DESIGN, projects: {} }, { environment: 'staging' })
  t.same(findings, [])
  t.match(root, { listen: { host: '0.0.0.0', port: 9090 }, admin: null })
  const { basePath, upstreams } = projects.get('shop')!.config
  t.equal(basePath, '')
  t.same(upstreams.orders!.targets, [{ url: 'http://staging:9001', weight: 1 }])
  t.equal(upstreams.orders!.timeouts.headersMs, 10_000, 'what the overlay does not say stays')
  const file = path.join(directory, 'gateway.yaml')
  t.same(locate(['projects', 'shop', 'upstreams', 'orders', 'targets', 0]), { file, ...placeOf('"http://staging') }, 'a replaced list is where the overlay has it')
  t.same(locate(['projects', 'shop', 'upstreams', 'orders', 'timeouts', 'headers']), { file, ...placeOf('10s }') })
  t.same(locate(['projects', 'shop', 'routes', 2]), { file, ...placeOf('{ match: { path: /orders, methods: [ GET ] }') })
  t.equal((await loadFiles(t, { 'gateway.yaml': DESIGN, projects: {} })).root.listen.port, 8080)
})

test('load: references become the type that is wanted at their place', async (t) => {
  const yaml = `listen: { port: "\${PORT}", keepRepeatedSlashes: "\${SLASHES}", limits: { headerBytes: "\${BYTES}", headers: "\${SECONDS}s" } }
workers: "\${WORKERS:-auto}"
admin: "\${ADMIN}"
include: [ "\${DIR}/*.yaml" ]
projects:
  shop:
    upstreams: { a: { targets: [ "http://\${HOST:-127.0.0.1}:\${PORT}", "http://literal-$\${x}" ], tls: { ca: "\${file:tls/ca.txt}", serverName: "\${PORT}" } } }
    plugins: [ { rate-limit: { limits: [ { name: a, limit: "\${PORT}/m" } ], most: "\${PORT}", strict: "\${SLASHES}", memory: "\${PORT}" } } ]
environments: { other: { listen: { port: "\${UNSET_ELSEWHERE}" } } }
`
  const env = { PORT: '8081', SLASHES: 'true', BYTES: '4096', SECONDS: '3', WORKERS: '', ADMIN: 'false', DIR: 'more' }
  const { root, projects, lines } = await loadFiles(t, { 'gateway.yaml': yaml, more: { 'x.yaml': 'projects: { x: {} }' }, tls: { 'ca.txt': ' -----BEGIN nothing \n' } }, { env })
  t.same(lines, [
    'gateway.yaml:7:108 projects.shop.upstreams.a.tls.ca: this is not a PEM certificate (convert it with openssl)'
  ])
  t.match(root, { listen: { port: 8081, keepRepeatedSlashes: true, limits: { headerBytes: 4096, headersMs: 3_000 } }, workers: 'auto', admin: null })
  t.ok(projects.has('x'), 'include patterns may hold references')
  const shop = projects.get('shop')!.config
  t.match(shop.upstreams.a, { targets: [{ url: 'http://127.0.0.1:8081' }, { url: 'http://literal-${x}' }], tls: { ca: '-----BEGIN nothing', serverName: '8081' } }, 'texts stay texts')
  t.match(shop.plugins[0]!.config, { most: 8081, strict: true, memory: '8081b', limits: [{ limit: '8081/m' }] })
})

test('load: references that lead nowhere are findings, and nothing else is said of their places', async (t) => {
  const yaml = 'listen: { port: "${NO_PORT}" }\nworkers: "${file:gone}"\nstop: { timeout: "${not a name}" }\nerrors: { docs: "${open" }\nadmin: { port: "${WORD}" }\n'
  const { lines } = await loadFiles(t, { 'gateway.yaml': yaml }, { env: { WORD: 'hunter2' } })
  t.same(lines, [
    'gateway.yaml:1:17 listen.port: the environment variable NO_PORT is not set (set it, or give a default: "${NO_PORT:-default}")',
    'gateway.yaml:2:10 workers: the file "gone" can not be read: there is no such file (name a readable file, relative to this one)',
    'gateway.yaml:3:18 stop.timeout: "${not a name}" is not a reference (write "${NAME}", "${NAME:-default}" or "${file:path}", or "$${" for a literal "${")',
    'gateway.yaml:4:17 errors.docs: "${open" is not a reference (write "${NAME}", "${NAME:-default}" or "${file:path}", or "$${" for a literal "${")',
    'gateway.yaml:5:16 admin.port: expected a port, found what "${WORD}" gives (write for example 8080)'
  ], 'and what a variable holds is not shown')
})

test('load: secrets of the store can not be named in files, but in those that are applied to it, where all else is written as it will be read', async (t) => {
  const yaml = 'projects:\n  shop:\n    routes: [ { match: { path: / }, plugins: [ { inspect: { token: "${KIND} ${secret:TOKEN} $${x} ${ODD}" } } ] } ]\n'
  const { lines, directory } = await loadFiles(t, { 'gateway.yaml': yaml }, { env: { KIND: 'Bearer', ODD: '' } })
  t.same(lines, ['gateway.yaml:3:68 projects.shop.routes.0.plugins.0.inspect.token: "${secret:TOKEN}" names a secret of the store, and projects of files have none there (write "${NAME}" or "${file:path}", or make the project over the admin API)'])
  const { projects, findings } = loadProjects({ file: path.join(directory, 'gateway.yaml'), environment: null, env: { KIND: 'Bearer', ODD: '${secret:OTHER}' } })
  t.same(findings, [])
  t.match(projects.get('shop')?.config, { routes: [{ plugins: [{ inspect: { token: 'Bearer ${secret:TOKEN} $${x} $${secret:OTHER}' } }] }] }, 'a variable can not name a secret')
  t.match(projects.get('shop'), { written: { routes: [{ plugins: [{ inspect: { token: '${KIND} ${secret:TOKEN} $${x} ${ODD}' } }] }] }, references: {}, findings: [] }, 'nor does anything here stand for one')
})

test('load: projects for the gateway\'s own files keep their references, with what these stand for here, and each has the ones that lead nowhere', async (t) => {
  const yaml = `state: { mongodb: { url: "\${NOWHERE}" } }
plugins: [ { inspect: { token: "\${NOWHERE}" } } ]
projects:
  shop: { routes: [ { match: { path: / }, plugins: [ { inspect: { token: "a \${KIND} $\${x}", label: "\${NOWHERE}" } } ] } ] }
  other: { routes: [] }
environments: { staging: { projects: { other: { basePath: "\${BASE}", hosts: [ "\${NOWHERE}" ] } } } }
`
  const { directory } = await loadFiles(t, { 'gateway.yaml': yaml })
  const { projects, gatewayPlugins, hasSettings, findings } = loadProjects({ file: path.join(directory, 'gateway.yaml'), environment: 'staging', env: { KIND: 'b', BASE: '/b' } })
  t.same(findings, [])
  t.equal(hasSettings, true)
  t.match(projects.get('shop'), { written: { routes: [{ plugins: [{ inspect: { token: 'a ${KIND} $${x}', label: '${NOWHERE}' } }] }] }, references: { 'a ${KIND} $${x}': 'a b ${x}' }, findings: [{ path: ['projects', 'shop'], message: /NOWHERE is not set/, position: { line: 4 } }] })
  t.strictSame(Object.keys(projects.get('shop')?.references ?? {}), ['a ${KIND} $${x}'])
  t.match(projects.get('other'), { config: { basePath: '/b' }, written: { basePath: '${BASE}', hosts: ['${NOWHERE}'] }, references: { '${BASE}': '/b' }, findings: [{ position: { line: 6 } }] })
  t.match(gatewayPlugins, { written: [{ inspect: { token: '${NOWHERE}' } }], findings: [{ position: { line: 2 } }] })
})

test('load: what is shown of a configuration holds no secret', async (t) => {
  const yaml = `state: { mongodb: { url: "\${MONGO}" } }
counters: { redis: { url: "redis://user:pass@127.0.0.1:6379" } }
projects:
  shop:
    upstreams: { a: { targets: [ "http://127.0.0.1:1" ] } }
    plugins: [ { inspect: { token: canary-1 } }, { inspect: { token: "\${TOKEN:-canary-2}" }, id: b } ]
    routes: [ { match: { path: /, headers: { authorization: canary-3, x-api-key: true, accept: plain } }, upstream: a } ]
`
  const { source, lines } = await loadFiles(t, { 'gateway.yaml': yaml }, { env: { MONGO: 'mongodb://u:canary-4@h/d' } })
  t.same(lines, [])
  t.same(source, {
    state: { mongodb: { url: '${MONGO}' } },
    counters: { redis: { url: 'redis://***@127.0.0.1:6379' } },
    projects: {
      shop: {
        upstreams: { a: { targets: ['http://127.0.0.1:1'] } },
        plugins: [{ inspect: { token: '***' } }, { inspect: { token: '${TOKEN:-***}' }, id: 'b' }],
        routes: [{ match: { path: '/', headers: { authorization: '***', 'x-api-key': true, accept: 'plain' } }, upstream: 'a' }]
      }
    }
  })
  t.notMatch(JSON.stringify(source), /canary|pass/)
})

test('load: hashes change with what a project is made of, and with nothing else', async (t) => {
  const gateway = 'plugins: [ plain ]\nprojects:\n  a: { upstreams: { u: { targets: [ "https://127.0.0.1:1" ] } } }\n  b: { basePath: "${B:-/b}" }\n'
  const hashes = async (yaml: string, env = {}): Promise<Record<string, string>> => {
    const { root: _, rootHash, projects } = await loadFiles(t, { 'gateway.yaml': yaml }, { env })
    return { root: rootHash, ...Object.fromEntries([...projects].map(([name, { hash }]) => [name, hash])) }
  }
  const first = await hashes(gateway)
  t.same(await hashes(gateway), first)
  t.same(await hashes(`# a comment\nlisten: { port: 1 }\n${gateway}`), first, 'a port does not touch projects')
  const other = await hashes(gateway, { B: '/c' })
  t.same({ ...other, b: '' }, { ...first, b: '' })
  t.not(other.b, first.b, 'the value of a variable does')
  t.not((await hashes(gateway.replace('[ plain ]', '[ inspect ]'))).root, first.root)
})

test('load: what was checked and did not change is not checked again, but where the gateway\'s own settings did', async (t) => {
  const cache = createConfigCache()
  const seen: string[] = []
  const checks: ConfigChecks = {
    checkRoutes: ({ name }) => { seen.push(`routes of ${name}`); return [] },
    checkProject: ({ name, basePath }) => { seen.push(name); return basePath === '/bad' ? [{ path: ['projects', name], message: 'bad', remedy: 'mend it' }] : [] },
    checkProjects: (projects) => { seen.push(`${projects.length} together`); return [] }
  }
  const look = async (root: string, basePath: string): Promise<string[]> => {
    seen.length = 0
    const file = (name: string, path: string): string => `projects: { ${name}: { basePath: ${path}, routes: [] } }`
    await loadFiles(t, { 'gateway.yaml': `${root}include: [ "p/*" ]`, p: { 'a.yaml': file('a', '/a'), 'b.yaml': file('b', basePath) } }, { cache, checks })
    return [...seen]
  }
  t.same(await look('', '/b'), ['routes of a', 'routes of b', 'a', 'b', '2 together'])
  t.same(await look('', '/b'), ['2 together'])
  t.same(await look('', '/c'), ['routes of b', 'b', '2 together'])
  t.same(await look('', '/bad'), ['routes of b', 'b', '2 together'])
  t.same(await look('', '/bad'), ['b', '2 together'], 'what is wrong is looked at until it is mended')
  t.same(await look('plugins: [ plain ]\n', '/bad'), ['routes of a', 'routes of b', 'a', 'b', '2 together'])
})

test('load: a cache gives back what did not change', async (t) => {
  const cache = createConfigCache()
  const files = (b: string) => ({ 'gateway.yaml': 'include: [ "p/*" ]', p: { 'a.yaml': 'projects: { a: { plugins: [ plain ] } }', 'b.yaml': `projects: { b: { basePath: ${b} } }` } })
  const first = await loadFiles(t, files('/b'), { cache })
  const second = await loadFiles(t, files('/c'), { cache })
  t.equal(second.projects.get('a')!.config, first.projects.get('a')!.config, 'the same object')
  t.equal(second.projects.get('b')!.config.basePath, '/c')
  t.equal(cache.files.size, 3, 'what is no longer used is dropped')
  t.same((await loadFiles(t, files('wrong'), { cache })).lines, ['p/b.yaml:1:28 projects.b.basePath: expected a path, found the text "wrong" (write "/wrong")'])
  t.same((await loadFiles(t, files('wrong'), { cache })).lines.length, 1, 'a finding stays one')
  t.same((await loadFiles(t, files('/c'), { cache })).findings, [])
})

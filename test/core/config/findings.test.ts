import { test } from 'tap'
import path from 'node:path'
import { AuthorPluginError } from '../../../core/config/author-plugin-bundle.js'
import type { AuthorPlugin } from '../../../core/config/author-plugin.js'
import type { Finding } from '../../../core/errors.js'
import { definePlugin } from '../../../core/plugin.js'
import type { ProjectConfig } from '../../../core/route.js'
import { Type } from 'typebox'
import { loadFiles, TEST_REGISTRY } from '../../fixtures/load-config.js'

/** A finding per line that ends with `#! path: message (remedy)`; `^N` in front of the path is the column. */
function expected (yaml: string): string[] {
  return yaml.split('\n').flatMap((line, index) => line.split(' #! ').slice(1).map((text) => {
    const [, column, rest] = /^\^(\d+) (.*)$/s.exec(text.trim()) ?? []
    return `gateway.yaml:${index + 1}:${column} ${rest}`
  }))
}

/** The file without the expectations. */
function plain (yaml: string): string {
  return yaml.replace(/ #! .*$/gm, '')
}

test('findings: everything that is wrong is told at once, each with its place and what to do', async (t) => {
  const yaml = `listen:
  prot: 8080 #! ^3 listen.prot: unknown key "prot" (did you mean "port"?)
  host: "" #! ^9 listen.host: expected a text, found an empty text (write for example "127.0.0.1" or "::")
  trustedProxies: [ 10.0.0.0/33 ] #! ^21 listen.trustedProxies.0: "10.0.0.0/33" has a prefix length that is not between 0 and 32 (write 10.0.0.0/32, or 10.0.0.0 alone, for the one address)
  limits: { headers: 30, headerBytes: big } #! ^22 listen.limits.headers: expected a duration, found the number 30 (write for example "500ms" or "30s") #! ^39 listen.limits.headerBytes: expected a size, found the text "big" (write for example "64kb" or "1mb")
  redirectHttp: 80000 #! ^17 listen.redirectHttp: expected at most 65535, found the number 80000 (write for example 8080)
workers: "2" #! ^10 workers: expected a number of workers, found the text "2" (take the quotes away)
admin: yes #! ^8 admin: expected an admin setting, found the text "yes" (write for example { port: 8081 })
state: { embeded: {} } #! ^10 state.embeded: unknown key "embeded" (did you mean "embedded"?)
counters: { redis: { url: "http://127.0.0.1" } } #! ^27 counters.redis.url: expected a Redis address, found the text "http://127.0.0.1" (write for example "redis://127.0.0.1:6379")
metrics: { buckets: [ 2, 1 ] } #! ^26 metrics.buckets.1: the bound 1 is not above the one before it (sort the bounds, each once)
stop: { timeout: 99999999999999d } #! ^18 stop.timeout: "99999999999999d" is too large (write a smaller one)
acessLog: true #! ^1 acessLog: unknown key "acessLog" (did you mean "accessLog"?)
plugins:
  - plian #! ^5 plugins.0: unknown plugin "plian" (did you mean "plain"?)
  - 7 #! ^5 plugins.1: expected a plugin, found the number 7 (write a name, or { name: { … } })
  - { plain: {}, lockd: true } #! ^18 plugins.2.lockd: unknown key "lockd" (did you mean "locked"?)
  - { plain: {}, inspect: {} } #! ^18 plugins.3.inspect: this entry names more than one plugin: plain, inspect (begin each plugin with its own "-")
  - { id: x } #! ^5 plugins.4: this entry names no plugin (write { name: { … } }, or { use: ./file.ts })
  - { plain: 3 } #! ^14 plugins.5.plain: expected a map, found the number 3 ()
  - { plain: {}, stage: edgy, timeout: 5 } #! ^25 plugins.6.stage: expected one of "edge", "authenticate", "authorize", "limit", "validate", "transform", "cache", "upstream", found the text "edgy" (did you mean "edge"?) #! ^40 plugins.6.timeout: expected a duration, found the number 5 (write for example "2s")
  - { plain: {}, config: {} } #! ^18 plugins.7.config: "config" stands only beside "use" (write { plain: { … } })
  - rate-limit: { limts: [] } #! ^19 plugins.8.rate-limit.limts: unknown key "limts" (did you mean "limits"?)
  - rate-limit: { limits: [ { name: a, limit: 100 } ] } #! ^47 plugins.9.rate-limit.limits.0.limit: expected a rate, found the number 100 (write for example "10/s" or "100/m")
  - rate-limit: { limits: [ { name: forbidden, limit: 1/s } ] } #! ^37 plugins.10.rate-limit.limits.0.name: this name is forbidden (choose another)
projects:
  "a b": {} #! ^3 projects.a b: "a b" can not name a project (use letters, digits, "-", "_" and ".", beginning with a letter or digit, at most 100)
  empty: #! ^3 projects.empty: expected a project, found nothing (write a value, or remove the key)
  shop:
    route: [] #! ^5 projects.shop.route: unknown key "route" (did you mean "routes"?)
    plans: { free: { requests: 100 per hour } } #! ^32 projects.shop.plans.free.requests: expected a rate, found the text "100 per hour" (write for example "10/s" or "100/m")
    upstreams:
      a: { targets: [ "ftp://x", { url: "http://u:p@127.0.0.1" }, "http://127.0.0.1:99999" ] } #! ^23 projects.shop.upstreams.a.targets.0: expected a target address, found the text "ftp://x" (write for example "http://127.0.0.1:9001")
      b: { targets: [ { url: "http://u:secret@127.0.0.1" }, "http://127.0.0.1:99999", "http://127.0.0.1:0" ], host: "a/b" } #! ^30 projects.shop.upstreams.b.targets.0.url: "http://***@127.0.0.1" holds a user or password (set an Authorization header with the "headers" plugin instead) #! ^61 projects.shop.upstreams.b.targets.1: "http://127.0.0.1:99999" is not an address (write for example "http://127.0.0.1:9001") #! ^87 projects.shop.upstreams.b.targets.2: "http://127.0.0.1:0" names the port 0, on which nothing can listen (write the port of the service, or leave it out for 80 (http) or 443 (https)) #! ^117 projects.shop.upstreams.b.host: "a/b" can not stand in a Host header (write preserve, target, or a name like api.internal:8080)
      c: {} #! ^7 projects.shop.upstreams.c: the upstream "c" has no targets (add for example targets: [ "http://127.0.0.1:9001" ], or builtin: echo)
      d: { builtin: ecko } #! ^21 projects.shop.upstreams.d.builtin: expected "echo", found the text "ecko" (did you mean "echo"?)
      orders: { targets: [ { url: "http://127.0.0.1", weight: 0 } ] } #! ^17 projects.shop.upstreams.orders.targets: every target has the weight 0, so that none gets a request (give one a weight of 1 or more)
    routes:
      - { match: { path: /a }, upstream: ordres } #! ^42 projects.shop.routes.0.upstream: there is no upstream "ordres" in this project (did you mean "orders"?)
      - { id: x, match: { path: b, hedaers: {} } } #! ^33 projects.shop.routes.1.match.path: expected a path, found the text "b" (write "/b") #! ^36 projects.shop.routes.1.match.hedaers: unknown key "hedaers" (did you mean "headers"?)
      - { id: y, match: { path: /a, methods: GET, query: { v: 2 } } } #! ^46 projects.shop.routes.2.match.methods: expected a list, found the text "GET" (write for example [ GET, POST ]) #! ^63 projects.shop.routes.2.match.query.v: expected a value to match, found the number 2 (put it in quotes: "2")
      - { id: z, match: { path: /c, headers: { A: x, a: y, b_c: true } } } #! ^54 projects.shop.routes.3.match.headers.a: the header "a" stands here twice (header names have no case: keep one) #! ^60 projects.shop.routes.3.match.headers.b_c: the header "b_c" never arrives: names with an underscore are dropped (write "b-c")
      - { id: z, match: { path: /d }, rewrite: { stripPrefx: true } } #! ^15 projects.shop.routes.4.id: two routes have the id "z" (rename one, or leave both ids out) see gateway.yaml:42:15 #! ^50 projects.shop.routes.4.rewrite.stripPrefx: unknown key "stripPrefx" (did you mean "stripPrefix"?)
      - { id: z, match: { path: /e }, accessLog: { sample: 2 } } #! ^15 projects.shop.routes.5.id: two routes have the id "z" (rename one, or leave both ids out) see gateway.yaml:42:15 #! ^60 projects.shop.routes.5.accessLog.sample: expected at most 1, found the number 2 (write for example 0.1)
      - { id: z, match: { path: /f } } #! ^15 projects.shop.routes.6.id: two routes have the id "z" (rename one, or leave both ids out) see gateway.yaml:42:15
      - path: /g #! ^9 projects.shop.routes.7: the key "match" is missing (add for example match: { path: "/orders/*", methods: [ GET ] }) #! ^9 projects.shop.routes.7.path: unknown key "path" (the keys here are: id, match, upstream, rewrite, plugins, timeouts, allowEncodedSlashes, upgrades, upgradeIdle, accessLog)
environments:
  staging:
    listen: { prt: "\${PORT}", port: "\${PORT}" } #! ^15 environments.staging.listen.prt: unknown key "prt" (did you mean "port"?)
    include: [] #! ^5 environments.staging.include: unknown key "include" (the keys here are: listen, admin, state, counters, workers, requestId, accessLog, metrics, errors, egress, baseDomain, projectPaths, …)
    projects: { shop: { routes: null, upstreams: { orders: { targets: null, hots: x } } } } #! ^77 environments.staging.projects.shop.upstreams.orders.hots: unknown key "hots" (did you mean "host"?)
`
  const { lines } = await loadFiles(t, { 'gateway.yaml': plain(yaml) })
  t.same(lines, expected(yaml))
})

test('findings: an unknown environment, and what its overlay gets wrong', async (t) => {
  const yaml = 'listen: { port: 1 }\nenvironments:\n  staging: { listen: { port: x }, projects: { a: { basePath: [] } } }\n'
  t.same((await loadFiles(t, { 'gateway.yaml': yaml.replace('x', '2').replace('[]', '/a') }, { environment: 'stagin' })).lines, ['gateway.yaml:2:1 environments: there is no environment "stagin" (did you mean "staging"?)'])
  t.same((await loadFiles(t, { 'gateway.yaml': 'listen: {}' }, { environment: 'x' })).lines, ['gateway.yaml:1:1 environments: there is no environment "x" (define it under "environments", or choose none)'])
  for (const environment of ['staging', null]) {
    const { lines } = await loadFiles(t, { 'gateway.yaml': yaml }, { environment })
    t.match(lines, [/^gateway.yaml:3:30 .*expected a port, found the text "x"/, /^gateway.yaml:3:52 .*expected a path, found a list/], `environment ${environment}`)
  }
})

test('findings: an author\'s plugin that can not be loaded is one at each place that names it', async (t) => {
  const plugin = (name: string) => definePlugin({ name, stage: 'edge', config: Type.Object({ a: Type.Integer({ default: 1 }) }, { additionalProperties: false }), create: () => ({}) })
  const loadAuthorPlugin = async (file: string): Promise<AuthorPlugin> => {
    const name = path.basename(file, '.ts')
    if (name === 'broken') throw new AuthorPluginError(`${file}:3:4: Expected ";"`, { remedy: 'mend the syntax', files: [file, `${file}.dependency`] })
    return { plugin: plugin(name === 'clash' ? 'plain' : name), file, hash: `hash-of-${name}`, bundle: `/cache/${name}.mjs`, files: [file] }
  }
  const files = {
    'gateway.yaml': 'include: [ more/*.yaml ]\nplugins: [ { use: ./mine.ts, config: { a: 2 }, id: m } ]\n',
    more: { 'p.yaml': 'projects:\n  p:\n    plugins: [ { use: ../broken.ts }, { use: clash.ts }, { mine: false, id: m }, { use: other.ts, config: { b: 1 } }, { use: other.ts, plain: {} } ]\n    routes: [ { match: { path: / }, plugins: [ { use: ../broken.ts } ] } ]\n' }
  }
  const { lines, files: read, root, directory } = await loadFiles(t, files, { loadAuthorPlugin })
  t.same(lines, [
    'more/p.yaml:3:23 projects.p.plugins.0.use: broken.ts:3:4: Expected ";" (mend the syntax)',
    'more/p.yaml:3:46 projects.p.plugins.1.use: more/clash.ts: its name "plain" is that of a plugin of the gateway (rename it)',
    'more/p.yaml:3:109 projects.p.plugins.3.config.b: unknown key "b" (did you mean "a"?)',
    'more/p.yaml:3:136 projects.p.plugins.4.plain: unknown key "plain" beside "use" (an entry with "use" has the keys use, config, id, stage, locked, timeout)',
    'more/p.yaml:4:55 projects.p.routes.0.plugins.0.use: broken.ts:3:4: Expected ";" (mend the syntax)'
  ])
  t.ok(read.includes(path.join(directory, 'broken.ts.dependency')), 'what a failing plugin read is watched too')
  t.match(root.plugins, [{ name: 'mine', id: 'm', use: path.join(directory, 'mine.ts'), config: { a: 2 } }])
  const good = await loadFiles(t, { ...files, more: { 'p.yaml': 'projects: { p: { plugins: [ { mine: false, id: m } ] } }' } }, { loadAuthorPlugin })
  t.same(good.findings, [])
  t.match(good.projects.get('p')!.config.plugins, [{ name: 'mine', id: 'm', remove: true }])
  t.same([...good.authorPlugins.values()], [{ file: path.join(good.directory, 'mine.ts'), hash: 'hash-of-mine', bundle: '/cache/mine.mjs', files: [path.join(good.directory, 'mine.ts')] }], 'without what can not cross threads')
})

test('findings: checks of other engines run over what nothing else is wrong with, and their findings get places', async (t) => {
  const yaml = 'plugins: [ plain ]\nprojects:\n  a: { routes: [ { match: { path: / } } ] }\n  b: {}\n'
  let ran = 0
  const perRoute = (project: ProjectConfig): Finding[] => {
    ran++
    return project.routes.map(({ at }) => ({ path: [...at, 'match', 'path'], message: 'route', remedy: '' }))
  }
  const checks: NonNullable<Parameters<typeof loadFiles>[2]>['checks'] = {
    checkGateway: (root, lookUp) => lookUp(root.plugins[0]!) === TEST_REGISTRY.get('plain') ? [{ path: ['plugins', 0], message: 'gateway', remedy: '' }] : [],
    checkProject: perRoute,
    checkProjects: (projects) => [{ path: projects[1]!.at, related: [{ path: projects[0]!.at }], message: 'two', remedy: '' }]
  }
  t.same((await loadFiles(t, { 'gateway.yaml': yaml }, { checks })).lines, [
    'gateway.yaml:1:12 plugins.0: gateway ()', 'gateway.yaml:3:35 projects.a.routes.0.match.path: route ()', 'gateway.yaml:4:3 projects.b: two () see gateway.yaml:3:3'
  ])
  t.equal(ran, 2)
  const routes = { checkRoutes: perRoute, checkProjects: () => [] }
  t.match((await loadFiles(t, { 'gateway.yaml': `${yaml}x: 1\n` }, { checks: routes })).lines, [/a.routes.0.match.path: route/, /unknown key "x"/], 'routes beside any other finding')
  t.equal(ran, 4)
  t.match((await loadFiles(t, { 'gateway.yaml': `${yaml}x: 1\n` }, { checks })).lines, [/projects.b: two/, /unknown key "x"/], 'the steps of projects not, where the gateway is not whole')
  t.equal(ran, 4)
  const one = `${yaml.replace('b: {}', 'b: { x: 1 }')}  c: {}\n`
  t.match((await loadFiles(t, { 'gateway.yaml': one }, { checks })).lines, [/gateway/, /a.routes.0.match.path: route/, /projects.b.x: unknown key/, /projects.c: two/], 'and of whole ones beside one that is not')
  t.equal(ran, 6)
  t.match((await loadFiles(t, { 'gateway.yaml': `${yaml}include: [ gone.yaml ]\n` }, { checks: { ...checks, ...routes } })).lines, [/gone.yaml can not be used/], 'nothing where a file is missing')
  t.equal(ran, 6)
})

import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { LiveConfig } from '../../bin/live-config.js'
import { StoreProjects, type ProjectSource } from '../../bin/store-projects.js'
import { loadConfig } from '../../core/config/load.js'
import { buildRegistry } from '../../core/config/registry.js'
import { ConfigError } from '../../core/errors.js'
import { Gateway } from '../../core/gateway.js'
import { createLogger } from '../../core/observe/logger.js'
import { createMetrics } from '../../core/observe/metrics.js'
import { definePlugin } from '../../core/plugin.js'
import { plugins } from '../../plugins/index.js'
import { openDataPort } from '../../routes/proxy.js'
import { sendRaw } from '../fixtures/raw-client.js'

type Record_ = NonNullable<ReturnType<ProjectSource['project']>> & { readonly config: Record<string, unknown> | null }

/** Fails to be created where it is told to, which no schema can know. */
const moody = definePlugin({
  name: 'moody', stage: 'edge', config: Type.Object({ fails: Type.Boolean({ default: false }), word: Type.String({ default: '' }) }, { additionalProperties: false }),
  create: ({ fails, word }) => { if (fails) throw new ConfigError([{ path: ['fails'], message: `it can not be made ${word}`.trim(), remedy: 'leave it' }]); return {} }
})
const REGISTRY = buildRegistry([...plugins, moody])

const says = (text: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({ routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: text } }] }], ...more })

async function start (t: Test, file: string): Promise<{
  projects: Map<string, Record_>
  domains: Map<string, { name: string, status: string }[]>
  suspended: Set<string>
  secrets: Map<string, string>
  /** Whose configuration can not be opened. */
  closed: Set<string>
  put (id: string, config: Record<string, unknown>, more?: Partial<Record_>): Promise<void>
  changed (...ids: string[]): Promise<void>
  load (file: string): Promise<void>
  ask (host: string): Promise<string>
  store: StoreProjects
  gateway: Gateway
}> {
  const projects = new Map<string, Record_>()
  const domains = new Map<string, { name: string, status: string }[]>()
  const suspended = new Set<string>()
  const secrets = new Map<string, string>()
  const closed = new Set<string>()
  const log = createLogger({ level: 'silent' })
  const configOf: ProjectSource['configOf'] = (id) => {
    if (closed.has(id)) throw new Error('the key ring has no key enc_1')
    return projects.get(id)?.config ?? null
  }
  const source: ProjectSource = {
    project: (id) => projects.get(id) ?? null, configOf, projects: () => projects.values(), domainsOf: (id) => domains.get(id) ?? [], isActive: (id) => !suspended.has(id),
    secretsOf: () => ({ names: () => secrets.keys(), open: (name) => secrets.get(name) ?? null })
  }
  const store = new StoreProjects(source, REGISTRY, [], log)
  const metrics = createMetrics(false)
  const gateway = new Gateway({ registry: REGISTRY, log, accessLog: null, metrics })
  t.teardown(() => gateway.close())
  const live = new LiveConfig(gateway, REGISTRY, { source, load: async () => store })
  const load = async (text: string): Promise<void> => {
    const directory = t.testdir({ 'gateway.yaml': text })
    const { root, rootHash, projects: ofFile, findings } = await loadConfig({ file: `${directory}/gateway.yaml`, env: {}, registry: REGISTRY, loadAuthorPlugin: async (name) => { throw new Error(name) } })
    t.same(findings, [])
    const hashes = new Map([...ofFile].map(([name, { hash }]) => [name, hash]))
    const batch = [...ofFile].map(([name, { config, hash }]) => ({ name, config, hash }))
    await live.applyFiles({ ok: true, root, rootHash, hashes, files: [], authorPlugins: new Map(), projects: (async function * () { yield batch })() })
  }
  const changed = async (...ids: string[]): Promise<void> => { await live.applyProjects(ids) }
  await load(file)
  const port = await openDataPort(gateway, { host: '127.0.0.1', port: 0, tls: null, metrics }, () => {})
  t.teardown(() => port.close())
  return {
    projects, domains, suspended, secrets, closed, store, gateway, load, changed,
    async put (id, config, more = {}) {
      const rev = (projects.get(id)?.rev ?? 0) + 1
      projects.set(id, { project_id: id, customer_id: 'acme', active: true, rev, target_url: null, auth_type: 'none', written_by: 'tenant', config, ...more })
      await changed(id)
    },
    async ask (host) {
      const { responses: [answer] } = await sendRaw(port.port, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
      return answer?.status === 200 ? String(answer.body) : String(answer?.status)
    }
  }
}

const FILE = 'baseDomain: gate.example\nprojects:\n  declared:\n    hosts: [ declared.gate.example ]\n    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: file } } ] } ]\n'

test('live config: a project of the store is served, changed and taken away alone', async (t) => {
  const { put, changed, ask, projects, domains, suspended, gateway } = await start(t, FILE)
  await put('shop', says('one'))
  await put('other', says('other'))
  t.equal(await ask('shop.gate.example'), 'one')
  const before = gateway.current?.projects
  await put('shop', says('two'))
  t.equal(await ask('shop.gate.example'), 'two')
  t.equal(gateway.current?.projects.get('other'), before?.get('other'), 'the others are not compiled again')
  t.equal(gateway.current?.projects.get('declared'), before?.get('declared'))
  const snapshot = gateway.current
  await put('shop', says('two'))
  t.equal(gateway.current, snapshot, 'a change of the record that changes nothing of what is served makes nothing anew')
  domains.set('shop', [{ name: 'shop.example', status: 'verified' }, { name: 'bank.example', status: 'pending' }])
  await changed('shop')
  t.same(await Promise.all(['shop.gate.example', 'shop.example', 'bank.example'].map(ask)), ['two', 'two', '404'])
  suspended.add('acme')
  await changed('shop', 'other')
  t.same(await Promise.all(['shop.gate.example', 'other.gate.example', 'declared.gate.example'].map(ask)), ['404', '404', 'file'])
  suspended.clear()
  projects.delete('other')
  await changed('shop', 'other')
  t.same(await Promise.all(['shop.gate.example', 'other.gate.example'].map(ask)), ['two', '404'])
  await put('shop', says('three'), { active: false })
  t.equal(await ask('shop.gate.example'), '404')
})

test('live config: a version that can not be served leaves the one before, but not the domains that were lost', async (t) => {
  const { put, changed, ask, domains, closed, store, load } = await start(t, FILE)
  domains.set('shop', [{ name: 'shop.example', status: 'verified' }])
  await put('shop', says('good'))
  await put('neighbour', says('neighbour'))
  for (const [config, message] of [
    [says('bad', { routes: 5 }), /expected/],
    [says('bad', { upstreams: { u: { targets: ['http://127.0.0.1:1'] } } }), /not a public address/],
    [says('bad', { plugins: [{ moody: { fails: true } }] }), /it can not be made/]
  ] as const) {
    await put('shop', config)
    t.same(await Promise.all(['shop.gate.example', 'shop.example', 'neighbour.gate.example'].map(ask)), ['good', 'good', 'neighbour'])
    t.match(store.refused, [{ projectId: 'shop', servesBefore: true, findings: [{ message }] }])
    await put('neighbour', says('neighbour'))
    t.equal(await ask('shop.gate.example'), 'good', 'nor does the next change of another project take it away')
  }
  closed.add('shop')
  await put('shop', says('sealed'))
  t.equal(await ask('shop.gate.example'), 'good')
  t.match(store.refused, [{ projectId: 'shop', servesBefore: true, findings: [{ message: /configuration can not be opened: the key ring has no key enc_1/, remedy: /bring back the key ring/ }] }])
  closed.clear()
  await put('shop', says('bad', { routes: 5 }))
  domains.set('shop', [{ name: 'shop.example', status: 'unverified' }])
  await changed('shop')
  t.same(await Promise.all(['shop.gate.example', 'shop.example'].map(ask)), ['good', '404'])
  await put('new', says('bad', { plugins: [{ moody: { fails: true } }] }))
  t.equal(await ask('new.gate.example'), '404')
  t.match(store.refused.find(({ projectId }) => projectId === 'new'), { servesBefore: false })
  await load(FILE.replace('file', 'another file'))
  t.same(await Promise.all(['shop.gate.example', 'declared.gate.example'].map(ask)), ['good', 'another file'], 'a reload of the files is not held up')
  await put('shop', says('mended'))
  await put('new', says('mended'))
  t.same(await Promise.all(['shop.gate.example', 'new.gate.example'].map(ask)), ['mended', 'mended'])
  t.same(store.refused, [])
})

test('live config: a secret that changes is served with its new value, and nothing that is told of a project shows one', async (t) => {
  const { put, changed, ask, secrets, store, gateway } = await start(t, FILE)
  const canary = 'canary-8f3a2b'
  secrets.set('TOKEN', `${canary}-one`)
  await put('shop', says('it is ${secret:TOKEN}'))
  t.equal(await ask('shop.gate.example'), `it is ${canary}-one`)
  const compiled = gateway.current?.projects.get('shop')
  await changed('shop')
  t.equal(gateway.current?.projects.get('shop'), compiled, 'one that was sealed anew changes nothing')
  secrets.set('TOKEN', `${canary}-two`)
  await changed('shop')
  t.equal(await ask('shop.gate.example'), `it is ${canary}-two`)
  secrets.delete('TOKEN')
  await changed('shop')
  t.equal(await ask('shop.gate.example'), `it is ${canary}-two`, 'without it the version before stays')
  t.match(store.refused, [{ projectId: 'shop', servesBefore: true, findings: [{ message: 'there is no secret "TOKEN" in this project or its account' }] }])
  secrets.set('TOKEN', canary)
  await put('shop', says('${secret:TOKEN}', { plugins: [{ moody: { fails: true, word: 'with ${secret:TOKEN}' } }] }))
  t.match(store.refused, [{ findings: [{ message: 'what "${secret:TOKEN}" gives can not be used here' }] }], 'also what only its creation finds')
  await put('till', says('${secret:TOKEN}', { plugins: [{ moody: { fails: true, word: 'today' } }] }))
  t.match(store.refused, [{}, { findings: [{ message: 'it can not be made today' }] }])
  t.notMatch(JSON.stringify(store.refused), canary)
})

test('live config: what files declare goes before what the store has, by name and by host', async (t) => {
  const { put, ask, load } = await start(t, FILE)
  await put('declared', says('store'))
  await put('shop', says('store'))
  t.equal(await ask('declared.gate.example'), 'file', 'one name')
  const claiming = `${FILE}  second:\n    hosts: [ shop.gate.example ]\n    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: second } } ] } ]\n`
  await load(claiming)
  t.equal(await ask('shop.gate.example'), 'second', 'one host')
  await put('shop', says('again'))
  t.equal(await ask('shop.gate.example'), 'second', 'also after a change in the store')
  await load(FILE)
  t.equal(await ask('shop.gate.example'), 'again', 'and back')
  await load('baseDomain: gate.example\nprojects: {}\n')
  t.same(await Promise.all(['declared.gate.example', 'shop.gate.example'].map(ask)), ['store', 'again'])
})

test('live config: a host that an operator gave a project of the store is not a tenant\'s with a verified domain, whichever came first', async (t) => {
  const { put, changed, ask, domains, projects } = await start(t, FILE)
  const operator = { written_by: 'operator' as const }
  domains.set('shop', [{ name: 'shared.example', status: 'verified' }, { name: 'a.gate.example', status: 'verified' }, { name: '*.wild.example', status: 'verified' }, { name: '*.example', status: 'verified' }])
  await put('shop', says('tenant'))
  await put('neighbour', says('neighbour'))
  t.same(await Promise.all(['shared.example', 'a.b.wild.example', 'wild.example', 'a.gate.example'].map(ask)), ['tenant', 'tenant', '404', '404'], 'what is below baseDomain is nobody\'s domain, nor that of a wildcard above')
  await put('ops', says('operator', { hosts: ['shared.example'] }), operator)
  t.equal(await ask('shared.example'), 'operator')
  await put('shop', says('again'))
  t.same(await Promise.all(['shared.example', 'shop.gate.example'].map(ask)), ['operator', 'again'])
  projects.delete('ops')
  await changed('ops')
  t.equal(await ask('shared.example'), 'again')
})

test('live config: a change of the gateway\'s own settings rebuilds what depends on them, and one that is refused changes nothing', async (t) => {
  const { put, ask, load } = await start(t, FILE)
  await put('shop', says('store'))
  await load(FILE.replace('baseDomain: gate.example', 'baseDomain: new.example'))
  t.same(await Promise.all(['shop.gate.example', 'shop.new.example'].map(ask)), ['404', 'store'])
  await load(FILE)
  await t.rejects(load(`${FILE.replace('baseDomain: gate.example', 'baseDomain: new.example')}plugins: [ { moody: { fails: true } } ]\n`), ConfigError)
  t.same(await Promise.all(['shop.gate.example', 'shop.new.example', 'declared.gate.example'].map(ask)), ['store', '404', 'file'])
  await load(`${FILE}plugins: [ { moody: {}, locked: true } ]\n`)
  await put('shop', says('without', { plugins: [{ moody: false }] }))
  t.equal(await ask('shop.gate.example'), 'store', 'what is locked can not be removed')
})

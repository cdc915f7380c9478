import { test } from 'tap'
import type { GatewayConfig } from '../../../core/route.js'
import { createKeyRing } from '../../../core/state/key-ring.js'
import { newRingContent } from '../../../core/state/key-ring-text.js'
import { createConfigs } from '../../../bin/state-ports.js'
import { MOST_VERSIONS } from '../../../routes/admin/project-versions.js'
import type { Sealed } from '../../../core/state/records.js'
import { openConfig } from '../../../core/state/sealed-config.js'
import { openAdminApi, type AdminAnswer } from '../../fixtures/admin-api.js'

const TARGET = 'https://api.example.com'
const respond = (body: string): object => ({ routes: [{ id: 'hello', match: { path: '/hello' }, plugins: [{ respond: { body } }] }] })

test('versions: each change of what a project serves makes one, with its author and comment; other changes make none', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  const developer = await token(acme, 'developer')
  const made = await ask('POST', '/admin/projects?comment=the%20first', { body: { project_id: 'store', target_url: TARGET, customer_id: acme } })
  t.match(made, { status: 201, body: { config_version: 1 } })
  const steps: [method: string, path: string, body: object, version: number][] = [
    ['PATCH', '/admin/projects/store', { active: false }, 1],
    ['PATCH', '/admin/projects/store', { api_version: 'v2' }, 1],
    ['PATCH', '/admin/projects/store', { target_url: TARGET }, 1],
    ['PATCH', '/admin/projects/store?comment=moved', { target_url: `${TARGET}/v2` }, 2],
    ['PUT', '/admin/projects/store', { target_url: `${TARGET}/v2`, auth_type: 'none' }, 3],
    ['PUT', '/admin/projects/store/config?comment=own%20routes', respond('one'), 4],
    ['PUT', '/admin/projects/store/config', respond('one'), 4],
    ['PUT', '/admin/projects/store/config?dry_run=true', respond('two'), 4],
    ['PUT', '/admin/projects/store/config', respond('two'), 5]
  ]
  for (const [method, path, body, version] of steps) {
    t.equal((await ask(method, path, { token: developer, body })).status, 200, path)
    t.equal((await ask('GET', '/admin/projects/store')).body['config_version'], version, `${method} ${path} ${JSON.stringify(body)}`)
  }
  const listed = await ask('GET', '/admin/config?project_id=store', { token: developer })
  t.match(listed.body, {
    data: [
      { version: 5, current: true, comment: null, target_url: null }, { version: 4, current: false, comment: 'own routes', auth_type: 'none', target_url: null }, { version: 3 },
      { version: 2, comment: 'moved', author: /_/, target_url: `${TARGET}/v2`, auth_type: 'api_key' }, { version: 1, author: 'operator', comment: 'the first', config_version_id: 'cfv_store_1' }
    ],
    pagination: { total: 5 }
  })
  t.notOk(listed.text.includes('"config"'), 'the list is without the configurations')
  t.same((await ask('GET', '/admin/config?project_id=store&sort=version&perPage=2&fields=version')).body.data, [{ version: 1 }, { version: 2 }])
  t.match((await ask('GET', '/admin/config/cfv_store_4')).body, { version: 4, config: respond('one') })
  t.match((await ask('GET', '/admin/config/cfv_store_1?effective=true')).body, { config: { plugins: [{ 'api-key': { header: /./ } }], routes: [{ id: 'all', upgradeIdle: '1h' }], upstreams: { target: { timeouts: { connect: '5s' } } } } })
  for (const id of ['cfv_store_6', 'cfv_store_0', 'cfv_other_1', 'nothing']) t.equal((await ask('GET', `/admin/config/${id}`)).status, 404, id)
  t.equal((await ask('POST', '/admin/projects/store/rollback', { body: { version: 6 } })).status, 404)
  await ask('DELETE', '/admin/projects/store')
  t.equal((await ask('GET', '/admin/config/cfv_store_1')).status, 404, 'they go with their project')
  t.equal((await ask('GET', '/admin/config?project_id=store')).status, 404)
})

test('versions: two are compared as they would be served today, with the routes that differ', async (t) => {
  const { ask } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'none' } })
  await ask('PUT', '/admin/projects/store/config', { body: respond('one') })
  await ask('PUT', '/admin/projects/store/config', { body: respond('two') })
  await ask('PUT', '/admin/projects/store/config', { body: { routes: [{ id: 'hello', match: { path: '/hello' }, plugins: [{ respond: { body: 'two', status: 200 }, timeout: '5000ms' }], upgradeIdle: '60m' }], plans: {} } })
  t.match((await ask('GET', '/admin/config/diff?project_id=store&from=2&to=3')).body, {
    project_id: 'store', from: 2, to: 3, changes: [{ path: ['routes', 'hello', 'plugins', 'respond', 'respond', 'body'], kind: 'changed', before: 'one', after: 'two' }],
    affected_routes: ['hello'], text: '~ routes.hello.plugins.respond.respond.body: "one" -> "two"'
  })
  t.strictSame((await ask('GET', '/admin/config/diff?from=cfv_store_3')).body, { project_id: 'store', from: 3, to: 4, changes: [], affected_routes: [], text: '' }, 'defaults that are written out are no change')
  await ask('POST', '/admin/projects', { body: { project_id: 'other', target_url: TARGET } })
  for (const query of ['from=2', 'from=cfv_store_1&to=cfv_other_1', 'from=0&project_id=store', 'to=2&project_id=store']) t.equal((await ask('GET', `/admin/config/diff?${query}`)).status, 400, query)
  t.equal((await ask('GET', '/admin/config/diff?from=9&project_id=store')).status, 404)
})

test('versions: a rollback makes the project what it was, as a new version, and only while nobody else changed it', async (t) => {
  const { ask, open } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'api_key' } })
  const second = await ask('PUT', '/admin/projects/store/config', { body: respond('two') })
  await ask('PATCH', '/admin/projects/store', { body: { auth_type: 'none' } })
  t.equal((await ask('POST', '/admin/projects/store/rollback', { body: { version: 1 }, headers: { 'if-match': second.headers.get('etag')! } })).status, 412)
  const back = await ask('POST', '/admin/projects/store/rollback', { body: { version: 1 } })
  t.match(back, { status: 200, body: { project_id: 'store', target_url: TARGET, auth_type: 'api_key', config_version: 4, source: 'store' } })
  t.match(await open.store.projects.get('local', 'store'), { config: null, target_url: TARGET, config_comment: 'rollback to version 1' })
  t.match((await ask('GET', '/admin/config?project_id=store')).body.data, [{ version: 4, current: true, comment: 'rollback to version 1' }, { version: 3 }, {}, {}])
  t.match((await ask('POST', '/admin/projects/store/rollback', { body: { version: 1 } })).body, { config_version: 4 }, 'what it is already is no change')
  t.match((await ask('POST', '/admin/projects/store/rollback', { body: { version: 2, comment: 'the other way' } })).body, { config_version: 5, target_url: null })
  const { body: { data } } = await ask('GET', `/admin/audit?request_id=${back.headers.get('x-request-id')!}&sort=seq`)
  t.match(data, [{ phase: 'intent', action: 'projects.rollback', target_id: 'store', payload: { before: { config_version: 3 }, after: { config_version: 4 } } }, { phase: 'outcome', outcome: 'ok' }])
  for (const body of [{}, { version: 0 }, { version: '1' }, { version: 1, force: true }]) t.equal((await ask('POST', '/admin/projects/store/rollback', { body })).status, 400, JSON.stringify(body))
  t.equal((await ask('GET', '/admin/projects/store')).body['config_version'], 5)
})

test('versions: a rollback to what is refused today is refused with the findings, and changes nothing', async (t) => {
  const root = { egress: { allow: ['10.0.0.0/8'] }, baseDomain: 'gateway.test', plugins: [] as object[] }
  const configs: { port: ReturnType<typeof createConfigs> | null } = { port: null }
  const later = new Proxy({} as ReturnType<typeof createConfigs>, { get: (_, name) => configs.port?.[name as keyof ReturnType<typeof createConfigs>] })
  const { ask, account, token, open } = await openAdminApi(t, { configs: later })
  const ring = newRingContent()
  configs.port = createConfigs({ open, ring: createKeyRing(() => ring) }, () => root as unknown as GatewayConfig)
  const acme = await account('acme')
  const owner = await token(acme, 'owner')
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'none', customer_id: acme } })
  await open.store.domains.insert(acme, { domain_id: 'dom_1', project_id: 'store', name: 'store.example', status: 'verified', challenge: null, verified_at: null, checked_at: null, failing_since: null })
  const put = async (config: object): Promise<AdminAnswer> => await ask('PUT', '/admin/projects/store/config', { token: owner, body: config })
  const route = { match: { path: '/*' }, plugins: [{ respond: { body: 'x' } }] }
  t.equal((await put({ routes: [{ match: { path: '/*' }, upstream: 'u' }], upstreams: { u: { targets: ['http://10.1.2.3'] } } })).body['routes'] === undefined, false)
  t.equal((await put({ hosts: ['store.example'], routes: [route] })).status, 200)
  t.equal((await put({ plugins: [{ 'security-headers': {} }], routes: [route] })).status, 200)
  t.equal((await put({ routes: [route] })).status, 200)
  root.egress.allow = []
  root.plugins = [{ name: 'security-headers', id: 'security-headers', hasId: false, use: null, remove: false, config: {}, stage: null, locked: true, timeoutMs: 5_000, at: ['plugins', 0] }]
  const [domain] = await open.store.domains.list(acme, { limit: 1 })
  await open.store.domains.replace(acme, { ...domain!, status: 'unverified' })
  const refused: [version: number, path: string, message: RegExp][] = [[2, 'projects.store.upstreams.u.targets[0]', /not a public address/], [3, 'projects.store.hosts[0]', /not a verified domain/], [4, 'projects.store.plugins[0]', /locked/]]
  for (const [version, path, message] of refused) {
    const { status, body } = await ask('POST', '/admin/projects/store/rollback', { token: owner, body: { version } })
    t.equal(status, 400)
    t.match(body.error.details, { reason: 'config_refused', findings: [{ path, message, remedy: /./ }] }, `version ${version}`)
  }
  t.match((await ask('POST', '/admin/projects/store/rollback', { body: { version: 2 } })).body.error?.details, { reason: 'config_refused' }, 'what a tenant wrote stays in its bounds when an operator brings it back')
  t.equal((await ask('GET', '/admin/projects/store')).body['config_version'], 5)
  t.equal((await ask('POST', '/admin/projects/store/rollback', { token: owner, body: { version: 1 } })).status, 200)
  t.equal((await open.store.projects.get(acme, 'store'))?.written_by, 'tenant', 'who brings back what an operator wrote vouches for it')
})

test('versions: the present one and the hundred before it are kept', async (t) => {
  const { ask, engine } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'none' } })
  for (let n = 2; n <= MOST_VERSIONS + 3; n++) await ask('PATCH', '/admin/projects/store', { body: { target_url: `${TARGET}/${n}` } })
  const kept = [...engine.documents('config_versions').values()].filter(({ record }) => record !== null).map(({ record }) => (record as unknown as { version: number }).version)
  t.same(kept.sort((a, b) => a - b), Array.from({ length: MOST_VERSIONS + 1 }, (_, index) => index + 3))
  t.equal((await ask('GET', '/admin/config/cfv_store_2')).status, 404)
  t.equal((await ask('POST', '/admin/projects/store/rollback', { body: { version: 4 } })).status, 200, 'the oldest can be brought back')
})

test('versions: a crash between a change and its record leaves a version that is written down when it is asked for, or before the next', async (t) => {
  const { ask, engine, open, ring } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'none' } })
  const { insert } = engine
  const crash = async (change: () => Promise<AdminAnswer>): Promise<void> => {
    engine.insert = async (collection, document) => {
      if (collection === 'config_versions') throw Object.assign(new Error('gone'), { name: 'StoreUnavailableError' })
      return await insert(collection, document)
    }
    t.equal((await change()).status, 503, 'it is not acknowledged')
    engine.insert = insert
  }
  await crash(() => ask('PUT', '/admin/projects/store/config', { body: respond('two') }))
  const there = await open.store.projects.get('local', 'store')
  t.equal(there?.config_version, 2)
  t.same(openConfig(ring, there!), respond('two'), 'but made')
  t.equal(await open.store.config_versions.count('local'), 1)
  t.match((await ask('GET', '/admin/config?project_id=store')).body.data, [{ version: 2, current: true }, { version: 1 }])
  await crash(() => ask('PUT', '/admin/projects/store/config', { body: respond('three') }))
  t.equal((await ask('PUT', '/admin/projects/store/config', { body: respond('four') })).status, 200)
  t.match((await ask('GET', '/admin/config?project_id=store')).body.data, [{ version: 4 }, { version: 3 }, { version: 2 }, { version: 1 }])
  t.match((await ask('GET', '/admin/config/cfv_store_3')).body, { config: respond('three') })
})

test('versions: of many writers at once each number is one\'s, and every version is there', async (t) => {
  const { ask } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: TARGET, auth_type: 'none' } })
  const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => ask('PUT', '/admin/projects/store/config', { body: respond(`${n}`) })))
  t.ok(answers.every(({ status }) => status === 200 || status === 409))
  const won = answers.filter(({ status }) => status === 200).length
  t.ok(won >= 1)
  const { body: { data } } = await ask('GET', '/admin/config?project_id=store&perPage=100')
  t.same(data.map(({ version }) => Number(version)), Array.from({ length: won + 1 }, (_, index) => won + 1 - index))
})

test('config: secrets are shown as digests, which stand for them when they are sent back, and are in no answer and no trail', async (t) => {
  const { ask, open, ring } = await openAdminApi(t)
  const config = (token: string, id = 'all'): object => ({ upstreams: { u: { targets: ['https://u.example'] } }, routes: [{ id, match: { path: '/*' }, upstream: 'u', plugins: [{ headers: { request: { set: { authorization: token } } } }] }] })
  const path = '/admin/projects/store/config'
  const made = await ask('PUT', path, { body: config('Bearer canary-1'), headers: { 'if-none-match': '*' } })
  t.match(made, { status: 201, body: { routes: [{ plugins: [{ headers: { request: { set: { authorization: /^sha256:[\w-]{22}$/ } } } }] }] } }, made.text)
  const written = await ask('GET', path)
  const effective = await ask('GET', `${path}?effective=true`)
  const digest = (answer: AdminAnswer): string => /sha256:[\w-]{22}/.exec(answer.text)?.[0] ?? ''
  t.equal(digest(written), digest(effective))
  for (const shown of [written, effective]) {
    const again = await ask('PUT', path, { body: shown.text })
    t.equal(again.status, 200, again.text)
    t.ok(JSON.stringify(openConfig(ring, (await open.store.projects.get('local', 'store'))!)).includes('Bearer canary-1'), 'the secret is what it was')
  }
  t.match((await ask('PUT', path, { body: config(digest(written), 'other') })).body.error.details, { reason: 'config_refused', findings: [{ message: /digest of a secret/, path: 'projects.store.routes[0].plugins[0].headers.request.set.authorization', position: { line: 1 } }] }, 'elsewhere it stands for nothing')
  const changed = await ask('PUT', path, { body: config('Bearer canary-2') })
  t.not(digest(changed), digest(written))
  t.match((await ask('GET', '/admin/config/diff?project_id=store&from=1&to=' + String((await ask('GET', '/admin/projects/store')).body['config_version']))).body['text'], /authorization: "sha256:[\w-]{22}" -> "sha256:[\w-]{22}"/)
  await ask('PUT', '/admin/projects/other/config', { body: config('Bearer canary-1'), headers: { 'if-none-match': '*' } })
  t.not(digest(await ask('GET', '/admin/projects/other/config')), digest(written), 'that two projects share one is not told')
  for (const place of [path, '/admin/config/cfv_store_1', '/admin/config/cfv_store_1?effective=true', '/admin/audit?perPage=100', '/admin/projects/store']) t.notMatch((await ask('GET', place)).text, 'canary', place)
})

test('config: PUT with If-None-Match makes a project in one step, for operators alone', async (t) => {
  const { ask, account, token, open, ring } = await openAdminApi(t)
  const acme = await account('acme')
  const owner = await token(acme, 'owner')
  const headers = { 'if-none-match': '*' }
  const path = '/admin/projects/new/config'
  const body = respond('made')
  t.match((await ask('PUT', `${path}?dry_run=true`, { body, headers })).body, { hosts: ['new.gateway.test'], routes: [{ id: 'hello' }] })
  t.equal((await ask('GET', path)).status, 404)
  t.equal((await ask('PUT', path, { body })).status, 404, 'without it a name that is wrong makes nothing')
  t.match(await ask('PUT', path, { body: { routes: [{}] }, headers }), { status: 400, body: { error: { details: { reason: 'config_refused' } } } })
  t.equal(await open.store.projects.count(acme), 0)
  const made = await ask('PUT', `${path}?customer_id=acme&comment=hello`, { body, headers })
  t.strictSame([made.status, made.headers.get('etag'), made.headers.get('location')], [201, '"1"', '/admin/projects/new'])
  const kept = await open.store.projects.get(acme, 'new')
  t.match({ ...kept, config: openConfig(ring, kept!) }, { config: body, target_url: null, auth_type: 'none', active: true, written_by: 'operator', config_version: 1, config_comment: 'hello' })
  t.equal((await ask('PUT', path, { body, headers })).status, 412)
  t.equal((await ask('PUT', path, { body, headers, token: owner })).status, 412, 'its own is there to a tenant')
  t.equal((await ask('PUT', '/admin/projects/mine/config', { body, headers, token: owner })).status, 404)
  t.match(await ask('PUT', '/admin/projects/shop/config', { body, headers }), { status: 409, body: { error: { details: { reason: 'declared_in_file' } } } })
  t.equal((await ask('PUT', '/admin/projects/Not_A_Label/config', { body, headers })).status, 400)
  t.equal((await ask('PUT', '/admin/projects/x/config?customer_id=nobody', { body, headers })).status, 404)
  t.equal((await ask('PUT', `${path}?customer_id=local`, { body })).status, 404, 'nor is it changed for another account')
})

test('config: one that can not be opened is told so, is in no way of others, and can be written anew', async (t) => {
  const { ask, open } = await openAdminApi(t)
  const path = '/admin/projects/store/config'
  const sealed = { status: 503, body: { error: { message: /can not be opened: this is not a sealed value/, details: { reason: 'not_openable' } } } }
  await ask('PUT', path, { body: respond('one'), headers: { 'if-none-match': '*' } })
  const project = await open.store.projects.get('local', 'store')
  await open.store.projects.replace('local', { ...project!, config: 'what a hand wrote' as Sealed })
  for (const query of ['', '?effective=true']) t.match(await ask('GET', path + query), sealed)
  t.match(await ask('GET', '/admin/config/diff?project_id=store&from=1&to=1'), { status: 200 }, 'its version is as it was')
  t.match(await ask('GET', '/admin/projects'), { status: 200, body: { data: [{ project_id: 'store' }] } })
  t.equal((await ask('PATCH', '/admin/projects/store', { body: { api_version: 'v2' } })).status, 200)
  const mended = await ask('PUT', path, { body: respond('two') })
  t.match(mended, { status: 200, body: respond('two') }, mended.text)
  t.match((await ask('GET', '/admin/audit?phase=intent&action=projects.config.replace&sort=seq&order=desc')).body.data[0], { payload: { before: { config: /can not be opened/ }, after: { config: { routes: [{ id: 'hello' }] } } } })
  t.equal((await ask('POST', '/admin/projects/store/rollback', { body: { version: 1 } })).status, 200)
  t.match((await ask('GET', path)).body, respond('one'))
})

import { mkdirSync, readdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { retireKey } from '../../../bin/keyring/retire.js'
import { rotateKeyRing } from '../../../bin/keyring/rotate.js'
import { createProgram } from '../../../bin/program.js'
import { backup } from '../../../core/state/backup.js'
import { readKeyRingFile } from '../../../core/state/key-ring-source.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { ask } from '../../fixtures/ask.js'
import { keepTerminal } from '../../fixtures/cli.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { createUpstream, type Upstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'
const CANARY = 'canary-93ad1c'
const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
baseDomain: gate.example
egress: { allow: [ 127.0.0.0/8 ] }
accessLog: { file: access.log }
plugins: [ debug, { use: ./reader.ts } ]
`
/** Learns by a request which secret it is to read. */
const READER = `
import { Type, definePlugin } from 'sluice'
export default definePlugin({
  name: 'reader', stage: 'transform', config: Type.Object({}, { additionalProperties: false }),
  create: (_config, { secrets }) => ({ request ({ request, forward }) { const name = request.headers.get('x-read'); if (name !== undefined) forward.headers.set('x-secret-read', String(secrets?.read(name))) } })
})
`

interface Answer { status: number, text: string, json: Record<string, unknown> }

interface Site {
  readonly directory: string
  readonly config: string
  readonly sluice: SluiceProcess
  readonly port: number
  readonly adminPort: number
  readonly upstream: Upstream
  /** All that the gateway answered on its admin port. */
  readonly told: string[]
  admin (token: string, method: string, path: string, body?: unknown): Promise<Answer>
  tenant: string
}

/** A gateway of two workers with a project `shop` of the account `acme`, whose upstream is the test's. */
async function startSite (t: Test): Promise<Site> {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const directory = t.testdir({ 'gateway.yaml': CONFIG, 'reader.ts': READER })
  const config = join(directory, 'gateway.yaml')
  const sluice = startSluice(t, ['start', '-c', config, '--workers', '2', '--json', '--log-level', 'debug'], { cwd: directory, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const adminPort = await sluice.port('admin')
  const told: string[] = []
  const admin: Site['admin'] = async (token, method, path, body) => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { authorization: `Bearer ${token}`, ...body === undefined ? {} : { 'content-type': typeof body === 'string' ? 'application/yaml' : 'application/json' } }, ...body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) } })
    const text = await answer.text()
    told.push(text)
    return { status: answer.status, text, json: text.startsWith('{') ? JSON.parse(text) as Record<string, unknown> : {} }
  }
  await admin(TOKEN, 'POST', '/admin/accounts', { customer_id: 'acme', name: 'Acme' })
  const made = await admin(TOKEN, 'POST', '/admin/projects', { customer_id: 'acme', project_id: 'shop', target_url: upstream.url, auth_type: 'none' })
  t.equal(made.status, 201, made.text)
  const tenant = (await admin(TOKEN, 'POST', '/admin/tokens', { customer_id: 'acme', name: 't', role: 'admin' })).json['token'] as string
  return { directory, config, sluice, port, adminPort, upstream, told, admin, tenant }
}

const configOf = (url: string, name = 'API_TOKEN'): string => `upstreams:
  orders: { targets: [ "${url}" ] }
routes:
  - id: orders
    match: { path: "/*" }
    upstream: orders
    plugins:
      - headers: { request: { set: { authorization: "Bearer \${secret:${name}}" } } }
`

/** The authorization with which the upstream is asked, in many requests in a row: workers take connections in turn, so that each of them has some. */
async function seenBy ({ port, upstream }: Pick<Site, 'port' | 'upstream'>, count = 6): Promise<string[]> {
  const from = upstream.requests.length
  for (let index = 0; index < count; index++) await ask(port, '/a', { headers: { host: 'shop.gate.example', authorization: 'Bearer of-the-client' } })
  return [...new Set(upstream.requests.slice(from).flatMap(({ values }) => values('authorization')))]
}

/** Resolves to how many milliseconds it took until all workers ask with this. */
async function until (site: Pick<Site, 'port' | 'upstream'>, authorization: string): Promise<number> {
  const startedAt = performance.now()
  for (;;) {
    const askedAt = performance.now() - startedAt
    const seen = await seenBy(site)
    if (seen.length === 1 && seen[0] === authorization) return askedAt
    if (askedAt > 10_000) throw new Error(`still ${seen.join(', ')}`)
  }
}

/** Every file below a folder. */
function filesOf (folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)).filter((file) => statSync(file).isFile())
}

test('secrets: an upstream sees what a secret holds, its next value within a second on each worker, and nobody else sees any of it', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const { admin, tenant, upstream, sluice, told, directory, config, port } = site
  const env = { SLUICE_ADMIN_URL: `http://127.0.0.1:${site.adminPort}`, SLUICE_ADMIN_TOKEN: tenant }
  const path = '/admin/projects/shop/config'
  const yaml = configOf(upstream.url)

  const early = await admin(tenant, 'PUT', path, yaml)
  t.match(early, { status: 400, json: { error: { details: { findings: [{ message: 'there is no secret "API_TOKEN" in this project or its account', position: { line: 8, column: 53 } }] } } } })
  const made = await admin(tenant, 'POST', '/admin/secrets', { name: 'API_TOKEN', value: `${CANARY}-one`, project_id: 'shop' })
  t.equal(made.status, 201, made.text)
  const id = made.json['secret_id'] as string
  t.match(await admin(tenant, 'PUT', path, configOf(upstream.url, 'API_TOKE')), { status: 400, json: { error: { details: { findings: [{ remedy: 'did you mean "API_TOKEN"?' }] } } } })
  t.equal((await admin(tenant, 'PUT', path, yaml)).status, 200)
  await until(site, `Bearer ${CANARY}-one`)

  const terminal = keepTerminal({ ...env, NEXT: `${CANARY}-two` })
  await createProgram(terminal).parseAsync(['node', 'sluice', 'secret', 'update', id, '--value-env', 'NEXT', '--json'])
  const changedAt = performance.now()
  t.match(JSON.parse(terminal.out[0] ?? '{}'), { name: 'API_TOKEN', version: 2 }, terminal.errors.join())
  await until(site, `Bearer ${CANARY}-two`)
  const tookMs = performance.now() - changedAt
  t.ok(tookMs < 1_000, `on each worker after ${tookMs.toFixed(0)} ms`)
  t.same(await seenBy(site, 10), [`Bearer ${CANARY}-two`])

  for (const [name, value] of [['API_TOKEN', `${CANARY}-two`], ['API_TOKE', 'null'], ['toString', 'null']] as const) {
    await ask(port, '/a', { headers: { host: 'shop.gate.example', 'x-read': name } })
    t.same(upstream.requests.at(-1)?.values('x-secret-read'), [value], `a plugin reads ${name}`)
  }
  for (const shown of [path, `${path}?effective=true`]) t.match((await admin(tenant, 'GET', shown)).text, '${secret:API_TOKEN}', shown)
  t.match(await admin(tenant, 'DELETE', `/admin/secrets/${id}`), { status: 409, json: { error: { details: { reason: 'secret_in_use', usedBy: [{ project_id: 'shop', routes: ['orders'], places: ['/routes/0/plugins/0/headers/request/set/authorization'] }] } } } })

  // A header can not hold this, which only the building of the project finds.
  t.equal((await admin(tenant, 'PATCH', `/admin/secrets/${id}`, { value: `${CANARY} {{ nonsense-${CANARY} }}` })).status, 200)
  await sluice.logged('a project of the store can not be served')
  t.same(await seenBy(site), [`Bearer ${CANARY}-two`], 'the value before goes on')
  const status = await admin(TOKEN, 'GET', '/status')
  t.match(status.text, 'gives can not be used here')
  t.equal((await admin(tenant, 'PATCH', `/admin/secrets/${id}`, { value: `${CANARY}-four` })).status, 200)
  await until(site, `Bearer ${CANARY}-four`)

  const old = readKeyRingFile(join(directory, 'data', 'keys.json')).content.encryption.active
  t.equal(await rotateKeyRing({ config, json: true }, terminal), 0)
  t.match(JSON.parse(terminal.out[1] ?? '{}'), { ok: true, resealed: 3, unopened: [] })
  t.equal(await retireKey(old, { config, yes: true }, terminal), 0, 'nothing needs the old key')
  t.equal((await admin(tenant, 'PATCH', `/admin/secrets/${id}`, { value: `${CANARY}-five` })).status, 200)
  await until(site, `Bearer ${CANARY}-five`)

  const traced = await ask(port, '/a', { headers: { 'host': 'shop.gate.example', 'x-sluice-debug': TOKEN } })
  t.match(traced.headers['server-timing'], /headers;dur/)
  told.push(JSON.stringify(traced.headers), traced.text)
  for (const shown of ['/config', '/status', '/metrics', '/admin/audit?perPage=100', '/admin/secrets', '/admin/projects']) t.equal((await admin(TOKEN, 'GET', shown)).status, 200, shown)
  const engine = await openSqliteEngine({ path: join(directory, 'data') })
  await backup(engine, join(directory, 'site.backup'))
  await engine.close()
  t.equal((await admin(tenant, 'PUT', path, 'routes: []\n')).status, 200)
  t.equal((await admin(tenant, 'DELETE', `/admin/secrets/${id}`)).status, 204, 'what nothing names can go')
  sluice.kill('SIGTERM')
  t.equal((await sluice.exited).code, 0)

  const written = [...told, sluice.stdout(), sluice.stderr(), ...terminal.out, ...terminal.errors]
  const files = filesOf(directory)
  t.ok(files.some((file) => file.endsWith('access.log')) && files.some((file) => file.endsWith('store.db')) && files.some((file) => file.endsWith('directory.snapshot')) && files.some((file) => file.endsWith('site.backup')), files.join(' '))
  t.ok(sluice.stderr().length > 0 && told.length > 20)
  for (const text of written) t.notOk(text.includes(CANARY), text.slice(0, 200))
  for (const file of files) t.notOk(readFileSync(file).includes(CANARY), file)
})

test('secrets: what is applied from a file keeps their names, and a node that starts without its store opens those of its last view', { timeout: 120_000 }, async (t) => {
  const site = await startSite(t)
  const { admin, tenant, upstream, sluice, directory, config } = site
  t.equal((await admin(tenant, 'POST', '/admin/secrets', { name: 'API_TOKEN', value: `${CANARY}-of-all`, project_id: null })).status, 201)
  const file = join(directory, 'shop.yaml')
  writeFileSync(file, `projects:\n  shop:\n${configOf('${UPSTREAM}').replace(/^(?=.)/gm, '    ')}`)
  const terminal = keepTerminal({ SLUICE_ADMIN_URL: `http://127.0.0.1:${site.adminPort}`, SLUICE_ADMIN_TOKEN: tenant, UPSTREAM: upstream.url })
  const cli = async (...args: string[]): Promise<unknown> => {
    await createProgram(terminal).parseAsync(['node', 'sluice', ...args])
    const code = process.exitCode
    process.exitCode = undefined
    return code
  }
  t.equal(await cli('apply', file, '--yes'), 0, terminal.errors.join('\n'))
  await until(site, `Bearer ${CANARY}-of-all`)
  t.match((await admin(tenant, 'GET', '/admin/projects/shop/config')).text, 'Bearer ${secret:API_TOKEN}')
  t.equal(await cli('plan', file), 0, 'a second plan is empty')
  t.notOk([...terminal.out, ...terminal.errors].join().includes(CANARY))
  sluice.kill('SIGTERM')
  await sluice.exited
  for (const file of readdirSync(`${directory}/data`)) if (file.startsWith('store.db')) renameSync(`${directory}/data/${file}`, `${directory}/${file}`)
  mkdirSync(`${directory}/data/store.db`)
  const again = startSluice(t, ['start', '-c', config, '--json'], { cwd: directory, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await again.port('data')
  t.match(again.stderr(), /the last view of it is served/)
  t.same(await seenBy({ port, upstream }, 2), [`Bearer ${CANARY}-of-all`])
  again.kill('SIGTERM')
  await again.exited
  for (const file of filesOf(directory)) t.notOk(readFileSync(file).includes(CANARY), file)
  t.notOk(again.stderr().includes(CANARY))
})

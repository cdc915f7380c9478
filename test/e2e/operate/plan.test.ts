import assert from 'node:assert/strict'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { findConnection } from '../../../bin/admin-client/connection.js'
import { CommandError } from '../../../bin/command.js'
import { presentConfig } from '../../../bin/plan/effective.js'
import { applyStep, planProject } from '../../../bin/plan/make-plan.js'
import { readProjects } from '../../../bin/plan/read-projects.js'
import { keepTerminal, runCli, runHere } from '../../fixtures/cli.js'
import { ask } from '../../fixtures/ask.js'
import { oddProject, picks, respelledProject } from '../../fixtures/schema-arbitrary.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'a-token-of-some-length'
const SHOP = `projects:
  shop:
    upstreams:
      api: { targets: [ "http://127.0.0.1:1" ] }
    routes:
      - { id: hello, match: { path: /hello }, plugins: [ { respond: { body: first } } ] }
      - { id: api, match: { path: "/api/*" }, upstream: api }
environments:
  staging:
    projects: { shop: { upstreams: { api: { timeouts: { headers: 5s } } } } }
`

interface Site {
  readonly port: number
  readonly env: { readonly SLUICE_ADMIN_URL: string, readonly SLUICE_ADMIN_TOKEN: string }
  /** A folder for projects. */
  readonly projects: string
  cli (...args: string[]): ReturnType<typeof runHere>
  admin (method: string, path: string, body?: object): Promise<Response>
}

async function startSite (t: Test): Promise<Site> {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nplugins: [ security-headers, { headers: { response: { set: { x-by: gateway } } }, locked: true, id: by } ]\nprojects: { declared: { routes: [] } }\n')
  const sluice = startSluice(t, ['start', '-c', config, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const env = { SLUICE_ADMIN_URL: `http://127.0.0.1:${await sluice.port('admin')}`, SLUICE_ADMIN_TOKEN: TOKEN }
  const projects = join(folder, 'projects')
  mkdirSync(projects)
  return {
    port, env, projects,
    cli: (...args) => runHere(env, args),
    admin: (method, path, body) => fetch(env.SLUICE_ADMIN_URL + path, { method, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
  }
}

test('plan and apply: what is written becomes what is served, a second plan is empty, and only what differs is told', async (t) => {
  const { port, env, projects, cli } = await startSite(t)
  const file = join(projects, 'shop.yaml')
  writeFileSync(file, SHOP)

  t.match(await cli('plan', projects), { code: 2, stdout: /^project shop: new, 2 routes affected: api, hello\n[^]*1 project to change, 0 as they are\n$/ })
  t.match(await runCli(t, ['apply', projects], { env }), { code: 2, stdout: /^project shop: new/, stderr: /nothing is changed yet[^]*say --yes/ })
  t.match(await cli('apply', projects, '--yes', '--comment', 'the first'), { code: 0, stderr: /1 of 1: shop is applied/ })
  while ((await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text !== 'first');
  t.match(await runCli(t, ['plan', projects], { env }), { code: 0, stdout: 'nothing to change\n' })

  t.match(await cli('plan', file, '--bogus'), { code: 1, stderr: /unknown option '--bogus'/ }, 'called wrongly is no change')
  t.match(await runCli(t, ['plan'], { env }), { code: 1, stderr: /missing required argument 'path'/ })
  t.match(await cli('plan', file, '--env', 'staging'), { code: 2, stdout: 'project shop: 1 change, 1 route affected: api\n  ~ upstreams.api.timeouts.headers: "30s" -> "5s"\n1 project to change, 0 as they are\n' })
  writeFileSync(file, SHOP.replace('first', 'second'))
  t.match(JSON.parse((await cli('plan', file, '--json')).stdout), { ok: true, projects: [{ project: 'shop', action: 'change', changes: [{ path: ['routes', 'hello', 'plugins', 'respond', 'respond', 'body'], kind: 'changed', before: 'first', after: 'second' }], affectedRoutes: ['hello'] }] })
  t.match(JSON.parse((await cli('apply', file, '--yes', '--json')).stdout), { ok: true, projects: [{ project: 'shop', action: 'change', applied: true }] })
  while ((await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text !== 'second');
  t.match(await cli('plan', file), { code: 0 })

  writeFileSync(file, SHOP.replace('upstream: api', 'upstream: nope'))
  t.match(await cli('plan', file), { code: 1, stderr: /nope/ }, 'what the gateway would refuse is told by the plan')
  writeFileSync(file, 'projects: { shop: [ }\n')
  t.match(await cli('plan', file), { code: 1, stderr: /shop\.yaml:1:\d+/ })
  writeFileSync(file, 'projects: { declared: { routes: [] } }\n')
  t.match(await cli('plan', file), { code: 0, stdout: 'nothing to change\n' }, 'one that the gateway has in its own file')
})

test('plan and apply: a default that is written out is no change, nor is what the gateway shows', async (t) => {
  const { projects, cli, admin } = await startSite(t)
  const file = join(projects, 'shop.yaml')
  writeFileSync(file, SHOP)
  t.match(await cli('apply', file, '--yes'), { code: 0 })
  writeFileSync(file, SHOP.replace('[ "http://127.0.0.1:1" ]', '[ { url: "http://127.0.0.1:1/", weight: 1 } ], host: target, timeouts: { connect: 5000ms, idle: 60s }').replace('respond: { body: first }', 'respond: { body: first, status: 200 }, timeout: 5s').replace('upstream: api }', 'upstream: api, upgradeIdle: 60m, allowEncodedSlashes: false }'))
  t.match(await cli('plan', file), { code: 0, stdout: 'nothing to change\n' })
  t.match(await cli('apply', file, '--yes'), { code: 0, stdout: 'nothing to change\n', stderr: '' })
  const shown = await (await admin('GET', '/admin/projects/shop/config?effective=true')).text()
  writeFileSync(file, `projects:\n  shop: ${shown}\n`)
  t.match(await cli('plan', file), { code: 0, stdout: 'nothing to change\n' })

  const secret = (token: string): string => `projects: { shop: { upstreams: { u: { targets: [ "http://127.0.0.1:1" ] } }, routes: [ { id: a, match: { path: "/*" }, upstream: u, plugins: [ { headers: { request: { set: { authorization: ${token} } } } } ] } ] } }\n`
  writeFileSync(file, secret('canary-one'))
  const first = await cli('apply', file, '--yes')
  writeFileSync(file, secret('canary-two'))
  const second = await cli('plan', file)
  t.match(second, { code: 2, stdout: /headers\.request\.set\.authorization: "sha256:[\w-]{22}" -> "sha256:[\w-]{22}"/ })
  t.notMatch(`${first.stdout}${second.stdout}${(await cli('plan', file, '--json')).stdout}`, 'canary')
})

test('plan and apply: a project that changed since the plan is left alone, the others are applied, and that is told', async (t) => {
  const { projects, cli, admin, env } = await startSite(t)
  const file = join(projects, 'all.yaml')
  const text = (body: string, more = ''): string => `projects:\n${['one', 'two'].map((name) => `  ${name}: { routes: [ { id: r, match: { path: "/*" }, plugins: [ { respond: { body: ${body} } } ] } ] }\n`).join('')}${more}`
  writeFileSync(file, text('a'))
  t.match(await cli('apply', file, '--yes'), { code: 0 })
  const connection = await findConnection({}, env)
  writeFileSync(file, text('b', '  three: { routes: [] }\n'))
  const { projects: written } = readProjects(file, undefined, keepTerminal())
  const steps = await Promise.all([...written].map(([name, { config }]) => planProject(connection, name, config, undefined)))
  t.equal((await admin('PATCH', '/admin/projects/one', { auth_type: 'none', api_version: 'v2' })).status, 200)
  t.equal((await admin('POST', '/admin/projects', { project_id: 'three', target_url: 'https://api.example.com' })).status, 201)
  const outcomes = await Promise.allSettled(steps.map((step) => applyStep(connection, step, {})))
  t.match(outcomes, [{ status: 'rejected', reason: { message: /somebody changed project one since the plan/, remedy: /plan again/ } }, { status: 'fulfilled' }, { status: 'rejected', reason: { message: /project three/ } }])
  const bodyOf = async (name: string): Promise<string> => await (await admin('GET', `/admin/projects/${name}/config`)).text()
  t.match(await bodyOf('one'), '"body":"a"')
  t.match(await bodyOf('two'), '"body":"b"')
  t.match(await bodyOf('three'), 'api.example.com', 'whole or not at all')
})

test('plan and apply: projects that no file names stay, unless they are to go', async (t) => {
  const { projects, cli, admin } = await startSite(t)
  for (const name of ['keep', 'go']) writeFileSync(join(projects, `${name}.yaml`), `projects: { ${name}: { routes: [ { id: r, match: { path: "/*" }, plugins: [ { respond: { body: x } } ] } ] } }\n`)
  t.equal((await admin('POST', '/admin/accounts', { customer_id: 'acme', name: 'Acme' })).status, 201)
  t.equal((await admin('POST', '/admin/projects', { customer_id: 'acme', project_id: 'theirs', target_url: 'https://api.example.com' })).status, 201)
  t.match(await cli('apply', projects, '--yes'), { code: 0 })
  rmSync(join(projects, 'go.yaml'))
  t.match(await cli('plan', projects), { code: 0 })
  t.match(await cli('plan', projects, '--prune'), { code: 1, stdout: '', stderr: /of which account \(add --account/ })
  t.match(await cli('plan', projects, '--prune', '--account', 'local'), { code: 2, stdout: /^project go: removed, 1 route affected: r\n {2}- [^]*1 project to change, 1 as they are\n$/ })
  t.match(await cli('apply', projects, '--prune', '--account', 'local', '--yes'), { code: 0, stderr: /1 of 1: go is removed/ })
  t.equal((await admin('GET', '/admin/projects/go')).status, 404)
  for (const name of ['keep', 'theirs']) t.equal((await admin('GET', `/admin/projects/${name}`)).status, 200)
  t.match(await cli('plan', projects, '--prune', '--account', 'local'), { code: 0, stdout: 'nothing to change\n' })
})

test('plan and apply: other plugins of the gateway are told with the routes that inherit them, and left to the gateway\'s own file', async (t) => {
  const { projects, cli, admin } = await startSite(t)
  const file = join(projects, 'all.yaml')
  const route = (id: string, plugins: string): string => `{ id: ${id}, match: { path: /${id} }, plugins: [ { respond: { body: x } }${plugins} ] }`
  const text = (gateway: string, body = 'x'): string => `plugins: ${gateway}\nprojects:\n  shop: { routes: [ ${route('a', '')}, ${route('own', ', { security-headers: { noSniff: false } }')}, ${route('none', ', security-headers: false')} ] }\n  other: { routes: [ { id: b, match: { path: /b }, plugins: [ { respond: { body: ${body} } } ] } ] }\n`
  const by = '{ headers: { response: { set: { x-by: gateway } } }, locked: true, id: by }'
  writeFileSync(file, text(`[ security-headers, ${by} ]`))
  t.match(await cli('apply', file, '--yes'), { code: 0 })
  writeFileSync(file, text(`[ { id: by, timeout: 5000ms, headers: { response: { set: { x-by: gateway }, remove: [] } }, locked: true }, { security-headers: { hsts: { maxAge: 8760h, preload: false } } } ]`))
  t.match(await cli('plan', file), { code: 0, stdout: 'nothing to change\n' }, 'the same in other words is no change')

  writeFileSync(file, text(`[ { security-headers: { hsts: { maxAge: 30d } } }, ${by} ]`))
  const line = '  ~ inherited.plugins.security-headers.security-headers.hsts.maxAge: "365d" -> "30d"\n'
  t.match(await cli('plan', file), { code: 2, stdout: `project shop: 1 change, 1 route affected: a\n${line}project other: 1 change, 1 route affected: b\n${line}2 projects to change, 0 as they are\n` })
  t.match(JSON.parse((await cli('plan', file, '--json')).stdout), { projects: [{ project: 'shop', changes: [{ path: ['inherited', 'plugins', 'security-headers', 'security-headers', 'hsts', 'maxAge'], kind: 'changed' }], affectedRoutes: ['a'] }, {}] })
  t.match(await cli('apply', file, '--yes'), { code: 1, stderr: /^the plugins of the gateway stay as they are, and are inherited by shop, other \(they are in the gateway's own file/m })
  writeFileSync(file, text(`[ { security-headers: { hsts: { maxAge: 30d } } }, ${by} ]`, 'second'))
  t.match(JSON.parse((await cli('apply', file, '--yes', '--json')).stdout), { ok: false, projects: [{ project: 'shop', applied: false }, { project: 'other', applied: true, error: { message: /stay as they are/ } }] })
  t.match(await (await admin('GET', '/admin/projects/other/config')).text(), 'second', 'what is its own is applied')
  t.match(await (await admin('GET', '/admin/projects/other/config?effective=true')).json(), { inherited: { plugins: [{ 'security-headers': { hsts: { maxAge: '365d' } }, locked: false }, { id: 'by', locked: true }] } })

  writeFileSync(file, text(`[ { headers: { response: { set: { x-by: gateway } } }, locked: true, id: by } ]`, 'second'))
  t.match(await cli('plan', file), { code: 1, stderr: /no plugin "security-headers" to remove/ }, 'what a project would no longer be with is told')
  writeFileSync(file, text(`[ { security-headers: {}, locked: true }, ${by} ]`, 'second'))
  t.match(await cli('plan', file), { code: 1, stderr: /locked by the gateway's list/ })
  writeFileSync(file, text('[ { security-headers: { nope: 1 } } ]'))
  t.match(await cli('plan', file), { code: 1, stderr: /The gateway can not have these plugins[^]*nope/ })
  writeFileSync(join(projects, 'more.yaml'), 'plugins: [ cors ]\nprojects: { x: { routes: [] } }\n')
  t.match(await cli('plan', projects), { code: 1, stderr: /more\.yaml and [^ ]*all\.yaml both have the plugins of the gateway/ })
})

test('plan and apply: whatever is written, with any plugin, is applied, and a second plan is empty, in whatever words', async (t) => {
  const { env } = await startSite(t)
  const connection = await findConnection({}, env)
  let [applied, changed] = [0, 0]
  await fc.assert(fc.asyncProperty(oddProject, fc.constantFrom('one', 'two'), picks, async (written, name, pick) => {
    const plan = (config: unknown): ReturnType<typeof planProject> => planProject(connection, name, config as Readonly<Record<string, unknown>>, undefined)
    const first = await plan(written).catch((error: unknown) => { if (error instanceof CommandError) return null; throw error })
    // Routes that tie, what a plugin's check finds: refused by the plan.
    if (first === null) return
    await applyStep(connection, first, {})
    applied++
    if (first.action === 'change') changed++
    const { config: effective } = await presentConfig(connection, name) ?? assert.fail('it is not there')
    for (const [title, config] of Object.entries({ 'the same': written, 'respelled': respelledProject(written, pick), 'what is in effect': effective, 'with its defaults, respelled': respelledProject(effective, pick) })) {
      const { action, changes, affectedRoutes } = await plan(config)
      assert.deepEqual({ action, changes, affectedRoutes }, { action: 'none', changes: [], affectedRoutes: [] }, title)
    }
  }), { numRuns: 30 })
  t.ok(applied > 5 && changed > 3, `${applied} applied, ${changed} of them as a change`)
})

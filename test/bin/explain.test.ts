import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { explain, type ExplainOptions } from '../../bin/commands/explain.js'
import { compileConfig } from '../../bin/compile-config.js'
import { parseAsked, readAsked } from '../../bin/explain/asked-request.js'
import { explainRequest } from '../../bin/explain/explain-request.js'
import type { Explanation } from '../../bin/explain/explanation.js'
import { SILENT } from '../../bin/silent-log.js'
import { keepTerminal, runCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'
import { createUpstream } from '../fixtures/upstream.js'

const CONFIG = `listen: { health: true }
plugins:
  - security-headers
  - headers: { request: { set: { x-edge: "1" } } }
  - ip-restriction: { deny: [ 192.0.2.0/24 ] }
    locked: true
projects:
  any:
    routes:
      - { id: home, match: { path: / }, plugins: [ { respond: { body: home } } ] }
  shop:
    hosts: [ shop.test ]
    basePath: /api
    upstreams: { up: { targets: [ "\${UP:-http://127.0.0.1:9}/base", { url: "http://127.0.0.2:9", weight: 3 } ] } }
    plugins:
      - headers: { request: { set: { x-edge: "2" } } }
      - cors: { origins: [ "http://page.test" ] }
    routes:
      - { id: item, match: { path: "/items/:id", methods: [ GET ] }, upstream: up, rewrite: "/v1/:id" }
      - { id: items, match: { path: "/items/*" }, upstream: up, plugins: [ cors: false ] }
      - { id: beta, match: { path: "/items/:id", headers: { x-beta: "1" } }, upstream: up }
      - { id: hello, match: { path: /hello }, plugins: [ { respond: { body: "hi {{ request.query.name }}" } } ] }
`

const ONE_TARGET = CONFIG.replace(', { url: "http://127.0.0.2:9", weight: 3 }', '')

function write (t: Test, text = CONFIG, name = 'gateway.config.yaml'): string {
  const file = join(tempDir(t), name)
  writeFileSync(file, text)
  return file
}

async function explained (t: Test, file: string, method: string, url: string, more: Partial<ExplainOptions> & { env?: Record<string, string> } = {}): Promise<Explanation & { code: number }> {
  const terminal = keepTerminal(more.env)
  const code = await explain({ method, url, headers: [], data: null, from: '127.0.0.1', file, environment: null, run: false, timeoutMs: 5_000, json: true, ...more }, terminal)
  t.equal(terminal.out.length, 1, 'one JSON object')
  return { code, ...JSON.parse(terminal.out[0] ?? '') as Explanation }
}

/** `line:column` of a place, as the file has it. */
const at = (position: { line: number, column: number } | null): string => position === null ? '-' : `${position.line}:${position.column}`

test('explain: names the project and route that win, and why each other one does not', async (t) => {
  const file = write(t)
  const told = await explained(t, file, 'GET', 'http://shop.test/api/items/5?x=1')
  t.match(told, { code: 0, ok: true, refusal: null, own: false, project: 'shop', request: { method: 'GET', host: 'shop.test', path: '/api/items/5', query: 'x=1', clientAddress: '127.0.0.1' } })
  t.match(told.route, { id: 'item', path: '/api/items/:id', params: { id: '5' }, position: { file, line: 19, column: 9 } })
  t.strictSame(told.projects.map(({ name, outcome, reason, position }) => [name, outcome, reason, at(position)]), [
    ['shop', 'wins', 'host shop.test, basePath /api', '11:3'], ['any', 'loses', 'host: any is less specific than shop.test, which decides', '8:3']
  ])
  t.strictSame(told.routes.map(({ name, outcome, reason, position }) => [name, outcome, reason, at(position)]), [
    ['beta', 'no match', 'header: x-beta must be "1"', '21:9'],
    ['item', 'wins', 'the most specific route that matches', '19:9'],
    ['hello', 'no match', 'path: is not /hello', '22:9'],
    ['items', 'loses', 'path: less specific than item', '20:9']
  ])
  t.match(await explained(t, file, 'GET', '/api/items/5', { headers: ['Host: shop.test', 'X-Beta: 1'] }), { route: { id: 'beta' } })
  t.match(await explained(t, file, 'POST', '/api/items/5', { headers: ['host: shop.test'] }), { route: { id: 'items' } })
  t.match(await explained(t, file, 'get', 'http://SHOP.test:8080/api/items/5'), { route: { id: 'item' } })
  t.match(await explained(t, file, 'GET', '/'), { project: 'any', route: { id: 'home' } })
})

test('explain: shows each step with the place that put it there, what it replaced, locks and what was removed', async (t) => {
  const file = write(t)
  const told = await explained(t, file, 'GET', 'http://shop.test/api/items/5')
  t.strictSame(told.pipeline.map(({ plugin, stage, level, locked, position, replaces }) => [plugin, stage, level, locked, at(position), at(replaces)]), [
    ['security-headers', 'edge', 'gateway', false, '3:5', '-'],
    ['ip-restriction', 'edge', 'gateway', true, '5:5', '-'],
    ['cors', 'edge', 'project', false, '17:9', '-'],
    ['headers', 'transform', 'project', false, '16:9', '4:5']
  ])
  t.strictSame(told.pipeline.map(({ hooks }) => hooks.includes('request')), [false, true, true, true])
  const without = await explained(t, file, 'POST', 'http://shop.test/api/items/5')
  t.strictSame(without.pipeline.map(({ plugin }) => plugin), ['security-headers', 'ip-restriction', 'headers'])
  t.strictSame(without.removed.map(({ plugin, id, position }) => [plugin, id, at(position)]), [['cors', 'cors', '20:76']])
})

test('explain: shows where the request goes, rewritten', async (t) => {
  const file = write(t)
  const targets = [{ url: 'http://127.0.0.1:9/base', weight: 1 }, { url: 'http://127.0.0.2:9', weight: 3 }]
  t.strictSame((await explained(t, file, 'GET', 'http://shop.test/api/items/a%2Db?q=%20')).forward, { upstream: 'up', path: '/v1/a-b', query: 'q=%20', targets })
  t.strictSame((await explained(t, file, 'POST', 'http://shop.test/api/items/5')).forward, { upstream: 'up', path: '/api/items/5', query: '', targets })
  t.equal((await explained(t, file, 'GET', 'http://shop.test/api/hello')).forward, null, 'a step answers')
})

test('explain: a 404 and a 405 come with what comes closest', async (t) => {
  const file = write(t)
  const missing = await explained(t, file, 'GET', 'http://shop.test/api/itms/5')
  t.match(missing, { code: 0, project: 'shop', route: null, forward: null, refusal: { status: 404, code: 'NOT_FOUND', allow: null } })
  t.match(missing.routes[0]?.name, /^item|^beta/)
  t.equal(missing.routes.at(-1)?.name, 'hello')
  t.strictSame(missing.pipeline.map(({ plugin }) => plugin), ['security-headers', 'ip-restriction', 'cors', 'headers'], 'the steps that a 404 runs')
  t.match((await explained(t, file, 'GET', 'http://shop.test/api/helo')).routes[0], { name: 'hello', outcome: 'no match', reason: 'path: is not /hello' })
  const below = await explained(t, file, 'GET', 'http://shop.test/other')
  t.match(below, { project: null, refusal: { status: 404 }, projects: [{ name: 'any', outcome: 'loses' }, { name: 'shop', outcome: 'no match', reason: 'basePath: the path does not begin with /api' }] })

  const other = write(t, CONFIG.replace('"/items/*" }', '"/items/*", methods: [ PUT ] }').replace('x-beta: "1" }', 'x-beta: "1" }, methods: [ PATCH ]'))
  const refused = await explained(t, other, 'DELETE', 'http://shop.test/api/items/5')
  t.match(refused.refusal, { status: 405, code: 'METHOD_NOT_ALLOWED', allow: 'GET, HEAD, PUT' })
  t.match(refused.routes[0], { outcome: 'no match', reason: /^method: takes/ })
  const preflight = await explained(t, file, 'OPTIONS', 'http://shop.test/api/items/5', { headers: ['origin: http://page.test', 'access-control-request-method: GET'] })
  t.match(preflight, { route: { id: 'item' } }, 'a preflight is matched by the method that it asks for')
})

test('explain: the request is read as the listener reads it', async (t) => {
  const file = write(t)
  t.match(await explained(t, file, 'GET', '/a%00b'), { code: 0, request: null, refusal: { status: 400, code: 'VALIDATION_ERROR', reason: 'path' } })
  t.match(await explained(t, file, 'GET', '/', { headers: ['host: a b'] }), { request: null, refusal: { status: 400, reason: 'host' } })
  t.match(await explained(t, file, 'TRACE', '/'), { request: null, refusal: { status: 405 } })
  t.match(await explained(t, file, 'GET', `/${'x'.repeat(9_000)}`), { request: null, refusal: { status: 414 } })
  t.match(await explained(t, file, 'GET', 'http://shop.test/api/%69tems/./5#part'), { route: { id: 'item' }, request: { path: '/api/items/5' } })
  t.match(await explained(t, file, 'GET', 'http://shop.test/api/items/a%2Fb'), { refusal: { status: 400, reason: 'encoded_slash' }, forward: null })
  t.match(await explained(t, file, 'GET', '/health'), { own: true, project: null, refusal: null })
  t.match(await explained(t, file, 'GET', 'http://shop.test?x=1'), { request: { path: '/', query: 'x=1' } })
})

test('explain: --run sends it through the pipeline to the real upstream and tells what each step decided', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const file = write(t, ONE_TARGET)
  const told = await explained(t, file, 'POST', 'http://shop.test/api/items/5?x=1', { run: true, data: 'hello', env: { UP: upstream.url }, headers: ['content-type: text/plain', 'origin: http://page.test'] })
  t.equal(told.code, 0)
  t.strictSame(told.run?.decisions.filter(({ hook }) => hook === 'request').map(({ plugin, decision }) => [plugin, decision]), [['ip-restriction', 'next'], ['headers', 'next']])
  t.match(told.run, { answer: { status: 200, complete: true, bytes: Number }, forwarded: { target: upstream.url, method: 'POST', path: '/base/api/items/5', query: 'x=1' }, errorCode: null })
  t.ok(told.run?.answer.headers.some(([name]) => name === 'x-request-id'))
  const [seen] = upstream.requests
  t.strictSame([upstream.requests.length, seen?.method, seen?.target, seen?.body.toString(), seen?.values('x-edge')], [1, 'POST', '/base/api/items/5?x=1', 'hello', ['2']])
})

test('explain: --run tells who answered instead, and which steps were not reached', async (t) => {
  const file = write(t)
  const denied = await explained(t, file, 'GET', 'http://shop.test/api/items/5', { run: true, from: '192.0.2.7' })
  t.match(denied.run, { decisions: [{ plugin: 'ip-restriction', hook: 'request', decision: 'reply 403' }, { plugin: 'security-headers', hook: 'response' }], answer: { status: 403 }, forwarded: null, errorCode: 'AUTHORIZATION_ERROR' })
  const terminal = keepTerminal()
  t.equal(await explain({ method: 'GET', url: 'http://shop.test/api/items/5', headers: [], data: null, from: '192.0.2.7', file, environment: null, run: true, timeoutMs: 5_000, json: false }, terminal), 0)
  t.match(terminal.out.join('\n'), /not reached {2}cors, headers\n/)
  const hello = await explained(t, file, 'GET', 'http://shop.test/api/hello?name=x', { run: true })
  t.match(hello.run, { answer: { status: 200 }, forwarded: null })
  const nobody = await explained(t, write(t, ONE_TARGET), 'GET', 'http://shop.test/api/items/5', { run: true })
  t.match(nobody, { code: 0, run: { answer: { status: 502 }, errorCode: 'UPSTREAM_UNREACHABLE', log: [{ level: 'warn', message: 'an upstream failed' }] } })
})

test('explain: --run starts the builtin echo, and cuts off an answer that does not end', async (t) => {
  const file = write(t, 'projects: { demo: { upstreams: { echo: { builtin: echo } }, routes: [ { id: all, match: { path: "/*" }, upstream: echo } ] } }\n')
  const plain = await explained(t, file, 'GET', '/hello', { run: true })
  t.match(plain, { code: 0, forward: { upstream: 'echo', targets: [{ url: 'builtin:echo' }] }, run: { answer: { status: 200, complete: true } } })
  const endless = await explained(t, file, 'GET', '/sse?events=1000&interval=50', { run: true, timeoutMs: 500 })
  t.match(endless, { code: 3, run: { answer: { status: 200, complete: false } } })
})

const FAULTY = `import { Type, definePlugin } from 'sluice'
export default definePlugin({
  name: 'faulty', stage: 'edge', config: Type.Object({}, { additionalProperties: false }),
  create: () => ({
    request () { throw new Error('faulty inside') }
  })
})
`

test('explain: --run shows what an author\'s plugin threw, at its place in the source', async (t) => {
  const file = write(t, 'plugins: [ { use: ./faulty.ts } ]\nprojects: { a: { routes: [ { match: { path: / }, plugins: [ { respond: { body: hi } } ] } ] } }\n')
  writeFileSync(join(file, '..', 'faulty.ts'), FAULTY)
  const { code, stdout } = await runCli(t, ['explain', 'GET', '/', '--run', '-f', file])
  t.equal(code, 0)
  t.match(stdout, /request {2}faulty {2}failed/)
  t.match(stdout, /log +error a bug ended a request .*faulty inside.*faulty\.ts:5:/)
  t.match(stdout, /answer +500 +INTERNAL_ERROR/)
})

test('explain: called wrongly it says how, and ends with 2; without a usable configuration with 1', async (t) => {
  const file = write(t)
  const wrong = async (method: string, url: string, more: Partial<ExplainOptions> = {}): Promise<string> => {
    const terminal = keepTerminal()
    t.equal(await explain({ method, url, headers: [], data: null, from: '127.0.0.1', file, environment: null, run: false, timeoutMs: 5_000, json: false, ...more }, terminal), 2)
    t.strictSame(terminal.out, [])
    return terminal.errors.join('\n')
  }
  t.equal(await wrong('G T', '/'), 'sluice: "G T" is not a method (write one like GET)')
  t.equal(await wrong('GET', 'shop.test/api'), 'sluice: "shop.test/api" is neither a URL nor a path (write "http://shop.test/api", or "/shop.test/api" for a path)')
  t.equal(await wrong('GET', ''), 'sluice: "" is neither a URL nor a path (write "http://host/path", or "/path")')
  t.equal(await wrong('GET', '/', { headers: ['nothing'] }), "sluice: \"nothing\" is not a header (write it like 'name: value')")
  t.equal(await wrong('GET', '/', { headers: ['a: b\r\nc: d'] }), 'sluice: the header a holds a line break (no request can carry one)')
  t.equal(await wrong('POST', '/', { headers: ['Content-Length: 5'] }), 'sluice: the header Content-Length follows from the body (leave it out, and give a body with --data)')
  t.match(await runCli(t, ['explain', 'GET', '/', '-f', 'missing.yaml']), { code: 1, stdout: '', stderr: /^missing\.yaml:1:1 .*there is no such file/ })
  const json = await runCli(t, ['explain', 'GET', '/', '--json', '-f', 'missing.yaml'])
  t.equal(json.code, 1)
  t.match(JSON.parse(json.stdout), { ok: false, findings: [{ position: { file: 'missing.yaml' } }] })
})

test('explain: as text for people, the shipped configuration', async (t) => {
  const { code, stdout, stderr } = await runCli(t, ['explain', 'GET', 'http://127.0.0.1:8080/echo/hello?x=1'])
  t.strictSame([code, stderr], [0, ''])
  t.strictSame(stdout.trimEnd().split('\n'), [
    'request   GET /echo/hello?x=1  host 127.0.0.1, from 127.0.0.1',
    'project   demo  host any, no basePath  gateway.config.yaml:17:3',
    'route     echo  /echo/*  gateway.config.yaml:22:9',
    '          * = hello',
    "pipeline   1 edge         security-headers  gateway.config.yaml:14:5  from the gateway's list",
    'forward   /hello?x=1  to echo: builtin:echo'
  ])
  const missing = await runCli(t, ['explain', 'GET', 'http://127.0.0.1:8080/ehco/hello'])
  t.match(missing.stdout, /^answer {4}404 NOT_FOUND {2}Nothing is served at this address\.\n {10}no route of the project matches; the closest is echo$/m)
})

test('explain: among many projects and routes the ones that come closest are shown, and the rest counted', async (t) => {
  const projects = Array.from({ length: 40 }, (_, n) => `  p${n}: { hosts: [ "tenant-${n}.example.com" ], routes: [ ${Array.from({ length: 20 }, (_, i) => `{ id: r${i}, match: { path: "/v1/r${i}" }, plugins: [ { respond: { body: hi } } ] }`).join(', ')} ] }`)
  const file = write(t, `projects:\n${projects.join('\n')}\n`)
  const lines = async (url: string): Promise<string[]> => {
    const terminal = keepTerminal()
    t.equal(await explain({ method: 'GET', url, headers: [], data: null, from: '127.0.0.1', file, environment: null, run: false, timeoutMs: 5_000, json: false }, terminal), 0)
    return terminal.out.map((line) => line.trim())
  }
  const served = await lines('http://tenant-7.example.com/v1/r3')
  t.equal(served.filter((line) => line.includes('host: is none of')).length, 5)
  t.ok(served.includes('and 34 more (--json has all)'), 'of 39 other projects')
  t.ok(served.includes('and 14 more (--json has all)'), 'of 19 other routes')
  const mistyped = await lines('http://tenat-31.example.com/v1/r3')
  t.match(mistyped[2], /^no match p31 /)
  t.match(mistyped.at(-1), /^no project has the host tenat-31\.example\.com; the closest is that of p31 /)
  const missing = await lines('http://tenant-7.example.com/v1/r33')
  t.match(missing.at(-1), /^no route of the project matches; the closest is r3/)
})

const CLOSING = `import { existsSync, writeFileSync } from 'node:fs'
import { Type, definePlugin } from 'sluice'
export default definePlugin({
  name: 'closing', stage: 'edge', config: Type.Object({ mark: Type.String() }, { additionalProperties: false }),
  create: ({ mark }) => ({ close () { writeFileSync(mark, 'closed') } })
})
`

test('explain: it leaves nothing under way, and closes the plugins that it created', async (t) => {
  const folder = tempDir(t)
  writeFileSync(join(folder, 'closing.ts'), CLOSING)
  const [file, mark] = [join(folder, 'gateway.config.yaml'), join(folder, 'mark')]
  writeFileSync(file, `projects: { a: { routes: [ { match: { path: / }, plugins: [ { use: ./closing.ts, config: { mark: "${mark}" } }, { respond: { body: hi } } ] } ] } }\n`)
  const config = await compileConfig({ file, environment: null, env: {}, log: SILENT, startBuiltins: false, operatorToken: null })
  const explanation = explainRequest(config, readAsked(parseAsked('GET', '/', [], null, '127.0.0.1'), config.gateway.policy))
  t.match(explanation, { project: 'a', pipeline: [{ plugin: 'closing' }, { plugin: 'respond' }] })
  t.equal(config.gateway.requests, 0)
  t.notOk(existsSync(mark))
  await config.close()
  t.ok(existsSync(mark))
})

import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { test, type Test } from 'tap'
import { readSecretValue } from '../../bin/admin-client/secret-value.js'
import { runHere, startCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

const TOKEN = 'sat_canary-8c1f-of-the-operator'

type CliResult = Awaited<ReturnType<typeof runHere>>

interface Asked { method: string, url: string, headers: IncomingHttpHeaders, body: unknown }
type Answer = [status: number, body: unknown, headers?: Record<string, string>]

/** An admin port that answers as told, and the command line that talks to it. */
async function adminPort (t: Test, answer: (asked: Asked) => Answer): Promise<{ asked: Asked[], url: string, home: string, sluice (...args: string[]): Promise<CliResult> }> {
  const asked: Asked[] = []
  const server = createServer(async (req, res) => {
    let text = ''
    for await (const chunk of req) text += String(chunk)
    const one = { method: req.method ?? '', url: req.url ?? '', headers: req.headers, body: text === '' ? null : JSON.parse(text) as unknown }
    asked.push(one)
    const [status, body, headers = {}] = answer(one)
    res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body === null ? '' : JSON.stringify(body))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const home = tempDir(t)
  return { asked, url, home, sluice: (...args) => runHere({ HOME: home, SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN }, args) }
}

/** An address at which nobody listens any more. */
async function closedPort (): Promise<string> {
  const server = createServer()
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => { server.close(resolve) })
  return `http://127.0.0.1:${port}`
}

const PROJECT = { project_id: 'shop', customer_id: 'local', target_url: 'http://127.0.0.1:9001', auth_type: 'api_key', active: true }

test('resource: lists as a table, with filters, sorting and pages, and as JSON', async (t) => {
  const page = { data: [PROJECT, { ...PROJECT, project_id: 'a\u001b[2Jb', target_url: null }], pagination: { page: 2, perPage: 2, total: 5, totalPages: 3, next: null } }
  const { sluice, asked } = await adminPort(t, () => [200, page])
  const listed = await sluice('project', 'list', '--filter', 'active=true', '--sort', '-created_at,project_id', '--page', '2', '--per-page', '2', '--account', 'acme')
  t.strictSame([listed.code, listed.stderr], [0, 'page 2 of 3, 5 in all\n'])
  t.strictSame(listed.stdout.split('\n'), [
    'project_id  target_url             auth_type  active  customer_id',
    'shop        http://127.0.0.1:9001  api_key    true    local',
    'a\\x1b[2Jb   -                      api_key    true    local',
    ''
  ])
  t.match(asked[0], { method: 'GET', url: '/admin/projects?page=2&perPage=2&active=true&sort=created_at%2Cproject_id&order=desc%2Casc&customer_id=acme', headers: { authorization: `Bearer ${TOKEN}` } })
  t.strictSame(JSON.parse((await sluice('project', 'list', '--json')).stdout), page)
})

test('resource: creates from fields, and changes only what it has seen', async (t) => {
  const { sluice, asked } = await adminPort(t, ({ method }) => [method === 'POST' ? 201 : 200, PROJECT, { etag: '"7"' }])
  const made = await sluice('project', 'create', 'target_url=http://127.0.0.1:9001', 'active=true', 'note:=true', 'limits={"requests":"5/s"}')
  t.match(made, { code: 0, stdout: /^project_id {3}shop\ncustomer_id {2}local\n/ })
  t.strictSame(asked[0]?.body, { target_url: 'http://127.0.0.1:9001', active: true, note: 'true', limits: { requests: '5/s' } })
  t.match(await sluice('project', 'update', 'a/b', 'active=false'), { code: 0 })
  t.match(asked.slice(1), [{ method: 'GET', url: '/admin/projects/a%2Fb' }, { method: 'PATCH', url: '/admin/projects/a%2Fb', headers: { 'if-match': '"7"' }, body: { active: false } }])
  t.match(await sluice('project', 'create', 'Target'), { code: 2, stderr: 'sluice: "Target" is not a field (write name=value)\n' })
  t.match(await sluice('project', 'create', 'a=1', 'a=2'), { code: 2, stderr: /a stands twice/ })
  t.equal(asked.length, 3)
})

test('resource: asks before something is lost, and without anybody to ask wants --yes', async (t) => {
  const { sluice, asked } = await adminPort(t, () => [204, null])
  t.match(await sluice('key', 'revoke', 'k1'), { code: 2, stderr: /revoke key k1: requests with it are refused at once, and nobody is there to be asked \(say --yes/ })
  t.match(await sluice('project', 'delete', 'shop'), { code: 2 })
  t.equal(asked.length, 0)
  t.match(await sluice('key', 'revoke', 'k1', '--yes'), { code: 0, stderr: 'done\n' })
  t.match(await sluice('key', 'rotate', 'k2', 'overlap=24h'), { code: 0 })
  t.match(asked, [{ method: 'DELETE', url: '/admin/api-keys/k1' }, { method: 'POST', url: '/admin/api-keys/k2/rotate', body: { overlap: '24h' } }])
})

test('resource: audit verify ends with 1 where the trail was tampered with, and says where', async (t) => {
  let fault: unknown = null
  const { sluice } = await adminPort(t, ({ url }) => url === '/admin/audit/verify' ? [200, { entries: 7, head: 'ab', fault }] : [404, {}])
  t.match(await sluice('audit', 'verify'), { code: 0, stdout: '7 records, none missing and none changed\n', stderr: '' })
  fault = { seq: 5, problem: 'missing' }
  t.match(await sluice('audit', 'verify'), { code: 1, stdout: '', stderr: /^sluice: record 5 of the audit trail is missing \(compare it/ })
  const told = await sluice('audit', 'verify', '--json')
  t.strictSame([told.code, JSON.parse(told.stdout)], [1, { entries: 7, head: 'ab', fault }])
})

test("resource: what the API refuses is told in its words, with what to do", async (t) => {
  const refusals = new Map<string, Answer>([
    ['/admin/plans/a', [412, { error: { code: 'PRECONDITION_FAILED', message: 'It is another revision.', requestId: 'r1' } }]],
    ['/admin/plans/b', [400, { error: { code: 'VALIDATION_ERROR', message: 'The request is not valid.', details: { findings: ['limits: must be an object'] }, requestId: 'r2' } }]],
    ['/admin/plans/f', [400, { error: { code: 'VALIDATION_ERROR', message: 'nam is not known here.', details: { fields: [{ path: 'nam', message: 'is not known here', known: ['name', 'limits'] }, { path: 'x', message: 'is empty' }] } } }]],
    ['/admin/plans/c', [302, null, { location: 'http://127.0.0.1:1/' }]],
    ['/admin/plans/d', [502, 'not JSON of ours']]
  ])
  const { sluice } = await adminPort(t, (asked) => refusals.get(asked.url) ?? [404, {}])
  t.match(await sluice('plan', 'get', 'a'), { code: 1, stdout: '', stderr: 'sluice: It is another revision. [412 PRECONDITION_FAILED, request r1] (somebody changed it meanwhile: look at it, and try again)\n' })
  t.match(await sluice('plan', 'get', 'f'), { code: 1, stderr: 'sluice: nam is not known here. [400 VALIDATION_ERROR]; known in the place of nam: name, limits\n' })
  t.match(await sluice('plan', 'get', 'b'), { code: 1, stderr: 'sluice: The request is not valid. [400 VALIDATION_ERROR, request r2]; limits: must be an object\n' })
  t.match(await sluice('plan', 'get', 'c'), { code: 1, stderr: 'sluice: the gateway answered 302\n' }, 'the token follows no redirect')
  t.match(await sluice('plan', 'get', 'd'), { code: 1, stderr: 'sluice: the gateway answered 502\n' })
  t.match(JSON.parse((await sluice('plan', 'get', 'a', '--json')).stdout), { ok: false, findings: [{ message: /another revision/ }] })
  t.match(await sluice('plan', 'get', 'a', '--url', await closedPort()), { code: 1, stderr: /does not answer: ECONNREFUSED \(start the gateway/ })
})

test('connection: profiles name gateways, and tokens come from files that nobody else reads', async (t) => {
  const { url, home, asked } = await adminPort(t, () => [200, { data: [], pagination: { page: 1, perPage: 20, total: 0, totalPages: 0, next: null } }])
  mkdirSync(join(home, '.config', 'sluice'), { recursive: true })
  const token = join(home, 'token')
  writeFileSync(token, 'sat_of-the-file-0123456789\n', { mode: 0o600 })
  writeFileSync(join(home, '.config', 'sluice', 'profiles.yaml'), `staging: { url: "${url}/", token_file: ~/token }\nodd: { url: "${url}", token: secret }\n`)
  const sluice = (env: Record<string, string>, ...args: string[]): Promise<CliResult> => runHere({ HOME: home, ...env }, args)
  t.match(await sluice({}, 'team', 'list', '--profile', 'staging'), { code: 0, stderr: 'none\n' })
  t.match(await sluice({ SLUICE_PROFILE: 'staging', SLUICE_ADMIN_TOKEN: TOKEN }, 'team', 'list'), { code: 0 })
  t.match(asked.map(({ headers }) => headers.authorization), ['Bearer sat_of-the-file-0123456789', 'Bearer sat_of-the-file-0123456789'], "a profile's token is for its gateway")
  t.match(await sluice({}, 'team', 'list'), { code: 1, stderr: /there is no token for the admin API \(set SLUICE_ADMIN_TOKEN/ })
  t.match(await sluice({}, 'team', 'list', '--profile', 'prod'), { code: 1, stderr: /has no profile "prod" \(it has staging, odd\)/ })
  const odd = await sluice({}, 'team', 'list', '--profile', 'odd')
  t.match(odd, { code: 1, stderr: /is not understood/ })
  t.notMatch(odd.stderr, 'secret')
  t.match(await sluice({ SLUICE_ADMIN_TOKEN: TOKEN }, 'team', 'list', '--url', 'http://u:p@127.0.0.1'), { code: 1, stderr: /http or https/ })
  chmodSync(token, 0o644)
  t.match(await sluice({}, 'team', 'list', '--profile', 'staging'), { code: 1, stderr: /is open to others \(chmod 600/ })
})

test('find-project: the project is the named one, the environment\'s, the profile\'s, or the only one that the token sees', async (t) => {
  let projects = ['only']
  const { url, home, asked } = await adminPort(t, ({ url: path }) => path.startsWith('/admin/projects?')
    ? [200, { data: projects.slice(0, 5).map((id) => ({ project_id: id })), pagination: { total: projects.length } }]
    : [200, { data: [], pagination: { page: 1, perPage: 20, total: 0, totalPages: 0, next: null } }])
  mkdirSync(join(home, '.config', 'sluice'), { recursive: true })
  writeFileSync(join(home, '.config', 'sluice', 'profiles.yaml'), 'default: { project: usual }\nother: { project: [ a ] }\nnone: {}\n')
  const base = { HOME: home, SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN, SLUICE_PROFILE: 'none' }
  const asks = async (env: Record<string, string>, ...args: string[]): Promise<string | null> => {
    const { code, stderr } = await runHere({ ...base, ...env }, ['versions', ...args])
    if (code !== 0) throw new Error(stderr)
    return new URL(asked.at(-1)?.url ?? '', url).searchParams.get('project_id')
  }
  t.equal(await asks({ SLUICE_PROJECT: 'env', SLUICE_PROFILE: 'default' }, '--project', 'given'), 'given')
  t.equal(await asks({ SLUICE_PROJECT: 'env' }, '-p', 'given'), 'given')
  t.equal(await asks({ SLUICE_PROJECT: 'env' }, 'given'), 'given')
  t.equal(await asks({ SLUICE_PROJECT: 'env', SLUICE_PROFILE: 'default' }), 'env')
  t.equal(await asks({ SLUICE_PROJECT: '', SLUICE_PROFILE: 'default' }), 'usual')
  t.equal(await asks({}), 'only')
  const last = asked.length
  for (const [those, stderr] of [
    [[], /this token sees no project of the store \(make one/],
    [['a', 'b'], /there are 2 projects, and nothing says which is meant \(add --project, set SLUICE_PROJECT, or give your profile a project; there are a, b\)/],
    [['a', 'b', 'c', 'd', 'e', 'f'], /there are 6 projects[^]*a, b, c, d, e, …/]
  ] as const) {
    projects = [...those]
    for (const args of [['versions'], ['diff', '1', '2'], ['rollback', '1']]) t.match(await runHere(base, args), { code: 1, stdout: '', stderr })
  }
  t.ok(asked.slice(last).every(({ method, url: path }) => method === 'GET' && path.startsWith('/admin/projects?')), 'and nothing else was asked for')
  t.match(await runHere({ ...base, SLUICE_PROFILE: 'other' }, ['versions']), { code: 1, stderr: /is not understood/ })
})

test('resource: the value of a secret comes from a file, the environment or standard input, and never from the command line', async (t) => {
  const canary = 'canary-of-a-secret'
  const { sluice, asked, home, url } = await adminPort(t, ({ method }) => [method === 'POST' ? 201 : 200, { secret_id: 's1', name: 'TOKEN', version: 1 }, { etag: '"3"' }])
  const file = join(home, 'value')
  writeFileSync(file, `-----BEGIN X-----\n${canary}\n\r\n`)
  t.match(await sluice('secret', 'create', 'name=TOKEN', 'project_id=shop', '--value-file', file), { code: 0, stdout: /^secret_id {2}s1/ })
  t.strictSame(asked[0]?.body, { name: 'TOKEN', project_id: 'shop', value: `-----BEGIN X-----\n${canary}\n` }, 'less one line end')
  const env = { HOME: home, SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN, THE_VALUE: ` ${canary} ` }
  t.match(await runHere(env, ['secret', 'update', 's1', '--value-env', 'THE_VALUE']), { code: 0 })
  t.match(asked.slice(1), [{ method: 'GET', url: '/admin/secrets/s1' }, { method: 'PATCH', headers: { 'if-match': '"3"' }, body: { value: ` ${canary} ` } }])
  const piped = startCli(t, ['secret', 'update', 's1'], { env })
  piped.stdin.end(`${canary}\n`)
  t.strictSame((await once(piped, 'close'))[0], 0)
  t.strictSame(asked.at(-1)?.body, { value: canary })
  const count = asked.length
  writeFileSync(join(home, 'empty'), '\n')
  writeFileSync(join(home, 'binary'), Buffer.from([0xff, 0xfe, 0x00]))
  const wrong: [string[], RegExp][] = [
    [[`value=${canary}`], /does not stand on the command line/], [['--value-env', 'NOT_SET'], /NOT_SET is not set/], [['--value-env', 'HOME', '--value-file', file], /keep one/],
    [['--value-file', join(home, 'none')], /none/], [['--value-file', join(home, 'empty')], /is empty/], [['--value-file', join(home, 'binary')], /no UTF-8/]
  ]
  for (const [args, message] of wrong) {
    const refused = await sluice('secret', 'create', 'name=X', ...args)
    t.ok(refused.code !== 0 && message.test(refused.stderr), `${args.join(' ')}: ${refused.stderr}`)
    t.notMatch(refused.stderr, canary)
  }
  t.equal(asked.length, count, 'nothing is sent')
  await t.rejects(readSecretValue({}, {}, Object.assign(Readable.from([]), { isTTY: true })), { message: 'there is no value' }, 'a terminal is not waited for')
})

import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'tap'
import { ask } from '../../fixtures/ask.js'
import { runCli } from '../../fixtures/cli.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { createUpstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'

function config (more = ''): string {
  return `
listen: { host: 127.0.0.1, port: 0, health: [ /p/shop/health ] }
admin: { port: 0 }
accessLog: { file: ./access.log }
baseDomain: gate.example
projectPaths: true
state: { embedded: { path: ./data } }
projects:
  declared:
    hosts: [ declared.example, "*.files.example" ]
    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: declared } } ] } ]
  rest:
    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: rest } } ] } ]
${more}`
}

test('project paths: a project of the store is reached below the prefix, with that taken off, and shadows nothing of files', async (t) => {
  const upstream = await createUpstream((req, res) => {
    if (req.url?.endsWith('/moved') === true) res.writeHead(302, { location: `http://${req.headers.host ?? ''}/base/login?next=1` })
    res.end(`${req.method} ${req.url} ${String(req.headers['x-forwarded-prefix'])} ${String(req.headers['x-api-key'])}`)
  })
  t.teardown(() => upstream.close())
  const directory = t.testdir({ 'gateway.yaml': config() })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const admin = `http://127.0.0.1:${await sluice.port('admin')}`
  const post = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const answer = await fetch(admin + path, { method: 'POST', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify(body) })
    t.equal(answer.status, 201)
    return await answer.json() as Record<string, unknown>
  }
  const get = async (path: string, host = '127.0.0.1', headers: Record<string, string> = {}): Promise<string> => {
    const { status, text } = await ask(port, path, { headers: { host, ...headers } })
    return status === 200 ? text : String(status)
  }
  await post('/admin/projects', { project_id: 'shop', target_url: `${upstream.url}/base`, auth_type: 'api_key' })
  await post('/admin/projects', { project_id: 'open', target_url: upstream.url, auth_type: 'none' })
  const { api_key: key } = await post('/admin/api-keys', { project_id: 'shop' })
  const headers = { 'x-api-key': String(key) }
  while (await get('/p/shop/a', undefined, headers) === '404' || await get('/p/open') === '404');

  t.equal(await get('/p/shop/a//b?x=1&y', undefined, headers), 'GET /base/a/b?x=1&y /p/shop undefined')
  const moved = async (path: string, host: string): Promise<string | undefined> => (await ask(port, path, { headers: { host, ...headers } })).headers.location
  t.equal(await moved('/p/shop/moved', '127.0.0.1'), '/p/shop/login?next=1', 'a redirect to the target leads below the prefix')
  t.equal(await moved('/moved', 'shop.gate.example'), `${upstream.url}/base/login?next=1`, 'under its own host it is as the upstream says it')
  t.equal(await get('/p/shop', undefined, headers), 'GET /base/ /p/shop undefined')
  t.equal(await get('/p/shop/a'), '401', 'its plugins stand before it there too')
  t.equal(await get('/p/open/../shop/a'), '401', 'the path is in its normal form before it is looked at')
  t.equal(await get('/p/open/a', undefined, { 'x-forwarded-prefix': '/forged' }), 'GET /a /p/open undefined', 'nobody else says what was taken off')
  t.equal(await get('/a', 'shop.gate.example', headers), 'GET /base/a undefined undefined', 'under its own host nothing is taken off')
  t.equal(await get('/p/shop/health'), (await (await fetch(`http://127.0.0.1:${port}/p/shop/health`)).text()), 'the gateway\'s own paths go first')
  t.not(await get('/p/shop/health'), '401')

  t.same([await get('/p/none/a'), await get('/p'), await get('/p/declared/a')], ['404', '404', '404'], 'the prefix is nobody else\'s, and what files declare is not reached by it')
  t.same([await get('/a'), await get('/px/shop/a')], ['rest', 'rest'])
  t.same([await get('/p/open/a', 'declared.example'), await get('/p/open/a', 'a.files.example')], ['declared', 'declared'], 'hosts of files are theirs')
  t.equal(await get('/p/open/a', 'shop.gate.example', headers), 'GET /base/p/open/a undefined undefined', 'and those of other tenants')

  sluice.kill('SIGTERM')
  await sluice.exited
  const logged = readFileSync(`${directory}/access.log`, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as { path: string, project: string | null })
  t.ok(logged.some(({ path, project }) => path === '/p/shop/a/b' && project === 'shop'), 'the access log has the path as it was asked for')
})

test('project paths: a file\'s route that would be lost is refused, and explain tells why nothing of files is served there', async (t) => {
  const directory = t.testdir({ 'gateway.yaml': config('  lost: { basePath: /p/mine, routes: [ { match: { path: "/a" }, plugins: [ { respond: { body: x } } ] } ] }\n') })
  const file = `${directory}/gateway.yaml`
  t.match(await runCli(t, ['check', file]), { code: 1, stdout: /projects\.lost\.basePath: below "\/p" projects of the store are served \(projectPaths\)/ })
  writeFileSync(file, config())
  t.match(await runCli(t, ['explain', 'GET', 'http://127.0.0.1/p/shop/a', '--file', file]), { stdout: /rest +path: projects of the store are served below \/p \(projectPaths\)/ })
  writeFileSync(file, config().replace('projectPaths: true', 'projectPaths: p/'))
  t.match(await runCli(t, ['check', file]), { code: 1, stdout: /projectPaths/ })
})

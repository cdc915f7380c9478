import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadKeyRing } from '../../../core/state/key-ring-source.js'
import { ask } from '../../fixtures/ask.js'
import { runCli, runHere } from '../../fixtures/cli.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'a-token-of-some-length'
const project = (body: string, more = ''): string => `projects:\n  shop:\n    routes: [ { id: hello, match: { path: /hello }, plugins: [ { respond: { body: ${body} } } ]${more} } ]\n`

test('versions: are listed, compared and brought back from the command line, and every worker serves what was brought back', async (t) => {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nworkers: 2\nprojects: {}\n')
  const sluice = startSluice(t, ['start', '-c', config, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const env = { SLUICE_ADMIN_URL: `http://127.0.0.1:${await sluice.port('admin')}`, SLUICE_ADMIN_TOKEN: TOKEN }
  const cli = (...args: string[]): ReturnType<typeof runHere> => runHere(env, args)
  const file = join(folder, 'shop.yaml')
  // Connections go to the workers in turn.
  const served = async (text: string): Promise<void> => {
    for (let together = 0; together < 20;) together = (await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text === text ? together + 1 : 0
  }
  for (const [body, comment] of [['one', 'the first'], ['two', 'better']] as const) {
    writeFileSync(file, project(body))
    t.match(await cli('apply', file, '--yes', '--comment', comment), { code: 0 })
    await served(body)
  }
  t.match(await cli('diff'), { code: 2, stdout: 'project shop, version 1 to current: 1 change, 1 route affected: hello\n  ~ routes.hello.plugins.respond.respond.body: "one" -> "two"\n' })
  const painted = await cli('diff', '--color')
  t.equal(painted.stdout, '\x1b[1mproject shop, version 1 to current\x1b[22m: 1 change, 1 route affected: hello\n\x1b[33m  ~ routes.hello.plugins.respond.respond.body: "one" -> "two"\x1b[39m\n')
  t.match(await cli('versions'), { code: 0, stdout: /^version {2}current {2}created_at +author +comment\n2 +yes +20\S+Z +operator +better\n1 +20\S+Z +operator +the first\n$/ })
  t.match(JSON.parse((await cli('versions', 'shop', '--json', '--per-page', '1')).stdout), { data: [{ version: 2, current: true }], pagination: { total: 2 } })

  const at = performance.now()
  t.match(await cli('rollback', '1', '--comment', 'two was worse'), { code: 0, stdout: 'project shop is what it was in version 1, as version 3\n' })
  await served('one')
  t.ok(performance.now() - at < 2_000, `both workers serve it after ${(performance.now() - at).toFixed(0)} ms`)
  t.match(await cli('rollback', '1', '--project', 'shop'), { code: 0, stdout: 'project shop is what it was in version 1 already\n' })
  t.match(await cli('diff', '1'), { code: 0, stdout: 'project shop, version 1 to current: no difference\n' })
  t.match(JSON.parse((await cli('diff', '1', '2', '--json')).stdout), { ok: true, from: 'version 1', to: 'version 2', changes: [{ kind: 'changed', before: 'one', after: 'two' }], affectedRoutes: ['hello'] })

  t.match(await cli('diff', '2', file), { code: 0, stdout: `project shop, version 2 to ${file}: no difference\n` })
  writeFileSync(file, project('two', ', upgradeIdle: 2h'))
  t.match(await cli('diff', '2', file), { code: 2, stdout: /~ routes\.hello\.upgradeIdle: "1h" -> "2h"/ })
  t.match(await cli('diff', file, 'current'), { code: 2, stdout: /upgradeIdle: "2h" -> "1h"/ })

  const refused: [args: string[], code: number, stderr: RegExp][] = [
    [['rollback', '9'], 1, /There is no such version/], [['rollback', '1', '-p', 'nothing'], 1, /There is no such project/], [['rollback', 'first'], 2, /"first" is not a version/],
    [['versions', 'nothing'], 1, /There is no such project/], [['diff', '9'], 1, /There is no such version/], [['diff', 'current', file, '-p', 'other'], 1, /no project "other"/], [['diff', './nowhere.yaml'], 1, /nowhere\.yaml" is neither a version/],
    [['diff', 'shop', '3'], 1, /"shop" is neither a version, nor `current`, nor a file \([^)]*--project\)/], [['diff', '1', '2', '3'], 1, /too many arguments/], [['diff', '--colour'], 1, /unknown option/], [['rollback', 'shop', '1'], 2, /too many arguments/],
    [['versions', 'shop', '-p', 'other'], 2, /two projects are named/]
  ]
  for (const [args, code, stderr] of refused) t.match(await cli(...args), { code, stdout: '', stderr }, args.join(' '))
  t.match(await runCli(t, ['rollback'], { env }), { code: 2, stderr: /missing required argument 'n'/ })
  t.match(await runCli(t, ['diff', '--help'], { env }), { code: 0, stdout: /sluice diff 3 shop\.yaml[^]*Exit codes: 0 no difference/ })
})

const { url, skip } = service('mongodb')

test('versions: of two gateways on one MongoDB that change a project at once each number is one\'s, and either brings one back for both', { skip }, async (t) => {
  const folder = tempDir(t)
  const keyRing = join(folder, 'keys.json')
  loadKeyRing({ text: undefined, file: keyRing, make: true })
  const database = mongoDatabase(t, url ?? '')
  const nodes = await Promise.all(['one', 'other'].map(async (name) => {
    const config = join(folder, `${name}.yaml`)
    writeFileSync(config, `listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nstate: { mongodb: { url: "${url ?? ''}/${database}" }, keyRing: "${keyRing}" }\nprojects: {}\n`)
    const sluice = startSluice(t, ['start', '-c', config, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
    return { port: await sluice.port('data'), admin: `http://127.0.0.1:${await sluice.port('admin')}` }
  }))
  const send = (node: number, method: string, path: string, body?: object, headers: Record<string, string> = {}): Promise<Response> =>
    fetch(`${nodes[node]!.admin}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
  const config = (body: string): object => ({ routes: [{ id: 'hello', match: { path: '/hello' }, plugins: [{ respond: { body } }] }] })
  t.equal((await send(0, 'PUT', '/admin/projects/shop/config', config('first'), { 'if-none-match': '*' })).status, 201)
  const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => send(n % 2, 'PUT', '/admin/projects/shop/config', config(`change ${n}`))))
  const won = answers.filter(({ status }) => status === 200).length
  t.ok(won >= 2 && answers.every(({ status }) => status === 200 || status === 409), answers.map(({ status }) => status).join(' '))
  for (const node of [0, 1]) {
    const { data } = await (await send(node, 'GET', '/admin/config?project_id=shop&perPage=100')).json() as { data: { version: number }[] }
    t.same(data.map(({ version }) => version), Array.from({ length: won + 1 }, (_, index) => won + 1 - index), 'no number twice, none left out')
  }
  const at = performance.now()
  t.match(await (await send(1, 'POST', '/admin/projects/shop/rollback', { version: 1 })).json(), { config_version: won + 2 })
  for (const { port } of nodes) while ((await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text !== 'first');
  t.ok(performance.now() - at < 5_000, `both serve it after ${(performance.now() - at).toFixed(0)} ms`)
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { runCli } from '../../fixtures/cli.js'
import { ask } from '../../fixtures/ask.js'
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

test('plan and apply: what is written becomes what is served, a second plan is empty, and only what differs is told', async (t) => {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nprojects: {}\n')
  const sluice = startSluice(t, ['start', '-c', config, '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const env = { SLUICE_ADMIN_URL: `http://127.0.0.1:${await sluice.port('admin')}`, SLUICE_ADMIN_TOKEN: TOKEN }
  const projects = join(folder, 'projects')
  mkdirSync(projects)
  const file = join(projects, 'shop.yaml')
  writeFileSync(file, SHOP)
  const cli = (...args: string[]): ReturnType<typeof runCli> => runCli(t, args, { env })

  t.match(await cli('plan', projects), { code: 2, stdout: /^project shop: new, 2 routes affected: api, hello\n[^]*1 project to change, 0 as they are\n$/ })
  t.match(await cli('apply', projects), { code: 2, stderr: /nothing was changed \(say --yes/ })
  t.match(await cli('apply', projects, '--yes'), { code: 0, stderr: /1 of 1: shop is applied/ })
  while ((await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text !== 'first');
  t.match(await cli('plan', projects), { code: 0, stdout: 'nothing to change\n' })

  t.match(await cli('plan', file, '--env', 'staging'), { code: 2, stdout: /^project shop: 1 change, 1 route affected: api\n {2}[+~] upstreams\.api\.timeouts/ })
  writeFileSync(file, SHOP.replace('first', 'second'))
  t.match(JSON.parse((await cli('plan', file, '--json')).stdout), { ok: true, projects: [{ project: 'shop', action: 'change', changes: [{ path: ['routes', 'hello', 'plugins', 'respond', 'respond', 'body'], kind: 'changed' }], affectedRoutes: ['hello'] }] })
  t.match(await cli('apply', file, '--yes'), { code: 0 })
  while ((await ask(port, '/hello', { headers: { host: 'shop.localhost' } })).text !== 'second');
  t.match(await cli('plan', file), { code: 0 })

  writeFileSync(file, SHOP.replace('upstream: api', 'upstream: nope'))
  t.match(await cli('plan', file), { code: 1, stderr: /nope/ }, 'what the gateway would refuse is told by the plan')
  writeFileSync(file, 'projects: { shop: [ }\n')
  t.match(await cli('plan', file), { code: 1, stderr: /shop\.yaml:1:\d+/ })
})

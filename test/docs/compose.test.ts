import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { parse } from 'yaml'
import { loadConfig } from '../../core/config/load.js'
import { buildRegistry } from '../../core/config/registry.js'
import { plugins } from '../../plugins/index.js'
import { REPOSITORY, runCli } from '../fixtures/cli.js'
import { mongoDatabase } from '../fixtures/mongo-database.js'
import { sendRaw } from '../fixtures/raw-client.js'
import { service } from '../fixtures/services.js'
import { startSluice } from '../fixtures/sluice-process.js'
import { tempDir } from '../fixtures/temp-dir.js'

interface Service {
  readonly image?: string
  readonly build?: string
  readonly user?: string
  readonly command?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly healthcheck?: { readonly test: readonly string[] }
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly stop_grace_period?: string
}

const mongodb = service('mongodb')
const { services, volumes } = parse(readFileSync(join(REPOSITORY, 'compose.yaml'), 'utf8'), { merge: true }) as { services: Readonly<Record<string, Service>>, volumes: Readonly<Record<string, unknown>> }
const gateways = Object.entries(services).filter(([name]) => name.startsWith('gateway-'))
const mountOf = ({ volumes: mounts = [] }: Service, at: string): string | undefined => mounts.find((one) => one.split(':')[1] === at)?.split(':')[0]

test('compose.yaml: two gateways share a MongoDB, a Redis, a configuration, a key ring and a token, and nothing else', (t) => {
  t.equal(gateways.length, 2)
  const [one, other] = gateways.map(([, gateway]) => gateway) as [Service, Service]
  t.same(one.environment, other.environment)
  for (const { build, depends_on: needs, stop_grace_period: grace } of [one, other]) {
    t.equal(build, '.')
    t.same(needs, { mongo: { condition: 'service_healthy' }, redis: { condition: 'service_healthy' }, secrets: { condition: 'service_completed_successfully' } })
    t.ok(Number.parseInt(grace ?? '', 10) > 30, 'longer than stop.timeout')
  }
  const config = mountOf(one, '/app/gateway.config.yaml')
  t.equal(config, mountOf(other, '/app/gateway.config.yaml'))
  t.ok(existsSync(join(REPOSITORY, config ?? '')))
  const data = [mountOf(one, '/app/data'), mountOf(other, '/app/data')]
  t.not(data[0], data[1], 'each has a folder of its own')
  t.same([mountOf(services['secrets']!, '/one'), mountOf(services['secrets']!, '/two')], data, 'in which the same key ring and token are laid')
  for (const [name, { volumes: mounts = [], healthcheck, image }] of Object.entries(services)) {
    for (const mount of mounts) if (!mount.startsWith('.')) t.ok(Object.hasOwn(volumes, mount.split(':')[0] ?? ''), `${name}: ${mount} is declared`)
    if (image !== undefined) t.ok((healthcheck?.test.length ?? 0) > 1, `${name} tells whether it is healthy`)
  }
  const published = Object.values(services).flatMap(({ ports = [] }) => ports)
  t.ok(published.every((port) => /^127\.0\.0\.1:\d+:\d+$/.test(port)), 'on loopback alone')
  t.equal(new Set(published.map((port) => port.split(':')[1])).size, published.length, 'each port once')
  const mongo = new URL(one.environment?.['MONGODB_URL'] ?? '')
  t.ok(Object.hasOwn(services, mongo.hostname) && Object.hasOwn(services, new URL(one.environment?.['REDIS_URL'] ?? '').hostname))
  t.ok(services['mongo']?.command?.join(' ').includes(`--replSet ${mongo.searchParams.get('replicaSet') ?? '?'}`), 'the replica set that the gateways name')
  t.end()
})

test('compose.yaml: the configuration of its gateways is a good one, and names what it starts', async (t) => {
  const environment = gateways[0]?.[1].environment ?? {}
  const { findings, root } = await loadConfig({ file: join(REPOSITORY, 'compose.gateway.yaml'), env: { ...environment, SLUICE_HOST: '0.0.0.0' }, registry: buildRegistry(plugins), loadAuthorPlugin: async (file) => { throw new Error(file) } })
  t.same(findings, [])
  t.match(root, { listen: { host: '0.0.0.0', port: 8080 }, admin: { host: '0.0.0.0', port: 8081 }, state: { kind: 'mongodb', url: environment['MONGODB_URL'] }, counters: { kind: 'redis', url: environment['REDIS_URL'] } })
})

test('compose.yaml: its two gateways, started as it says, serve what each other was told', { skip: mongodb.skip }, async (t) => {
  t.setTimeout(60_000)
  const home = tempDir(t)
  for (const name of ['one', 'two']) mkdirSync(join(home, name, 'data'), { recursive: true })
  const { command: [script = ''] = [] } = services['secrets'] ?? {}
  // The same script, for folders of this machine and without giving files to a user of the image.
  const here = script.replaceAll(/\/(one|two)\b/g, (_, name: string) => `${home}/${name}/data`).replace(/^chown.*$/m, '').replace('node dist/bin/sluice.js', `"${process.execPath}" "${join(REPOSITORY, 'dist/bin/sluice.js')}"`)
  for (let again = 0; again < 2; again++) t.match(spawnSync('sh', ['-euc', here], { cwd: home, encoding: 'utf8' }), { status: 0 }, 'the script makes them once')
  const token = readFileSync(join(home, 'one/data/admin-token'), 'utf8').trim()
  for (const file of ['keys.json', 'admin-token']) t.equal(readFileSync(join(home, 'two/data', file), 'utf8'), readFileSync(join(home, 'one/data', file), 'utf8'))

  const env = { MONGODB_URL: `${mongodb.url ?? ''}/${mongoDatabase(t, mongodb.url ?? '')}`, REDIS_URL: 'redis://127.0.0.1:1', SLUICE_ADMIN_PORT: '0' }
  const nodes = await Promise.all(['one', 'two'].map(async (name) => {
    copyFileSync(join(REPOSITORY, 'compose.gateway.yaml'), join(home, name, 'gateway.config.yaml'))
    const sluice = startSluice(t, ['start', '--json', '--port', '0'], { cwd: join(home, name), env })
    return { data: await sluice.port('data'), admin: await sluice.port('admin') }
  }))
  const [one, two] = nodes as [typeof nodes[0], typeof nodes[0]]
  const ask = async (port: number, host: string, path: string, headers = ''): Promise<number> => (await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`, { settleMs: 0 })).responses[0]?.status ?? 0
  for (const { data } of nodes) t.equal(await ask(data, '127.0.0.1', '/echo/hello?x=1'), 200)
  const answer = await fetch(`http://127.0.0.1:${one.admin}/`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' }, body: '{ "target_url": "http://127.0.0.1:9" }' })
  t.equal(answer.status, 201)
  const { project, api_key: key } = await answer.json() as { project: { project_id: string }, api_key: string }
  const from = performance.now()
  while (await ask(two.data, `${project.project_id}.localhost`, '/') !== 401 && performance.now() - from < 5_000);
  t.equal(await ask(two.data, `${project.project_id}.localhost`, '/'), 401, 'the second serves it')
  t.equal(await ask(two.data, `${project.project_id}.localhost`, '/', `X-API-Key: ${key}\r\n`), 502, 'and takes its key: nobody is behind it')
  t.match(await runCli(t, ['project', 'get', project.project_id, '--json', '--url', `http://127.0.0.1:${two.admin}`], { env: { SLUICE_ADMIN_TOKEN: token } }), { code: 0 })
})

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { mainThreadCpuMs, watchTurns } from '../../../bench/lib/thread-cpu.js'
import { createConfigLoader } from '../../../core/config/loader.js'
import { ConfigError } from '../../../core/errors.js'
import { Gateway } from '../../../core/gateway.js'
import { createMetrics } from '../../../core/observe/metrics.js'
import { plugins } from '../../../plugins/index.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const PROJECTS = 10_000
const PER_FILE = 100
const ROUTES = 10

/** One file of projects; what its upstreams wait for tells versions apart. */
function fileText (file: number, versions: readonly number[]): string {
  return `projects:\n${versions.map((version, i) => {
    const name = `p${file * PER_FILE + i}`
    const routes = Array.from({ length: ROUTES }, (_, route) => `      - { id: r${route}, match: { path: "/v${route}/items/:id/*", methods: [ GET, POST ] }, upstream: main }\n`).join('')
    return `  ${name}:
    hosts: [ ${name}.example.com ]
    upstreams: { main: { targets: [ "http://127.0.0.1:9001" ], timeouts: { headers: ${version + 10}s } } }
    plugins: [ cors: { origins: [ "https://${name}.example.com" ] } ]
    routes:
${routes}`
  }).join('')}`
}

test('scale: 10 000 projects of 10 routes load, and one that changes is compiled alone, without holding up the others', async (t) => {
  const directory = tempDir(t)
  const files = PROJECTS / PER_FILE
  mkdirSync(join(directory, 'projects'))
  const file = join(directory, 'gateway.yaml')
  writeFileSync(file, 'plugins: [ security-headers ]\ninclude: [ "projects/*.yaml" ]\n')
  const versions = Array.from({ length: files }, () => new Array<number>(PER_FILE).fill(0))
  const write = (index: number): void => { writeFileSync(join(directory, 'projects', `${index}.yaml`), fileText(index, versions[index] as number[])) }
  for (let index = 0; index < files; index++) write(index)

  const silent = { debug () {}, info () {}, warn () {}, error () {} }
  const metrics = createMetrics({ buckets: [0.1, 1] })
  const gateway = new Gateway({ registry: new Map(plugins.map((plugin) => [plugin.name, plugin])), log: silent, accessLog: null, metrics })
  const loader = createConfigLoader({ workerUrl: new URL('../../../bin/config-worker.js', import.meta.url), file, environment: null, env: {} })
  t.teardown(async () => { await loader.close(); await gateway.close(); metrics.close() })

  const reload = async (): Promise<{ compiled: number, removed: number, wallMs: number, applyMs: number, ownMs: number | null }> => {
    const before = mainThreadCpuMs()
    const startedAt = performance.now()
    const load = await loader.load(new Map([...gateway.current?.projects ?? []].map(([name, { hash }]) => [name, hash])))
    if (!load.ok) throw new ConfigError(load.findings.slice(0, 5))
    const { projects: changed, ...loaded } = load
    const readAt = performance.now()
    const result = await gateway.apply({ ...loaded, changed, authorPlugins: new Map() })
    return { ...result, wallMs: performance.now() - startedAt, applyMs: performance.now() - readAt, ownMs: before === null ? null : (mainThreadCpuMs() ?? 0) - before }
  }

  const cpu = process.cpuUsage()
  const first = await reload()
  const { user, system } = process.cpuUsage(cpu)
  t.comment(`first load: ${first.wallMs.toFixed(0)} ms, ${((user + system) / 1000).toFixed(0)} ms of CPU in all threads`)
  t.strictSame([first.compiled, first.removed], [PROJECTS, 0])
  t.ok(first.wallMs < 30_000)

  ;(versions[7] as number[])[7] = 1
  write(7)
  const one = await reload()
  t.comment(`one change: ${one.wallMs.toFixed(0)} ms, of which ${one.applyMs.toFixed(0)} ms to apply it; ${one.ownMs?.toFixed(0) ?? '?'} ms of CPU on the thread that serves`)
  t.strictSame([one.compiled, one.removed], [1, 0], 'the others are taken over')
  t.equal(gateway.current?.projects.get('p707')?.config.upstreams['main']?.timeouts.headersMs, 11_000)
  t.ok(one.ownMs === null || one.ownMs < 300)
  const found = gateway.current?.hosts.find('p707.example.com', '/v1/items/x')
  t.equal(found?.name, 'p707')
  t.equal(found, gateway.current?.projects.get('p707'), 'the host leads to the new one')

  for (const list of versions) list.fill(2)
  for (let index = 0; index < files; index++) write(index)
  const stalls = monitorEventLoopDelay({ resolution: 1 })
  stalls.enable()
  const turns = watchTurns()
  const all = await reload()
  await delay(5)
  const own = turns()
  stalls.disable()
  t.comment(`all changed: ${all.wallMs.toFixed(0)} ms; the loop was late by ${(stalls.percentile(99) / 1e6).toFixed(1)} ms at p99, ${(stalls.max / 1e6).toFixed(0)} ms at most`)
  t.strictSame([all.compiled, all.removed], [PROJECTS, 0])
  t.ok(stalls.percentile(99) / 1e6 < 500)
  if (own !== null) {
    const p99 = own[Math.floor(own.length * 0.99)] ?? 0
    t.comment(`processor time of its turns: ${p99.toFixed(1)} ms at p99, ${own.at(-1)?.toFixed(0) ?? '?'} ms at most`)
    t.ok(p99 < 50)
  }

  writeFileSync(file, 'plugins: [ security-headers ]\ninclude: [ "projects/1.yaml" ]\n')
  const few = await reload()
  t.strictSame([few.compiled, few.removed], [0, PROJECTS - PER_FILE])
  t.equal(gateway.current?.hosts.find('p707.example.com', '/v1/items/x'), null)
  t.equal(gateway.current?.hosts.find('p107.example.com', '/v1/items/x')?.name, 'p107')
})

/**
 * How long the event loop stalls while a large configuration is reloaded: percentiles of its delay beside those of the idle loop.
 * Run: npm run build && node dist/bench/reload-stall.js [projects] [routes per project] [rounds]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import type { CompileServices } from '../core/compile-project.js'
import { createConfigLoader } from '../core/config/loader.js'
import { ConfigError } from '../core/errors.js'
import { systemClock } from '../core/plugin-host.js'
import { PoolRegistry } from '../core/proxy/pools.js'
import { buildSnapshot, type Snapshot } from '../core/snapshot.js'
import { plugins } from '../plugins/index.js'

const [projects = 10_000, routes = 10, rounds = 3] = process.argv.slice(2).map(Number)
/** What the promise allows above idle, at the 99th percentile. */
const GOAL_MS = 10

const directory = mkdtempSync(path.join(tmpdir(), 'sluice-reload-'))
mkdirSync(path.join(directory, 'projects'))
const file = path.join(directory, 'gateway.config.yaml')
writeFileSync(file, 'listen: { host: 127.0.0.1, port: 0 }\nplugins: [ security-headers ]\ninclude: [ "projects/*.yaml" ]\n')

function writeProject (index: number, version: number): void {
  const list = Array.from({ length: routes }, (_, route) => `      - { id: r${route}, match: { path: "/v${route}/items/:id/*", methods: [ GET, POST ] }, upstream: main }\n`)
  writeFileSync(path.join(directory, 'projects', `p${index}.yaml`), `projects:
  p${index}:
    hosts: [ p${index}.example.com ]
    upstreams:
      main: { targets: [ "http://127.0.0.1:${9_000 + index % 100}" ], timeouts: { headers: ${version + 10}s } }
    plugins:
      - cors: { origins: [ "https://p${index}.example.com" ] }
    routes:
${list.join('')}`)
}

const silent = { debug () {}, info () {}, warn () {}, error () {} }
const registry = new Map(plugins.map((plugin) => [plugin.name, plugin]))
const services: CompileServices = {
  registry,
  lookUp: (use) => registry.get(use.name),
  pools: new PoolRegistry(),
  host: {
    log: silent,
    clock: systemClock,
    metricsFor: () => ({ counter: () => ({ increment () {} }), histogram: () => ({ observe () {} }) }),
    isOperatorToken: () => false,
    subrequest: () => Promise.reject(new Error('nothing is served here'))
  },
  statsFor: () => ({ observe () {} }),
  builtinUrl: () => 'http://127.0.0.1:9'
}

const loader = createConfigLoader({ workerUrl: new URL('../bin/config-worker.js', import.meta.url), file, environment: null, env: {} })
const delay = monitorEventLoopDelay({ resolution: 1 })
let snapshot: Snapshot | null = null
const known = (): ReadonlyMap<string, string> => new Map([...snapshot?.projects.values() ?? []].map(({ name, hash }) => [name, hash]))

async function reload (): Promise<void> {
  const loaded = await loader.load(known())
  if (!loaded.ok) throw new ConfigError(loaded.findings.slice(0, 10))
  const before: Snapshot | null = snapshot
  snapshot = await buildSnapshot({ root: loaded.root, rootHash: loaded.rootHash, hashes: loaded.hashes, changed: loaded.projects, authorPlugins: new Map() }, before, services)
  for (const [name, project] of before?.projects ?? []) if (snapshot.projects.get(name) !== project) project.retire()
}

interface Figures { p50: number, p99: number, max: number, ms: number }

async function measure (act: () => Promise<unknown>): Promise<Figures> {
  await setTimeout(50)
  delay.reset()
  const start = performance.now()
  await act()
  // The pause in which the last timer was late is counted when it fires.
  await setTimeout(5)
  const ms = performance.now() - start
  return { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6, ms }
}

function print (name: string, { p50, p99, max, ms }: Figures): void {
  const cell = (value: number, width: number): string => value.toFixed(2).padStart(width)
  console.log(`${name.padEnd(34)}${cell(p50, 8)}${cell(p99, 8)}${cell(max, 9)}${ms.toFixed(0).padStart(9)}`)
}

try {
  for (let index = 0; index < projects; index++) writeProject(index, 0)
  delay.enable()
  console.log(`${projects} projects of ${routes} routes; event-loop delay in ms (a quiet loop shows about 1)`)
  console.log(`${''.padEnd(34)}${'p50'.padStart(8)}${'p99'.padStart(8)}${'max'.padStart(9)}${'took ms'.padStart(9)}`)
  print('first load (nothing served yet)', await measure(reload))
  const idle = await measure(async () => { await setTimeout(2_000) })
  print('idle', idle)
  let worst = 0
  for (let round = 1; round <= rounds; round++) {
    writeProject(round, round)
    const one = await measure(reload)
    print(`reload after one change, ${round}`, one)
    for (let index = 0; index < projects; index++) writeProject(index, round)
    const all = await measure(reload)
    print(`reload after a change of all, ${round}`, all)
    worst = Math.max(worst, one.p99, all.p99)
  }
  const above = worst - idle.p99
  console.log(`worst p99 is ${above.toFixed(2)} ms above idle: ${above < GOAL_MS ? 'within' : 'NOT within'} the goal of ${GOAL_MS} ms`)
  if (above >= GOAL_MS) process.exitCode = 1
} finally {
  delay.disable()
  await loader.close()
  rmSync(directory, { recursive: true, force: true })
}
// Pools linger for a while after their last user has gone.
process.exit()

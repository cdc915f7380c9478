/**
 * How long the event loop stalls while a large configuration is reloaded: percentiles of its delay beside those of the idle loop. A histogram of delays
 * counts a stall of a second as one sample of many; so the share of the time that fell into stalls of more than 10 ms is printed beside it. Where other
 * processes have the cores, the loop is late for them too: the processor time of its turns (on Linux) says what is its own.
 * Run: npm run build && node dist/bench/reload-stall.js [projects] [routes per project] [rounds]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { createConfigLoader, type UsableConfig } from '../core/config/loader.js'
import { ConfigError } from '../core/errors.js'
import { Gateway } from '../core/gateway.js'
import { createMetrics } from '../core/observe/metrics.js'
import { plugins } from '../plugins/index.js'
import { watchTurns } from './lib/thread-cpu.js'

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
const gateway = new Gateway({ registry: new Map(plugins.map((plugin) => [plugin.name, plugin])), log: silent, accessLog: null, metrics: createMetrics(false) })
const loader = createConfigLoader({ workerUrl: new URL('../bin/config-worker.js', import.meta.url), file, environment: null, env: {} })
const delay = monitorEventLoopDelay({ resolution: 1 })

async function reload (): Promise<void> {
  const known = new Map([...gateway.current?.projects ?? []].map(([name, { hash }]) => [name, hash]))
  const { projects: changed, ...loaded } = await usable(known)
  await gateway.apply({ ...loaded, changed, authorPlugins: new Map() })
}

async function usable (known: ReadonlyMap<string, string>): Promise<UsableConfig> {
  const loaded = await loader.load(known)
  if (!loaded.ok) throw new ConfigError(loaded.findings.slice(0, 10))
  return loaded
}

/** Delays in milliseconds; `own`: processor time of the loop's turns, null where the system does not tell. */
interface Figures { p50: number, p99: number, max: number, late: number, ms: number, own: { p99: number, max: number } | null }

/** The time in stalls of more than GOAL_MS, in milliseconds, until it is stopped. */
function watchStalls (): () => number {
  let late = 0
  let before = performance.now()
  const check = (): void => {
    const now = performance.now()
    if (now - before > GOAL_MS) late += now - before
    before = now
  }
  const timer = setInterval(check, 1)
  return () => {
    clearInterval(timer)
    check()
    return late
  }
}

async function measure (act: () => Promise<unknown>): Promise<Figures> {
  await setTimeout(50)
  delay.reset()
  const stalled = watchStalls()
  const turns = watchTurns()
  const start = performance.now()
  await act()
  const ms = performance.now() - start
  // A stall is counted when the timer that it delayed has fired; of two timers, one may be before that.
  await setTimeout(5)
  await setTimeout(5)
  const own = turns()
  return { own: own === null || own.length === 0 ? null : { p99: own[Math.floor(own.length * 0.99)] ?? 0, max: own.at(-1) ?? 0 }, p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, max: delay.max / 1e6, late: stalled() / ms * 100, ms }
}

function print (name: string, { p50, p99, max, late, ms, own }: Figures): void {
  const cell = (value: number, width: number): string => value.toFixed(2).padStart(width)
  console.log(`${name.padEnd(34)}${cell(p50, 8)}${cell(p99, 8)}${cell(max, 9)}${cell(late, 9)}${own === null ? '        -        -' : `${cell(own.p99, 9)}${cell(own.max, 9)}`}${ms.toFixed(0).padStart(9)}`)
}

try {
  for (let index = 0; index < projects; index++) writeProject(index, 0)
  delay.enable()
  console.log(`${projects} projects of ${routes} routes; event-loop delay in ms (a quiet loop shows about 1)`)
  console.log(`${''.padEnd(34)}${'p50'.padStart(8)}${'p99'.padStart(8)}${'max'.padStart(9)}${'late %'.padStart(9)}${'own p99'.padStart(9)}${'own max'.padStart(9)}${'took ms'.padStart(9)}`)
  print('first load (nothing served yet)', await measure(reload))
  const idle = await measure(async () => { await setTimeout(2_000) })
  print('idle', idle)
  let worst = 0
  let worstOwn = 0
  for (let round = 1; round <= rounds; round++) {
    writeProject(round, round)
    const one = await measure(reload)
    print(`reload after one change, ${round}`, one)
    for (let index = 0; index < projects; index++) writeProject(index, round)
    const all = await measure(reload)
    print(`reload after a change of all, ${round}`, all)
    worst = Math.max(worst, one.p99, all.p99)
    worstOwn = Math.max(worstOwn, one.own?.p99 ?? 0, all.own?.p99 ?? 0)
  }
  const above = worst - idle.p99
  console.log(`worst p99 is ${above.toFixed(2)} ms above idle: ${above < GOAL_MS ? 'within' : 'NOT within'} the goal of ${GOAL_MS} ms`)
  const ownAbove = idle.own === null ? null : worstOwn - idle.own.p99
  if (ownAbove !== null) console.log(`of its own it is ${ownAbove.toFixed(2)} ms above idle: ${ownAbove < GOAL_MS ? 'within' : 'NOT within'} the goal`)
  if ((ownAbove ?? above) >= GOAL_MS) process.exitCode = 1
} finally {
  delay.disable()
  await loader.close()
  rmSync(directory, { recursive: true, force: true })
}
// Pools linger for a while after their last user has gone.
process.exit()

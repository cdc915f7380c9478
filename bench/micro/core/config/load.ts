/**
 * Loading of a configuration from its files: 10, 1 000 and 100 000 routes of one project, 10 000 projects of 10 routes in one file and
 * in a file each; first, again with a cache, and with one typo. With --quick a tenth of the largest.
 * Run: node dist/bench/micro/core/config/load.js [--quick]
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createConfigCache } from '../../../../core/config/cache.js'
import { loadConfig } from '../../../../core/config/load.js'
import { buildRegistry } from '../../../../core/config/registry.js'
import { plugins } from '../../../../plugins/index.js'
import { QUICK } from '../../quick.js'

const SCALE = QUICK ? 10 : 1
const registry = buildRegistry(plugins)
const directory = mkdtempSync(path.join(tmpdir(), 'sluice-bench-'))
const file = path.join(directory, 'gateway.yaml')

function project (name: string, routes: number, indent: string): string {
  const lines = [
    `${name}:`,
    `  hosts: [ ${name}.example.com ]`,
    '  upstreams: { api: { targets: [ "http://127.0.0.1:9001" ], timeouts: { headers: 10s } } }',
    '  plugins:',
    '    - request-size: { maxBody: 1mb }',
    '  routes:'
  ]
  for (let n = 0; n < routes; n++) lines.push(`    - { id: r${n}, match: { path: "/api/v1/r${n}/*", methods: [ GET, POST ] }, upstream: api }`)
  return lines.map((line) => `${indent}${line}\n`).join('')
}

/** Milliseconds of processor time of one load: wall time says more of who else is there. */
async function measure (cache = createConfigCache()): Promise<{ cpuMs: number, wallMs: number, findings: number }> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const { findings } = await loadConfig({ file, env: {}, registry, cache, loadAuthorPlugin: async (name) => { throw new Error(`${name} is not there`) } })
  const { user, system } = process.cpuUsage(cpu)
  return { cpuMs: (user + system) / 1000, wallMs: performance.now() - start, findings: findings.length }
}

async function report (label: string, routes: number, spoil: () => void): Promise<void> {
  const cache = createConfigCache()
  const first = await measure(cache)
  const again = await measure(cache)
  spoil()
  const typo = await measure(cache)
  if (first.findings !== 0 || again.findings !== 0 || typo.findings !== 1) throw new Error(`${label}: ${first.findings}, ${again.findings} and ${typo.findings} findings`)
  const ms = (value: number): string => value.toFixed(0).padStart(8)
  console.log(`${label.padEnd(34)}${ms(first.cpuMs)}${ms(first.wallMs)}${(first.cpuMs * 1000 / routes).toFixed(1).padStart(12)}${ms(again.cpuMs)}${ms(typo.cpuMs)}`)
}

try {
  writeFileSync(file, `projects:\n${project('warm', 100, '  ')}`)
  await measure()
  console.log(`${''.padEnd(34)}${'first'.padStart(8)}${'(wall)'.padStart(8)}${'us/route'.padStart(12)}${'again'.padStart(8)}${'typo'.padStart(8)}   ms of CPU`)
  for (const routes of [10, 1_000, 100_000 / SCALE]) {
    const yaml = `projects:\n${project('shop', routes, '  ')}`
    writeFileSync(file, yaml)
    await report(`1 project, ${routes} routes`, routes, () => { writeFileSync(file, `${yaml.trimEnd().slice(0, -' upstream: api }'.length)} upstraem: api }\n`) })
  }
  const names = Array.from({ length: 10_000 / SCALE }, (_, n) => `p${n}`)
  const yaml = `projects:\n${names.map((name) => project(name, 10, '  ')).join('')}`
  writeFileSync(file, yaml)
  await report(`${names.length} projects x 10, one file`, names.length * 10, () => { writeFileSync(file, `${yaml}    rotes: []\n`) })
  mkdirSync(path.join(directory, 'projects'))
  writeFileSync(file, 'include: [ "projects/*.yaml" ]\n')
  for (const name of names) writeFileSync(path.join(directory, 'projects', `${name}.yaml`), `projects:\n${project(name, 10, '  ')}`)
  await report(`${names.length} projects x 10, a file each`, names.length * 10, () => { writeFileSync(path.join(directory, 'projects', 'p77.yaml'), `projects:\n${project('p77', 10, '  ')}    rotes: []\n`) })
} finally {
  rmSync(directory, { recursive: true })
}

import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { startDataNode, type DataNode } from '../../bin/data-node.js'
import { EXIT } from '../../bin/exit-codes.js'
import { keysThatNeedRestart } from '../../bin/reload-result.js'
import { loadConfig } from '../../core/config/load.js'
import { buildRegistry } from '../../core/config/registry.js'
import { createLogger } from '../../core/observe/logger.js'
import type { MetricObject } from '../../core/observe/metric-object.js'
import { createDomainMetrics } from '../../core/observe/domain-metrics.js'
import { createStoreMetrics } from '../../core/observe/store-metrics.js'
import type { GatewayConfig } from '../../core/route.js'
import { plugins } from '../../plugins/index.js'
import { codesIn, readDocument, tablesUnder } from '../fixtures/documents.js'

const document = readDocument('docs/operations.md')

const CONFIG = `
listen: { host: 127.0.0.1, port: 0 }
accessLog: { file: access.log }
projects:
  shop:
    upstreams: { echo: { builtin: echo }, gone: { targets: [ "http://127.0.0.1:9" ] } }
    routes:
      - { id: echo, match: { path: "/*" }, upstream: echo }
      - { id: gone, match: { path: "/gone" }, upstream: gone }
`

async function boot (t: Test): Promise<{ node: DataNode, url: string, log: string }> {
  const folder = t.testdir({ 'gateway.yaml': CONFIG })
  const node = await startDataNode({ file: path.join(folder, 'gateway.yaml'), environment: null, env: {}, log: createLogger({ level: 'silent' }), operatorToken: null, watch: false })
  return { node, url: node.listeners[0]?.url ?? '', log: path.join(folder, 'access.log') }
}

/** What `cluster.ts` adds to what its workers tell. */
const OF_A_CLUSTER = ['sluice_workers gauge ', 'sluice_worker_replacements_total counter ']

/** What a store with connections adds. */
const OF_MONGODB = ['sluice_store_connections gauge state']

/** What the process that has the admin port adds. */
const OF_DOMAINS = ['sluice_domain_lookups_total counter outcome', 'sluice_domain_turns_total counter turn']

test('operations.md: the metrics that it lists are those that are exposed, with their types and labels', async (t) => {
  const { node, url } = await boot(t)
  t.equal((await fetch(`${url}/a`, { method: 'POST', body: 'x' })).status, 200)
  t.equal((await fetch(`${url}/gone`)).status, 502)
  await node.reload()
  const labelsOf = ({ values }: MetricObject): string[] => [...new Set(values.flatMap(({ labels }) => Object.keys(labels)))].filter((label) => label !== 'le').sort()
  const exposed = (await node.metrics.toJSON()).filter(({ name }) => name.startsWith('sluice_')).map((metric) => `${metric.name} ${metric.type} ${labelsOf(metric).join()}`)
  await node.kill()
  const [table = []] = tablesUnder(document, 'Metrics')
  const listed = table.map(([name = '', type = '', labels = '']) => `${codesIn(name)[0]} ${type} ${codesIn(labels).sort().join()}`)
  t.same(listed.filter((line) => !OF_A_CLUSTER.includes(line) && !OF_MONGODB.includes(line) && !OF_DOMAINS.includes(line)).sort(), exposed.sort())
  const cluster = readFileSync(new URL('../../../bin/cluster.ts', import.meta.url), 'utf8')
  t.same([...cluster.matchAll(/name: '(sluice_\w+)'.*type: '(\w+)'/g)].map(([, name, type]) => `${name} ${type} `), OF_A_CLUSTER)
  t.same(listed.filter((line) => OF_A_CLUSTER.includes(line)), OF_A_CLUSTER)
  const domains = createDomainMetrics()
  domains.lookedUp('proven')
  domains.turned('failing')
  t.same(domains.collect().map((metric) => `${metric.name} ${metric.type} ${labelsOf(metric).join()}`), OF_DOMAINS)
  t.same(listed.filter((line) => OF_DOMAINS.includes(line)), OF_DOMAINS)
  const [pool] = createStoreMetrics(() => ({ open: 1, used: 0 })).collect()
  t.same(listed.filter((line) => OF_MONGODB.includes(line)), pool === undefined ? [] : [`${pool.name} ${pool.type} ${labelsOf(pool).join()}`])
})

test('operations.md: the fields of an access-log record are those that it lists', async (t) => {
  const { node, url, log } = await boot(t)
  t.equal((await fetch(`${url}/a?x=1`)).status, 200)
  t.equal((await fetch(`${url}/gone`)).status, 502)
  await node.stop()
  const fields = (tablesUnder(document, 'Access log')[0] ?? []).flatMap(([names = '']) => codesIn(names))
  const records = readFileSync(log, 'utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  t.equal(records.length, 2)
  for (const record of records) t.same([...Object.keys(record), 'fields'].sort(), [...fields].sort())
  t.match(records[1], { status: 502, errorCode: 'UPSTREAM_UNREACHABLE', errorReason: 'connection_refused', route: 'gone' })
})

test('operations.md: limits and their defaults are those of the reference', (t) => {
  const reference = readDocument('docs/config.md').text
  const [table = []] = tablesUnder(document, 'Limits and time-outs')
  t.ok(table.length >= 13)
  for (const [key = '', value = ''] of table) {
    const row = reference.split('\n').find((line) => line.startsWith(`| \`${codesIn(key)[0]}\` |`))
    const [, , , given = ''] = row?.split('|').map((cell) => cell.trim()) ?? []
    t.equal(given.replaceAll('"', ''), value, key)
  }
  const limits = [...reference.matchAll(/^\| `(listen\.limits\.\w+|projects\.NAME\.upstreams\.NAME\.timeouts\.\w+)`/gm)].map(([, key]) => key)
  for (const key of limits) t.ok(table.some(([name]) => name === `\`${key}\``), `${key} is listed`)
  t.end()
})

test('operations.md: exit codes are those of the code', (t) => {
  const [, table = []] = tablesUnder(document, 'Signals and exit codes')
  t.same(table.map(([code = '']) => Number(codesIn(code)[0])), Object.values(EXIT))
  t.end()
})

test('operations.md: what needs a restart is what it lists', async (t) => {
  const folder = t.testdir({})
  const load = async (text: string): Promise<GatewayConfig> => {
    const file = path.join(folder, 'gateway.yaml')
    writeFileSync(file, text)
    return (await loadConfig({ file, env: {}, registry: buildRegistry(plugins), loadAuthorPlugin: async () => { throw new Error('there is none') } })).root
  }
  const before = await load('listen: {}\n')
  const after = await load(`
listen:
  { host: 127.0.0.1, port: 1, redirectHttp: 2, trustedProxies: [ 10.0.0.0/8 ], keepRepeatedSlashes: true, health: true, tls: { certificates: [ { cert: a, key: b } ] },
    limits: { headerBytes: 64kb, headerFields: 50, urlBytes: 4kb, headers: 1s, bodyGrace: 1s, bodyRate: 2kb, keepAlive: 1s } }
admin: false
state: { embedded: { path: ./other } }
counters: { redis: { url: "redis://127.0.0.1" } }
workers: 2
domains: { resolvers: [ 192.0.2.53 ] }
requestId: { header: x-id }
accessLog: false
metrics: false
errors: { docs: "https://docs.example.com/errors" }
stop: { timeout: 1s }
plugins: [ security-headers ]
`)
  const [table = []] = tablesUnder(document, 'Reload')
  t.same(keysThatNeedRestart(before, after).sort(), table.flatMap(([keys = '']) => codesIn(keys)).sort())
  t.same(keysThatNeedRestart(before, before), [])
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Ajv } from 'ajv'
import fc from 'fast-check'
import { dump } from 'js-yaml'
import { test } from 'tap'
import { stringify } from 'yaml'
import { buildJsonSchema } from '../../../core/config/json-schema.js'
import { loadConfig, type LoadedConfig } from '../../../core/config/load.js'
import { describe, TEST_REGISTRY } from '../../fixtures/load-config.js'
import { duration, map, name, plugins, port, projectArbitrary as project, record, size, text } from '../../fixtures/project-arbitrary.js'

const config = record({
  listen: record({
    host: fc.constantFrom('127.0.0.1', '::'), port, trustedProxies: fc.array(fc.constantFrom('10.0.0.0/8', '::1'), { maxLength: 2 }), keepRepeatedSlashes: fc.boolean(),
    health: fc.oneof(fc.boolean(), fc.constant(['/healthz'])), limits: record({ headerBytes: size, headerFields: fc.integer({ min: 1, max: 1_000 }), urlBytes: size, headers: duration, bodyGrace: duration, bodyRate: size, keepAlive: duration })
  }),
  admin: fc.oneof(fc.constant(false), record({ host: fc.constant('::1'), port, tokenFile: fc.constant('./t') })),
  state: fc.oneof(record({ embedded: record({ path: fc.constant('./d') }), keyRing: fc.constant('./k') }, ['embedded']), record({ mongodb: record({ url: fc.constant('mongodb://127.0.0.1/x'), poolSize: fc.integer({ min: 2, max: 50 }), timeout: fc.constant('1s'), reportsFrom: fc.constantFrom('primary', 'nearest') }, ['url']), keyRing: fc.constant('./k') }, ['mongodb'])),
  counters: fc.constantFrom({ local: {} }, { local: null }, { redis: { url: 'redis://127.0.0.1' } }),
  workers: fc.constantFrom(1, 4, 'auto'),
  requestId: fc.oneof(fc.boolean(), record({ header: fc.constant('X-Id') })),
  accessLog: fc.oneof(fc.boolean(), record({ sample: fc.constantFrom(0, 0.25, 1), redact: fc.array(name, { maxLength: 2 }), file: fc.constant('./a.log') })),
  metrics: fc.oneof(fc.boolean(), record({ buckets: fc.constant([0.1, 1, 10]) })),
  errors: record({ docs: fc.constant('https://docs.example/') }), stop: record({ timeout: duration }), plugins, projects: map(name, project)
}, ['listen'])

/** A copy of `value` with `wrong` put in place of its nth part, or beside it. */
function spoil (value: unknown, nth: number, wrong: unknown): unknown {
  let left = nth
  const visit = (node: unknown): unknown => {
    if (left-- === 0) return wrong
    if (Array.isArray(node)) return node.map(visit)
    if (typeof node !== 'object' || node === null) return node
    return Object.fromEntries(Object.entries(node).map(([key, one]) => [left === 0 && typeof wrong === 'string' ? wrong : key, visit(one)]))
  }
  return visit(value)
}

test('round trip: whatever is wrong with a configuration, loading gives findings with places and never throws', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-spoilt-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const file = path.join(directory, 'gateway.yaml')
  let refused = 0
  const wrong = fc.oneof(text, fc.integer(), fc.double(), fc.boolean(), fc.constantFrom(null, [], {}, [[]], [null], { use: 'x.ts' }, { use: 1 }, '${X}', '${', '__proto__', 'constructor', '<<', 'toString', { a: { b: [1] } }, ''))
  await fc.assert(fc.asyncProperty(config, fc.nat(80), wrong, fc.boolean(), async (raw, nth, value, overlaid) => {
    const spoilt = spoil(JSON.parse(JSON.stringify(raw)), nth, value)
    writeFileSync(file, dump(overlaid ? { ...raw as object, environments: { e: spoilt } } : spoilt))
    const { findings } = await loadConfig({ file, environment: overlaid ? 'e' : null, env: {}, registry: TEST_REGISTRY, loadAuthorPlugin: async () => { throw new Error('there is none') } })
    for (const { position, message } of findings) assert.ok(position !== null && position !== undefined && message !== '')
    if (findings.length > 0) refused++
  }), { numRuns: 500 })
  t.ok(refused > 100, `${refused} were refused`)
})

test('round trip: a configuration gives the same values however it is written, and as it is shown', async (t) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'sluice-round-trip-'))
  t.teardown(() => { rmSync(directory, { recursive: true }) })
  const file = path.join(directory, 'gateway.yaml')
  const load = async (yaml: string): Promise<LoadedConfig> => {
    writeFileSync(file, yaml)
    return loadConfig({ file, env: {}, registry: TEST_REGISTRY, loadAuthorPlugin: async () => { throw new Error('there is none') } })
  }
  const matchesSchema = new Ajv({ strict: false }).compile(buildJsonSchema(TEST_REGISTRY))
  await fc.assert(fc.asyncProperty(config, async (raw) => {
    const plain: unknown = JSON.parse(JSON.stringify(raw))
    const first = await load(JSON.stringify(plain))
    assert.deepEqual(describe(first, directory), [])
    assert.ok(matchesSchema(plain), JSON.stringify(matchesSchema.errors))
    for (const yaml of [dump(plain), dump(plain, { flowLevel: 2, forceQuotes: true, quotingType: '"' }), stringify(plain)]) {
      const again = await load(yaml)
      assert.deepEqual([again.root, again.projects, again.findings], [first.root, first.projects, []], yaml)
    }
    const shown = await load(dump(first.source))
    assert.deepEqual(describe(shown, directory), [])
    assert.deepEqual(shown.source, first.source)
  }), { numRuns: 200 })
})

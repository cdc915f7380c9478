import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { buildForeignProject } from '../../../core/config/foreign-project.js'
import type { RawMap } from '../../../core/config/raw.js'
import { scanRaw } from '../../../core/config/scan.js'
import { writtenProject } from '../../../core/config/written-project.js'
import { formatFinding } from '../../../core/errors.js'
import { oneSpelling } from '../../../core/lib/schema-types.js'
import { formatDuration, parseDuration } from '../../../core/lib/units.js'
import type { ProjectConfig } from '../../../core/route.js'
import { TEST_REGISTRY } from '../../fixtures/load-config.js'
import { projectArbitrary } from '../../fixtures/project-arbitrary.js'

function build (value: RawMap): ProjectConfig {
  const { project, drafts } = buildForeignProject(value, scanRaw(value), { name: 'shop', origin: 'operator-api', registry: TEST_REGISTRY })
  assert.deepEqual(drafts.map(formatFinding), [])
  return project?.config as ProjectConfig
}

const written = (value: RawMap): RawMap => writtenProject(build(value))

test('written-project: all defaults are written out, those of plugins too, and short forms long', (t) => {
  t.strictSame(written({
    upstreams: { api: { targets: ['http://A.example:80/base/', { url: 'http://b.example', weight: 2 }], timeouts: { headers: '90000ms' } } },
    plugins: ['plain', { 'rate-limit': { limits: [{ name: 'a', limit: '1/s' }] }, id: 'burst' }],
    routes: [{ match: { path: '/a', methods: ['get'] }, upstream: 'api', rewrite: { stripPrefix: true }, plugins: [{ plain: false }] }, { match: { path: '/a', methods: ['GET'], headers: { 'X-A': true } }, upstream: 'api', accessLog: { sample: 0.5 } }]
  }), {
    hosts: [], basePath: '',
    upstreams: { api: { targets: ['http://a.example/base', { url: 'http://b.example', weight: 2 }], host: 'target', timeouts: { connect: '5s', headers: '90s', idle: '1m', total: '0' } } },
    plugins: [
      { plain: {}, locked: false, timeout: '5s' },
      { 'rate-limit': { limits: [{ name: 'a', limit: '1/s', by: 'consumer' }], window: '1m', memory: '1mb', most: 10, strict: false }, id: 'burst', locked: false, timeout: '5s' }
    ],
    plans: {},
    routes: [
      { id: 'GET /a', match: { path: '/a', methods: ['GET'] }, upstream: 'api', rewrite: { stripPrefix: true }, plugins: [{ plain: false }], allowEncodedSlashes: false, upgrades: [], upgradeIdle: '1h', accessLog: true },
      { id: 'GET /a #2', match: { path: '/a', methods: ['GET'], headers: { 'x-a': true } }, upstream: 'api', plugins: [], allowEncodedSlashes: false, upgrades: [], upgradeIdle: '1h', accessLog: { sample: 0.5 } }
    ],
    accessLog: true
  })
  t.end()
})

test('written-project: what is written builds the same project, and is written the same again, for any project', (t) => {
  fc.assert(fc.property(projectArbitrary, (project) => {
    const once = build(structuredClone(project) as RawMap)
    const text = writtenProject(once)
    const twice = build(structuredClone(text))
    assert.deepEqual(served(twice), served(once))
    assert.deepEqual(writtenProject(twice), text)
    assert.deepEqual(JSON.parse(JSON.stringify(text)), text, 'it is plain JSON')
  }), { numRuns: 300 })
  t.pass()
  t.end()
})

/** A project without what is only told to people (where it is written, whether an id was), and without what says nothing: the order of sets, keys of a removal. */
function served (project: ProjectConfig): unknown {
  return JSON.parse(JSON.stringify(project, (key, value: unknown) => {
    if (key === 'at' || key === 'hasId') return undefined
    if (Array.isArray(value) && ['hosts', 'methods', 'upgrades'].includes(key)) return [...new Set(value as string[])].sort()
    if (key === 'tls' && JSON.stringify(value) === JSON.stringify({ ca: null, cert: null, key: null, serverName: null, verify: true })) return null
    if (typeof value === 'string' && /^\d+\//.test(value)) return oneSpelling('rate', value)
    return typeof value === 'object' && value !== null && 'remove' in value && value.remove === true ? { ...value, locked: false, timeoutMs: 0, stage: null } : value
  }))
}

test('units: a duration is written in its largest whole unit, and reads as it was', (t) => {
  for (const [ms, text] of [[0, '0'], [1, '1ms'], [1_500, '1500ms'], [90_000, '90s'], [60_000, '1m'], [3_600_000, '1h'], [7 * 86_400_000, '7d']] as const) t.equal(formatDuration(ms), text)
  fc.assert(fc.property(fc.nat(), (ms) => parseDuration(formatDuration(ms)) === ms))
  t.end()
})

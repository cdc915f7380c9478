import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import fc from 'fast-check'
import { Type } from 'typebox'
import { test, type Test } from 'tap'
import { createChecks } from '../../bin/checks.js'
import { effectiveFileProject } from '../../bin/effective-file-project.js'
import { packFileProject } from '../../bin/pack-file-project.js'
import { diffConfig } from '../../bin/plan/config-diff.js'
import type { FileProject } from '../../core/config/file-project.js'
import { loadConfig, type LoadedConfig } from '../../core/config/load.js'
import type { RawMap } from '../../core/config/raw.js'
import { buildRegistry } from '../../core/config/registry.js'
import { definePlugin } from '../../core/plugin.js'
import { plugins } from '../../plugins/index.js'
import { oddProject, picks, respelledProject } from '../fixtures/schema-arbitrary.js'

const REGISTRY = buildRegistry(plugins)
const OWN = definePlugin({ name: 'own', description: 'One of an author.', stage: ['transform', 'limit'], config: Type.Object({ note: Type.String({ default: 'x' }) }), create: () => ({}) })
const digest = (text: string): string => `sha256:${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`

async function load (t: Test, config: unknown): Promise<LoadedConfig> {
  const file = path.join(t.testdirName, 'gateway.yaml')
  writeFileSync(file, JSON.stringify(config))
  return await loadConfig({ file, env: {}, registry: REGISTRY, checks: createChecks(REGISTRY), loadAuthorPlugin: async (own) => ({ plugin: OWN, file: own, hash: 'h', bundle: '', files: [own] }) })
}

/** The project as it serves. */
async function served ({ projects, root }: LoadedConfig): Promise<RawMap> {
  const config = projects.get('shop')?.config ?? assert.fail('there is none')
  const packed = JSON.parse(await packFileProject(config, (use) => use.use === null ? REGISTRY.get(use.name) : OWN)) as FileProject
  assert.deepEqual(packed.config, JSON.parse(JSON.stringify(config)))
  return effectiveFileProject(packed.config ?? assert.fail(), packed, root, digest)
}

/** The project as it would be if the files said this. */
function tried ({ tryProject, root }: LoadedConfig, project: unknown): RawMap {
  const { config, findings, ...parts } = tryProject('shop', JSON.stringify(project))
  assert.deepEqual(findings, [])
  return effectiveFileProject(config ?? assert.fail(), parts, root, digest)
}

test('effective-file-project: whatever files say serves as the same, in whatever words it is tried', async (t) => {
  t.testdir({})
  let compared = 0
  await fc.assert(fc.asyncProperty(oddProject, picks, async (project, pick) => {
    const loaded = await load(t, { plugins: ['security-headers'], projects: { shop: project } })
    // Routes that tie, what a plugin's check finds.
    if (loaded.findings.length > 0) return
    compared++
    const present = await served(loaded)
    for (const [title, words] of Object.entries({ 'the same': project, respelled: respelledProject(project, pick), 'with the plugins of the gateway': { ...project, inherited: { plugins: [{ 'security-headers': {} }] } } })) {
      assert.deepEqual(diffConfig(present, tried(loaded, words)), [], title)
    }
  }), { numRuns: 100 })
  t.ok(compared > 20, `${compared} were compared`)
})

test('effective-file-project: authors\' plugins have their stage and their place like others', async (t) => {
  t.testdir({})
  const own = { use: './own.ts' }
  const headers = { headers: { response: { set: { a: 'b' } } } }
  const loaded = await load(t, { projects: { shop: { plugins: [own, headers], routes: [{ id: 'r', match: { path: '/' }, plugins: [{ respond: { body: 'x' } }, { own: false }] }] } } })
  t.same(loaded.findings, [])
  const present = await served(loaded)
  const differences = (list: readonly unknown[]): unknown[] => diffConfig(present, tried(loaded, { plugins: list, routes: [{ id: 'r', match: { path: '/' }, plugins: [{ own: false }, { respond: { body: 'x' } }] }] }))
  t.strictSame(differences([{ ...own, stage: 'transform', config: { note: 'x' }, timeout: '5000ms' }, headers]), [])
  t.match(differences([headers, own]), [{ kind: 'moved' }], 'among those of one stage the order counts')
  t.match(differences([headers, { ...own, stage: 'limit' }]), [{ kind: 'changed', before: 'transform', after: 'limit' }])
})

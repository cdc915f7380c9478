import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { effectiveConfig, readProjectConfig, type OpenedProject, type ProjectConfigSurroundings } from '../../bin/project-configs.js'
import { readTriedGateway } from '../../bin/tried-gateway.js'
import { compareConfigs } from '../../bin/plan/compare.js'
import { diffConfig } from '../../bin/plan/config-diff.js'
import { NO_SECRETS } from '../../core/config/project-secrets.js'
import type { GatewayConfig, PluginUse } from '../../core/route.js'
import { plugins } from '../../plugins/index.js'
import { oddProject, picks, respelledProject } from '../fixtures/schema-arbitrary.js'
import { project } from '../fixtures/store-records.js'

const surroundings: ProjectConfigSurroundings = {
  root: { egress: { allow: ['127.0.0.0/8'] }, baseDomain: 'gateway.test', plugins: [] } as unknown as GatewayConfig, domains: [], secrets: NO_SECRETS,
  digest: (text) => Buffer.from(text).toString('base64url').slice(-22).padStart(22, 'x')
}

/** A project as it is in effect once this is written; null where the gateway would refuse it. */
async function inEffect (shop: OpenedProject, written: unknown): Promise<Record<string, unknown> | null> {
  const { value, findings } = await readProjectConfig(shop, JSON.stringify(written), true, surroundings)
  return value === null || findings.length > 0 ? null : effectiveConfig({ ...shop, config: value, target_url: null, written_by: 'operator' }, true, surroundings)
}

test('project-configs: what is written oddly, with its defaults, or respelled, is the same in effect, with any plugin', async (t) => {
  const seen = new Map<string, number>()
  let usable = 0
  await fc.assert(fc.asyncProperty(oddProject, fc.constantFrom('none' as const, 'api_key' as const), picks, async (written, auth_type, pick) => {
    const shop = { ...project('shop', { auth_type }), config: null, customer_id: 'acme' } as OpenedProject
    const effective = await inEffect(shop, written)
    // Routes that tie, what a plugin's check finds: refused, and so never in effect.
    if (effective === null) return
    usable++
    for (const { name } of plugins) if (JSON.stringify(written).includes(`"${name}"`)) seen.set(name, (seen.get(name) ?? 0) + 1)
    const same = { 'what is in effect, written as the project': effective, 'respelled': respelledProject(written, pick), 'with its defaults, respelled': respelledProject(effective, pick) }
    const served: OpenedProject = { ...shop, config: (await readProjectConfig(shop, JSON.stringify(written), true, surroundings)).value, target_url: null, written_by: 'operator' }
    for (const [title, other] of Object.entries(same)) {
      const again = await inEffect(served, other)
      assert.ok(again !== null, `${title} is refused: ${JSON.stringify(other)}`)
      assert.deepEqual(diffConfig(effective, again), [], title)
    }
  }), { numRuns: 200 })
  t.ok(usable > 50, `${usable} could be used`)
  for (const { name } of plugins) t.ok((seen.get(name) ?? 0) > 5, `${name}: ${seen.get(name)}`)
})

test('project-configs: secrets are digests in what is in effect, and stand for themselves where that is written again', async (t) => {
  const shop: OpenedProject = { ...project('shop', { auth_type: 'none' }), config: null, customer_id: 'acme' }
  const written = { upstreams: { u: { targets: ['http://127.0.0.1:1'] } }, routes: [{ match: { path: '/*' }, upstream: 'u', plugins: [{ headers: { request: { set: { authorization: 'Bearer canary' } } } }] }] }
  const { value } = await readProjectConfig(shop, JSON.stringify(written), true, surroundings)
  const served: OpenedProject = { ...shop, config: value, target_url: null, written_by: 'operator' }
  const effective = effectiveConfig(served, true, surroundings)
  t.notMatch(JSON.stringify(effective), 'canary')
  t.same((await readProjectConfig(served, JSON.stringify(effective), true, surroundings)).findings, [])
  t.same(await inEffect(served, effective), effective)
  t.match(await inEffect(served, written), { routes: [{ plugins: [{ headers: { request: { set: { authorization: /^sha256:/ } } } }] }] })
})

test('project-configs: the short form is shown with all that it stands for, and kept short where it is written', (t) => {
  const shop: OpenedProject = { ...project('shop', { target_url: 'https://api.example.com', auth_type: 'api_key' }), config: null, customer_id: 'acme' }
  t.match(effectiveConfig(shop, true, surroundings), { hosts: ['shop.gateway.test'], plugins: [{ 'api-key': { header: /./ }, locked: false, timeout: '5s' }], upstreams: { target: { targets: ['https://api.example.com'], timeouts: { connect: '5s' } } }, routes: [{ id: 'all', upgradeIdle: '1h', accessLog: true }] })
  const lost = { ...shop, target_url: 'http://169.254.169.254' }
  t.match(effectiveConfig(lost, true, surroundings), { upstreams: { target: { targets: ['http://169.254.169.254'] } }, plugins: ['api-key'] }, 'what can not be served is shown as it is written')
  t.end()
})

test('project-configs: what a project inherits is shown, and may be sent back as it was, and not otherwise', async (t) => {
  const use = (name: string, more: Partial<PluginUse> = {}): PluginUse => ({ name, id: name, hasId: false, use: null, remove: false, config: {}, stage: null, locked: false, timeoutMs: 5_000, at: [], ...more })
  const root = { ...surroundings.root, plugins: [use('headers', { config: { request: { set: { authorization: 'canary', 'x-a': '$${a} ${b}' } } } }), use('security-headers', { locked: true }), use('mine', { use: '/somewhere/mine.ts', id: 'one', hasId: true })] } as GatewayConfig
  const here = { ...surroundings, root }
  const shop: OpenedProject = { ...project('shop', { auth_type: 'none' }), config: { routes: [] }, customer_id: 'acme', written_by: 'operator', target_url: null }
  const shown = effectiveConfig(shop, true, here)
  t.match(shown['inherited'], { plugins: [
    { use: '/somewhere/mine.ts', config: {}, id: 'one', locked: false }, { 'security-headers': {}, stage: 'edge', locked: true, timeout: '5s' },
    { headers: { request: { set: { authorization: /^sha256:/ } } }, stage: 'transform', locked: false }
  ] })
  const tenant = effectiveConfig(shop, false, here)
  t.strictSame(tenant['inherited'], { plugins: [{ mine: null, id: 'one', locked: false }, { 'security-headers': null, stage: 'edge', locked: true }, { headers: null, stage: 'transform', locked: false }] }, 'what they are told is the operators\'')
  for (const [config, byOperator] of [[shown, true], [tenant, false]] as const) {
    const { value, findings } = await readProjectConfig(shop, JSON.stringify(config), byOperator, here)
    t.strictSame(findings, [])
    t.notOk(value === null || 'inherited' in value)
  }
  for (const [config, byOperator] of [[shown, false], [{ ...tenant, inherited: { plugins: [] } }, false], [{ routes: [], inherited: 7 }, true]] as const) {
    t.match(await readProjectConfig(shop, JSON.stringify(config), byOperator, here), { value: null, findings: [{ path: ['projects', 'shop', 'inherited'], message: /is the gateway's/, position: { line: 1 } }] })
  }
  t.match(await readProjectConfig(shop, JSON.stringify(shown), true, surroundings), { value: null, findings: [{ message: /is another now/ }] }, 'nor where nothing is inherited any more')
  t.strictSame(compareConfigs(shown, tenant).changes, [])
})

test('tried-gateway: plugins of a gateway that are tried are read like its own, with secrets for their digests and what an author\'s plugin has now', (t) => {
  const digest = (text: string): string => `sha256:${Buffer.from(text).toString('base64url').padStart(22, 'x').slice(-22)}`
  const use = (name: string, config: Record<string, unknown>, more: Partial<PluginUse> = {}): PluginUse => ({ name, id: name, hasId: false, use: null, remove: false, config, stage: null, locked: false, timeoutMs: 5_000, at: [], ...more })
  const present = [use('headers', { request: { set: { authorization: 'canary' }, add: {}, remove: [], rename: {} } }), use('mine', { a: 1, b: 2 }, { use: '/etc/sluice/plugins/mine.ts' })]
  const tried = (inherited: unknown): ReturnType<typeof readTriedGateway> => readTriedGateway(JSON.stringify({ routes: [], inherited }), { plugins: present }, digest)
  for (const nothing of [undefined, 7, { plugins: 7 }, {}]) t.strictSame(tried(nothing), { gateway: null, findings: [] })
  t.strictSame(readTriedGateway('{ not: [ yaml', { plugins: present }, digest), { gateway: null, findings: [] })
  t.match(tried({ plugins: [{ headers: { request: { set: { authorization: digest('canary') } } }, locked: true }, { use: './plugins/mine.ts', config: { b: 3 } }] }), {
    gateway: [{ name: 'headers', locked: true, config: { request: { set: { authorization: 'canary' } } } }, { name: 'mine', use: '/etc/sluice/plugins/mine.ts', config: { a: 1, b: 3 } }], findings: []
  })
  t.match(tried({ plugins: ['cors', { use: './other.ts' }, { headers: { request: { set: { authorization: digest('another') } } } }] }).findings.map(({ message }) => message).sort(), [/no plugin of other\.ts now/, /key "origins" is missing/, /digest of a secret/])
  t.end()
})

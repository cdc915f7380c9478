import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { effectiveConfig, readProjectConfig, type OpenedProject, type ProjectConfigSurroundings } from '../../bin/project-configs.js'
import { diffConfig } from '../../bin/plan/config-diff.js'
import { NO_SECRETS } from '../../core/config/project-secrets.js'
import type { GatewayConfig } from '../../core/route.js'
import { project } from '../fixtures/store-records.js'

const surroundings: ProjectConfigSurroundings = {
  root: { egress: { allow: ['127.0.0.0/8'] }, baseDomain: 'gateway.test', plugins: [] } as unknown as GatewayConfig, domains: [], secrets: NO_SECRETS,
  digest: (text) => Buffer.from(text).toString('base64url').slice(-22).padStart(22, 'x')
}

const record = <T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }, requiredKeys: (keyof T)[] = []): fc.Arbitrary<Record<string, unknown>> => fc.record(model, { requiredKeys: requiredKeys as never, noNullPrototype: true }) as fc.Arbitrary<Record<string, unknown>>
const duration = fc.tuple(fc.integer({ min: 1, max: 999 }), fc.constantFrom('ms', 's', 'm')).map(([n, unit]) => `${n}${unit}`)
const entry = { timeout: duration, locked: fc.boolean(), id: fc.constantFrom('one', 'two') }
const plugin = (name: string, config: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> => fc.oneof(record<Record<string, unknown>>({ [name]: config, ...entry }, [name]), record<Record<string, unknown>>({ [name]: config }, [name]))
const plugins = fc.uniqueArray(fc.oneof(
  fc.constant('security-headers' as unknown), fc.constant('compression' as unknown),
  plugin('respond', record({ body: fc.string({ maxLength: 8 }).filter((text) => !text.includes('${')), status: fc.constantFrom(200, 404) })),
  plugin('headers', record({ request: record({ set: record({ 'authorization': fc.constantFrom('Bearer a', 'Basic b'), 'x-a': fc.constant('1') }, ['x-a']) }, ['set']) }, ['request'])),
  plugin('request-size', record({ maxBody: fc.constantFrom('1kb', '2mb', 100) })),
  plugin('ip-restriction', record({ allow: fc.constant(['10.0.0.0/8']) }, ['allow']))
), { maxLength: 3, selector: (one) => typeof one === 'string' ? one : Object.keys(one as object)[0] })
const route = record({ id: fc.constantFrom('a', 'b', 'c'), match: record({ path: fc.constantFrom('/a', '/b/*', '/c/:id'), methods: fc.constantFrom(['get'], ['GET', 'POST']) }, ['path']), upstream: fc.constant('u'), timeouts: record({ headers: duration }), upgradeIdle: duration, plugins }, ['match', 'upstream'])
const config = record({
  upstreams: fc.record({ u: record({ targets: fc.constantFrom<unknown[]>(['http://127.0.0.1:1'], [{ url: 'https://U.example/x/' }], ['http://a.example', { url: 'http://b.example', weight: 2 }]), timeouts: record({ connect: duration, total: duration }), host: fc.constantFrom('preserve', 'target') }, ['targets']) }),
  plugins, hosts: fc.constant(['Shop.example']), basePath: fc.constantFrom('', '/', '/x/'), routes: fc.uniqueArray(route, { maxLength: 3, selector: ({ id, match }) => `${String(id)} ${JSON.stringify(match)}` })
}, ['upstreams', 'routes'])

test('project-configs: what is in effect, written as the project, is in effect: a plan of it is empty, for any project', async (t) => {
  let usable = 0
  await fc.assert(fc.asyncProperty(config, fc.constantFrom('none' as const, 'api_key' as const), async (written, auth_type) => {
    const shop: OpenedProject = { ...project('shop', { auth_type }), config: null, customer_id: 'acme' }
    const first = await readProjectConfig(shop, JSON.stringify(written), true, surroundings)
    // Routes that tie, or a list that names a plugin twice: refused, and so never in effect.
    if (first.value === null || first.findings.length > 0) return
    usable++
    const served: OpenedProject = { ...shop, config: first.value, target_url: null, written_by: 'operator' }
    const effective = effectiveConfig(served, surroundings)
    const { value, findings } = await readProjectConfig(served, JSON.stringify(effective), true, surroundings)
    assert.deepEqual(findings, [])
    assert.deepEqual(diffConfig(effective, effectiveConfig({ ...served, config: value }, surroundings)), [])
    const again = await readProjectConfig(served, JSON.stringify(written), true, surroundings)
    assert.deepEqual(diffConfig(effective, effectiveConfig({ ...served, config: again.value }, surroundings)), [], 'nor is there a difference to what was written')
    for (const secret of ['Bearer a', 'Basic b']) assert.ok(!JSON.stringify(effective).includes(secret))
  }), { numRuns: 200 })
  t.ok(usable > 50, `${usable} could be used`)
})

test('project-configs: the short form is shown with all that it stands for, and kept short where it is written', (t) => {
  const shop: OpenedProject = { ...project('shop', { target_url: 'https://api.example.com', auth_type: 'api_key' }), config: null, customer_id: 'acme' }
  t.match(effectiveConfig(shop, surroundings), { hosts: ['shop.gateway.test'], plugins: [{ 'api-key': { header: /./ }, locked: false, timeout: '5s' }], upstreams: { target: { targets: ['https://api.example.com'], timeouts: { connect: '5s' } } }, routes: [{ id: 'all', upgradeIdle: '1h', accessLog: true }] })
  const lost = { ...shop, target_url: 'http://169.254.169.254' }
  t.match(effectiveConfig(lost, surroundings), { upstreams: { target: { targets: ['http://169.254.169.254'] } }, plugins: ['api-key'] }, 'what can not be served is shown as it is written')
  t.end()
})

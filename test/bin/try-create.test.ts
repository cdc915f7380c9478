import { test } from 'tap'
import { Type } from 'typebox'
import { tryCreate } from '../../bin/try-create.js'
import { parseProject } from '../../core/config/parse-project.js'
import { buildRegistry } from '../../core/config/registry.js'
import { compileEgress } from '../../core/lib/egress.js'
import type { GatewayConfig } from '../../core/route.js'
import { definePlugin } from '../../core/plugin.js'

test('try create: a plugin that can not be created is a finding where it is named, once, and all that was made is closed', async (t) => {
  let [made, closed] = [0, 0]
  const picky = definePlugin({
    name: 'picky', description: 'Takes even numbers.', stage: 'edge', config: Type.Object({ number: Type.Integer() }, { additionalProperties: false }),
    create ({ number }, host) {
      host.log.info({}, 'nobody reads it')
      host.metrics.counter('made', 'How many.').increment([])
      if (number % 2 !== 0) throw new Error(`${number} is odd`)
      made++
      return { close () { closed++ } }
    }
  })
  const registry = buildRegistry([picky])
  const text = JSON.stringify({
    plugins: [{ picky: { number: 2 } }],
    routes: [
      { id: 'good', match: { path: '/good' }, plugins: [{ picky: { number: 4 } }] }, { id: 'bad', match: { path: '/bad' }, plugins: [{ picky: { number: 5 } }] },
      { id: 'plain', match: { path: '/plain' } }, { id: 'worse', match: { path: '/worse' }, plugins: [{ picky: { number: 7 } }] }
    ]
  })
  const { project } = parseProject({ text, label: 'config', name: 'shop', origin: 'operator-api', registry, egress: compileEgress([], []), hosts: ['shop.example'], secrets: 'kept', restore: (value) => ({ value, findings: [] }) })
  t.ok(project)
  const findings = await tryCreate(project!.config, { plugins: [] } as unknown as GatewayConfig, registry)
  t.same(findings.map(({ path, message }) => `${path.join('.')}: ${message}`), [
    'projects.shop.routes.1.plugins.0: plugin "picky" could not be created: 5 is odd', 'projects.shop.routes.3.plugins.0: plugin "picky" could not be created: 7 is odd'
  ])
  t.same([made, closed], [2, 2])
})

import { test } from 'tap'
import { Type } from 'typebox'
import type { Secrets } from '../../core/host.js'
import { createPluginHost, systemClock, type HostServices } from '../../core/plugin-host.js'
import { definePlugin } from '../../core/plugin.js'
import { testPlugin } from '../../core/testing.js'
import type { ResolvedUse } from '../../core/pipeline/order.js'

const SILENT = { debug () {}, info () {}, warn () {}, error () {} }
const STEP = { use: { name: 'reader', id: 'reader' } } as ResolvedUse

function services (secretsFor: HostServices['secretsFor']): HostServices {
  return {
    log: SILENT, clock: systemClock, metricsFor: () => { throw new Error('not asked for') }, directoryFor: () => null, secretsFor, isOperatorToken: () => false,
    subrequest: async () => { throw new Error('not asked for') }
  }
}

test('plugin host: gives the secrets of its own project, of none outside of projects, and none without a store', (t) => {
  const asked: string[] = []
  const of = (project: string): Secrets => { asked.push(project); return { read: (name) => name === 'TOKEN' ? `of ${project}` : null } }
  const host = createPluginHost(services(of), STEP, 'shop', 'orders')
  t.same([host.secrets?.read('TOKEN'), host.secrets?.read('OTHER')], ['of shop', null])
  t.equal(createPluginHost(services(of), STEP, null, null).secrets, null)
  t.equal(createPluginHost(services(() => null), STEP, 'shop', 'orders').secrets, null)
  t.same([...new Set(asked)], ['shop'])
  t.end()
})

test('plugin host: a test of a plugin says which secrets there are', async (t) => {
  const reader = definePlugin({
    name: 'reader', stage: 'transform', config: Type.Object({}, { additionalProperties: false }),
    create: (_config, { secrets }) => ({ request ({ forward }) { forward.headers.set('x-read', `${String(secrets?.read('TOKEN'))} ${String(secrets?.read('toString'))}`) } })
  })
  const read = async (secrets?: Record<string, string>): Promise<string | undefined> => (await (await testPlugin(reader, {}, secrets === undefined ? {} : { secrets })).request()).forwarded?.headers.get('x-read')
  t.same([await read({ TOKEN: 'hush' }), await read({}), await read()], ['hush null', 'null null', 'undefined undefined'])
})

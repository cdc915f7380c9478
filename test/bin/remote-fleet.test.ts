import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import type { FleetQuestion, FleetState, FromAdminThread } from '../../bin/admin-thread-protocol.js'
import { createRemoteFleet } from '../../bin/remote-fleet.js'
import type { GatewayConfig } from '../../core/route.js'

const stateWith = (baseDomain: string, notReady: string[] = []): FleetState => ({ listeners: [], root: { baseDomain } as GatewayConfig, notReady })

test('remote fleet: a serving thread that is stuck is neither alive nor ready, and is both when it is back', async (t) => {
  const asked: (FromAdminThread & { type: 'ask' })[] = []
  const fleet = createRemoteFleet({ state: stateWith('a.example'), store: null, pingMs: 5, stuckMs: 50, post: (message) => { if (message.type === 'ask') asked.push(message) } })
  t.teardown(() => { fleet.close() })
  t.ok(fleet.alive())
  t.same(fleet.notReady(), [])
  while (fleet.alive()) await delay(5)
  t.equal(asked.length, 1, 'one question waits for it, and no crowd of them')
  t.same(fleet.notReady(), ['the thread that serves does not answer'])
  for (let answered = 0; !fleet.alive(); await delay(1)) while (answered < asked.length) fleet.receive({ type: 'answer', id: asked[answered++]!.id, value: null })
  t.same(fleet.notReady(), [])
})

test('remote fleet: what files declare is asked for once until the state is another', async (t) => {
  const asked: FleetQuestion[] = []
  const fleet = createRemoteFleet({
    state: stateWith('a.example'), store: null, pingMs: 60_000,
    post (message) {
      if (message.type !== 'ask') return
      asked.push(message.question)
      setImmediate(() => { fleet.receive(asked.length === 3 ? { type: 'refused', id: message.id, message: 'not now' } : { type: 'answer', id: message.id, value: { projects: [], hosts: [String(asked.length)] } }) })
    }
  })
  t.teardown(() => { fleet.close() })
  t.same([(await fleet.declared()).hosts, (await fleet.declared()).hosts], [['1'], ['1']])
  fleet.receive({ type: 'state', state: stateWith('b.example', ['the gateway is stopping']) })
  t.equal(fleet.root().baseDomain, 'b.example')
  t.same(fleet.notReady(), ['the gateway is stopping'])
  t.same((await fleet.declared()).hosts, ['2'])
  fleet.receive({ type: 'state', state: stateWith('c.example') })
  await t.rejects(fleet.declared(), { message: 'not now' })
  t.same((await fleet.declared()).hosts, ['4'], 'what could not be answered is asked for again')
})

import { setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { holdSecretNames } from '../../../routes/admin/hold-secret-names.js'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'

const CONFIG = { routes: [{ id: 'o', match: { path: '/o' }, plugins: [{ respond: { body: 'hi', headers: { authorization: 'Bearer ${secret:TOKEN}' } } }] }] }
const PLAIN = { routes: [{ id: 'o', match: { path: '/o' }, plugins: [{ respond: { body: 'hi' } }] }] }

interface Race { readonly api: AdminApiFixture, put (): Promise<AdminAnswer>, remove (): Promise<AdminAnswer>, rollback (): Promise<AdminAnswer> }

/** A project and a secret that one of its versions named. */
async function startRace (t: Test): Promise<Race> {
  const api = await openAdminApi(t)
  const { ask } = api
  await ask('POST', '/admin/projects', { body: { project_id: 'store', target_url: 'https://x.example' } })
  const id = String((await ask('POST', '/admin/secrets', { body: { name: 'TOKEN', value: 'x' } })).body['secret_id'])
  for (const body of [CONFIG, PLAIN]) t.equal((await ask('PUT', '/admin/projects/store/config', { body })).status, 200)
  return {
    api, put: () => ask('PUT', '/admin/projects/store/config', { body: CONFIG }), remove: () => ask('DELETE', `/admin/secrets/${id}`),
    rollback: () => ask('POST', '/admin/projects/store/rollback', { body: { version: 2 } })
  }
}

/** Starts `act` at the last moment before a collection is written to, and goes on when it is through, or clearly waits. */
function beforeWriting ({ engine }: AdminApiFixture, collection: string, act: () => Promise<AdminAnswer>): () => Promise<AdminAnswer> {
  const { replace } = engine
  let acting: Promise<AdminAnswer> | null = null
  engine.replace = async (name, rev, document) => {
    if (name === collection && acting === null) {
      acting = act()
      await Promise.race([acting, delay(300)])
    }
    return await replace(name, rev, document)
  }
  return async () => { if (acting === null) throw new Error('nothing was written'); return await acting }
}

for (const way of ['put', 'rollback'] as const) {
  test(`secrets: one that is removed while a ${way} begins to name it is gone to that, and one that it names already stays`, async (t) => {
    const first = await startRace(t)
    const late = beforeWriting(first.api, 'secrets', first[way])
    t.equal((await first.remove()).status, 204)
    t.match(await late(), { status: 400, body: { error: { details: { reason: 'config_refused', findings: [{ message: /there is no secret "TOKEN"/ }] } } } })
    t.match((await first.api.ask('GET', '/admin/projects/store/config')).body, PLAIN)

    const second = await startRace(t)
    const removal = beforeWriting(second.api, 'projects', second.remove)
    t.equal((await second[way]()).status, 200)
    t.match(await removal(), { status: 409, body: { error: { details: { reason: 'secret_in_use' } } } })
    t.equal((await second.api.ask('GET', '/admin/secrets')).body.data.length, 1)
  })
}

test('secrets: a configuration that names what the one before named waits for nobody', async (t) => {
  const { api, put } = await startRace(t)
  t.equal((await put()).status, 200)
  let release = (): void => {}
  const held = holdSecretNames({ open: api.open }, 'local', () => new Promise<void>((resolve) => { release = resolve }))
  t.match(await api.ask('PUT', '/admin/projects/store/config', { body: { ...CONFIG, basePath: '/x' } }), { status: 200 })
  release()
  await held
})

test('secrets: on a store that nodes share who names them is alone on all of them, account by account', async (t) => {
  const { system } = openDocumentStore(createMemoryEngine())
  const open = { open: { engine: 'mongodb' as const, system } } as Parameters<typeof holdSecretNames>[0]
  t.ok(await system.takeLease('secret-names acme', 'another node', 60_000))
  let done = false
  const waiting = holdSecretNames(open, 'acme', async () => { done = true })
  t.equal(await holdSecretNames(open, 'umbrella', async () => 'at once'), 'at once')
  t.equal(done, false)
  await system.releaseLease('secret-names acme', 'another node')
  await waiting
  t.equal(done, true)
  await t.rejects(holdSecretNames(open, 'acme', async () => { throw new Error('refused') }), { message: 'refused' })
  t.ok(await system.takeLease('secret-names acme', 'another node', 60_000), 'it is given back whatever comes of it')
  await t.rejects(holdSecretNames(open, 'acme', async () => {}), { code: 'CONFLICT', details: { reason: 'changed_too_often' } })
})

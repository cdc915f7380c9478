import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { createKeyRing } from '../../../core/state/key-ring.js'
import { newRingContent } from '../../../core/state/key-ring-text.js'
import { migrate, migrationStatus } from '../../../core/state/migrate.js'
import { MIGRATIONS } from '../../../core/state/migrations.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import type { Sealed } from '../../../core/state/records.js'
import { openConfig } from '../../../core/state/sealed-config.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { keptDocuments, keptFiles, placesOf, type KeptBytes } from '../../fixtures/kept-bytes.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { configVersion, project } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const mongodb = service('mongodb')
const CANARY = 'canary-c41d9e70aa'
const content = newRingContent()
const ring = createKeyRing(() => content)
const FORMAT_2 = MIGRATIONS.slice(0, 2)
const SEALED = MIGRATIONS.slice(0, 3)
// As the format before kept it.
const plain = (index: number): { config: Sealed } => ({ config: { basePath: `/${index}`, plugins: [{ headers: { response: { set: { 'x-partner': `${CANARY}-${index} ${'x'.repeat(5_000)}` } } } }] } as unknown as Sealed })

interface Kept { readonly open: OpenStore, kept (): Promise<KeptBytes> }

async function openKept (t: Test, kind: 'embedded' | 'mongodb'): Promise<Kept> {
  const path = tempDir(t)
  const database = kind === 'mongodb' ? mongoDatabase(t, mongodb.url ?? '') : ''
  const open = openDocumentStore(kind === 'embedded' ? await openSqliteEngine({ path }) : await openMongoEngine({ url: mongodb.url ?? '', database, timeoutMs: 10_000 }))
  t.teardown(() => open.close())
  return { open, kept: async () => kind === 'embedded' ? keptFiles(path) : await keptDocuments(mongodb.url ?? '', database) }
}

for (const kind of ['embedded', 'mongodb'] as const) {
  const skip = kind === 'mongodb' ? mongodb.skip : false
  test(`migrations (${kind}): configurations that were kept plain are sealed, also by who goes on with it, and nothing of them is left`, { skip }, async (t) => {
    const { open, kept } = await openKept(t, kind)
    const { store, system } = open
    await migrate(open, { migrations: FORMAT_2 })
    for (let index = 0; index < 8; index++) {
      const made = await store.projects.insert('acme', project(`p${index}`, plain(index)))
      // What was there before leaves pages behind.
      await store.projects.replace('acme', { ...made, ...plain(index + 100) })
    }
    await store.projects.insert('acme', project('short'))
    await store.config_versions.insert('acme', configVersion('cfv_p1_1', 1, plain(1)))
    const gone = await store.projects.insert('acme', project('gone', plain(200)))
    await store.projects.remove('acme', gone.project_id)
    t.ok(placesOf(CANARY, await kept()).length > 0, 'it is found where it is')

    await t.rejects(migrate(open, { migrations: SEALED }), { message: /is to be sealed, and there is no key ring/ })
    await t.rejects(migrate(open, { migrations: SEALED, ring: async () => { throw new Error('another store\'s') } }), { message: 'another store\'s' })
    let sealed = 0
    const dying = { seal: (...args: Parameters<typeof ring.seal>) => { if (++sealed > 4) throw new Error('killed'); return ring.seal(...args) } }
    await t.rejects(migrate(open, { migrations: SEALED, ring: async () => dying }), { message: 'killed' })
    t.match(await migrationStatus(system, SEALED), { version: 2 })
    // The one that goes on may find all of it sealed, and the files as they were left.
    const { scrub } = system
    await t.rejects(migrate({ store, system: { ...system, scrub: async () => { throw new Error('killed again') } } }, { migrations: SEALED, ring: async () => ring }), { message: 'killed again' })
    let scrubbed = 0
    await migrate({ store, system: { ...system, scrub: async () => { scrubbed++; await scrub() } } }, { migrations: SEALED, ring: async () => { throw new Error('nothing is plain any more') } })
    t.equal(scrubbed, 1)
    t.match(await migrationStatus(system, SEALED), { version: 3, pending: [] })

    for (const record of [await store.projects.get('acme', 'p3'), await store.config_versions.get('acme', 'cfv_p1_1')]) {
      t.match(record?.config, /^sealed1\./)
      t.match(JSON.stringify(openConfig(ring, record!)), CANARY)
    }
    t.equal((await store.projects.get('acme', 'short'))?.config, null)
    t.same(placesOf(CANARY, await kept()), [])
    t.equal(await store.projects.count('acme'), 9)
  })
}

test('migrations: a new store is not written anew, and asks for no ring', async (t) => {
  const { open } = await openKept(t, 'embedded')
  const system = { ...open.system, scrub: async () => { throw new Error('there is nothing to take away') } }
  t.equal((await migrate({ store: open.store, system })).length, MIGRATIONS.length)
})

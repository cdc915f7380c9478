import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { migrate, migrationStatus } from '../../../core/state/migrate.js'
import { changeRecord, checksumOf, MIGRATIONS, type Migration } from '../../../core/state/migrations.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { consumer } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const FIRST: Migration = { version: 1, name: 'first', changes: [] }
const SECOND: Migration = { version: 2, name: 'labels', changes: [{ collection: 'consumers', rename: { name: 'label' }, add: { tier: 'free' }, drop: ['status'] }] }
const THIRD: Migration = { version: 3, name: 'shout', changes: [{ collection: 'plans', add: { shown: true } }] }

async function openStores (t: Test, count: number, path = tempDir(t), now = Date.now): Promise<OpenStore[]> {
  const stores: OpenStore[] = []
  for (let index = 0; index < count; index++) stores.push(openDocumentStore(await openSqliteEngine({ path }), now))
  t.teardown(async () => { for (const store of stores) await store.close() })
  return stores
}

const labels = async (open: OpenStore): Promise<unknown[]> => (await open.store.consumers.list('acme', { limit: 1_000 })).map((record) => {
  const { label, name, tier, status } = record as unknown as Record<string, unknown>
  return [label, name, tier, status]
})

test('migrations: those that there are count from 1, without gaps', (t) => {
  t.same(MIGRATIONS.map(({ version }) => version), MIGRATIONS.map((_, index) => index + 1))
  // Once released, a migration is never changed: a store would refuse the version that has it changed.
  t.same(MIGRATIONS.map(checksumOf), ['4e116fdfdcf25d23', '7836b69d07c4cba0', '38bb5e114418aa60'])
  t.end()
})

test('migrations: a change renames, adds and drops, and does nothing the second time', (t) => {
  const change = { collection: 'consumers' as const, rename: { a: 'b', x: 'y' }, add: { c: 1, d: 2 }, drop: ['e', 'f'] }
  const once = changeRecord({ a: 0, d: null, e: 5, z: 9 }, change)
  t.strictSame(once, { b: 0, d: null, z: 9, c: 1 })
  t.equal(changeRecord(once ?? {}, change), null)
  t.strictSame(changeRecord({ a: 0, b: 7, c: 1, d: 2 }, change), { b: 7, c: 1, d: 2 }, 'what has the new name stays')
  t.end()
})

test('migrations: what is due is applied once, in order, and told', async (t) => {
  const [open] = await openStores(t, 1)
  if (open === undefined) throw new Error('no store')
  t.match(await migrationStatus(open.system, [FIRST]), { version: 0, known: 1, applied: [], pending: [FIRST] })
  t.same(await migrate(open, { migrations: [FIRST], now: () => 0 }), [FIRST])
  t.same(await migrate(open, { migrations: [FIRST] }), [])
  for (let index = 0; index < 5; index++) await open.store.consumers.insert('acme', consumer(`c${index}`))
  const told: [string, number][] = []
  t.same(await migrate(open, { migrations: [FIRST, SECOND, THIRD], onProgress: ({ name }, records) => { told.push([name, records]) } }), [SECOND, THIRD])
  t.same(told, [['labels', 0], ['labels', 5], ['shout', 0]])
  t.same(await labels(open), Array.from({ length: 5 }, (_, index) => [`c${index}`, undefined, 'free', undefined]))
  const { applied, pending, version } = await migrationStatus(open.system, [FIRST, SECOND, THIRD])
  t.same([version, pending], [3, []])
  t.same(applied.map(({ version: number, name, checksum }) => [number, name, checksum]), [FIRST, SECOND, THIRD].map((migration) => [migration.version, migration.name, checksumOf(migration)]))
  t.equal(applied[0]?.applied_at, '1970-01-01T00:00:00.000Z')
  t.ok(await open.system.takeLease('migrations', 'me', 1), 'the lease is given back')
})

test('migrations: a store of a newer version, and one to which something else was applied, are refused untouched', async (t) => {
  const [open] = await openStores(t, 1)
  if (open === undefined) throw new Error('no store')
  await migrate(open, { migrations: [FIRST, SECOND, THIRD] })
  const before = await open.system.getMeta('migrations')
  await t.rejects(migrate(open, { migrations: [FIRST, SECOND] }), { name: 'StoreTooNewError', version: 3, known: 2, message: /has format 3, this version knows up to 2/ })
  const other: Migration = { ...SECOND, changes: [] }
  await t.rejects(migrate(open, { migrations: [FIRST, other, THIRD] }), { name: 'MigrationChangedError', version: 2 })
  t.equal(await open.system.getMeta('migrations'), before)
})

test('migrations: of nodes that start at once each goes on when all is applied, and records that change meanwhile keep their change', async (t) => {
  const stores = await openStores(t, 3)
  const [writer] = stores
  if (writer === undefined) throw new Error('no store')
  await migrate(writer, { migrations: [FIRST] })
  for (let index = 0; index < 40; index++) await writer.store.consumers.insert('acme', consumer(`c${String(index).padStart(2, '0')}`))
  const applied = Promise.all(stores.map((open) => migrate(open, { migrations: [FIRST, SECOND] })))
  for (const record of await writer.store.consumers.list('acme', { limit: 1_000, sort: [{ field: 'consumer_id', descending: true }] })) {
    await writer.store.consumers.replace('acme', { ...record, metadata: { seen: true } }).catch((error: unknown) => { t.match(error, { name: 'StaleRevisionError' }) })
  }
  t.same((await applied).flat(), [SECOND], 'by one of them')
  const after = await writer.store.consumers.list('acme', { limit: 1_000 }) as unknown as Record<string, unknown>[]
  t.ok(after.every(({ label, tier, name }) => label !== undefined && tier === 'free' && name === undefined))
})

test('migrations: one that was interrupted goes on where it was, when the lease of whoever began has ended', async (t) => {
  const path = tempDir(t)
  const [first, second] = await openStores(t, 2, path)
  const [later] = await openStores(t, 1, path, () => Date.now() + 20_000)
  if (first === undefined || second === undefined || later === undefined) throw new Error('no store')
  await migrate(first, { migrations: [FIRST] })
  for (let index = 0; index < 30; index++) await first.store.consumers.insert('acme', consumer(`c${index}`))
  let writes = 0
  const dying: OpenStore = {
    ...first,
    system: { ...first.system, releaseLease: async () => {} },
    store: { ...first.store, consumers: { ...first.store.consumers, replace: async (customerId, record) => {
      if (writes === 11) throw new Error('killed')
      writes += 1
      return first.store.consumers.replace(customerId, record)
    } } }
  }
  await t.rejects(migrate(dying, { migrations: [FIRST, SECOND] }), { message: 'killed' })
  await t.rejects(migrate(second, { migrations: [FIRST, SECOND], waitMs: 150 }), { name: 'StoreUnavailableError', message: /another node has been migrating/ })
  t.equal((await labels(first)).filter((record) => Array.isArray(record) && record[2] === 'free').length, 11, 'some are done')
  let done = 0
  t.same(await migrate(later, { migrations: [FIRST, SECOND], onProgress: (_, records) => { done = records } }), [SECOND])
  t.equal(done, 19, 'the others')
  t.ok((await labels(first)).every((record) => Array.isArray(record) && record[2] === 'free'))
})

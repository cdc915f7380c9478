import { closeSync, openSync, readdirSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import type { Find } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import type { CollectionName } from '../../../core/state/records.js'
import { openSqliteConnection } from '../../../core/state/sqlite-connection.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { findSql } from '../../../core/state/sqlite-find.js'
import { holdLock } from '../../fixtures/sqlite-lock.js'
import { consumer } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { storeContract } from './store-contract.js'

storeContract('embedded', async (t) => {
  const path = tempDir(t)
  return async () => openDocumentStore(await openSqliteEngine({ path, pollMs: 20 }))
})

test('embedded store: its folder and files are the user\'s alone', async (t) => {
  const path = join(tempDir(t), 'a', 'data')
  const engine = await openSqliteEngine({ path })
  await openDocumentStore(engine).store.consumers.insert('acme', consumer('c1'))
  const modes = [path, ...readdirSync(path).map((name) => join(path, name))].map((name) => [basename(name), (statSync(name).mode & 0o777).toString(8)])
  t.same(modes, [['data', '700'], ['store.db', '600'], ['store.db-shm', '600'], ['store.db-wal', '600']])
  await engine.close()
  t.notOk(statSync(join(path, 'store.db-wal'), { throwIfNoEntry: false })?.size, 'once closed, all is in the one file')
})

test('embedded store: what is no store, or can not be one, is refused with what is the matter', async (t) => {
  const folder = tempDir(t)
  await t.rejects(openSqliteEngine({ path: join(folder, 'none'), create: false }), { name: 'StoreUnavailableError', message: /none\/store\.db can not be used: ENOENT/ })
  writeFileSync(join(folder, 'file'), '')
  await t.rejects(openSqliteEngine({ path: join(folder, 'file') }), { name: 'StoreUnavailableError', message: /can not be used: (?:EEXIST|ENOTDIR)/ })
  writeFileSync(join(folder, 'store.db'), 'no database at all, but long enough to be one; '.repeat(100))
  await t.rejects(openSqliteEngine({ path: folder }), { name: 'StoreUnavailableError', message: /file is not a database/ })
  const newer = tempDir(t)
  await (await openSqliteEngine({ path: newer })).close()
  const file = openSync(join(newer, 'store.db'), 'r+')
  // user_version stands at byte 60 of the file's header, big-endian.
  writeSync(file, Buffer.from([0, 0, 0, 99]), 0, 4, 60)
  closeSync(file)
  await t.rejects(openSqliteEngine({ path: newer }), { name: 'StoreTooNewError', version: 99 })
})

test('embedded store: a write to a file that was removed or exchanged is refused, not lost', async (t) => {
  const path = tempDir(t)
  const { store, system, close } = openDocumentStore(await openSqliteEngine({ path }))
  await store.consumers.insert('acme', consumer('c1'))
  renameSync(join(path, 'store.db'), join(path, 'away.db'))
  await t.rejects(store.consumers.insert('acme', consumer('c2')), { name: 'StoreUnavailableError', message: /is gone/ })
  await t.rejects(system.ping(), { name: 'StoreUnavailableError' })
  writeFileSync(join(path, 'store.db'), '')
  await t.rejects(store.consumers.insert('acme', consumer('c2')), { name: 'StoreUnavailableError' })
  renameSync(join(path, 'away.db'), join(path, 'store.db'))
  t.match(await store.consumers.insert('acme', consumer('c2')), { rev: 1 }, 'and goes on when it is back')
  await close()
})

test('embedded store: a process that keeps the lock is waited for without stopping this one, and no longer than told', async (t) => {
  const path = tempDir(t)
  const engine = await openSqliteEngine({ path, limitMs: 400 })
  const { store, close } = openDocumentStore(engine)
  const kept = await store.consumers.insert('acme', consumer('c1'))
  let turns = 0
  const clock = setInterval(() => { turns += 1 }, 5)
  await holdLock(join(path, 'store.db'), async () => {
    const started = performance.now()
    await t.rejects(store.consumers.replace('acme', kept), { name: 'StoreUnavailableError', message: /locked/ })
    const took = performance.now() - started
    t.ok(took >= 390 && took < 2_000, `${took} ms`)
    t.ok(turns > 10, `${turns} turns of others meanwhile`)
    t.match(await store.consumers.get('acme', 'c1'), { rev: 1 }, 'readers do not wait')
  })
  clearInterval(clock)
  t.match(await store.consumers.replace('acme', kept), { rev: 2 })
  await close()
})

test('embedded store: what is asked often is found by an index, also where there are many records', async (t) => {
  const path = tempDir(t)
  await (await openSqliteEngine({ path })).close()
  const connection = openSqliteConnection({ path: join(path, 'store.db'), create: false, limitMs: 1_000, functions: {}, prepare () {} })
  t.teardown(() => { connection.close() })
  const find = { customerId: null, filter: {}, sort: [], limit: 20, offset: 0 }
  const ofTenant = { ...find, customerId: 'acme' }
  const cases: [string, CollectionName, Find, RegExp][] = [
    ['a key by its prefix', 'credentials', { ...find, filter: { prefix: { eq: 'ak_live_a' } } }, /INDEX docs_credential_prefix \(collection=\? AND <expr>=\?\)/],
    ['a token by its prefix', 'admin_tokens', { ...find, filter: { prefix: { eq: 'at_a' } } }, /INDEX docs_token_prefix \(collection=\? AND <expr>=\?\)/],
    ['the end of the audit trail', 'audit_records', { ...find, sort: [{ field: 'seq', descending: true }] }, /INDEX docs_audit_seq/],
    ['the audit trail behind an entry', 'audit_records', { ...find, filter: { seq: { gt: 7 } }, sort: [{ field: 'seq', descending: false }] }, /INDEX docs_audit_seq \(collection=\? AND <expr>[<>]\?\)/],
    ['a project\'s versions', 'config_versions', { ...find, customerId: 'acme', filter: { project_id: { eq: 'shop' } } }, /INDEX docs_version_project \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['a tenant\'s records', 'consumers', { ...find, customerId: 'acme' }, /INDEX docs_tenant \(collection=\? AND customer_id=\?\)/],
    ['the newest of a tenant', 'consumers', { ...find, customerId: 'acme', sort: [{ field: 'created_at', descending: true }] }, /INDEX docs_created \(collection=\? AND customer_id=\?\)/],
    ['a tenant\'s keys of a status', 'credentials', { ...ofTenant, filter: { status: { in: ['active'] } } }, /INDEX docs_credential_status \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['those behind a cursor', 'credentials', { ...ofTenant, filter: { status: { in: ['active'] }, credential_id: { gt: 'crd_5' } } }, /INDEX docs_credential_status \(collection=\? AND <expr>=\? AND customer_id=\? AND id>\?\)/],
    ['the keys of a project', 'credentials', { ...ofTenant, filter: { project_id: { in: ['shop'] }, status: { in: ['active'] } } }, /INDEX docs_credential_(?:project|status) \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['the keys of a consumer', 'credentials', { ...ofTenant, filter: { consumer_id: { eq: 'c1' } } }, /INDEX docs_credential_consumer \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['the keys with a plan', 'credentials', { ...ofTenant, filter: { plan_id: { in: ['p1'] } } }, /INDEX docs_credential_plan \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['keys by name', 'credentials', { ...ofTenant, sort: [{ field: 'name', descending: false }] }, /INDEX docs_credential_name/],
    ['keys by their end', 'credentials', { ...ofTenant, sort: [{ field: 'expires_at', descending: false }] }, /INDEX docs_credential_end/],
    ['consumers of a status', 'consumers', { ...ofTenant, filter: { status: { in: ['active'] } } }, /INDEX docs_consumer_status \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['what an operator asks of one tenant', 'credentials', { ...find, filter: { customer_id: { in: ['acme'] }, status: { in: ['active'] } } }, /INDEX docs_credential_status \(collection=\? AND <expr>=\? AND customer_id=\?\)/],
    ['records by their id', 'consumers', { ...find, customerId: 'acme', sort: [{ field: 'consumer_id', descending: true }] }, /INDEX docs_tenant/]
  ]
  for (const [title, collection, sought, plan] of cases) {
    const { text, values } = findSql(collection, sought)
    const [first, ...more] = connection.rows<{ detail: string }>(`EXPLAIN QUERY PLAN SELECT id FROM ${text}`, ...values).map(({ detail }) => detail)
    t.match(first, plan, title)
    t.notOk(more.includes('USE TEMP B-TREE FOR ORDER BY'), `${title}: in its order`)
  }
})

import { closeSync, openSync, readdirSync, renameSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs'
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

test('embedded store: once the lock was waited for in vain nobody waits for it, until it is free', async (t) => {
  const path = tempDir(t)
  const { store, system, close } = openDocumentStore(await openSqliteEngine({ path, limitMs: 400 }))
  await store.consumers.insert('acme', consumer('c1'))
  await holdLock(join(path, 'store.db'), async () => {
    await t.rejects(system.ping(), { name: 'StoreUnavailableError', message: /locked/ }, 'what can not be written to is not there')
    const started = performance.now()
    for (let n = 0; n < 10; n++) await t.rejects(store.consumers.insert('acme', consumer(`x${n}`)), { name: 'StoreUnavailableError' })
    const took = performance.now() - started
    t.ok(took < 2_000, `ten writes, one behind the other, are refused within ${took.toFixed(0)} ms`)
  })
  await system.ping()
  await store.consumers.insert('acme', consumer('c2'))
  await close()
})

test('embedded store: of what was acknowledged nothing is lost where somebody removes the log beside the file, and it has to be opened anew', async (t) => {
  for (const ends of [['-wal'], ['-wal', '-shm']]) {
    const path = tempDir(t)
    const first = openDocumentStore(await openSqliteEngine({ path }))
    const beside = openDocumentStore(await openSqliteEngine({ path }))
    for (let n = 0; n < 20; n++) await first.store.consumers.insert('acme', consumer(`c${n}`))
    for (const end of ends) rmSync(join(path, `store.db${end}`))
    await t.rejects(first.store.consumers.insert('acme', consumer('c20')), { name: 'StoreUnavailableError', message: /log beside the file of the store was removed/, reopen: true })
    await first.close()
    const again = openDocumentStore(await openSqliteEngine({ path, create: false }))
    t.equal(await again.store.consumers.count('acme'), 20)
    await again.store.consumers.insert('acme', consumer('c20'))
    await t.rejects(beside.store.consumers.count('acme'), { name: 'StoreUnavailableError', reopen: true }, 'who has the old one open does not read on in it')
    await beside.close()
    t.equal(await again.store.consumers.count('acme'), 21)
    await again.close()
    const last = openDocumentStore(await openSqliteEngine({ path, create: false }))
    t.equal(await last.store.consumers.count('acme'), 21)
    await last.close()
  }
})

test('embedded store: another file in its place has to be opened anew, and letting go of the one before leaves that and its log alone', async (t) => {
  const [path, elsewhere] = [tempDir(t), tempDir(t)]
  const first = openDocumentStore(await openSqliteEngine({ path }))
  await first.store.consumers.insert('acme', consumer('c1'))
  const other = openDocumentStore(await openSqliteEngine({ path: elsewhere }))
  await other.store.consumers.insert('acme', consumer('other'))
  await other.close()
  for (const end of ['', '-wal', '-shm']) renameSync(join(path, `store.db${end}`), join(path, `before.db${end}`))
  renameSync(join(elsewhere, 'store.db'), join(path, 'store.db'))
  const second = openDocumentStore(await openSqliteEngine({ path, create: false }))
  await second.store.consumers.insert('acme', consumer('c2'))
  await t.rejects(first.store.consumers.get('acme', 'c1'), { name: 'StoreUnavailableError', message: /another file/, reopen: true })
  await first.close()
  await second.store.consumers.insert('acme', consumer('c3'))
  t.same((await second.store.consumers.list('acme', { limit: 10 })).map(({ consumer_id: id }) => id), ['c2', 'c3', 'other'])
  await second.close()
  const again = openDocumentStore(await openSqliteEngine({ path, create: false }))
  t.equal(await again.store.consumers.count('acme'), 3)
  await again.close()
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

import { closeSync, openSync, readdirSync, renameSync, statSync, writeFileSync, writeSync } from 'node:fs'
import { basename, join } from 'node:path'
import { test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
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

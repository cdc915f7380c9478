import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { openSqliteThread } from '../../../core/state/sqlite-thread.js'
import { consumer } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { storeContract } from './store-contract.js'

storeContract('embedded, in a thread', async (t) => {
  const path = tempDir(t)
  return async () => openDocumentStore(await openSqliteThread({ path, pollMs: 20 }))
})

test('store thread: what can not be opened is refused as without a thread', async (t) => {
  const folder = tempDir(t)
  await t.rejects(openSqliteThread({ path: join(folder, 'none'), create: false }), { name: 'StoreUnavailableError', message: /none\/store\.db can not be used: ENOENT/ })
  writeFileSync(join(folder, 'store.db'), 'no database at all, but long enough to be one; '.repeat(100))
  await t.rejects(openSqliteThread({ path: folder }), { name: 'StoreUnavailableError', message: /file is not a database/ })
})

test('store thread: writes do not keep this thread from its work', async (t) => {
  const path = tempDir(t)
  const { store, close } = openDocumentStore(await openSqliteThread({ path }))
  t.teardown(close)
  let turns = 0
  const over = new AbortController()
  const turning = (async () => {
    while (!over.signal.aborted) {
      await nextTurn()
      turns++
    }
  })()
  await Promise.all(Array.from({ length: 50 }, async (_, n) => await store.consumers.insert('acme', consumer(`c${n}`))))
  over.abort()
  await turning
  t.equal(await store.consumers.count('acme'), 50)
  t.ok(turns > 50, `the loop turned ${turns} times during 50 writes, each of which waits for the disk`)
})

test('store thread: closing is heard by whoever still asks, once and for all', async (t) => {
  const path = tempDir(t)
  const engine = await openSqliteThread({ path })
  await Promise.all([engine.close(), engine.close()])
  await t.rejects(engine.ping(), { name: 'StoreUnavailableError', message: 'the store is closed' })
  const again = await openSqliteEngine({ path })
  await again.ping()
  await again.close()
})

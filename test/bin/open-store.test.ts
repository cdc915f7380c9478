import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { openStore } from '../../bin/open-store.js'
import { openDocumentStore } from '../../core/state/document-store.js'
import { createKeyRing } from '../../core/state/key-ring.js'
import { checkKeyRing } from '../../core/state/key-ring-check.js'
import { formatKeyRing, newRingContent } from '../../core/state/key-ring-text.js'
import { openSqliteEngine } from '../../core/state/sqlite-engine.js'
import { SILENT } from '../../bin/silent-log.js'
import { tempDir } from '../fixtures/temp-dir.js'

test('open-store: a store that comes back later is used only where the key ring is its own', async (t) => {
  for (const own of [true, false]) {
    const path = tempDir(t)
    const content = newRingContent()
    // SQLite can not open a folder: the store is away.
    mkdirSync(join(path, 'store.db'))
    const node = await openStore({ state: { kind: 'embedded', path, keyRing: join(path, 'keys.json') }, keys: formatKeyRing(content), log: SILENT })
    t.teardown(() => node?.open.close())
    await t.rejects(node!.open.system.ping(), { name: 'StoreUnavailableError' })
    rmSync(join(path, 'store.db'), { recursive: true })
    const elsewhere = openDocumentStore(await openSqliteEngine({ path }))
    const other = own ? content : newRingContent()
    await checkKeyRing(elsewhere.system, createKeyRing(() => other))
    await elsewhere.close()
    const outcome = await firstOther(() => node!.open.system.ping(), /can not be opened$/)
    t.match(outcome, own ? 'ok' : /the store can not be opened: the key ring does not belong to this store/)
  }
})

/** What a call comes to, once it is not refused with `early` any more: an engine is tried once a second. */
async function firstOther (call: () => Promise<void>, early: RegExp): Promise<string> {
  for (;;) {
    const outcome = await call().then(() => 'ok', (error: Error) => error.message)
    if (!early.test(outcome)) return outcome
    await new Promise((resolve) => { setTimeout(resolve, 50) })
  }
}

import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { storeContract } from './store-contract.js'

storeContract('embedded', async (t) => {
  const path = tempDir(t)
  return async () => openDocumentStore(await openSqliteEngine({ path, pollMs: 20 }))
})

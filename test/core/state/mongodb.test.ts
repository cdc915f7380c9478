import { openDocumentStore } from '../../../core/state/document-store.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { storeContract } from './store-contract.js'

const { url, skip } = service('mongodb')

storeContract('mongodb', async (t) => {
  const database = mongoDatabase(t, url ?? '')
  // Patient: what is tested is what calls do, on however busy a machine.
  return async () => openDocumentStore(await openMongoEngine({ url: url ?? '', database, pollMs: 20, timeoutMs: 10_000 }))
}, skip)

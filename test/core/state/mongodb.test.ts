import { openDocumentStore } from '../../../core/state/document-store.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { storeContract } from './store-contract.js'

const { url, skip } = service('mongodb')

storeContract('mongodb', async (t) => {
  const database = mongoDatabase(t, url ?? '')
  return async () => openDocumentStore(await openMongoEngine({ url: url ?? '', database, pollMs: 20 }))
}, skip)

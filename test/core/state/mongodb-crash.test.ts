import { test } from 'tap'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { expectNothingLost, killWriters } from '../../fixtures/killed-writers.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'

const { url, skip } = service('mongodb')
const KILLS = 200

test(`mongodb: ${KILLS} processes that write to it are killed, and all that they were told is kept is there`, { skip }, async (t) => {
  // Most of it is starting processes, which a busy machine does slowly.
  t.setTimeout(180_000)
  const database = mongoDatabase(t, url ?? '')
  const open = (): ReturnType<typeof openMongoEngine> => openMongoEngine({ url: url ?? '', database, timeoutMs: 2_000 })
  await (await open()).close()
  const told = await killWriters(`${url ?? ''}/${database}`, KILLS, 160)
  t.equal(told.kills, KILLS)
  await expectNothingLost(t, open, told)
})

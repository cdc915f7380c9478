import { join } from 'node:path'
import { test } from 'tap'
import { openSqliteConnection } from '../../../core/state/sqlite-connection.js'
import { openSqliteEngine, SQLITE_FILE } from '../../../core/state/sqlite-engine.js'
import { expectNothingLost, killWriters } from '../../fixtures/killed-writers.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const KILLS = 200

test(`embedded store: ${KILLS} processes that write to it are killed, and all that they were told is kept is there`, async (t) => {
  // Most of it is starting processes, which a busy machine does slowly.
  t.setTimeout(120_000)
  const path = tempDir(t)
  await (await openSqliteEngine({ path })).close()
  const told = await killWriters(path, KILLS, 80)
  t.equal(told.kills, KILLS)
  await expectNothingLost(t, () => openSqliteEngine({ path }), told)
  const connection = openSqliteConnection({ path: join(path, SQLITE_FILE), create: false, limitMs: 5_000, functions: {}, prepare () {} })
  t.same(connection.rows<{ integrity_check: string }>('PRAGMA integrity_check').map((row) => row.integrity_check), ['ok'])
  connection.close()
})

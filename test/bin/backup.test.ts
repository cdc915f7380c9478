import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { backup, restore } from '../../bin/commands/backup.js'
import { openDocumentStore } from '../../core/state/document-store.js'
import { migrate } from '../../core/state/migrate.js'
import { openSqliteEngine } from '../../core/state/sqlite-engine.js'
import { keepTerminal, runCli } from '../fixtures/cli.js'
import { consumer } from '../fixtures/store-records.js'
import { tempDir } from '../fixtures/temp-dir.js'

test('backup and restore: one store into another, told to people and to programs', async (t) => {
  const folder = tempDir(t)
  const [one, other] = ['one', 'other'].map((name) => {
    const config = join(folder, `${name}.yaml`)
    writeFileSync(config, `state: { embedded: { path: ./${name} } }\n`)
    return config
  })
  if (one === undefined || other === undefined) throw new Error('no files')
  const { store, system, close } = openDocumentStore(await openSqliteEngine({ path: join(folder, 'one') }))
  await migrate({ store, system })
  await store.consumers.insert('acme', consumer('c1'))
  await store.usage.add('acme', [{ project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 7, errors: 1 }])
  const file = join(folder, 'a.backup')
  const terminal = keepTerminal()
  t.equal(await backup(file, { config: one }, terminal), 0)
  t.same([terminal.out, terminal.errors], [[`${file}: 1 records and 1 days of usage of the embedded store (${join(folder, 'one')})`], ['sluice: 1']])
  await close()
  const restored = await runCli(t, ['restore', file, '--config', other, '--json'])
  t.same([restored.code, restored.stderr], [0, ''])
  t.same(JSON.parse(restored.stdout), { ok: true, engine: 'embedded', file, records: 1, usage: 1, skipped: 0 })
  const torn = join(folder, 'torn.backup')
  writeFileSync(torn, readFileSync(file).subarray(0, -40))
  const fresh = join(folder, 'fresh.yaml')
  writeFileSync(fresh, 'state: { embedded: { path: ./fresh } }\n')
  t.equal(await restore(torn, { config: fresh }, keepTerminal()), 1)
  t.notOk(existsSync(join(folder, 'fresh')), 'no store is made for a file that is torn')
  const again = keepTerminal()
  t.equal(await restore(file, { config: other }, again), 1)
  t.match(again.errors, [/a\.backup: it is restored into an empty store/])
  t.equal(await restore(file, { config: other, merge: true }, keepTerminal()), 0)
  const none = keepTerminal()
  t.equal(await restore(join(folder, 'none.backup'), { config: other, json: true }, none), 1)
  t.match(JSON.parse(none.out[0] ?? ''), { ok: false, findings: [{ message: /none\.backup/ }] })
})

import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { status, up } from '../../bin/commands/migrate.js'
import { openMigratedEngine } from '../../bin/open-engine.js'
import { migrationStatus } from '../../core/state/migrate.js'
import { openDocumentStore } from '../../core/state/document-store.js'
import { keepTerminal, runCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

const NOW = { version: 3, known: 3 }

function site (t: Test): { config: string, data: string } {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.config.yaml')
  writeFileSync(config, 'state: { embedded: { path: ./data } }\n')
  return { config, data: join(folder, 'data') }
}

async function ran (command: typeof status, config: string, json = true): Promise<{ code: number, out: string, errors: string }> {
  const terminal = keepTerminal()
  const code = await command({ config, json }, terminal)
  return { code, out: terminal.out.join('\n'), errors: terminal.errors.join('\n') }
}

test('migrate: up makes the store what this version knows, once, and status tells so', async (t) => {
  const { config, data } = site(t)
  const first = await ran(up, config)
  t.match({ code: first.code, ...JSON.parse(first.out) as object }, { code: 0, ok: true, engine: 'embedded', version: NOW.known, applied: [{ version: 1, name: 'first-records' }] })
  t.match(JSON.parse((await ran(up, config)).out), { ok: true, version: NOW.known, applied: [] })
  const told = await ran(status, config)
  t.match({ code: told.code, ...JSON.parse(told.out) as object }, { code: 0, ok: true, engine: 'embedded', ...NOW, applied: [{ version: 1, name: 'first-records', applied_at: /^20/ }], pending: [] })
  t.equal((await ran(up, config, false)).out, `embedded store (${data}): format 3, nothing was due`)
  t.match((await ran(status, config, false)).out, /^embedded store \(.*\): format 3, this version has 3\n {2}1 first-records applied 20/)
})

test('migrate: status of a store that is not there says so, and makes none', async (t) => {
  const { config, data } = site(t)
  const { code, out } = await ran(status, config)
  t.equal(code, 1)
  t.match(JSON.parse(out), { ok: false, findings: [{ message: /store\.db can not be used: ENOENT/, remedy: 'see state: in the configuration' }] })
  t.equal(existsSync(data), false)
})

test('migrate: a store of a newer version is refused, by a gateway too, and a configuration that is wrong is told', async (t) => {
  const { config, data } = site(t)
  const state = { kind: 'embedded', path: data, keyRing: join(data, 'keys') } as const
  const engine = await openMigratedEngine(state)
  const { system } = openDocumentStore(engine)
  t.same((await migrationStatus(system)).pending, [], 'opening it migrates it')
  const applied = JSON.parse(await system.getMeta('migrations') ?? '[]') as object[]
  await system.setMeta('migrations', JSON.stringify([...applied, { version: NOW.known + 1, name: 'of-the-future', checksum: 'x', applied_at: 'x' }]))
  await engine.close()
  for (const command of [status, up]) {
    const { code, errors } = await ran(command, config, false)
    t.same([code, errors], [1, 'sluice: the store has format 4, this version knows up to 3: start the newer version, or restore a backup of the older format into another store'])
  }
  await t.rejects(openMigratedEngine(state), { name: 'StoreTooNewError' })
  writeFileSync(config, 'stat: 1\n')
  const { code, errors } = await ran(status, config, false)
  t.equal(code, 1)
  t.match(errors, /gateway\.config\.yaml:1:1 stat/)
})

test('migrate: as a command of a process', async (t) => {
  const { config } = site(t)
  const { code, stdout, stderr } = await runCli(t, ['migrate', 'up', '--config', config])
  t.same([code, stderr], [0, 'sluice: 1 first-records: begun\nsluice: 2 config-versions: begun\nsluice: 3 sealed-configurations: begun\n'])
  t.match(stdout, /format 3, applied first-records, config-versions, sealed-configurations/)
  t.match(await runCli(t, ['migrate', 'down']), { code: 2, stderr: /Commands of sluice migrate: status, up/ })
})

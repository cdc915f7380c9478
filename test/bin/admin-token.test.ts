import { chmodSync, mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadAdminToken } from '../../bin/admin-token.js'
import { tempDir } from '../fixtures/temp-dir.js'

const GIVEN = 'a-token-of-sixteen-or-more'

test('admin-token: the environment comes first', async (t) => {
  const stateDir = tempDir(t)
  t.strictSame(await loadAdminToken({ env: { SLUICE_ADMIN_TOKEN: GIVEN }, tokenFile: null, stateDir }), { token: GIVEN, source: 'environment', created: false })
  t.strictSame(readdirSync(stateDir), [], 'and makes no file')
})

test('admin-token: makes a file of its own that nobody else can read, and reads it again', async (t) => {
  const stateDir = join(tempDir(t), 'new', 'state')
  const first = await loadAdminToken({ env: { SLUICE_ADMIN_TOKEN: '' }, tokenFile: null, stateDir })
  const path = join(stateDir, 'admin-token')
  t.match(first, { token: /^sat_[A-Za-z0-9_-]{43}$/, source: path, created: true })
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.equal(readFileSync(path, 'utf8'), `${first.token}\n`)
  t.strictSame(readdirSync(stateDir), ['admin-token'], 'no draft is left')
  t.strictSame(await loadAdminToken({ env: {}, tokenFile: null, stateDir }), { ...first, created: false })
  const other = await loadAdminToken({ env: {}, tokenFile: join(stateDir, 'elsewhere'), stateDir })
  t.equal(other.source, join(stateDir, 'elsewhere'))
  t.not(other.token, first.token)
})

test('admin-token: several processes that start at once agree on one token', async (t) => {
  const stateDir = tempDir(t)
  const all = await Promise.all(Array.from({ length: 20 }, () => loadAdminToken({ env: {}, tokenFile: null, stateDir })))
  t.equal(new Set(all.map(({ token }) => token)).size, 1)
  t.equal(all.filter(({ created }) => created).length, 1)
  t.strictSame(readdirSync(stateDir), ['admin-token'])
})

test('admin-token: refuses what is weak, unreadable or open to others, and says what to do', async (t) => {
  const stateDir = tempDir(t)
  const load = async (env: NodeJS.ProcessEnv, tokenFile: string | null = null): Promise<unknown> => await loadAdminToken({ env, tokenFile, stateDir })
  for (const weak of ['short', 'has a space in it all', 'has"quotes"in"it"and"more', 'lïne-with-umlaut-in-it', `${GIVEN}\n`]) {
    await t.rejects(load({ SLUICE_ADMIN_TOKEN: weak }), /SLUICE_ADMIN_TOKEN is not a usable token \(use at least 16 characters/)
  }
  const file = join(stateDir, 'token')
  writeFileSync(file, `${GIVEN}\n`)
  for (const mode of [0o640, 0o604, 0o644, 0o620]) {
    chmodSync(file, mode)
    await t.rejects(load({}, file), /is open to others, mode 06\d\d \(chmod 600 it; if somebody may have read it/)
  }
  chmodSync(file, 0o600)
  t.match(await load({}, file), { token: GIVEN, created: false })
  chmodSync(file, 0o400)
  t.match(await load({}, file), { token: GIVEN, created: false })
  chmodSync(file, 0o600)
  writeFileSync(file, '')
  await t.rejects(load({}, file), /does not hold a usable token \(.*delete the file/)
  await t.rejects(load({}, join(file, 'below-a-file')), /can not be kept in .*(?:ENOTDIR|EEXIST) \(let this user write there, or set SLUICE_ADMIN_TOKEN\)/)
  mkdirSync(join(stateDir, 'folder'))
  await t.rejects(load({}, join(stateDir, 'folder')), /can not be read from .*EISDIR/)
})

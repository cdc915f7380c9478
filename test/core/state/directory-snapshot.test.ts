import { createSecretKey, randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { Directory } from '../../../core/state/directory.js'
import { directoryItems } from '../../../core/state/directory-items.js'
import { createSnapshotSeal, readDirectorySnapshot, type SnapshotSeal, SnapshotError, snapshotKeyIds, writeDirectorySnapshot } from '../../../core/state/directory-snapshot.js'
import type { FeedStatus } from '../../../core/state/feed.js'
import { createKeyRing } from '../../../core/state/key-ring.js'
import { keepDirectorySnapshot } from '../../../core/state/snapshot-keeper.js'
import { records, testKeys } from '../../fixtures/directory.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const NOW = Date.parse('2026-06-01T00:00:00.000Z')

function createSeal (): SnapshotSeal {
  const keys = [{ id: 'k1', createdAt: '2026-01-01T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }]
  const content = { encryption: { active: 'k1', keys }, peppers: { active: 'k1', keys } }
  return createSnapshotSeal(createKeyRing(() => content))
}

function filled (keys = 1_800): Directory {
  const directory = new Directory(testKeys, () => NOW)
  const { tables } = directory
  tables.put('accounts', records.account('acme'))
  tables.put('accounts', records.account('late', { status: 'suspended' }))
  tables.put('projects', records.project('shop'))
  tables.put('projects', records.project('gone', { customer_id: 'late' }))
  tables.put('domains', records.domain('d1', 'shop'))
  tables.put('secrets', records.secret('x1', 'TOKEN'))
  tables.put('secrets', records.secret('x2', 'TOKEN', { project_id: 'shop' }))
  tables.put('plans', records.plan('pro', { name: 'Pro' }))
  tables.put('consumers', records.consumer('ada'))
  tables.put('consumers', records.consumer('bob', { status: 'inactive' }))
  tables.put('subscriptions', records.subscription('s1', 'ada', 'shop', 'pro'))
  tables.put('credentials', records.credential('c1', 'aaaa.1', 'ada', 'shop', { limits: { requests: '5/s' }, allowed_networks: ['10.0.0.0/8'] }))
  tables.put('credentials', records.credential('c2', 'bbbb.1', 'bob', 'shop', { expires_at: new Date(NOW + 5).toISOString() }))
  tables.put('credentials', records.credential('c3', 'cccc.1', 'ada', 'shop', { status: 'revoked', require_signature: true }))
  tables.put('credentials', records.credential('c4', 'dddd.1', 'ada', 'shop', { expires_at: 'some day' }))
  for (let n = 0; n < keys; n++) tables.put('credentials', records.credential(`n${n}`, `n${n}.1`, 'ada', 'shop'))
  return directory
}

test('directory-snapshot: what is read finds the same keys, with the same reasons, as what was written', async (t) => {
  const path = join(tempDir(t), 'directory.snapshot')
  const seal = createSeal()
  const before = filled()
  await writeDirectorySnapshot(path, { tables: before.tables, seq: 7, asOf: NOW }, seal)
  const { tables, seq, asOf } = await readDirectorySnapshot(path, seal)
  t.same([seq, asOf], [7, NOW])
  const after = new Directory(testKeys, () => NOW)
  after.adopt(tables)
  for (const key of ['aaaa.1', 'bbbb.1', 'cccc.1', 'dddd.1', 'n0.1', 'n1799.1', 'n1799.2']) {
    const { isAllowedFrom, ...found } = after.lookUpKey('shop', key) ?? {}
    const { isAllowedFrom: wanted, ...expected } = before.lookUpKey('shop', key) ?? {}
    t.same(found, expected, key)
    t.same(['10.0.0.1', '192.0.2.1'].map((address) => isAllowedFrom?.(address)), ['10.0.0.1', '192.0.2.1'].map((address) => wanted?.(address)))
  }
  t.same([...after.projects()], [...before.projects()])
  t.same(after.domainsOf('shop'), before.domainsOf('shop'))
  t.same(after.secretsOf('shop'), before.secretsOf('shop'))
  t.equal(after.secretsOf('shop').length, 2)
  t.same([after.isActive('acme'), after.isActive('late')], [true, false])
  t.equal([...directoryItems(tables)].length, [...directoryItems(before.tables)].length)
})

test('directory-snapshot: is the user\'s alone, shows nothing of what is in it, and leaves no other file', async (t) => {
  const folder = tempDir(t)
  const path = join(folder, 'directory.snapshot')
  writeFileSync(path, 'an older one', { mode: 0o644 })
  await writeDirectorySnapshot(path, { tables: filled().tables, seq: 7, asOf: NOW }, createSeal())
  t.equal(statSync(path).mode & 0o777, 0o600)
  t.notOk(/customer_id|credential|TOKEN|sealed value|http:|192\.0\.2\.1|Consumer /.test(readFileSync(path, 'utf8')))
  t.same(readdirSync(folder), ['directory.snapshot'])
})

test('directory-snapshot: one that is missing, torn, changed or of another ring is none', async (t) => {
  const folder = tempDir(t)
  const path = join(folder, 'directory.snapshot')
  const seal = createSeal()
  const why = async (with_ = seal): Promise<unknown> => {
    try { await readDirectorySnapshot(path, with_) } catch (error) { return error instanceof SnapshotError ? error.reason : error }
    return 'read'
  }
  t.equal(await why(), 'missing')
  const { tables } = filled()
  await writeDirectorySnapshot(path, { tables, seq: 7, asOf: NOW }, seal)
  const whole = readFileSync(path)
  const lines = whole.toString().trimEnd().split('\n')
  t.ok(lines.length > 4, 'there are several pieces')
  const tried = async (bytes: Buffer | string): Promise<unknown> => { writeFileSync(path, bytes); return await why() }
  t.equal(await tried(whole), 'read')
  t.equal(await why(createSeal()), 'unusable', 'another ring')
  for (const length of [0, 1, 18, 19, 100, whole.length >> 1, whole.length - 2]) t.equal(await tried(whole.subarray(0, length)), 'unusable', `${length} bytes`)
  for (let at = 0; at < whole.length - 1; at += Math.ceil(whole.length / 40)) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] as number) ^ 1
    t.equal(await tried(changed), 'unusable', `byte ${at}`)
  }
  t.equal(await tried(lines.slice(0, -1).join('\n')), 'unusable', 'without the last piece')
  t.equal(await tried([lines[0], lines[2], lines[1], ...lines.slice(3)].join('\n')), 'unusable', 'pieces in another order')
  t.equal(await tried([...lines, lines.at(-1)].join('\n')), 'unusable', 'a piece twice')
  await writeDirectorySnapshot(path, { tables, seq: 8, asOf: NOW }, seal)
  const others = readFileSync(path, 'utf8').trimEnd().split('\n')
  t.equal(await tried([...lines.slice(0, 2), ...others.slice(2)].join('\n')), 'unusable', 'pieces of two files')
})

test('directory-snapshot: one that can not be written leaves the old one as it is', async (t) => {
  const folder = tempDir(t)
  const path = join(folder, 'directory.snapshot')
  const seal = createSeal()
  await writeDirectorySnapshot(path, { tables: filled(1).tables, seq: 7, asOf: NOW }, seal)
  await t.rejects(writeDirectorySnapshot(path, { tables: filled(1).tables, seq: 8, asOf: NOW }, { ...seal, seal () { throw new Error('no key') } }), { message: 'no key' })
  t.equal((await readDirectorySnapshot(path, seal)).seq, 7)
  t.same(readdirSync(folder), ['directory.snapshot'])
})

test('snapshot-keeper: writes what changed, not what did not, and once more at the end', async (t) => {
  const path = join(tempDir(t), 'directory.snapshot')
  const seal = createSeal()
  const feed: { status: FeedStatus } = { status: { state: 'loading', asOf: null, seq: null, error: null } }
  let sealed = 0
  const counting: SnapshotSeal = { ...seal, seal (text) { sealed++; return seal.seal(text) } }
  const log = { debug () {}, info () {}, warn () {}, error () {} }
  const stop = keepDirectorySnapshot({ path, directory: filled(1), feed, seal: counting, log, everyMs: 5 })
  const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
    while (!await holds()) await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
  t.equal(existsSync(path), false, 'nothing was read yet')
  feed.status = { state: 'fresh', asOf: NOW, seq: 7, error: null }
  await until(() => existsSync(path))
  t.match(await readDirectorySnapshot(path, seal), { seq: 7, asOf: NOW })
  feed.status = { ...feed.status, asOf: NOW + 599_999 }
  await new Promise((resolve) => { setTimeout(resolve, 40) })
  t.equal(sealed, 1, 'nothing changed')
  feed.status = { ...feed.status, asOf: NOW + 600_000 }
  await until(async () => (await readDirectorySnapshot(path, seal)).asOf === NOW + 600_000)
  feed.status = { ...feed.status, seq: 9 }
  await stop()
  t.equal((await readDirectorySnapshot(path, seal)).seq, 9)
})

test('snapshot-keeper: writes anew when another key is in use, although nothing changed', async (t) => {
  const path = join(tempDir(t), 'directory.snapshot')
  const keys = ['k1', 'k2'].map((id) => ({ id, createdAt: '2026-01-01T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }))
  let content = { encryption: { active: 'k1', keys }, peppers: { active: 'k1', keys } }
  const seal = createSnapshotSeal(createKeyRing(() => content))
  const feed = { status: { state: 'fresh', asOf: NOW, seq: 7, error: null } as const }
  const log = { debug () {}, info () {}, warn () {}, error () {} }
  t.same([...await snapshotKeyIds(path)], [], 'there is none')
  const stop = keepDirectorySnapshot({ path, directory: filled(1), feed, seal, log, everyMs: 5 })
  const sealedWith = async (id: string): Promise<void> => {
    while (!(await snapshotKeyIds(path)).has(id)) await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
  await sealedWith('k1')
  content = { ...content, encryption: { active: 'k2', keys } }
  await sealedWith('k2')
  await stop()
  t.same([...await snapshotKeyIds(path)], ['k2'])
  const without = { encryption: { active: 'k2', keys: keys.slice(1) }, peppers: content.peppers }
  t.equal((await readDirectorySnapshot(path, createSnapshotSeal(createKeyRing(() => without)))).seq, 7, 'the old key can go')
  writeFileSync(path, 'something else')
  await t.rejects(snapshotKeyIds(path), { name: 'SnapshotError', reason: 'unusable' })
})

test('snapshot-keeper: tells once that it can not write, and goes on trying', async (t) => {
  const folder = tempDir(t)
  const path = join(folder, 'not there', 'directory.snapshot')
  const warnings: string[] = []
  const log = { debug () {}, info () {}, warn (_fields: unknown, message: string) { warnings.push(message) }, error () {} }
  const feed = { status: { state: 'fresh', asOf: NOW, seq: 7, error: null } as const }
  const stop = keepDirectorySnapshot({ path, directory: filled(1), feed, seal: createSeal(), log, everyMs: 2 })
  await new Promise((resolve) => { setTimeout(resolve, 40) })
  await stop()
  t.same(warnings, ['the snapshot of the directory can not be written'])
})

import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { backup, restore } from '../../../core/state/backup.js'
import type { DocumentEngine } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { migrate } from '../../../core/state/migrate.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { consumer, credential, plan, project, user } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const mongodb = service('mongodb')

async function openEngine (t: Test): Promise<DocumentEngine & { open: OpenStore }> {
  const engine = await openSqliteEngine({ path: tempDir(t) })
  t.teardown(() => engine.close())
  return { ...engine, open: openDocumentStore(engine) }
}

/** A store with something of everything, and what was removed. */
async function fill ({ open }: { open: OpenStore }, count = 20): Promise<void> {
  await migrate(open)
  await open.system.setMeta('key_ring', 'sealed')
  await open.store.projects.insert('acme', project('shop'))
  for (let index = 0; index < count; index++) await open.store.consumers.insert(`tenant${index % 3}`, consumer(`c${index}`, { metadata: { '$a.b': 'é💥\u0000', list: [null, 1.5] } }))
  const first = await open.store.users.insert('acme', user('u1'))
  await open.store.users.replace('acme', { ...first, email: 'other@example.com' })
  await open.store.users.insert('acme', user('u2', { email: first.email }))
  await open.store.plans.insert('acme', plan('gone'))
  await open.store.plans.remove('acme', 'gone')
  await open.store.credentials.insert('acme', credential('k1'))
  await open.store.usage.add('acme', [{ project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 7, errors: 1 }])
  for (let index = 0; index < 3; index++) await open.audit.append('acme', { request_id: 'r', phase: 'intent', action: 'a', actor: 'operator', target_id: null, outcome: null, payload: { index } })
}

async function all (engine: DocumentEngine): Promise<unknown[]> {
  return (await engine.changesSince(0, 100_000)).map(({ seq: _, ...document }) => document).sort((a, b) => `${a.collection}${a.id}` < `${b.collection}${b.id}` ? -1 : 1)
}

const linesOf = (file: string): string[] => gunzipSync(readFileSync(file)).toString().split('\n').slice(0, -1)

test('backup: what is restored is what was kept, with revisions, times, removed ids, usage, settings and the audit chain', async (t) => {
  const [from, to] = [await openEngine(t), await openEngine(t)]
  await fill(from)
  const file = join(tempDir(t), 'a.backup')
  const told: number[] = []
  t.same(await backup(from, file, { onProgress: (records) => { told.push(records) } }), { records: 28, usage: 1 })
  t.same(told, [28])
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.same(readdirSync(join(file, '..')), ['a.backup'])
  t.same(await restore(to, file), { records: 28, usage: 1, skipped: 0 })
  t.same(await all(to), await all(from))
  t.same(await to.open.store.usage.days('acme', {}, '2026-01-01', '2026-12-31'), await from.open.store.usage.days('acme', {}, '2026-01-01', '2026-12-31'))
  t.same(await Promise.all(['migrations', 'key_ring'].map((key) => to.getMeta(key))), await Promise.all(['migrations', 'key_ring'].map((key) => from.getMeta(key))))
  t.same(await to.open.audit.verify(), await from.open.audit.verify())
  await t.rejects(to.open.store.plans.insert('acme', plan('gone')), { name: 'DuplicateError' }, 'a removed id stays taken')
  await t.rejects(to.open.store.users.insert('acme', user('u3', { email: 'other@example.com' })), { name: 'DuplicateError' }, 'so does what is unique')
})

test('backup: made while it is written to, it is the store of one moment', async (t) => {
  const [from, to] = [await openEngine(t), await openEngine(t)]
  await fill(from, 60)
  let writes = 0
  // Between its pieces everything changes, and two users exchange their addresses.
  const disturbed: DocumentEngine = {
    ...from,
    async changesSince (seq, limit) {
      const piece = await from.changesSince(seq, limit)
      if (writes++ === 0) {
        for (const record of await from.open.store.consumers.list('tenant0', { limit: 1_000 })) await from.open.store.consumers.replace('tenant0', { ...record, name: 'changed' })
        await from.open.store.consumers.remove('tenant1', 'c1')
        const users = from.open.store.users
        const [one, two] = [await users.get('acme', 'u1'), await users.get('acme', 'u2')]
        if (one === null || two === null) throw new Error('no users')
        const moved = await users.replace('acme', { ...one, email: 'third@example.com' })
        await users.replace('acme', { ...two, email: one.email })
        await users.replace('acme', { ...moved, email: two.email })
        await from.open.store.consumers.insert('tenant0', consumer('fresh'))
      }
      return piece
    }
  }
  const file = join(tempDir(t), 'a.backup')
  await backup(disturbed, file, { piece: 40 })
  const { records } = await restore(to, file)
  t.equal(records, (await all(from)).length, 'each once')
  t.same(await all(to), await all(from))
})

test('backup: a site moves from the embedded store to MongoDB and back, and is the same', { skip: mongodb.skip }, async (t) => {
  const [from, to] = [await openEngine(t), await openEngine(t)]
  await fill(from)
  const url = mongodb.url ?? ''
  const mongo = await openMongoEngine({ url, database: mongoDatabase(t, url) })
  const folder = tempDir(t)
  try {
    await backup(from, join(folder, 'there.backup'))
    t.same(await restore(mongo, join(folder, 'there.backup')), { records: 28, usage: 1, skipped: 0 })
    t.match(await openDocumentStore(mongo).audit.verify(), { entries: 3, fault: null })
    await backup(mongo, join(folder, 'back.backup'))
    t.same(await restore(to, join(folder, 'back.backup')), { records: 28, usage: 1, skipped: 0 })
  } finally { await mongo.close() }
  t.same(await all(to), await all(from))
})

test('restore: a file that is torn, was changed, or is no backup is refused before anything is written', async (t) => {
  const from = await openEngine(t)
  await fill(from)
  const folder = tempDir(t)
  const file = join(folder, 'good.backup')
  await backup(from, file)
  const lines = linesOf(file)
  const bytes = readFileSync(file)
  const again = (changed: string[]): Buffer => gzipSync(changed.map((line) => `${line}\n`).join(''))
  const flipped = Buffer.from(bytes)
  flipped[Math.trunc(bytes.length / 2)] = (flipped[Math.trunc(bytes.length / 2)] ?? 0) ^ 1
  const bad: [string, Buffer | string, RegExp][] = [
    ['cut', bytes.subarray(0, bytes.length - 40), /can not be unpacked|end is missing/],
    ['cut in the middle', bytes.subarray(0, Math.trunc(bytes.length / 2)), /can not be unpacked|end is missing|no JSON/],
    ['one bit', flipped, /can not be unpacked|was changed|no JSON|nothing that a store keeps/],
    ['empty', '', /can not be unpacked|end is missing/],
    ['a text', 'hello', /can not be unpacked/],
    ['without its end', again(lines.slice(0, -1)), /end is missing/],
    ['a line less', again(lines.filter((_, index) => index !== 3)), /was changed/],
    ['a value changed', again(lines.map((line) => line.replace('other@example.com', 'evil@example.com'))), /was changed/],
    ['lines exchanged', again([lines[0] ?? '', lines[2] ?? '', lines[1] ?? '', ...lines.slice(3)]), /was changed/],
    ['something behind', again([...lines, '{"a":1}']), /something stands behind its end/],
    ['another file', again(['{"a":1}', '{"sha256":"x","lines":0}']), /no backup that this version knows/],
    ['a collection that there is not', again(lines.map((line) => line.replace('"collection":"users"', '"collection":"__proto__"'))), /nothing that a store keeps/]
  ]
  for (const [title, content, message] of bad) {
    const to = await openEngine(t)
    writeFileSync(join(folder, 'bad.backup'), content)
    await t.rejects(restore(to, join(folder, 'bad.backup')), { name: 'BackupError', message }, title)
    t.same([await to.latestSeq(), await to.getMeta('migrations')], [0, null], `${title}: nothing was written`)
  }
  await t.rejects(restore(await openEngine(t), join(folder, 'none.backup')), { code: 'ENOENT' })
  const newer = { ...JSON.parse(lines[0] ?? '') as object, format: 99 }
  const { createHash } = await import('node:crypto')
  const body = [JSON.stringify(newer), ...lines.slice(1, -1)].map((line) => `${line}\n`).join('')
  writeFileSync(join(folder, 'newer.backup'), gzipSync(`${body}${JSON.stringify({ lines: lines.length - 2, sha256: createHash('sha256').update(body).digest('hex') })}\n`))
  await t.rejects(restore(await openEngine(t), join(folder, 'newer.backup')), { name: 'StoreTooNewError', version: 99 })
})

test('restore: a store that is not empty is refused, unless it is told to merge, which also goes on after an interruption', async (t) => {
  const [from, to] = [await openEngine(t), await openEngine(t)]
  await fill(from)
  const at = { customer_id: 'acme', rev: 1, created_at: '2026-11-26T00:00:00.000Z', updated_at: '2026-11-26T00:00:00.000Z' }
  await from.insertAll(Array.from({ length: 4_990 }, (_, index) => ({ collection: 'consumers', id: `d${index}`, customerId: 'acme', rev: 1, unique: [], record: { ...consumer(`d${index}`), ...at } })))
  const file = join(tempDir(t), 'a.backup')
  await backup(from, file)
  let batches = 0
  const dying: DocumentEngine = { ...to, insertAll: async (documents) => { if (batches++ === 1) throw new Error('killed'); return await to.insertAll(documents) } }
  await t.rejects(restore(dying, file), { message: 'killed' })
  await t.rejects(restore(to, file), { name: 'BackupError', message: /empty store/ })
  const told: number[] = []
  t.same(await restore(to, file, { merge: true, onProgress: (records) => { told.push(records) } }), { records: 18, usage: 0, skipped: 5_000 })
  t.same(told, [5_000, 5_019], 'progress is told')
  t.same(await all(to), await all(from))
})

test('restore: large records are written in smaller batches', async (t) => {
  const [from, to] = [await openEngine(t), await openEngine(t)]
  await migrate(from.open)
  for (let index = 0; index < 15; index++) await from.open.store.consumers.insert('acme', consumer(`c${index}`, { metadata: { text: 'x'.repeat(1_500_000) } }))
  const file = join(tempDir(t), 'a.backup')
  await backup(from, file)
  const sizes: number[] = []
  await restore({ ...to, insertAll: async (documents) => { sizes.push(documents.length); return await to.insertAll(documents) } }, file)
  t.same(sizes, [7, 7, 1])
  t.same(await all(to), await all(from))
})

test('backup: one that can not be written leaves nothing behind', async (t) => {
  const from = await openEngine(t)
  await fill(from)
  const folder = tempDir(t)
  const failing: DocumentEngine = { ...from, usageDays: async () => { throw new Error('the store is gone') } }
  writeFileSync(join(folder, 'a.backup'), 'of yesterday')
  await t.rejects(backup(failing, join(folder, 'a.backup')), { message: 'the store is gone' })
  t.same(readdirSync(folder), ['a.backup'])
  t.equal(readFileSync(join(folder, 'a.backup'), 'utf8'), 'of yesterday', 'and what was there stays')
  await t.rejects(backup(from, join(folder, 'none', 'a.backup')), { code: 'ENOENT' })
  t.equal(existsSync(join(folder, 'none')), false)
})

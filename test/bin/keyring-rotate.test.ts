import { copyFileSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { test, type Test } from 'tap'
import { EXIT } from '../../bin/exit-codes.js'
import { makeKeyRing } from '../../bin/keyring/make.js'
import { retireKey } from '../../bin/keyring/retire.js'
import { advanceRing, rotateKeyRing } from '../../bin/keyring/rotate.js'
import { Directory } from '../../core/state/directory.js'
import { createSnapshotSeal, readDirectorySnapshot, snapshotKeyIds, writeDirectorySnapshot } from '../../core/state/directory-snapshot.js'
import { DirectoryFeed } from '../../core/state/feed.js'
import { createKeyReader } from '../../core/state/key-reader.js'
import { SILENT } from '../../bin/silent-log.js'
import { openDocumentStore } from '../../core/state/document-store.js'
import { checkKeyRing } from '../../core/state/key-ring-check.js'
import { withPreparedKey } from '../../core/state/key-ring-edit.js'
import { loadKeyRing, readKeyRingFile } from '../../core/state/key-ring-source.js'
import { newRingContent } from '../../core/state/key-ring-text.js'
import { keyIdOf, type KeyRing, type RingContent } from '../../core/state/key-ring.js'
import type { Credential, Sealed } from '../../core/state/records.js'
import { openSqliteEngine } from '../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../core/state/store.js'
import { keepTerminal, type KeptTerminal } from '../fixtures/cli.js'
import { credential, secret } from '../fixtures/store-records.js'
import { tempDir } from '../fixtures/temp-dir.js'

const PLACE = { collection: 'credentials', field: 'secret' }

/** A site with a store that a gateway has open, and its ring. */
interface Site {
  readonly config: string
  readonly file: string
  readonly store: OpenStore
  readonly ring: KeyRing
  content (): RingContent
  insert (id: string, given?: Partial<Credential>): Promise<Credential>
  secretOf (id: string): Promise<Sealed>
  rotate (flags?: { prepare?: boolean, peppers?: boolean, resume?: boolean, json?: boolean, env?: Record<string, string> }): Promise<{ code: number, terminal: KeptTerminal }>
  retire (id: string, flags?: { json?: boolean, env?: Record<string, string> }): Promise<{ code: number, terminal: KeptTerminal }>
}

async function startSite (t: Test): Promise<Site> {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, 'state: { embedded: { path: data } }\n')
  const file = join(folder, 'data', 'keys.json')
  const { ring } = loadKeyRing({ text: undefined, file, make: true })
  const store = openDocumentStore(await openSqliteEngine({ path: join(folder, 'data') }))
  t.teardown(() => store.close())
  await checkKeyRing(store.system, ring)
  return {
    config,
    file,
    store,
    ring,
    content: () => readKeyRingFile(file).content,
    insert: (id, given = {}) => store.store.credentials.insert('acme', credential(id, { ...ring.digest(id), secret: ring.seal('acme', PLACE, `secret of ${id}`), ...given })),
    secretOf: async (id) => (await store.store.credentials.get('acme', id))!.secret!,
    async rotate ({ env = {}, ...flags } = {}) {
      const terminal = keepTerminal(env)
      return { code: await rotateKeyRing({ config, ...flags }, terminal), terminal }
    },
    async retire (id, { env = {}, json = false } = {}) {
      const terminal = keepTerminal(env)
      return { code: await retireKey(id, { config, yes: true, json }, terminal), terminal }
    }
  }
}

function jsonOf ({ terminal }: { terminal: KeptTerminal }): Record<string, unknown> {
  return JSON.parse(terminal.out[0] ?? '{}') as Record<string, unknown>
}

test('keyring rotate: seals everything anew while a gateway goes on with the same ring, and retire then lets the old key go', async (t) => {
  const site = await startSite(t)
  const { ring } = site
  for (let index = 0; index < 20; index++) await site.insert(`k${index}`)
  const old = ring.content().encryption.active
  const early = await site.retire(old)
  t.equal(early.code, EXIT.refused)
  t.match(early.terminal.errors, [/is in use for new values \(`sluice keyring rotate`/])
  const rotated = await site.rotate({ json: true })
  t.equal(rotated.code, EXIT.ok)
  const { active, keys } = site.content().encryption
  t.strictSame(jsonOf(rotated), { ok: true, source: site.file, encryption: active, pepper: ring.content().peppers.active, records: 20, resealed: 20, unopened: [] })
  t.equal(keys.length, 2)
  t.not(active, old)
  t.equal(keyIdOf(await site.secretOf('k7')), active)
  t.equal(ring.open('acme', PLACE, await site.secretOf('k7')), 'secret of k7', 'the ring of before has taken up the key')
  t.equal(keyIdOf(ring.seal('acme', PLACE, 'new')), active)
  const gone = await site.retire(old)
  t.equal(gone.code, EXIT.ok)
  t.match(gone.terminal.out, [new RegExp(`^${old} is gone from `)])
  t.strictSame(site.content().encryption.keys.map(({ id }) => id), [active])
  t.equal(loadKeyRing({ text: undefined, file: site.file, make: false }).ring.open('acme', PLACE, await site.secretOf('k19')), 'secret of k19')
  await checkKeyRing(site.store.system, ring)
  const trail = await site.store.audit.list('local', { limit: 20, sort: [{ field: 'seq' }] })
  t.strictSame(trail.map(({ action, phase, outcome }) => `${action} ${phase} ${outcome}`), [
    'keyring.retire intent null', 'keyring.retire outcome failed', 'keyring.rotate intent null', 'keyring.rotate outcome ok', 'keyring.retire intent null', 'keyring.retire outcome ok'
  ])
  t.equal((await site.store.audit.verify()).fault, null)
})

test('keyring retire: refuses a key that values are sealed with, and a pepper until its last key is revoked', async (t) => {
  const site = await startSite(t)
  await site.insert('k1')
  const before = site.content()
  copyFileSync(site.file, `${site.file}.before`)
  t.equal((await site.rotate({ peppers: true })).code, EXIT.ok)
  t.not(site.content().peppers.active, before.peppers.active)
  await site.insert('k2', { secret: site.ring.seal('acme', PLACE, 'x'), ...site.ring.digest('k2') })
  t.equal((await site.store.store.credentials.get('acme', 'k2'))?.pepper_id, site.content().peppers.active)
  t.equal(site.ring.verify('k1', (await site.store.store.credentials.get('acme', 'k1'))!), true, 'keys of the old pepper go on')
  const late = await site.insert('late', { secret: loadKeyRing({ text: readFileSync(`${site.file}.before`, 'utf8'), file: null, make: false }).ring.seal('acme', PLACE, 'x'), ...site.ring.digest('late') })
  t.equal(keyIdOf(late.secret!), before.encryption.active)
  t.match((await site.retire(before.encryption.active)).terminal.errors, [/^sluice: 1 values are sealed with enc_\w+ \(run `sluice keyring rotate` first\)/])
  t.match((await site.retire(before.peppers.active)).terminal.errors, [/^sluice: 1 keys and tokens were made with pep_\w+ \(it can go when they are revoked/])
  t.match((await site.retire('other')).terminal.errors, [/the ring has no key other/])
  t.equal(site.content().encryption.keys.length, 2)
  await site.store.store.credentials.replace('acme', { ...(await site.store.store.credentials.get('acme', 'k1'))!, status: 'revoked' })
  t.equal((await site.retire(before.peppers.active)).code, EXIT.ok)
  t.equal(site.content().peppers.keys.length, 1)
  t.match(jsonOf(await site.rotate({ resume: true, json: true })), { ok: true, encryption: site.content().encryption.active, resealed: 1 })
  t.equal(site.content().encryption.keys.length, 2, 'no key was added')
  t.equal((await site.retire(before.encryption.active)).code, EXIT.ok)
})

test('keyring retire: the last view of the store on disk is written anew without the key, by the gateway that runs or by the command', async (t) => {
  const site = await startSite(t)
  const view = join(dirname(site.file), 'directory.snapshot')
  const old = site.content().encryption.active
  await site.store.store.secrets.insert('acme', secret('TOKEN', { value: site.ring.seal('acme', { collection: 'secrets', field: 'value' }, 'hush') }))
  const write = async (): Promise<void> => {
    const directory = new Directory(createKeyReader(site.ring))
    const feed = new DirectoryFeed({ system: site.store.system, directory, log: SILENT, pollMs: 1_000 })
    await feed.start()
    await writeDirectorySnapshot(view, { tables: directory.tables, seq: feed.status.seq ?? 0, asOf: Date.now() }, createSnapshotSeal(site.ring))
    await feed.stop()
  }
  await write()
  t.same([...await snapshotKeyIds(view)], [old])
  t.equal((await site.rotate()).code, EXIT.ok)
  t.same([...await snapshotKeyIds(view)], [old], 'no gateway runs')
  t.equal((await site.retire(old)).code, EXIT.ok)
  const { active } = site.content().encryption
  t.same([...await snapshotKeyIds(view)], [active])
  const { ring } = loadKeyRing({ text: undefined, file: site.file, make: false })
  const { tables } = await readDirectorySnapshot(view, createSnapshotSeal(ring))
  const [kept] = tables.secrets.values()
  t.equal(ring.open('acme', { collection: 'secrets', field: 'value' }, kept!.value), 'hush', 'what is in it can be opened too')

  t.equal((await site.rotate()).code, EXIT.ok)
  const turn = `directory snapshot ${hostname()} ${view}`
  await site.store.system.takeLease(turn, 'a gateway', 60_000)
  const retiring = site.retire(active)
  await write()
  t.equal((await retiring).code, EXIT.ok, 'the gateway was waited for')
  t.match(await site.store.system.takeLease(turn, 'a gateway', 60_000), { holder: 'a gateway' }, 'its turn was not taken')
})

test('keyring rotate: a key can be prepared first, and a second command waits for its turn', async (t) => {
  const site = await startSite(t)
  const before = site.content()
  const prepared = jsonOf(await site.rotate({ prepare: true, peppers: true, json: true }))
  t.match(prepared, { ok: true, prepared: [/^enc_/, /^pep_/] })
  t.equal(site.content().encryption.active, before.encryption.active)
  await site.store.system.takeLease('keyring', 'another', 60_000)
  const refused = await site.rotate()
  t.equal(refused.code, EXIT.refused)
  t.match(refused.terminal.errors, [/another command changes the key ring/])
  t.equal(site.content().encryption.active, before.encryption.active)
  await site.store.system.releaseLease('keyring', 'another')
  t.equal((await site.rotate({ peppers: true })).code, EXIT.ok)
  t.strictSame([site.content().encryption.active, site.content().peppers.active], prepared['prepared'])
})

test('keyring rotate: tells what can not be opened, without what it holds, and exits 1', async (t) => {
  const site = await startSite(t)
  await site.insert('good')
  await site.insert('plain', { secret: 'canary-plain-text' as Sealed })
  const { code, terminal } = await site.rotate()
  t.equal(code, EXIT.refused)
  t.match(terminal.errors, [/^sluice: credentials plain secret: this is not a sealed value/])
  t.notMatch([...terminal.errors, ...terminal.out].join(), 'canary')
  t.equal(site.ring.needsRotation(await site.secretOf('good')), false)
})

test('keyring rotate: with SLUICE_KEYS seals with the key that is in use there, and changes no file', async (t) => {
  const site = await startSite(t)
  await site.insert('k1')
  const text = readFileSync(site.file, 'utf8')
  const old = site.content().encryption.active
  const next = async (given: string): Promise<string> => {
    const terminal = keepTerminal({ SLUICE_KEYS: given })
    await makeKeyRing({ config: '', print: true, next: true }, terminal)
    return terminal.out[0]!
  }
  const env = { SLUICE_KEYS: await next(await next(text)) }
  t.match((await site.rotate({ prepare: true, env })).terminal.errors, [/SLUICE_KEYS, which can not be changed from here \(`sluice keyring new --print --next`/])
  const rotated = jsonOf(await site.rotate({ json: true, env }))
  t.match(rotated, { ok: true, source: 'environment', resealed: 1 })
  t.equal(keyIdOf(await site.secretOf('k1')), rotated['encryption'])
  t.match((await site.retire(old, { env })).terminal.out, [/nothing in the store needs enc_\w+: take it out of SLUICE_KEYS/])
  t.equal(readFileSync(site.file, 'utf8'), text)
  const wrong = keepTerminal()
  await makeKeyRing({ config: '', print: true }, wrong)
  t.match((await site.rotate({ env: { SLUICE_KEYS: wrong.out[0]! } })).terminal.errors, [/the key ring does not belong to this store: .* \(bring that ring back/])
})

test('keyring rotate: on a store of several nodes no key is used that was not prepared', (t) => {
  const content = newRingContent()
  for (const kind of ['encryption', 'peppers'] as const) {
    t.throws(() => advanceRing(content, kind, true), { name: 'CommandError', message: /is prepared, and other nodes of the store would not know a new one$/ })
    const prepared = withPreparedKey(content, kind)
    t.equal(advanceRing(prepared, kind, true)[kind].active, prepared[kind].keys[1]!.id)
    t.equal(advanceRing(content, kind, false)[kind].keys.length, 2)
  }
  t.end()
})

test('keyring rotate: refuses where there is no ring or store yet, and makes none', async (t) => {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, 'state: { embedded: { path: data } }\n')
  for (const [prepare, message] of [[true, /there is no key ring in .*keys\.json yet/], [false, /store\.db can not be used: ENOENT/]] as const) {
    const terminal = keepTerminal()
    t.equal(await rotateKeyRing({ config, prepare }, terminal), EXIT.refused)
    t.match(terminal.errors, [message])
  }
  t.strictSame(readdirSync(folder), ['gateway.yaml'])
})

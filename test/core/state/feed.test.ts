import { test, type Test } from 'tap'
import type { DocumentEngine } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { Directory } from '../../../core/state/directory.js'
import { DirectoryTables } from '../../../core/state/directory-tables.js'
import { DirectoryFeed } from '../../../core/state/feed.js'
import type { Store } from '../../../core/state/store.js'
import { fresh, records, testKeys } from '../../fixtures/directory.js'
import { createMemoryEngine, type MemoryEngine } from '../../fixtures/memory-engine.js'

/** A memory engine of which a test decides whether it signals, and which is there. */
interface Setup {
  /** The engine that is there now: `gone` makes it not answer. */
  there: { memory: MemoryEngine, polls: number }
  store: Store
  directory: Directory
  feed: DirectoryFeed
  logs: string[]
  /** Resolves when what is asked for holds. */
  until (holds: () => boolean): Promise<void>
}

const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

async function setup (t: Test, { quiet = false, pollMs = 60_000 }: { quiet?: boolean, pollMs?: number } = {}): Promise<Setup> {
  const there = { memory: createMemoryEngine(), polls: 0 }
  const engine: DocumentEngine = {
    ...there.memory,
    insert: (collection, document) => there.memory.insert(collection, document),
    // Real engines take their time: what is written meanwhile comes between two calls.
    async latestSeq () { await turn(); return await there.memory.latestSeq() },
    async changesSince (seq, limit) { there.polls++; await turn(); return await there.memory.changesSince(seq, limit) },
    async * readAll (collection, batch) {
      await turn()
      for await (const documents of there.memory.readAll(collection, batch)) { yield documents; await turn() }
    },
    onChange: (callback) => quiet ? () => {} : there.memory.onChange(callback)
  }
  const { store, system } = openDocumentStore(engine)
  const directory = new Directory(testKeys)
  const logs: string[] = []
  const note = (_fields: unknown, message: string): void => { logs.push(message) }
  const feed = new DirectoryFeed({ system, directory, pollMs, log: { debug () {}, info: note, warn: note, error: note } })
  t.teardown(() => feed.stop())
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
  await store.accounts.insert('acme', fresh(records.account('acme')))
  await store.projects.insert('acme', fresh(records.project('shop')))
  await store.consumers.insert('acme', fresh(records.consumer('ada')))
  await store.credentials.insert('acme', fresh(records.credential('c1', 'aaaa.1', 'ada', 'shop')))
  return { there, store, directory, feed, logs, until }
}

test('feed: reads everything, then follows what changes, as soon as the store signals', async (t) => {
  const { store, directory, feed, until } = await setup(t)
  t.same(feed.status, { state: 'loading', asOf: null, seq: null, error: null })
  t.equal(await feed.start(), true)
  t.match(feed.status, { state: 'fresh', seq: 4, error: null })
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.refused, null)
  const credential = await store.credentials.get('acme', 'c1')
  if (credential === null) throw new Error('it is there')
  const startedAt = performance.now()
  await store.credentials.replace('acme', { ...credential, status: 'revoked' })
  await until(() => directory.lookUpKey('shop', 'aaaa.1')?.refused === 'revoked')
  t.ok(performance.now() - startedAt < 1_000, 'within a second')
  await store.credentials.remove('acme', 'c1')
  await until(() => directory.lookUpKey('shop', 'aaaa.1') === null)
})

test('feed: reads a store that is written to again and again a few times, not once for each write', async (t) => {
  const { there, store, directory, feed, until } = await setup(t, { pollMs: 10_000 })
  await feed.start()
  const before = there.polls
  for (let n = 0; n < 50; n++) {
    await store.credentials.insert('acme', fresh(records.credential(`n${n}`, `n${n}.1`, 'ada', 'shop')))
    await new Promise((resolve) => { setTimeout(resolve, 2) })
  }
  await until(() => directory.lookUpKey('shop', 'n49.1') !== null)
  t.ok(there.polls - before < 25, `${there.polls - before} reads for 50 writes`)
})

test('feed: sees by polling what is not signalled', async (t) => {
  const { store, directory, feed, until } = await setup(t, { quiet: true, pollMs: 10 })
  await feed.start()
  await store.credentials.insert('acme', fresh(records.credential('c2', 'bbbb.1', 'ada', 'shop')))
  await until(() => directory.lookUpKey('shop', 'bbbb.1') !== null)
  t.equal(directory.lookUpKey('shop', 'bbbb.1')?.credential.id, 'c2')
})

test('feed: misses nothing of what changes while everything is read', async (t) => {
  const { there, store, directory, feed, until } = await setup(t)
  const starting = feed.start()
  const writing = (async () => {
    for (let n = 0; n < 200; n++) {
      await store.credentials.insert('acme', fresh(records.credential(`n${n}`, `n${n}.1`, 'ada', 'shop')))
      if (n % 2 === 1) await store.credentials.remove('acme', `n${n - 1}`)
    }
  })()
  await Promise.all([starting, writing])
  const latest = await there.memory.latestSeq()
  await until(() => feed.status.seq === latest)
  let wrong = 0
  for (let n = 0; n < 200; n++) if ((directory.lookUpKey('shop', `n${n}.1`) !== null) !== (n % 2 === 1)) wrong++
  t.equal(wrong, 0)
})

test('feed: takes over more changes than one piece holds', async (t) => {
  const { store, directory, feed, until } = await setup(t, { quiet: true, pollMs: 30 })
  await feed.start()
  await Promise.all(Array.from({ length: 2_500 }, (_, n) => store.credentials.insert('acme', fresh(records.credential(`n${n}`, `n${n}.1`, 'ada', 'shop')))))
  await until(() => directory.tables.credentials.size === 2_501)
  t.equal(feed.status.seq, 2_504)
})

test('feed: keeps the last view while the store is gone, says so, and is fresh again without a restart', async (t) => {
  const { there, store, directory, feed, logs, until } = await setup(t, { pollMs: 10 })
  await feed.start()
  const { asOf } = feed.status
  there.memory.gone = true
  await until(() => feed.status.state === 'stale')
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.refused, null, 'traffic goes on')
  t.match(feed.status, { state: 'stale', seq: 4, error: 'the store is gone' })
  t.ok((feed.status.asOf ?? 0) >= (asOf ?? Infinity), 'since when it is not fresh is known')
  there.memory.gone = false
  const startedAt = performance.now()
  await store.credentials.insert('acme', fresh(records.credential('c2', 'bbbb.1', 'ada', 'shop')))
  await until(() => directory.lookUpKey('shop', 'bbbb.1') !== null)
  t.ok(performance.now() - startedAt < 10_000)
  t.match(feed.status, { state: 'fresh', error: null })
  t.same(logs, ['the store can not be read: the directory stays as it is', 'the store answers again: the directory is fresh'], 'once each')
})

test('feed: a store that is gone at the start is read when it comes', async (t) => {
  const { there, directory, feed, until } = await setup(t, { quiet: true, pollMs: 10 })
  there.memory.gone = true
  t.equal(await feed.start(), false)
  t.match(feed.status, { state: 'loading', asOf: null })
  there.memory.gone = false
  await until(() => feed.status.state === 'fresh')
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.refused, null)
})

test('feed: serves a snapshot while the store was never there, and what the store has once it is', async (t) => {
  const { there, directory, feed, until } = await setup(t, { quiet: true, pollMs: 10 })
  const told: string[] = []
  feed.onProjects((ids) => { told.push(...ids) })
  there.memory.gone = true
  await feed.start()
  const tables = new DirectoryTables()
  tables.put('accounts', records.account('acme'))
  tables.put('projects', records.project('old'))
  tables.put('consumers', records.consumer('ada'))
  tables.put('credentials', records.credential('c0', 'oooo.1', 'ada', 'old'))
  t.equal(feed.useSnapshot({ tables, seq: 3, asOf: 1_000 }), true)
  t.match(feed.status, { state: 'stale', asOf: 1_000, seq: null, error: 'the store is gone' })
  t.equal(directory.lookUpKey('old', 'oooo.1')?.refused, null)
  t.same(told.splice(0), ['old'])
  there.memory.gone = false
  await until(() => feed.status.state === 'fresh')
  t.equal(directory.lookUpKey('old', 'oooo.1'), null, 'it was removed meanwhile')
  t.equal(directory.lookUpKey('shop', 'aaaa.1')?.refused, null)
  t.same(told.sort(), ['old', 'shop'])
  t.equal(feed.useSnapshot({ tables, seq: 3, asOf: 1_000 }), false, 'what was read of the store stays')
  t.equal(directory.lookUpKey('old', 'oooo.1'), null)
})

test('feed: reads everything anew where the store has gone back behind what was read', async (t) => {
  const { there, store, directory, feed, until } = await setup(t, { quiet: true, pollMs: 10 })
  await feed.start()
  there.memory.gone = true
  await until(() => feed.status.state === 'stale')
  there.memory = createMemoryEngine()
  await store.accounts.insert('acme', fresh(records.account('acme')))
  await until(() => feed.status.state === 'fresh')
  t.equal(directory.lookUpKey('shop', 'aaaa.1'), null, 'what is not in it is gone')
  t.equal(directory.project('shop'), null)
})

test('feed: tells which projects changed, once the directory shows it', async (t) => {
  const { store, directory, feed, logs, until } = await setup(t)
  const told: (readonly string[])[] = []
  feed.onProjects(() => { throw new Error('a listener with a bug') })
  const end = feed.onProjects((ids) => {
    told.push(ids)
    for (const id of ids) t.equal(directory.project(id)?.project_id, id)
  })
  await feed.start()
  t.same(told, [['shop']], 'all, once everything was read')
  await store.projects.insert('acme', fresh(records.project('new')))
  await store.domains.insert('acme', fresh(records.domain('d1', 'shop')))
  await until(() => directory.domainsOf('shop').length === 1)
  t.same([...new Set(told.slice(1).flat())].sort(), ['new', 'shop'])
  end()
  await store.projects.insert('acme', fresh(records.project('last')))
  await until(() => directory.project('last') !== null)
  t.notOk(told.flat().includes('last'))
  t.ok(logs.includes('what follows the directory failed'))
})

test('feed: a record that can not be read holds back no other, and is good for nothing', async (t) => {
  const { store, directory, feed, logs, until } = await setup(t)
  await feed.start()
  const credential = await store.credentials.get('acme', 'c1')
  if (credential === null) throw new Error('it is there')
  await store.credentials.replace('acme', { ...credential, digest: 'AAAA' })
  await store.credentials.insert('acme', fresh(records.credential('c2', 'bbbb.1', 'ada', 'shop')))
  await until(() => directory.lookUpKey('shop', 'bbbb.1') !== null)
  t.equal(directory.lookUpKey('shop', 'aaaa.1'), null)
  t.same(logs, ['a record of the store can not be read'])
})

test('feed: asks for nothing more once it is stopped', async (t) => {
  const { there, store, directory, feed } = await setup(t, { pollMs: 5 })
  await feed.start()
  await feed.stop()
  const { polls } = there
  await store.projects.insert('acme', fresh(records.project('new')))
  await new Promise((resolve) => { setTimeout(resolve, 30) })
  t.equal(there.polls, polls)
  t.equal(directory.project('new'), null)
})

import { test, type Test } from 'tap'
import type { Write } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { NewAuditRecord, OpenStore, PlannedWrite, WritesAlone } from '../../../core/state/store.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'
import { consumer } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const intent = (action: string): NewAuditRecord => ({ request_id: 'r1', phase: 'intent', action, actor: 'operator', target_id: null, outcome: null, payload: {} })
const outcome = (action: string): NewAuditRecord => ({ ...intent(action), phase: 'outcome', outcome: 'ok' })

/** Two nodes on one embedded store, and the commits of the first. */
async function twoNodes (t: Pick<Test, 'teardown'>) {
  const path = tempDir(t)
  const commits: (readonly Write[])[] = []
  const engines = [await openSqliteEngine({ path }), await openSqliteEngine({ path })]
  const { writeAll } = engines[0]!
  engines[0]!.writeAll = async (writes) => { commits.push(writes); return await writeAll!(writes) }
  const [first, second] = engines.map((engine) => openDocumentStore(engine)) as [OpenStore, OpenStore]
  t.teardown(() => Promise.all([first.close(), second.close()]))
  const around = (node: OpenStore, action: string, change: PlannedWrite<unknown>): Promise<Error | null> | undefined => node.audit.appendAround?.('acme', intent(action), change as WritesAlone, outcome(action))
  return { first, second, commits, around, phases: async () => (await second.audit.list(null, { sort: [{ field: 'seq' }], limit: 100 })).map(({ action, phase }) => `${action} ${phase}`) }
}

test('audit: an intent, its change and its outcome are kept in this order by one commit, and so is what waits meanwhile', async (t) => {
  const { first, second, commits, around, phases } = await twoNodes(t)
  t.equal(await around(first, 'a', first.store.consumers.planInsert('acme', consumer('a'))), null)
  t.same(commits.map((writes) => writes.map(({ collection }) => collection)), [['audit_records', 'consumers', 'audit_records']])
  const changes = (await second.system.changesSince(0, 10)).map(({ collection }) => collection)
  t.same(changes, ['audit_records', 'consumers', 'audit_records'])
  await Promise.all(['b', 'c', 'd', 'e'].map((id) => around(first, id, first.store.consumers.planInsert('acme', consumer(id)))))
  t.same(await phases(), ['a', 'b', 'c', 'd', 'e'].flatMap((id) => [`${id} intent`, `${id} outcome`]))
  t.equal(commits.length, 3, 'b alone, the others together')
  t.match(await second.audit.verify(), { entries: 10, fault: null })
  t.equal(await second.store.consumers.count('acme'), 5)
})

test('audit: a change that is refused leaves its intent, and those around it are made', async (t) => {
  const { first, second, around, phases } = await twoNodes(t)
  const kept = await first.store.consumers.insert('acme', consumer('a'))
  const { planInsert, planReplace } = first.store.consumers
  const outcomes = await Promise.all([
    around(first, 'one', planInsert('acme', consumer('b'))), around(first, 'two', planInsert('acme', consumer('c'))), around(first, 'taken', planInsert('acme', consumer('a'))),
    around(first, 'stale', planReplace('acme', { ...kept, rev: 7 })), around(first, 'three', planReplace('acme', { ...kept, name: 'other' }))
  ])
  t.match(outcomes, [null, null, { name: 'DuplicateError' }, { name: 'StaleRevisionError' }, null])
  t.same(await phases(), ['one intent', 'one outcome', 'two intent', 'two outcome', 'taken intent', 'stale intent', 'three intent', 'three outcome'])
  t.match(await second.audit.verify(), { entries: 8, fault: null })
  t.equal((await second.store.consumers.get('acme', 'a'))?.name, 'other')
})

test('audit: changes of two nodes at once are one chain', async (t) => {
  const { first, second, around } = await twoNodes(t)
  const nodes = [first, second]
  const outcomes = await Promise.all(Array.from({ length: 40 }, (_, n) => around(nodes[n % 2]!, `a${n}`, nodes[n % 2]!.store.consumers.planInsert('acme', consumer(`c${n}`)))))
  t.ok(outcomes.every((refused) => refused === null))
  t.match(await first.audit.verify(), { entries: 80, fault: null })
  t.equal(await first.store.consumers.count('acme'), 40)
})

test('audit: what the engine can not take spoils nothing that waits with it', async (t) => {
  const { first, second, around } = await twoNodes(t)
  const impossible: PlannedWrite<unknown> = {
    writes: [{ kind: 'insert', collection: 'consumers', document: { id: 'no\0id', customerId: 'acme', rev: 1, unique: [], record: {} } }], made: null, refusal: () => new Error('taken'), make: async () => null
  }
  const [, no, after] = await Promise.allSettled([around(first, 'first', first.store.consumers.planInsert('acme', consumer('a'))), around(first, 'no', impossible), around(first, 'after', first.store.consumers.planInsert('acme', consumer('b')))])
  t.match([no?.status, after?.status], ['rejected', 'fulfilled'])
  t.match(await second.audit.verify(), { entries: 4, fault: null })
})

test('audit: an engine that has a commit for each write alone makes a change between two entries', (t) => {
  const engine = createMemoryEngine()
  delete engine.writeAll
  t.equal(openDocumentStore(engine).audit.appendAround, undefined)
  t.end()
})

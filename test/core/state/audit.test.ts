import { test } from 'tap'
import type { StoredDocument } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import type { NewAuditRecord } from '../../../core/state/store.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'

const ENTRY: NewAuditRecord = { request_id: 'r1', phase: 'intent', action: 'projects.create', actor: 'operator', target_id: null, outcome: null, payload: { peer: '127.0.0.1', after: { name: 'a' } } }

test('audit: entries form one chain over all tenants and writers', async (t) => {
  const engine = createMemoryEngine()
  const [one, other] = [openDocumentStore(engine, () => 1_000).audit, openDocumentStore(engine).audit]
  await Promise.all(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? one : other).append(i % 4 === 0 ? 'acme' : 'umbrella', ENTRY)))
  t.match(await one.verify(), { entries: 40, fault: null, head: /^[0-9a-f]{64}$/ })
  t.equal(await one.count('acme'), 10)
  t.equal(await one.count(null), 40)
  const [newest] = await other.list('acme', { sort: [{ field: 'seq', descending: true }], limit: 1 })
  t.match(newest, { customer_id: 'acme', action: 'projects.create', payload: { peer: '127.0.0.1' } })
})

test('audit: what was removed, changed, put in or exchanged is found, and an erased payload is not', async (t) => {
  const change = (fields: object) => (there: StoredDocument): StoredDocument => ({ ...there, record: { ...there.record, ...fields } })
  const tampered: [string, (there: StoredDocument) => StoredDocument, object][] = [
    ['removed', (there) => ({ ...there, record: null }), { seq: 3, problem: 'missing' }],
    ['another actor', change({ actor: 'nobody' }), { seq: 3, problem: 'entry' }],
    ['another account', change({ customer_id: 'umbrella' }), { seq: 3, problem: 'entry' }],
    ['another payload', change({ payload: { after: {} } }), { seq: 3, problem: 'payload' }],
    ['another chain', change({ prev_hash: 'f'.repeat(64) }), { seq: 3, problem: 'chain' }]
  ]
  for (const [what, tamper, fault] of tampered) {
    const engine = createMemoryEngine()
    const { audit } = openDocumentStore(engine)
    for (let i = 0; i < 5; i++) await audit.append('acme', ENTRY)
    t.equal(await audit.erase('acme', 'aud_000000000002'), true)
    t.equal(await audit.erase('umbrella', 'aud_000000000002'), false, 'another tenant erases nothing')
    t.match(await audit.verify(), { entries: 5, fault: null }, 'an erased payload leaves the chain whole')
    const kept = engine.documents('audit_records')
    kept.set('aud_000000000003', tamper(kept.get('aud_000000000003')!))
    t.strictSame((await audit.verify()).fault, fault, what)
  }
})

test('audit: an entry that may or may not have been kept does not break the chain', async (t) => {
  const engine = createMemoryEngine()
  const { audit } = openDocumentStore(engine)
  await audit.append('acme', ENTRY)
  const { insert } = engine
  engine.insert = async (collection, document) => {
    engine.insert = insert
    await insert(collection, document)
    throw new Error('the answer was lost')
  }
  await t.rejects(audit.append('acme', ENTRY))
  await audit.append('acme', ENTRY)
  t.match(await audit.verify(), { entries: 3, fault: null })
})

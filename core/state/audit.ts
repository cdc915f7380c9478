import { createAuditChain } from './audit-chain.js'
import { hashOfEntry, hashOfPayload, idOfEntry, NO_ENTRIES } from './audit-entry.js'
import type { DocumentEngine } from './document-engine.js'
import { findOf } from './find-of.js'
import type { AuditRecord } from './records.js'
import type { AuditFault, AuditTrail } from './store.js'

const COLLECTION = 'audit_records'
const BATCH = 1_000

/** Makes the audit trail over an engine. `now` gives milliseconds since 1970. */
export function createAuditTrail (engine: DocumentEngine, now: () => number): AuditTrail {
  const chain = createAuditChain(engine, now)
  return {
    append: chain.append,
    ...(chain.appendAround === undefined ? {} : { appendAround: chain.appendAround }),
    async list (customerId, query) {
      const found = await engine.find(COLLECTION, { customerId, ...findOf(COLLECTION, query) })
      return found.map(({ record }) => record as unknown as AuditRecord)
    },
    count: async (customerId, filter) => engine.count(COLLECTION, customerId, findOf(COLLECTION, { filter, limit: 1 }).filter),
    async erase (customerId, auditId) {
      for (;;) {
        const there = await engine.get(COLLECTION, customerId, auditId)
        if (there === null) return false
        const rev = there.rev + 1
        if (await engine.replace(COLLECTION, there.rev, { ...there, rev, unique: [], record: { ...there.record, rev, payload: null } }) === null) return true
      }
    },
    async verify () {
      let seq = 0
      let { hash } = NO_ENTRIES
      for (;;) {
        const batch = await engine.find(COLLECTION, { customerId: null, filter: { seq: { gt: seq } }, sort: [{ field: 'seq', descending: false }], limit: BATCH, offset: 0 })
        for (const { record } of batch) {
          const entry = record as unknown as AuditRecord
          const problem = problemOf(entry, seq + 1, hash)
          if (problem !== null) return { entries: seq, head: hash, fault: { seq: seq + 1, problem } }
          seq = entry.seq
          hash = entry.hash
        }
        if (batch.length < BATCH) return { entries: seq, head: hash, fault: null }
      }
    }
  }
}

function problemOf (entry: AuditRecord, seq: number, before: string): AuditFault['problem'] | null {
  if (entry.seq !== seq) return 'missing'
  if (entry.prev_hash !== before) return 'chain'
  if (entry.audit_id !== idOfEntry(seq) || entry.hash !== hashOfEntry(entry)) return 'entry'
  return entry.payload !== null && hashOfPayload(entry.payload) !== entry.payload_hash ? 'payload' : null
}

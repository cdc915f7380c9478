import { createHash } from 'node:crypto'
import type { DocumentEngine } from './document-engine.js'
import { findOf } from './find-of.js'
import { plainRecord } from './record-values.js'
import type { AuditRecord } from './records.js'
import type { AuditFault, AuditTrail } from './store.js'
import { StoreUnavailableError } from './store-errors.js'

const COLLECTION = 'audit_records'
const NOTHING = '0'.repeat(64)
const BATCH = 1_000
// Each lost race means that somebody else's entry was kept: this many in a row are no race any more.
const MOST_RACES = 200

/** Makes the audit trail over an engine. `now` gives milliseconds since 1970. */
export function createAuditTrail (engine: DocumentEngine, now: () => number): AuditTrail {
  let head: { seq: number, hash: string } | null = null
  const readHead = async (): Promise<{ seq: number, hash: string }> => {
    const [last] = await engine.find(COLLECTION, { customerId: null, filter: {}, sort: [{ field: 'seq', descending: true }], limit: 1, offset: 0 })
    const record = last?.record as AuditRecord | undefined
    return { seq: record?.seq ?? 0, hash: record?.hash ?? NOTHING }
  }
  const addBehind = async (customerId: string, entry: Parameters<AuditTrail['append']>[1]): Promise<AuditRecord> => {
    for (let races = 0; races < MOST_RACES; races++) {
      head ??= await readHead()
      const at = new Date(now()).toISOString()
      const seq = head.seq + 1
      const open = {
        ...entry, audit_id: idOf(seq), seq, customer_id: customerId, rev: 1, created_at: at, updated_at: at,
        payload_hash: hashOfPayload(entry.payload), prev_hash: head.hash
      }
      const record: AuditRecord = { ...open, hash: hashOf(open) }
      // Whether it was kept is not known when the engine does not answer: read the head anew.
      head = null
      if (await engine.insert(COLLECTION, { id: record.audit_id, customerId, rev: 1, unique: [], record: { ...record } }) === null) {
        head = { seq, hash: record.hash }
        return record
      }
    }
    throw new StoreUnavailableError('the audit trail is written to by too many at once')
  }
  // One after the other within the process; between processes the id decides.
  let turn: Promise<unknown> = Promise.resolve()
  return {
    append (customerId, given) {
      const mine = turn.then(() => addBehind(customerId, plainRecord(COLLECTION, given)))
      turn = mine.catch(() => {})
      return mine
    },
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
      let hash = NOTHING
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
  if (entry.audit_id !== idOf(seq) || entry.hash !== hashOf(entry)) return 'entry'
  return entry.payload !== null && hashOfPayload(entry.payload) !== entry.payload_hash ? 'payload' : null
}

/** Twelve digits: ids sort as they were written for as long as there are fewer than 10^12. */
function idOf (seq: number): string {
  return `aud_${String(seq).padStart(12, '0')}`
}

function hashOf (entry: Omit<AuditRecord, 'hash'>): string {
  const { seq, customer_id: account, created_at: at, request_id: request, phase, action, actor, target_id: target, outcome, payload_hash: payload, prev_hash: before } = entry
  return sha256(JSON.stringify([seq, account, at, request, phase, action, actor, target, outcome, payload, before]))
}

/** Over sorted keys: engines need not keep their order. */
function hashOfPayload (payload: Readonly<Record<string, unknown>>): string {
  return sha256(JSON.stringify(payload, (_key, value: unknown) => value !== null && typeof value === 'object' && !Array.isArray(value)
    ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1))
    : value))
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

import { createHash } from 'node:crypto'
import { canonicalJson } from '../lib/canonical-json.js'
import type { AuditRecord } from './records.js'
import type { NewAuditRecord } from './store.js'

/** The last entry of a chain: what the next one follows. */
export interface ChainHead {
  readonly seq: number
  readonly hash: string
}

/** The head of a chain without entries. */
export const NO_ENTRIES: ChainHead = { seq: 0, hash: '0'.repeat(64) }

/** The entry behind a head. `at` is its time in ISO 8601. */
export function entryBehind (head: ChainHead, customerId: string, entry: NewAuditRecord, at: string): AuditRecord {
  const seq = head.seq + 1
  const open = {
    ...entry, audit_id: idOfEntry(seq), seq, customer_id: customerId, rev: 1, created_at: at, updated_at: at,
    payload_hash: hashOfPayload(entry.payload), prev_hash: head.hash
  }
  return { ...open, hash: hashOfEntry(open) }
}

/** The id of an entry by its number. Twelve digits: ids sort as they were written for as long as there are fewer than 10^12. */
export function idOfEntry (seq: number): string {
  return `aud_${String(seq).padStart(12, '0')}`
}

/** The hash of an entry, which the next one names. */
export function hashOfEntry (entry: Omit<AuditRecord, 'hash'>): string {
  const { seq, customer_id: account, created_at: at, request_id: request, phase, action, actor, target_id: target, outcome, payload_hash: payload, prev_hash: before } = entry
  return sha256(JSON.stringify([seq, account, at, request, phase, action, actor, target, outcome, payload, before]))
}

/** The hash of a payload. Over sorted keys: engines need not keep their order. */
export function hashOfPayload (payload: Readonly<Record<string, unknown>>): string {
  return sha256(canonicalJson(payload))
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

import { Type, type Static } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { AuditRecord } from '../../core/state/records.js'
import type { Query } from '../../core/state/store.js'
import { erasePerson } from './erase-person.js'
import { listAnswer, listAnswerSchema, listQuerySchema, readListRequest, type ListOptions } from './listing.js'
import { defineOperation, type AnyCall, type Operation } from './operation.js'
import { NO_FIELDS, showRecord } from './resource.js'
import { mayDo } from './roles.js'

const HASH = Type.String({ pattern: '^[0-9a-f]{64}$', examples: ['9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08'] })
const TEXT_OR_NULL = Type.Union([Type.String(), Type.Null()])
const LIST: ListOptions = {
  filters: { customer_id: 'text', actor: 'text', action: 'text', target_id: 'text', request_id: 'text', phase: ['intent', 'outcome'], outcome: 'text' }, sorts: ['seq', 'created_at', 'actor', 'action']
}
/** What is shown of an entry. */
const SHOWN_ENTRY = Type.Object({
  audit_id: Type.String(), seq: Type.Integer(), customer_id: Type.String(), created_at: Type.String({ format: 'date-time' }), request_id: Type.String(), phase: Type.Enum(['intent', 'outcome']), action: Type.String(), actor: Type.String(),
  target_id: TEXT_OR_NULL, outcome: TEXT_OR_NULL, payload: Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()]), payload_hash: HASH, prev_hash: HASH, hash: HASH
}, { additionalProperties: false })
/** What an export has of the trail. */
export const SHOWN_ENTRIES = Type.Union([Type.Array(SHOWN_ENTRY), Type.Null()], { description: 'What the audit trail tells of it; null for who may not read that.' })
const IDS_AT_ONCE = 50
const PIECE = 1_000
const FROM_TO = { from: Type.Optional(Type.String({ format: 'date-time' })), to: Type.Optional(Type.String({ format: 'date-time' })) }
const FIELDS = Object.keys(SHOWN_ENTRY.properties)

const ERASE = defineOperation({
  id: 'audit.erase', method: 'POST', url: '/admin/audit/:id/erase', summary: 'Erases what an entry tells of people and contents, for good; the chain holds without it', permission: 'system', body: NO_FIELDS, answer: SHOWN_ENTRY, status: 200, errors: ['NOT_FOUND'],
  async run (call) {
    const before = await find(call)
    const { customer_id: customerId, audit_id: id } = before
    if (before.payload !== null) await call.change({ customerId, targetId: id, before: null, after: null }, async () => { await call.state.open.audit.erase(customerId, id) })
    return { status: 200, body: showRecord(SHOWN_ENTRY, { ...before, payload: null }) }
  }
})

/** `/admin/audit`: read, never written; what it tells of people can be erased. */
export const AUDIT_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'audit.list', method: 'GET', url: '/admin/audit', summary: 'Lists the audit trail, newest first; as JSON lines with format=ndjson', permission: 'audit:read',
    query: listQuerySchema(LIST, { ...FROM_TO, format: Type.Optional(Type.Enum(['json', 'ndjson'], { description: 'ndjson: a line for each entry, without the frame of a list.' })) }), answer: listAnswerSchema(SHOWN_ENTRY), status: 200,
    async run (call) {
      const query = call.query as Readonly<Record<string, unknown>> & Static<ReturnType<typeof Type.Object<typeof FROM_TO>>>
      const asked = readListRequest(query, LIST, 'audit_id', FIELDS)
      const { audit } = call.state.open
      const { customerId } = call.principal
      const between = { ...query.from === undefined ? {} : { gte: isoOf(query.from) }, ...query.to === undefined ? {} : { lt: isoOf(query.to) } }
      const filter = { ...asked.query.filter, ...Object.keys(between).length === 0 ? {} : { created_at: between } }
      const sort = asked.query.sort?.length === 0 && asked.page !== null ? [{ field: 'seq', descending: true }] : asked.query.sort
      const records = (await audit.list(customerId, { ...asked.query, filter, sort } as Query<AuditRecord>)).map((record) => showRecord(SHOWN_ENTRY, record))
      const { audit_id: _cursor, ...uncut } = filter as Record<string, never>
      const total = await audit.count(customerId, asked.page === null ? uncut : filter)
      const beyond = asked.page === null ? await audit.count(customerId, filter) : records.length
      const body = { ...listAnswer(records, { total, beyond }, asked, call.url, 'audit_id') }
      return query.format === 'ndjson' ? { status: 200, body: null, text: { type: 'application/x-ndjson; charset=utf-8', value: body.data.map((one) => `${JSON.stringify(one)}\n`).join('') } } : { status: 200, body }
    }
  }),
  defineOperation({
    id: 'audit.get', method: 'GET', url: '/admin/audit/:id', summary: 'Shows an entry of the audit trail', permission: 'audit:read', answer: SHOWN_ENTRY, status: 200, errors: ['NOT_FOUND'],
    run: async (call) => ({ status: 200, body: showRecord(SHOWN_ENTRY, await find(call)) })
  }),
  ERASE,
  erasePerson(ERASE),
  defineOperation({
    id: 'audit.verify', method: 'GET', url: '/admin/audit/verify', summary: 'Reads the whole trail and tells whether something is missing or was changed', permission: 'system', status: 200,
    answer: Type.Object({ entries: Type.Integer(), head: HASH, fault: Type.Union([Type.Object({ seq: Type.Integer(), problem: Type.Enum(['missing', 'chain', 'entry', 'payload']) }), Type.Null()]) }),
    run: async (call) => ({ status: 200, body: { ...await call.state.open.audit.verify() } })
  })
]

/** The entries of an account that are about any of these records, or of something that one of these tokens did: oldest first. Null for who may not read the trail. */
export async function entriesAbout ({ principal, state: { open: { audit } } }: AnyCall, customerId: string, targetIds: readonly string[], actors: readonly string[]): Promise<Record<string, unknown>[] | null> {
  if (!mayDo(principal, 'audit:read')) return null
  const found = new Map<string, AuditRecord>()
  for (const [field, ids] of [['target_id', targetIds], ['actor', actors]] as const) {
    for (let at = 0; at < ids.length; at += IDS_AT_ONCE) {
      for (let last = ''; ;) {
        const piece = await audit.list(customerId, { filter: { [field]: { in: ids.slice(at, at + IDS_AT_ONCE) }, audit_id: { gt: last } }, limit: PIECE })
        for (const entry of piece) found.set(entry.audit_id, entry)
        if (piece.length < PIECE) break
        last = piece.at(-1)?.audit_id ?? ''
      }
    }
  }
  return [...found.values()].sort((a, b) => a.seq - b.seq).map((entry) => showRecord(SHOWN_ENTRY, entry))
}

function isoOf (time: string): string {
  return new Date(time).toISOString()
}

async function find ({ params: { id = '' }, state: { open: { audit } }, principal }: AnyCall): Promise<AuditRecord> {
  const [record] = /^aud_\d{12,15}$/.test(id) ? await audit.list(principal.customerId, { filter: { audit_id: { eq: id } }, limit: 1 }) : []
  if (record === undefined) throw new GatewayError('NOT_FOUND', { message: 'There is no such entry.', details: { reason: 'no_such_record' } })
  return record
}

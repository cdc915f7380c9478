import type { AuditRecord } from '../../core/state/records.js'
import { tagOf } from './entity-tag.js'
import { collectionOf } from './resource.js'
import type { TenantCollection } from './reach.js'
import type { StatePorts } from './state-ports.js'

/** A request that is taken up again, and asks for a change of one record. */
export interface ResumedChange {
  /** The id of its operation. */
  readonly action: string
  /** The path of its operation, with `:id`. */
  readonly url: string
  readonly id: string
  readonly ifMatch: string
  /** What who asks sees; null = every account. */
  readonly customerId: string | null
  /** The requests of the attempts before. */
  readonly requestIds: readonly string[]
}

const COLLECTIONS: Readonly<Record<string, TenantCollection>> = {
  accounts: 'accounts', projects: 'projects', domains: 'domains', users: 'users', teams: 'teams', consumers: 'consumers', 'api-keys': 'credentials', plans: 'plans', secrets: 'secrets', tokens: 'admin_tokens'
}
// What each write sets anew, and what the trail has digests of.
const NOT_COMPARED: readonly string[] = ['rev', 'updated_at', 'config']
const MASK = '***'

interface Told { readonly rev?: number, readonly customer_id?: string }

/**
 * The If-Match to go by where an attempt before may have made the change: the revision that came of it is as good as the one that was named. That it was this
 * request's is in the audit trail: by the outcome, or, where the store went before that, by an intent that the record now is as. Else what was named holds.
 */
export async function resumedIfMatch ({ open: { audit, store } }: Pick<StatePorts, 'open'>, { action, url, id, ifMatch, customerId, requestIds }: ResumedChange): Promise<string> {
  if (requestIds.length === 0) return ifMatch
  const entries = await audit.list(customerId, { filter: { request_id: { in: [...requestIds] }, action: { eq: action }, target_id: { eq: id } }, sort: [{ field: 'seq' }], limit: 100 })
  const named = ifMatch.split(',').map((tag) => tag.trim())
  for (const intent of entries) {
    const before = told(intent, 'before')
    if (intent.phase !== 'intent' || before?.rev === undefined || before.customer_id === undefined || !named.includes(tagOf(before.rev))) continue
    const next = before.rev + 1
    const outcome = entries.find(({ phase, request_id: request, seq }) => phase === 'outcome' && request === intent.request_id && seq > intent.seq)
    if (outcome?.outcome === 'ok') return `${ifMatch}, ${tagOf(told(outcome, 'after')?.rev ?? next)}`
    const collection = COLLECTIONS[url.split('/')[2] ?? '']
    const now = collection === undefined ? null : await collectionOf({ open: { store } } as StatePorts, collection).get(before.customer_id, id)
    if (now !== null && (now as Told).rev === next && isAs(now, told(intent, 'after') ?? {})) return `${ifMatch}, ${tagOf(next)}`
  }
  return ifMatch
}

function told ({ payload }: AuditRecord, part: 'before' | 'after'): Told | null {
  return (payload?.[part] ?? null) as Told | null
}

function isAs (record: object, intended: object): boolean {
  const fields = record as Record<string, unknown>
  return Object.entries(intended).every(([name, value]) => NOT_COMPARED.includes(name) || value === MASK || JSON.stringify(fields[name]) === JSON.stringify(value))
}

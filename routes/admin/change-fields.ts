import type { RecordBase, Records } from '../../core/state/records.js'
import { checkPreconditions } from './entity-tag.js'
import type { AnyCall, Result } from './operation.js'
import type { TenantCollection } from './reach.js'
import { collectionOf, showRecord, type Resource } from './resource.js'

/**
 * Changes fields of the record that a call names, which its body has no say in: on its revision, and in the audit trail. `also` is done behind it, in
 * the same change. A record that is so already stays as it is, unless something is to be done also.
 */
export async function changeFields<C extends TenantCollection> (
  call: AnyCall, { collection, shown }: Pick<Resource<C>, 'collection' | 'shown'>, fields: Partial<Records[C]>, also: ((record: Records[C]) => Promise<void>) | null = null
): Promise<Result> {
  const targetId = call.params.id ?? ''
  const before = await call.reach.get(collection, targetId)
  const { customer_id: customerId, rev } = before as RecordBase
  checkPreconditions(call, rev)
  const records = collectionOf(call.state, collection)
  const next: Records[C] = { ...before, ...fields }
  const isSo = Object.keys(fields).every((name) => before[name as keyof Records[C]] === next[name as keyof Records[C]])
  const changed = isSo && also === null
    ? before
    : await call.change({ customerId, targetId, before, after: next }, also === null ? records.planReplace(customerId, next) : async () => {
      const made = await records.replace(customerId, next)
      await also(made)
      return made
    })
  return { status: 200, body: showRecord(shown, changed), rev: (changed as RecordBase).rev }
}

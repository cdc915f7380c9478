import type { Find } from './document-engine.js'
import type { CollectionName } from './records.js'
import { assertConditions } from './record-values.js'
import type { Query } from './store.js'

const MOST_LISTED = 1_000

/** What an engine is to find for a query, less the tenant. Throws InvalidValueError where the query asks for what is no field or no condition. */
export function findOf<T> (collection: CollectionName, { filter, sort, limit, offset }: Query<T>): Omit<Find, 'customerId'> {
  const find = {
    filter: (filter ?? {}) as Find['filter'],
    sort: (sort ?? []).map(({ field, descending }) => ({ field, descending: descending ?? false })),
    limit: Math.min(Math.max(1, Math.trunc(limit)), MOST_LISTED),
    offset: Math.max(0, Math.trunc(offset ?? 0))
  }
  assertConditions(collection, find.filter, find.sort)
  return find
}

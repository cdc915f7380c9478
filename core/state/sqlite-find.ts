import type { Find } from './document-engine.js'
import { ID_FIELDS, type CollectionName } from './records.js'
import type { SqlValue } from './sqlite-connection.js'
import type { Condition } from './store.js'

/** A statement's text and what it is given. */
export interface Sql {
  readonly text: string
  readonly values: readonly SqlValue[]
}

/**
 * The rest of a SELECT on `docs` behind FROM. The names of collections and fields stand in the text, so that indexes are found: `document-store`
 * lets none through that is not a plain word.
 */
export function findSql (collection: CollectionName, { customerId, filter, sort, limit, offset }: Find): Sql {
  const where = whereSql(collection, customerId, filter)
  const byId = sort.findIndex(({ field }) => field === ID_FIELDS[collection])
  const fields = byId === -1 ? [...sort, { field: ID_FIELDS[collection], descending: false }] : sort.slice(0, byId + 1)
  const order = fields.map(({ field, descending }) => `${field === ID_FIELDS[collection] ? 'id' : `doc ->> '$.${field}'`}${descending ? ' DESC' : ''}`)
  return { text: `${where.text} ORDER BY ${order.join(', ')} LIMIT ? OFFSET ?`, values: [...where.values, limit, offset] }
}

/** The WHERE of a SELECT on `docs`. */
export function whereSql (collection: CollectionName, customerId: string | null, filter: Find['filter']): Sql {
  const conditions = Object.entries(filter).map(([field, condition]) => conditionSql(field, condition))
  return {
    text: [`docs WHERE collection = '${collection}'`, ...(customerId === null ? [] : ['customer_id = ?']), 'doc IS NOT NULL', ...conditions.map(({ text }) => text)].join(' AND '),
    values: [...(customerId === null ? [] : [customerId]), ...conditions.flatMap(({ values }) => values)]
  }
}

/** Values are compared as the JSON that they were written as: `true` is not `1`, and NUL and half characters are what they are. */
function conditionSql (field: string, condition: Condition): Sql {
  const json = `doc -> '$.${field}'`
  if ('eq' in condition) {
    return condition.eq === null ? { text: `coalesce(${json}, 'null') = 'null'`, values: [] } : { text: `${json} = ?`, values: [JSON.stringify(condition.eq)] }
  }
  if ('in' in condition) {
    return { text: `${json} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(condition.in.map((value) => JSON.stringify(value)))] }
  }
  if ('contains' in condition) return { text: `contains_text(${json}, ?)`, values: [JSON.stringify(condition.contains)] }
  const bounds = ([['>', condition.gt], ['>=', condition.gte], ['<', condition.lt], ['<=', condition.lte]] as const).flatMap(([sign, bound]) => {
    if (bound === undefined) return []
    const kinds = typeof bound === 'string' ? "'text'" : "'integer', 'real'"
    return [{ text: `(json_type(doc, '$.${field}') IN (${kinds}) AND doc ->> '$.${field}' ${sign} ?)`, value: bound }]
  })
  return { text: bounds.length === 0 ? 'TRUE' : bounds.map(({ text }) => text).join(' AND '), values: bounds.map(({ value }) => value) }
}

/** The function `contains_text` of the statements: whether a JSON text holds another, without case. */
export function containsText (json: unknown, sought: unknown): boolean {
  if (typeof json !== 'string' || typeof sought !== 'string' || !json.startsWith('"')) return false
  return (JSON.parse(json) as string).toLowerCase().includes((JSON.parse(sought) as string).toLowerCase())
}

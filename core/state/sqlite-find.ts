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
  // Of one value as `=`: only then an index gives the order of the ids behind it.
  const plain = (condition: Condition): Condition => 'in' in condition && condition.in.length === 1 ? { eq: condition.in[0] as string } : condition
  const conditions = Object.entries(filter).map(([field, given]) => [field, plain(given)] as const).map(([field, condition]) => columnSql(collection, field, condition) ?? conditionSql(field, condition))
  return {
    text: [`docs WHERE collection = '${collection}'`, ...(customerId === null ? [] : ['customer_id = ?']), 'doc IS NOT NULL', ...conditions.map(({ text }) => text)].join(' AND '),
    values: [...(customerId === null ? [] : [customerId]), ...conditions.flatMap(({ values }) => values)]
  }
}

/** A condition on what is a column too, which indexes begin or end with; null where it is another one, or is not about texts. */
function columnSql (collection: CollectionName, field: string, condition: Condition): Sql | null {
  const column = field === ID_FIELDS[collection] ? 'id' : field === 'customer_id' ? 'customer_id' : null
  if (column === null) return null
  if ('contains' in condition) return null
  const bounds = 'eq' in condition ? [['=', condition.eq] as const] : 'in' in condition ? condition.in.map((value) => ['IN', value] as const) : boundsOf(condition)
  const texts = bounds.flatMap(([, value]) => typeof value === 'string' && !value.includes('\0') ? [value] : [])
  if (texts.length === 0 || texts.length < bounds.length) return null
  if ('in' in condition) return { text: `${column} IN (SELECT value FROM json_each(?))`, values: [JSON.stringify(texts)] }
  return { text: bounds.map(([sign]) => `${column} ${sign} ?`).join(' AND '), values: texts }
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
  if ('contains' in condition) {
    const fields = [field, ...condition.alsoIn ?? []]
    return { text: `(${fields.map((one) => `contains_text(doc -> '$.${one}', ?)`).join(' OR ')})`, values: fields.map(() => JSON.stringify(condition.contains)) }
  }
  const bounds = boundsOf(condition).map(([sign, bound]) => {
    const kinds = typeof bound === 'string' ? "'text'" : "'integer', 'real'"
    return { text: `(json_type(doc, '$.${field}') IN (${kinds}) AND doc ->> '$.${field}' ${sign} ?)`, value: bound }
  })
  return { text: bounds.length === 0 ? 'TRUE' : bounds.map(({ text }) => text).join(' AND '), values: bounds.map(({ value }) => value) }
}

function boundsOf ({ gt, gte, lt, lte }: Extract<Condition, { readonly gt?: unknown }>): [sign: string, bound: string | number][] {
  return ([['>', gt], ['>=', gte], ['<', lt], ['<=', lte]] as const).flatMap(([sign, bound]) => bound === undefined ? [] : [[sign, bound]])
}

/** The function `contains_text` of the statements: whether a JSON text holds another, without case. */
export function containsText (json: unknown, sought: unknown): boolean {
  if (typeof json !== 'string' || typeof sought !== 'string' || !json.startsWith('"')) return false
  return (JSON.parse(json) as string).toLowerCase().includes((JSON.parse(sought) as string).toLowerCase())
}

import type { ChangedDocument, Find, StoredDocument } from './document-engine.js'
import type { CollectionName } from './records.js'
import { placeOf } from './sealed-fields.js'
import type { Condition } from './store.js'

/**
 * A record as MongoDB keeps it. All kinds are in one collection, so that one index gives the changes of the store in order and one unique
 * index holds for everything that may be there once.
 *
 * The record itself is JSON text: it comes back as it was, key order and `__proto__` included, and no key or string in it can be read as an
 * operator or a path by any version of the server. What is filtered and sorted on stands beside it in `fields`, under names that are plain words.
 */
export interface RecordDocument {
  /** `users/user_1`: once for good over all tenants, since removed records stay. */
  readonly _id: string
  readonly collection: CollectionName
  readonly customer_id: string
  readonly rev: number
  /** The number of the change that made it so. */
  readonly seq: number
  /** `users:email=acme:a@b.c`; the `_id` is always among them, because empty arrays would be equal to the unique index. */
  readonly unique: readonly string[]
  /** The first level of the record: texts, numbers, booleans and null as they are, `{}` for what is deeper or sealed. */
  readonly fields: Readonly<Record<string, unknown>>
  readonly record: string | null
  readonly removed: boolean
}

/** A query in MongoDB's language, made here alone. */
export type MongoQuery = Readonly<Record<string, unknown>>

/** Indexes of the records, by name. A plain unique index: every document has the field. */
export const RECORD_INDEXES = [
  { key: { unique: 1 }, name: 'unique', unique: true },
  { key: { seq: 1 }, name: 'seq' },
  { key: { collection: 1, customer_id: 1, _id: 1 }, name: 'tenant' },
  { key: { collection: 1, customer_id: 1, removed: 1, 'fields.status': 1, _id: 1 }, name: 'tenant-status' },
  { key: { collection: 1, customer_id: 1, removed: 1, 'fields.project_id': 1, _id: 1 }, name: 'tenant-project' },
  { key: { collection: 1, customer_id: 1, removed: 1, 'fields.consumer_id': 1, _id: 1 }, name: 'tenant-consumer' },
  { key: { collection: 1, 'fields.prefix': 1 }, name: 'prefix' },
  { key: { collection: 1, 'fields.seq': 1 }, name: 'entry' }
] as const

/** Indexes of the usage, by name. */
export const USAGE_INDEXES = [{ key: { customer_id: 1, day: 1 }, name: 'day' }, { key: { customer_id: 1, credential_id: 1, day: 1 }, name: 'credential' }] as const

const PLAIN_WORD = /^[a-z][a-z0-9_]*$/

/** The `_id` of a record. */
export function keyOf (collection: CollectionName, id: string): string {
  return `${collection}/${id}`
}

/** What is kept of an entry of `unique`. */
export function uniqueKeyOf (collection: CollectionName, entry: string): string {
  return `${collection}:${entry}`
}

/** A document as it is kept, with the number of the change. */
export function toRecordDocument (collection: CollectionName, { id, customerId, rev, unique, record }: StoredDocument, seq: number): RecordDocument {
  const _id = keyOf(collection, id)
  return {
    _id,
    collection,
    customer_id: customerId,
    rev,
    seq,
    unique: [_id, ...unique.map((entry) => uniqueKeyOf(collection, entry))],
    fields: record === null ? {} : fieldsOf(collection, record),
    record: record === null ? null : JSON.stringify(record),
    removed: record === null
  }
}

/** A document as the stores know it. */
export function fromRecordDocument ({ _id, collection, customer_id: customerId, rev, seq, record }: RecordDocument): ChangedDocument {
  return { id: _id.slice(collection.length + 1), collection, customerId, rev, seq, record: record === null ? null : JSON.parse(record) as ChangedDocument['record'] }
}

function fieldsOf (collection: CollectionName, record: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const kept = Object.entries(record).filter(([name, value]) => PLAIN_WORD.test(name) && value !== undefined)
  return Object.fromEntries(kept.map(([name, value]) => [name, value !== null && (typeof value === 'object' || placeOf(collection, name) !== null) ? {} : value]))
}

/** What finds the records of a filter. Values stand behind an operator each, so that none can be one. Throws RangeError for a field that can not be filtered on. */
export function queryOf (collection: CollectionName, customerId: string | null, filter: Find['filter']): MongoQuery {
  const conditions = Object.entries(filter).map(([field, condition]): [string, unknown] => {
    const others = 'contains' in condition ? condition.alsoIn ?? [] : []
    return others.length === 0 ? [pathOf(field), conditionOf(condition)] : ['$or', [field, ...others].map((one) => ({ [pathOf(one)]: conditionOf(condition) }))]
  })
  const either = conditions.filter(([name]) => name === '$or')
  return {
    collection,
    ...(customerId === null ? {} : { customer_id: { $eq: customerId } }),
    removed: false,
    ...Object.fromEntries(conditions.filter(([name]) => name !== '$or')),
    ...(either.length === 0 ? {} : { $and: either.map(([, any]) => ({ $or: any })) })
  }
}

/** The order of a list: its fields in turn, then the id. */
export function orderOf (sort: Find['sort']): [path: string, direction: 1 | -1][] {
  return [...sort.map(({ field, descending }): [string, 1 | -1] => [pathOf(field), descending ? -1 : 1]), ['_id', 1]]
}

function pathOf (field: string): string {
  if (!PLAIN_WORD.test(field)) throw new RangeError(`no field: ${JSON.stringify(field)}`)
  return `fields.${field}`
}

function conditionOf (condition: Condition): MongoQuery {
  if ('eq' in condition) return { $eq: condition.eq }
  if ('in' in condition) return { $in: [...condition.in] }
  if ('contains' in condition) return { $regex: literalPattern(condition.contains), $options: 'i' }
  const bounds = ([['$gt', condition.gt], ['$gte', condition.gte], ['$lt', condition.lt], ['$lte', condition.lte]] as const).filter(([, bound]) => bound !== undefined)
  return bounds.length === 0 ? { $exists: true } : Object.fromEntries(bounds.map(([operator, bound]) => [operator, bound]))
}

/** A pattern that matches this text alone, in PCRE and in Java's. A NUL can not stand in one as it is. */
function literalPattern (text: string): string {
  return text.replace(/[\x00-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]/g, (character) => `\\x{${character.charCodeAt(0).toString(16)}}`)
}

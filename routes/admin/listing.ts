import { Type, type TObject, type TProperties, type TSchema } from 'typebox'
import type { Condition, Query } from '../../core/state/store.js'
import { invalidRequest } from './validation.js'

/** What a list can be asked for. */
export interface ListOptions {
  /** Query parameters that compare a field: with any of several texts, with these texts alone, or with true or false. */
  readonly filters: Readonly<Record<string, 'text' | 'boolean' | readonly string[]>>
  readonly sorts: readonly string[]
  /** The fields that `search` looks into: what it is part of one of. */
  readonly search?: readonly [string, ...string[]]
}

/** A list as it was asked for. */
export interface ListRequest {
  readonly query: Query<Record<string, unknown>>
  readonly page: number | null
  readonly perPage: number
  /** The fields that are wanted; null = all. */
  readonly fields: readonly string[] | null
}

/** Where a list is, and where it goes on. */
export interface Pagination {
  /** Null where the list is read by cursor. */
  readonly page: number | null
  readonly perPage: number
  readonly total: number
  readonly totalPages: number
  /** The path of the next page; null = this is the last. */
  readonly next: string | null
}

const DEFAULT_PER_PAGE = 20
/** How many records a page may have. */
export const MOST_PER_PAGE = 100
const MOST_VALUES = 50

const PAGINATION = Type.Object({
  page: Type.Union([Type.Integer(), Type.Null()]), perPage: Type.Integer(), total: Type.Integer(), totalPages: Type.Integer(), next: Type.Union([Type.String(), Type.Null()])
}, { additionalProperties: false })

/** The schema of a list's query parameters. */
export function listQuerySchema ({ filters, sorts, search }: ListOptions, more: TProperties = {}): TObject {
  const one = (name: string, kind: 'text' | 'boolean' | readonly string[]): TSchema => kind === 'boolean'
    ? Type.Optional(Type.Boolean())
    : Type.Optional(Type.String({ minLength: 1, maxLength: 2000, description: kind === 'text' ? `Any of these, with commas between: ${name}.` : `Any of ${kind.join(', ')}, with commas between.` }))
  return Type.Object({
    page: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000, default: 1 })),
    perPage: Type.Optional(Type.Integer({ minimum: 1, maximum: MOST_PER_PAGE, default: DEFAULT_PER_PAGE })),
    cursor: Type.Optional(Type.String({ maxLength: 300, description: 'Reads by cursor, in the order of the ids: empty to begin, then as `next` has it.' })),
    sort: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: `Any of ${sorts.join(', ')}, with commas between.` })),
    order: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'asc or desc for each of `sort`.' })),
    fields: Type.Optional(Type.String({ minLength: 1, maxLength: 1000, description: 'The only fields that are wanted, with commas between.' })),
    ...search === undefined ? {} : { search: Type.Optional(Type.String({ minLength: 1, maxLength: 200, description: `Part of ${search.join(' or ')}, without case.` })) },
    ...Object.fromEntries(Object.entries(filters).map(([name, kind]) => [name, one(name, kind)])),
    ...more
  }, { additionalProperties: false })
}

/** The schema of a list's answer. */
export function listAnswerSchema (shown: TObject): TObject {
  return Type.Object({ data: Type.Array(Type.Partial(shown)), pagination: PAGINATION }, { additionalProperties: false })
}

/** Reads the query parameters, which are valid by their schema. Throws GatewayError for names and values that are not known. */
export function readListRequest (asked: Readonly<Record<string, unknown>>, options: ListOptions, idField: string, known: readonly string[]): ListRequest {
  const text = (name: string): string | undefined => asked[name] as string | undefined
  const perPage = (asked.perPage as number | undefined) ?? DEFAULT_PER_PAGE
  const fields = text('fields')?.split(',') ?? null
  for (const name of fields ?? []) if (!known.includes(name)) throw invalidRequest([{ path: 'fields', message: `"${name}" is not known`, known }])
  const filter: Record<string, Condition> = {}
  for (const [name, kind] of Object.entries(options.filters)) {
    const value = asked[name]
    if (value === undefined) continue
    filter[name] = kind === 'boolean' ? { eq: value as boolean } : { in: valuesOf(name, value as string, kind === 'text' ? null : kind) }
  }
  if (options.search !== undefined && asked.search !== undefined) {
    const [field, ...alsoIn] = options.search
    const filtered = options.search.find((name) => filter[name] !== undefined)
    if (filtered !== undefined) throw invalidRequest([{ path: 'search', message: `goes without ${filtered}, which is what it looks into` }])
    filter[field] = { contains: text('search') as string, ...alsoIn.length === 0 ? {} : { alsoIn } }
  }
  const cursor = text('cursor')
  if (cursor === undefined) {
    const page = (asked.page as number | undefined) ?? 1
    return { query: { filter, sort: readSort(text('sort'), text('order'), options.sorts), limit: perPage, offset: (page - 1) * perPage }, page, perPage, fields }
  }
  if (asked.sort !== undefined || asked.page !== undefined) throw invalidRequest([{ path: 'cursor', message: 'goes without sort and page' }])
  if (filter[idField] !== undefined) throw invalidRequest([{ path: 'cursor', message: 'goes without search here' }])
  if (cursor !== '') filter[idField] = { gt: readCursor(cursor) }
  return { query: { filter, sort: [], limit: perPage, offset: 0 }, page: null, perPage, fields }
}

/** The answer of a list. `total` counts what the filters let through; `beyond` the same behind the cursor. */
export function listAnswer (
  records: readonly Record<string, unknown>[], counted: { total: number, beyond: number }, { page, perPage, fields }: ListRequest, url: string, idField: string
): { data: Record<string, unknown>[], pagination: Pagination } {
  const more = page === null ? counted.beyond > records.length : page * perPage < counted.total
  const last = records.at(-1)
  const at = new URL(url, 'http://admin')
  if (page !== null) at.searchParams.set('page', String(page + 1))
  else if (last !== undefined) at.searchParams.set('cursor', Buffer.from(last[idField] as string).toString('base64url'))
  return {
    data: fields === null ? [...records] : records.map((record) => Object.fromEntries(fields.map((name) => [name, record[name]]))),
    pagination: { page, perPage, total: counted.total, totalPages: Math.ceil(counted.total / perPage), next: more ? `${at.pathname}${at.search}` : null }
  }
}

/** The values of a query parameter with commas between, of which some may be the only ones. Throws GatewayError for others, and for too many. */
export function valuesOf (name: string, text: string, known: readonly string[] | null): string[] {
  const values = text.split(',')
  if (values.length > MOST_VALUES) throw invalidRequest([{ path: name, message: `may have at most ${MOST_VALUES} values` }])
  for (const value of values) if (known !== null && !known.includes(value)) throw invalidRequest([{ path: name, message: `"${value}" is not known`, known }])
  return values
}

function readSort (sort: string | undefined, order: string | undefined, known: readonly string[]): { field: string, descending: boolean }[] {
  const names = sort?.split(',') ?? []
  const orders = order?.split(',') ?? []
  if (orders.length > names.length) throw invalidRequest([{ path: 'order', message: 'has more entries than sort' }])
  for (const one of orders) if (one !== 'asc' && one !== 'desc') throw invalidRequest([{ path: 'order', message: `"${one}" is not known`, known: ['asc', 'desc'] }])
  return names.map((field, index) => {
    if (!known.includes(field)) throw invalidRequest([{ path: 'sort', message: `"${field}" is not known`, known }])
    return { field, descending: orders[index] === 'desc' }
  })
}

function readCursor (cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString()
  if (!/^[\w-]{1,100}$/.test(id)) throw invalidRequest([{ path: 'cursor', message: 'is none that was given' }])
  return id
}

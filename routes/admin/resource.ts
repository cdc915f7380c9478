import { Type, type TObject, type TSchema } from 'typebox'
import type { RecordBase, Records } from '../../core/state/records.js'
import type { Collection, PlannedWrite, Query } from '../../core/state/store.js'
import { checkPreconditions } from './entity-tag.js'
import { listAnswer, listAnswerSchema, listQuerySchema, readListRequest, type ListOptions } from './listing.js'
import { defineOperation, type AnyCall, type Call, type Operation, type PlannedChange, type Result } from './operation.js'
import type { TenantCollection } from './reach.js'
import type { Permission } from './roles.js'
import type { StatePorts } from './state-ports.js'

type Fields = Readonly<Record<string, unknown>>

/** Records of one kind as the API has them: from this come its list, get, create, replace, patch and remove. */
export interface Resource<C extends TenantCollection> {
  readonly collection: C
  /** `/admin/plans` */
  readonly path: string
  /** `plans`: the first part of the operations' ids. */
  readonly name: string
  /** `a plan` */
  readonly noun: string
  readonly idField: keyof Records[C] & string
  /** What ids begin with. */
  readonly idPrefix: string
  /** What is shown of a record: these fields and no others. */
  readonly shown: TObject
  /** What can be written, all of it optional but what `needed` names. */
  readonly writable: Readonly<Record<string, TSchema>>
  readonly needed: readonly string[]
  /** Written at creation alone, beside `writable`. */
  readonly atCreation?: Readonly<Record<string, TSchema>>
  /** What a field is that create and PUT leave out. */
  readonly defaults: Fields
  readonly list: ListOptions
  readonly permissions: { readonly read: Permission, readonly create: Permission, readonly update: Permission, readonly remove: Permission }
  /** Looks at what is about to be kept; may change it, or reject with GatewayError. `before` null = it is new. */
  check? (call: Call, customerId: string, next: Fields, before: Records[C] | null): Promise<Fields>
  /** A write of the record with the writes that go with it. */
  around? (call: Call, before: Records[C] | null, write: PlannedWrite<Records[C]>): Promise<PlannedWrite<Records[C]>>
  /** Fields that are shown of records and kept elsewhere: for each record its own. */
  beside? (call: AnyCall, records: readonly Records[C][]): Promise<readonly Fields[]>
  /** What the audit trail may have of a record, where that is not all of it. */
  trail? (call: Call, record: Records[C]): Promise<object>
  /** Rejects with GatewayError where a record must stay; removes what goes with it. */
  beforeRemove? (call: Call, record: Records[C]): Promise<void>
  /** Removes what nobody can see any more without the record. */
  afterRemove? (call: Call, record: Records[C]): Promise<void>
}

/** The body of a PATCH: some of the fields, at least one. JSON merge patch (RFC 7396) as far as it goes: an object is replaced whole. */
function patchSchema (writable: Readonly<Record<string, TSchema>>): TObject {
  return Type.Object(Object.fromEntries(Object.entries(writable).map(([name, schema]) => [name, Type.Optional(schema)])), { additionalProperties: false, minProperties: 1 })
}

/** The body of a create or a PUT: what is not needed may be left out. */
export function bodySchema (writable: Readonly<Record<string, TSchema>>, needed: readonly string[]): TObject {
  return Type.Object(Object.fromEntries(Object.entries(writable).map(([name, schema]) => [name, needed.includes(name) ? schema : Type.Optional(schema)])), { additionalProperties: false })
}

/** A record as it is shown: the fields of the schema and no others. */
export function showRecord (schema: TObject, record: object): Record<string, unknown> {
  const fields = record as Record<string, unknown>
  return Object.fromEntries(Object.keys(schema.properties as object).map((name) => [name, fields[name] ?? null]))
}

/** A new id: what it is of, and 100 random bits. */
export function newId ({ randomId }: StatePorts, prefix: string): string {
  return `${prefix}_${randomId(20)}`
}

/** The collection of a store, whatever its type. */
export function collectionOf<C extends TenantCollection> ({ open }: StatePorts, name: C): Collection<Records[C]> {
  return open.store[name] as unknown as Collection<Records[C]>
}

/** Reads a page of a collection as a request asks for it. */
export async function listOf<C extends TenantCollection> (
  call: Call, { collection, idField, shown, list, beside }: Pick<Resource<C>, 'collection' | 'idField' | 'shown' | 'list' | 'beside'>, more: Fields = {}, show = (record: Records[C]): Record<string, unknown> => showRecord(shown, record)
): Promise<Result> {
  const { reach, query, url } = call
  const asked = readListRequest(query, list, idField, Object.keys(shown.properties as object))
  const wanted = { ...asked.query, filter: { ...asked.query.filter, ...more } } as unknown as Query<Records[C]>
  const { [idField]: cursor, ...uncut } = wanted.filter as Fields
  const { offset = 0 } = wanted
  const byCursor = asked.page === null
  // One more by cursor: whether there is more is known then without counting.
  const limit = asked.perPage + (byCursor ? 1 : 0)
  const found = await reach.list(collection, { ...wanted, limit })
  const records = found.slice(0, asked.perPage)
  // What ends within the first page, or a later one that is not empty, is counted by that.
  const ends = found.length < limit && (found.length > 0 || offset === 0) && !(byCursor && cursor !== undefined)
  const total = ends ? offset + found.length : await reach.count(collection, (byCursor ? uncut : wanted.filter) as never)
  const others = await beside?.(call, records)
  return { status: 200, body: { ...listAnswer(records.map((record, index) => ({ ...show(record), ...others?.[index] })), { total, beyond: found.length }, asked, url, idField) } }
}

/** The operations of a resource. */
export function resourceOperations<C extends TenantCollection> (resource: Resource<C>): { list: Operation, create: Operation, get: Operation, replace: Operation, patch: Operation, remove: Operation } {
  const { collection, path, name, noun, idField, idPrefix, shown, writable, needed, defaults, permissions } = resource
  const one = `${path}/:id`
  const shownResult = async (call: Call, record: Records[C], status: 200 | 201): Promise<Result> => {
    const { rev } = record as RecordBase
    const id = (record as unknown as Record<string, string>)[idField]
    const [others] = await resource.beside?.(call, [record]) ?? []
    return { status, body: { ...showRecord(shown, record), ...others }, rev, ...status === 201 ? { location: `${path}/${id}` } : {} }
  }
  const checked = async (call: Call, customerId: string, next: Fields, before: Records[C] | null): Promise<Fields> => await resource.check?.(call, customerId, next, before) ?? next
  const show = (call: Call): Pick<PlannedChange, 'show'> => resource.trail === undefined ? {} : { show: async (record) => await resource.trail?.(call, record as Records[C]) ?? record }
  const around = async (call: Call, before: Records[C] | null, plan: PlannedWrite<Records[C]>): Promise<PlannedWrite<Records[C]>> => await resource.around?.(call, before, plan) ?? plan
  const write = async (call: Call, nextOf: (before: Records[C]) => Fields): Promise<Result> => {
    const before = await call.reach.get(collection, call.params.id ?? '')
    const { customer_id: customerId, rev } = before as RecordBase
    checkPreconditions(call, rev)
    const next = { ...before, ...await checked(call, customerId, nextOf(before), before) } as Records[C]
    const plan = collectionOf(call.state, collection).planReplace(customerId, next)
    return await shownResult(call, await call.change({ customerId, targetId: call.params.id ?? '', before, after: next, ...show(call) }, await around(call, before, plan)), 200)
  }
  return {
    list: defineOperation({
      id: `${name}.list`, method: 'GET', url: path, summary: `Lists ${name}`, permission: permissions.read, query: listQuerySchema(resource.list), answer: listAnswerSchema(shown), status: 200,
      run: (call) => listOf(call, resource)
    }),
    create: defineOperation({
      id: `${name}.create`, method: 'POST', url: path, summary: `Creates ${noun}`, permission: permissions.create, answer: shown, status: 201, errors: ['CONFLICT'],
      body: bodySchema({ ...writable, ...resource.atCreation, customer_id: CUSTOMER_ID }, needed),
      async run (call) {
        const { customer_id: named, ...body } = call.body as Fields
        const customerId = await call.reach.accountFor(named)
        const record = { [idField]: newId(call.state, idPrefix), ...await checked(call, customerId, { ...defaults, ...body }, null) } as unknown as Records[C]
        const targetId = (record as unknown as Record<string, string>)[idField] ?? null
        const plan = collectionOf(call.state, collection).planInsert(customerId, record)
        return await shownResult(call, await call.change({ customerId, targetId, before: null, after: record, ...show(call) }, await around(call, null, plan)), 201)
      }
    }),
    get: defineOperation({
      id: `${name}.get`, method: 'GET', url: one, summary: `Shows ${noun}`, permission: permissions.read, answer: shown, status: 200, errors: ['NOT_FOUND'], tagged: true,
      run: async (call) => await shownResult(call, await call.reach.get(collection, call.params.id ?? ''), 200)
    }),
    replace: defineOperation({
      id: `${name}.replace`, method: 'PUT', url: one, summary: `Replaces what can be written of ${noun}`, permission: permissions.update, body: bodySchema(writable, needed), answer: shown, status: 200,
      errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
      run: (call) => write(call, () => ({ ...defaults, ...call.body }))
    }),
    patch: defineOperation({
      id: `${name}.update`, method: 'PATCH', url: one, summary: `Changes some of ${noun}`, permission: permissions.update, body: patchSchema(writable), answer: shown, status: 200,
      errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
      run: (call) => write(call, () => call.body)
    }),
    remove: defineOperation({
      id: `${name}.delete`, method: 'DELETE', url: one, summary: `Removes ${noun} for good`, permission: permissions.remove, answer: null, status: 204, errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
      async run (call) {
        const record = await call.reach.get(collection, call.params.id ?? '')
        const { customer_id: customerId, rev } = record as RecordBase
        checkPreconditions(call, rev)
        await call.change({ customerId, targetId: call.params.id ?? '', before: record, after: null, ...show(call) }, async () => {
          await resource.beforeRemove?.(call, record)
          await collectionOf(call.state, collection).remove(customerId, call.params.id ?? '', call.ifMatch === undefined ? undefined : rev)
          await resource.afterRemove?.(call, record)
          return null
        })
        return { status: 204, body: null }
      }
    })
  }
}

/** The account that something new belongs to: operators may name any, others their own. */
export const CUSTOMER_ID = Type.String({ minLength: 1, maxLength: 100, description: 'The account; operators alone can name another than their own.' })

/** The body of what needs none. */
export const NO_FIELDS = Type.Object({}, { additionalProperties: false })

/** A text that people read. */
export const NAME = Type.String({ minLength: 1, maxLength: 200 })

/** A time in ISO 8601, or null. */
export const TIME_OR_NULL = Type.Union([Type.String({ format: 'date-time' }), Type.Null()])

/** What every record shows of its own history. */
export const STAMPS = { created_at: Type.String({ format: 'date-time' }), updated_at: Type.String({ format: 'date-time' }) }

import { Type, type TObject } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { tagOf } from './entity-tag.js'
import { defineOperation, type Call, type Operation, type PartRequest, type Result } from './operation.js'
import type { Permission } from './roles.js'
import { invalidRequest, type InvalidField } from './validation.js'

/** Many things to do in one request, to records of one kind. */
export interface Bulk {
  /** `users.bulk` */
  readonly id: string
  readonly url: string
  readonly summary: string
  readonly permission: Permission
  /** What can be done to one, by its name: an operation without an id in its path makes a new one. */
  readonly actions: Readonly<Record<string, Operation>>
  /** Items of an example. */
  readonly example: readonly object[]
}

/** How many items a request may have. */
export const MOST_ITEMS = 500

// A client waits for 30 s or more; what is not done by then is told, and can be sent again.
const BUDGET_MS = 20_000

const ITEM = Type.Object({
  action: Type.String({ minLength: 1, maxLength: 50 }),
  id: Type.Optional(Type.String({ minLength: 1, maxLength: 100, description: 'Of the record; not for what makes a new one.' })),
  if_match: Type.Optional(Type.String({ minLength: 1, maxLength: 300, description: 'What If-Match is of a single request.' })),
  body: Type.Optional(Type.Object({}, { additionalProperties: true, description: 'What the body is of a single request.' }))
}, { additionalProperties: false })

const ERROR = Type.Object({ code: Type.String(), message: Type.String(), details: Type.Object({}, { additionalProperties: true }) })

const ITEM_RESULT = Type.Object({
  index: Type.Integer(), action: Type.String(), id: Type.Union([Type.String(), Type.Null()]), status: Type.Integer({ description: 'What the status is of a single request.' }),
  etag: Type.Union([Type.String(), Type.Null()]), body: Type.Union([Type.Object({}, { additionalProperties: true }), Type.Null()]), error: Type.Union([ERROR, Type.Null()])
}, { additionalProperties: false })

const ANSWER = Type.Object({
  data: Type.Array(ITEM_RESULT), summary: Type.Object({ total: Type.Integer(), succeeded: Type.Integer(), failed: Type.Integer() })
}, {
  additionalProperties: false,
  examples: [{
    data: [
      { index: 0, action: 'create', id: 'one_0f3k2m8v1x9q4z7b5c6d', status: 201, etag: '"1"', body: { created_at: '2026-11-26T00:00:00.000Z' }, error: null },
      { index: 1, action: 'update', id: 'one_missing', status: 404, etag: null, body: null, error: { code: 'NOT_FOUND', message: 'There is no such one.', details: { reason: 'no_such_record' } } }
    ],
    summary: { total: 2, succeeded: 1, failed: 1 }
  }]
})

interface Item { readonly action: string, readonly id?: string, readonly if_match?: string, readonly body?: Readonly<Record<string, unknown>> }

/** What came of one item. */
interface ItemResult {
  readonly index: number
  readonly action: string
  readonly id: string | null
  readonly status: number
  readonly etag: string | null
  readonly body: Result['body']
  readonly error: { readonly code: string, readonly message: string, readonly details: Readonly<Record<string, unknown>> } | null
}

/**
 * Makes the operation that does many things one after the other, each as its own operation does it: checked, allowed and written down on its
 * own, with its body or its error. One that fails stops no other, unless the store is gone. One principal has one such request at a time: it
 * can not hold up others by sending many.
 */
export function bulkOperation ({ id, url, summary, permission, actions, example }: Bulk): Operation {
  const names = Object.keys(actions)
  const busy = new Set<string>()
  return defineOperation({
    id, method: 'POST', url, summary, permission, status: 200, takesMany: true, answer: ANSWER,
    body: Type.Object({
      items: Type.Array(ITEM, { minItems: 1, maxItems: MOST_ITEMS, description: `Done in this order. Actions: ${names.join(', ')}.` })
    }, { additionalProperties: false, examples: [{ items: example }] }) as TObject,
    secrets: [...new Set(Object.values(actions).flatMap(({ secrets = [] }) => secrets.map((secret) => `data.*.body.${secret}`)))],
    async run (call) {
      const { actor } = call.principal
      if (busy.has(actor)) throw new GatewayError('RATE_LIMIT_EXCEEDED', { message: 'Another bulk request of this token is under way.', details: { reason: 'bulk_under_way' }, headers: ['retry-after', '1'] })
      busy.add(actor)
      try {
        return await runAll(call, actions, (call.body as unknown as { items: readonly Item[] }).items)
      } finally {
        busy.delete(actor)
      }
    }
  })
}

async function runAll (call: Call, actions: Bulk['actions'], items: readonly Item[]): Promise<Result> {
  const endsAt = performance.now() + BUDGET_MS
  const before = (call.earlier?.result.body?.data ?? []) as readonly ItemResult[]
  // Also what was refused stays so: its answer was given. Where it was not, what is shown once is made anew.
  const isDone = ({ status }: ItemResult, { action }: Item): boolean => status < 500 && (call.earlier?.seen === true || status >= 400 || actions[action]?.secrets === undefined)
  const data: ItemResult[] = []
  let stopped: string | null = null
  for (const [index, item] of items.entries()) {
    const done = before[index]
    if (done !== undefined && isDone(done, item)) { data.push(done); continue }
    if (stopped === null && performance.now() > endsAt) stopped = 'the time for one request is over'
    const result = stopped === null ? await runOne(call, actions, item, index) : failed(item, index, notTried(stopped))
    if (stopped === null && result.status === 503) stopped = 'the store does not answer'
    data.push(result)
  }
  const succeeded = data.filter(({ error }) => error === null).length
  return {
    status: 200, body: { data, summary: { total: data.length, succeeded, failed: data.length - succeeded } }, ...data.some(({ status }) => status >= 500) ? { unfinished: true as const } : {}
  }
}

async function runOne (call: Call, actions: Bulk['actions'], item: Item, index: number): Promise<ItemResult> {
  try {
    const operation = Object.hasOwn(actions, item.action) ? actions[item.action] : undefined
    if (operation === undefined) throw invalidRequest([{ path: `/items/${index}/action`, message: 'is none of the known values', known: Object.keys(actions) }])
    const { status, body, rev, location } = await call.perform(String(index), operation, requestOf(operation, item, index))
    return { index, action: item.action, id: item.id ?? location?.split('/').at(-1) ?? null, status, etag: rev === undefined ? null : tagOf(rev), body, error: null }
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    return failed(item, index, placed(error, index))
  }
}

function requestOf (operation: Operation, { id, if_match: ifMatch, body }: Item, index: number): PartRequest {
  const problems: InvalidField[] = []
  const path = `/items/${index}`
  if (operation.url.includes(':id')) {
    if (id === undefined) problems.push({ path: `${path}/id`, message: 'is needed' })
  } else {
    if (id !== undefined) problems.push({ path: `${path}/id`, message: 'is not taken here' })
    if (ifMatch !== undefined) problems.push({ path: `${path}/if_match`, message: 'is not taken here' })
  }
  if (body !== undefined && operation.body === undefined) problems.push({ path: `${path}/body`, message: 'is not taken here' })
  if (problems.length > 0) throw invalidRequest(problems)
  return { params: id === undefined ? {} : { id }, body, ifMatch }
}

/** A refusal of an item's fields with their places in the whole request. */
function placed (error: GatewayError, index: number): GatewayError {
  const fields = error.details?.fields as readonly InvalidField[] | undefined
  if (fields === undefined) return error
  return invalidRequest(fields.map((field) => field.path.startsWith('/items/') ? field : { ...field, path: `/items/${index}/body${field.path}` }))
}

function notTried (why: string): GatewayError {
  return new GatewayError('SERVICE_UNAVAILABLE', { message: `It was not tried: ${why}.`, details: { reason: 'not_tried' } })
}

function failed ({ action, id }: Item, index: number, { code, status, message, details = {} }: GatewayError): ItemResult {
  return { index, action, id: id ?? null, status, etag: null, body: null, error: { code, message, details } }
}

import type { Static, TObject, TSchema } from 'typebox'
import type { ErrorCode } from '../../core/errors.js'
import type { PlannedWrite } from '../../core/state/store.js'
import type { Reach } from './reach.js'
import type { Permission, Principal } from './roles.js'
import type { StatePorts } from './state-ports.js'

/** What an operation is told. */
export interface Call<B = Readonly<Record<string, unknown>>, Q = Readonly<Record<string, unknown>>> {
  readonly principal: Principal
  readonly reach: Reach
  readonly state: StatePorts
  readonly params: Readonly<Record<string, string>>
  readonly body: B
  readonly query: Q
  /** The body as it was sent, of an operation that takes text; null = there is none. */
  readonly text: string | null
  /** Path and query as they were sent. */
  readonly url: string
  readonly ifMatch: string | undefined
  readonly ifNoneMatch: string | undefined
  /** What an attempt before came to, where this takes up a request with an Idempotency-Key that was broken off; null = nothing is known of one. */
  readonly earlier: EarlierResult | null
  /**
   * Runs another operation as a part of this one: with its own checks, permission and entries in the audit trail. Parts of one request have
   * different names, the same in each attempt. Rejects with GatewayError.
   */
  perform (part: string, operation: Operation, request: PartRequest): Promise<Result>
  /** Makes a change and has it in the audit trail: the intent before, the outcome behind. Rejects as the change does, and where the intent can not be kept. */
  change<T> (what: PlannedChange, change: PlannedWrite<T> | (() => Promise<T>)): Promise<T>
}

/** How far an attempt before came. */
export interface EarlierResult {
  /** Without what is shown once. */
  readonly result: Result
  /** Whether it was answered. */
  readonly seen: boolean
}

/** What a part of a request is asked for. */
export interface PartRequest {
  readonly params: Readonly<Record<string, string>>
  readonly body: unknown
  readonly ifMatch: string | undefined
}

/** A call of any operation: for what looks at neither body nor query. */
export type AnyCall = Call<unknown, unknown>

/** A change as the audit trail has it. */
export interface PlannedChange {
  readonly customerId: string
  readonly targetId: string | null
  /** The record as it is; null = there is none. */
  readonly before: object | null
  /** What is asked for; null = nothing is left of it. */
  readonly after: object | null
  /** What the trail may have of a record, where that is not all of it. */
  show? (record: object): Promise<object>
}

/** What an operation answers. */
export interface Result {
  readonly status: 200 | 201 | 204
  readonly body: Readonly<Record<string, unknown>> | null
  /** The revision of what the body shows: it becomes the ETag. */
  readonly rev?: number
  readonly location?: string
  /** Some of it could not be done now: who repeats the request with its Idempotency-Key has the rest done. */
  readonly unfinished?: true
  /** Another content type than JSON, whose body is `text`. */
  readonly text?: { readonly type: string, readonly value: string }
}

/** One method of one path: what it takes, who may, what it does. From this come its route, its checks and its page in the OpenAPI document. */
export interface Operation<B = Readonly<Record<string, unknown>>, Q = Readonly<Record<string, unknown>>> {
  /** `projects.create`: also the action in the audit trail. */
  readonly id: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** With `:name` for parameters. */
  readonly url: string
  readonly summary: string
  readonly permission: Permission
  readonly body?: TObject
  /** Its body is a configuration: YAML or JSON, up to 1 MB, which the operation reads for itself. */
  readonly takesText?: true
  /** Its body has many things in it, or a long one: up to 1 MB. */
  readonly takesMany?: true
  readonly query?: TObject
  readonly answer: TSchema | null
  readonly status: Result['status']
  /** A GET whose answer has an ETag. */
  readonly tagged?: true
  /** Codes that it may answer beside those that any may. */
  readonly errors?: readonly ErrorCode[]
  /** Fields of the answer that are shown once (`api_key`, or `data.*.api_key` in a list): a repeated request gets the rest. */
  readonly secrets?: readonly string[]
  run (call: Call<B, Q>): Promise<Result>
}

/** An operation, whose body and query are typed by their schemas. */
export function defineOperation<B extends TObject, Q extends TObject> (
  operation: Omit<Operation<Static<B>, Static<Q>>, 'body' | 'query'> & { readonly body?: B, readonly query?: Q }
): Operation {
  return operation as unknown as Operation
}

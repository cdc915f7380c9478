import type { TObject } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import { createTurns } from '../../core/lib/turns.js'
import { audited } from './audited.js'
import type { Attempt } from './idempotency.js'
import type { Call, Operation, Result } from './operation.js'
import { createReach } from './reach.js'
import { resumedIfMatch } from './resumed-if-match.js'
import { resumeStore } from './resumed-store.js'
import { mayDo, type Principal } from './roles.js'
import type { StatePorts } from './state-ports.js'
import { storeFailure } from './store-failures.js'
import { createValidator, invalidRequest } from './validation.js'

/** A request to an operation, as far as operations know of it. */
export interface OperationRequest extends Pick<Call, 'principal' | 'params' | 'query' | 'text' | 'url' | 'ifMatch' | 'ifNoneMatch'> {
  readonly state: StatePorts
  /** As it was sent; undefined = there is none. */
  readonly body: unknown
  readonly requestId: string
  readonly peer: string
  /** The attempt that this is of a request with a key; null = it has none. */
  readonly attempt: Attempt | null
}

/** Checks and runs operations. */
export interface OperationRunner {
  /** Throws GatewayError with all that is wrong with the fields that were sent. */
  check (operation: Operation, request: Pick<OperationRequest, 'body' | 'query' | 'text'>): void
  /** Rejects with GatewayError where it is refused, and where the store fails; with anything else for a bug. */
  run (operation: Operation, request: OperationRequest): Promise<Result>
}

interface Checks { readonly body: ((value: unknown) => void) | null, readonly query: ((value: unknown) => void) | null }

// Of those who change a record at once one wins each time; who lost this often gives way to more than the store can order.
const MOST_TRIES = 8
const EMPTY = { type: 'object', properties: {}, additionalProperties: false } as unknown as TObject

/** Makes the runner of a port. */
export function createOperationRunner (logger: Logger): OperationRunner {
  const known = new Map<Operation, Checks>()
  const inTurn = createTurns()
  const checksOf = (operation: Operation): Checks => {
    const checks = known.get(operation) ?? {
      body: operation.body === undefined ? null : createValidator(operation.body, 'body'),
      query: operation.query !== undefined || operation.method === 'GET' ? createValidator(operation.query ?? EMPTY, 'query') : null
    }
    known.set(operation, checks)
    return checks
  }

  const check: OperationRunner['check'] = (operation, { body, query, text }) => {
    const { body: checkBody, query: checkQuery } = checksOf(operation)
    if (checkQuery !== null) checkQuery(query)
    else if (Object.keys(query).length > 0) throw invalidRequest(Object.keys(query).map((path) => ({ path, message: 'is not known here', known: [] })))
    if (checkBody !== null) checkBody(bodyOf(operation, body))
    else if (body !== undefined && text === null) throw invalidRequest([{ path: '', message: 'is not taken here' }])
  }

  const callOf = (operation: Operation, request: OperationRequest): Call => {
    const { principal, state, attempt, params, body, query, text, url, ifMatch, ifNoneMatch, requestId, peer } = request
    const origin = { actor: principal.actor, action: operation.id, requestId, peer }
    return {
      principal, state, params, query, text, url, ifMatch, ifNoneMatch,
      body: bodyOf(operation, body) as Record<string, unknown>,
      earlier: attempt?.earlier ?? null,
      reach: createReach(state, principal),
      change: (what, make) => audited(state.open.audit, logger, origin, what, make),
      perform: (part, inner, { params: innerParams, body: innerBody, ifMatch: innerMatch }) => failing(logger, requestId, inner, async () => {
        if (!mayDo(principal, inner.permission)) throw roleRefused(principal)
        check(inner, { body: innerBody, query: {}, text: null })
        return await tried(inner, { ...request, state: stateFor(request, part), params: innerParams, body: innerBody, query: {}, text: null, ifMatch: innerMatch, ifNoneMatch: undefined })
      })
    }
  }

  /** Who named no revision wants the change, whatever it is made to: who lost a race is given another try. What makes records is not tried again, their ids are used. */
  const tried = async (operation: Operation, asked: OperationRequest): Promise<Result> => {
    const request = await withResumedIfMatch(operation, asked)
    const again = request.ifMatch === undefined && request.ifNoneMatch === undefined && (operation.method !== 'POST' || operation.status === 200)
    const { id } = request.params
    // Within the process none has to lose.
    if (again && operation.method !== 'GET' && id !== undefined) return await inTurn(`${operation.url} ${id}`, () => attempts(operation, request, again))
    return await attempts(operation, request, again)
  }

  const attempts = async (operation: Operation, request: OperationRequest, again: boolean): Promise<Result> => {
    for (let tries = 1; ; tries++) {
      try {
        return await operation.run(callOf(operation, request))
      } catch (error) {
        if (!again || storeFailure(error)?.code !== 'PRECONDITION_FAILED') throw error
        if (tries === MOST_TRIES) throw new GatewayError('CONFLICT', { message: 'Too many change it at once: try again.', details: { reason: 'changed_too_often' } })
      }
    }
  }

  return {
    check,
    async run (operation, request) {
      try {
        return await tried(operation, { ...request, state: stateFor(request, '') })
      } catch (error) {
        throw storeFailure(error) ?? error
      }
    }
  }
}

/** The failure of who may not. */
function roleRefused ({ role }: Principal): GatewayError {
  return new GatewayError('AUTHORIZATION_ERROR', { message: 'The role of this token does not allow this.', details: { reason: 'role', role } })
}

/** What an attempt before changed itself has another revision since. */
async function withResumedIfMatch ({ id: action, url }: Operation, request: OperationRequest): Promise<OperationRequest> {
  const { attempt, ifMatch, params: { id }, principal: { customerId }, state } = request
  if (attempt?.resumed !== true || ifMatch === undefined || id === undefined) return request
  return { ...request, ifMatch: await resumedIfMatch(state, { action, url, id, ifMatch, customerId, requestIds: attempt.before }) }
}

function bodyOf (operation: Operation, body: unknown): unknown {
  // `null` is something that was sent, and nothing that any operation takes.
  return body === undefined && operation.body?.required === undefined ? {} : body
}

function stateFor ({ state, attempt }: OperationRequest, part: string): StatePorts {
  if (attempt === null) return state
  const store = attempt.resumed && part === '' ? resumeStore(state.open.store, (id) => attempt.ids.made(id)) : state.open.store
  return { ...state, randomId: attempt.ids.of(part), open: { ...state.open, store } }
}

/** Has every failure as a GatewayError; a bug is logged as one. */
async function failing (logger: Logger, requestId: string, { id }: Operation, act: () => Promise<Result>): Promise<Result> {
  try {
    return await act()
  } catch (error) {
    const known = error instanceof GatewayError ? error : storeFailure(error)
    if (known !== null) throw known
    logger.error({ requestId, operation: id, error }, 'a part of a request to the admin port failed')
    throw new GatewayError('INTERNAL_ERROR')
  }
}

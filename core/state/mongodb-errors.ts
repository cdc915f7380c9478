import { StoreUnavailableError } from './store-errors.js'

/** What a failure of the driver or server looks like: told by name and code, so that the driver need not be imported for it. */
interface Failure {
  readonly name?: unknown
  readonly code?: unknown
  readonly errorLabels?: unknown
  readonly writeErrors?: unknown
}

// Failures of a call, not of the store: a mistake in this program, or a record that is too large.
const MISTAKES = new Set(['MongoInvalidArgumentError', 'MongoAPIError', 'MongoParseError', 'MongoMissingDependencyError'])
const NETWORK = new Set(['MongoNetworkError', 'MongoNetworkTimeoutError', 'MongoPoolClearedError', 'MongoPoolClearedOnNetworkError'])
// What Node says of a socket that the other side has ended when it is written to: the driver passes that on as it is.
const SOCKET = new Set(['EPIPE', 'ECONNRESET', 'ECONNABORTED', 'ENOTCONN', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END'])
const DUPLICATE = 11000
/**
 * Not to be had now: no primary or another (10107, 13435, 11602, 11600, 189, 91), too slow (50, 262), the write not with the majority (64, 100, 79), hosts
 * (6, 7, 89, 9001), no right to (13, 18, 8000).
 */
const UNAVAILABLE = new Set([10107, 13435, 11602, 11600, 189, 91, 50, 262, 64, 100, 79, 6, 7, 89, 9001, 13, 18, 8000])

/** Whether a write was refused because of a unique index, the one on ids included. */
export function isDuplicate (error: unknown): boolean {
  return (error as Failure | null)?.code === DUPLICATE
}

/** The places in a bulk write whose writes were refused by a unique index; null when that is not all that went wrong. */
export function duplicatesOf (error: unknown): number[] | null {
  const { name, writeErrors } = (error ?? {}) as Failure
  if (name !== 'MongoBulkWriteError' || !Array.isArray(writeErrors)) return null
  const failures = writeErrors as readonly { readonly code: number, readonly index: number }[]
  return failures.length > 0 && failures.every(({ code }) => code === DUPLICATE) ? failures.map(({ index }) => index) : null
}

/** Whether the connection broke, so that it is not known what became of the call. */
export function isBroken (error: unknown): boolean {
  const { name, code } = (error ?? {}) as Failure
  return NETWORK.has(name as string) || isOfSocket(name, code)
}

/** Whether there was no server to ask: the driver waited for one, and knows. */
export function isAway (error: unknown): boolean {
  return (error as Failure | null)?.name === 'MongoServerSelectionError'
}

/** Whether there is no such collection yet. */
export function isMissing (error: unknown): boolean {
  return (error as Failure | null)?.code === 26
}

/** Whether the server has no change streams: one that stands alone, or another product. */
export function isUnsupported (error: unknown): boolean {
  return [40573, 40324, 59, 115, 303].includes((error as Failure | null)?.code as number)
}

/** The error as the stores know it: StoreUnavailableError where waiting may help, else as it is. */
export function toStoreError (error: unknown): unknown {
  const { name, code, errorLabels, writeErrors } = (error ?? {}) as Failure
  if (isOfSocket(name, code)) return unavailable(error)
  if (typeof name !== 'string' || !name.startsWith('Mongo') || MISTAKES.has(name)) return error
  // A bulk write whose connection broke has the name of one that the server refused.
  const refused = name === 'MongoServerError' || (name === 'MongoBulkWriteError' && Array.isArray(writeErrors) && writeErrors.length > 0)
  const retryable = Array.isArray(errorLabels) && errorLabels.some((label) => label === 'RetryableWriteError' || label === 'RetryableError')
  if (refused && !retryable && !UNAVAILABLE.has(code as number)) return error
  return unavailable(error)
}

function isOfSocket (name: unknown, code: unknown): boolean {
  return name === 'Error' && SOCKET.has(code as string)
}

function unavailable (error: unknown): StoreUnavailableError {
  return new StoreUnavailableError(`MongoDB can not be used: ${(error as Error).message}`, { cause: error })
}

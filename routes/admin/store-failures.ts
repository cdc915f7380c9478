import { GatewayError } from '../../core/errors.js'
import type { DuplicateError } from '../../core/state/store-errors.js'
import { staleRevision } from './entity-tag.js'

/**
 * What the client is told of a failure of the store, or of the key ring with what it holds: 503, 409 or 412; null for any other error. Told by name: what stands below the routes
 * gives them types alone.
 */
export function storeFailure (error: unknown): GatewayError | null {
  if (!(error instanceof Error)) return null
  switch (error.name) {
    case 'StoreUnavailableError':
      return new GatewayError('SERVICE_UNAVAILABLE', { message: 'The store does not answer: try again.', details: { reason: 'store_unavailable' }, headers: ['retry-after', '1'], cause: error })
    case 'KeyRingError':
      return new GatewayError('SERVICE_UNAVAILABLE', { message: `What is kept can not be opened: ${error.message}.`, details: { reason: 'not_openable' }, cause: error })
    case 'DuplicateError':
      return new GatewayError('CONFLICT', { message: `There is one with this ${(error as DuplicateError).field} already.`, details: { reason: 'already_exists', field: (error as DuplicateError).field } })
    case 'StaleRevisionError':
      return staleRevision()
    default:
      return null
  }
}

import { GatewayError } from '../../core/errors.js'
import type { DomainPorts } from './state-ports.js'

/** Each may wait for a silent server for some seconds. */
const MOST_AT_ONCE = 8

const underWay = new WeakMap<DomainPorts, Map<string, number>>()

/** Looks something up for an account, which may do so a few times at once. Rejects with GatewayError, 429, beyond that. */
export async function limitLookUps<T> (ports: DomainPorts, customerId: string, lookUp: () => Promise<T>): Promise<T> {
  const counts = underWay.get(ports) ?? new Map<string, number>()
  underWay.set(ports, counts)
  const count = counts.get(customerId) ?? 0
  if (count >= MOST_AT_ONCE) {
    throw new GatewayError('RATE_LIMIT_EXCEEDED', { message: 'Too many domains of the account are being looked up: wait for the answers.', details: { reason: 'too_many_look_ups' }, headers: ['retry-after', '5'] })
  }
  counts.set(customerId, count + 1)
  try {
    return await lookUp()
  } finally {
    const left = (counts.get(customerId) ?? 1) - 1
    if (left === 0) counts.delete(customerId)
    else counts.set(customerId, left)
  }
}

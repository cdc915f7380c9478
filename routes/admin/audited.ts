import { GatewayError } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import type { AuditTrail } from '../../core/state/store.js'
import type { PlannedChange } from './operation.js'
import { storeFailure } from './store-failures.js'

/** Who asked for a change, and from where. */
export interface Origin {
  readonly actor: string
  readonly action: string
  readonly requestId: string
  readonly peer: string
}

// What opens something, or tells how to find what does.
const MASKED: readonly string[] = ['digest', 'secret', 'api_key', 'token', 'challenge']

/** Makes a change with its two entries in the audit trail. What can not be written down beforehand is not made; an outcome that can not is logged. */
export async function audited<T> (trail: AuditTrail, logger: Logger, origin: Origin, { customerId, targetId, before, after }: PlannedChange, make: () => Promise<T>): Promise<T> {
  const { actor, action, requestId, peer } = origin
  const entry = { request_id: requestId, action, actor, target_id: targetId }
  await trail.append(customerId, { ...entry, phase: 'intent', outcome: null, payload: { peer, before: masked(before), after: masked(after) } })
  const outcome = async (said: string, payload: Readonly<Record<string, unknown>>): Promise<void> => {
    try {
      await trail.append(customerId, { ...entry, phase: 'outcome', outcome: said, payload })
    } catch (error) {
      logger.error({ requestId, action, outcome: said, error }, 'the outcome of a change is missing in the audit trail')
    }
  }
  try {
    const made = await make()
    await outcome('ok', { after: masked(made as object | null) })
    return made
  } catch (error) {
    const { code } = error instanceof GatewayError ? error : storeFailure(error) ?? { code: 'INTERNAL_ERROR' }
    await outcome(code, {})
    throw error
  }
}

/** A record as it may be shown in the trail. */
export function masked (record: object | null | undefined): Record<string, unknown> | null {
  if (record === null || record === undefined || typeof record !== 'object') return null
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, MASKED.includes(name) && value !== null ? '***' : value]))
}

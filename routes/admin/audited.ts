import { GatewayError } from '../../core/errors.js'
import type { Logger } from '../../core/host.js'
import type { AuditTrail, NewAuditRecord, PlannedWrite, WritesAlone } from '../../core/state/store.js'
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
const MASKED: readonly string[] = ['digest', 'secret', 'value', 'api_key', 'token', 'challenge']

/**
 * Makes a change with its two entries in the audit trail. What can not be written down beforehand is not made; an outcome that can not is logged. A change
 * that is planned is kept with its entries in one commit, where the store can.
 */
export async function audited<T> (trail: AuditTrail, logger: Logger, origin: Origin, { customerId, targetId, before, after, show }: PlannedChange, change: PlannedWrite<T> | (() => Promise<T>)): Promise<T> {
  const { actor, action, requestId, peer } = origin
  const entry = { request_id: requestId, action, actor, target_id: targetId }
  const shown = async (record: object | null): Promise<Record<string, unknown> | null> => masked(record === null || show === undefined ? record : await show(record))
  const intent: NewAuditRecord = { ...entry, phase: 'intent', outcome: null, payload: { peer, before: await shown(before), after: await shown(after) } }
  const outcomeOf = (said: string, payload: NewAuditRecord['payload']): NewAuditRecord => ({ ...entry, phase: 'outcome', outcome: said, payload })
  const appendOutcome = async (said: string, payload: () => Promise<NewAuditRecord['payload']>): Promise<void> => {
    try {
      await trail.append(customerId, outcomeOf(said, await payload()))
    } catch (error) {
      logger.error({ requestId, action, outcome: said, error }, 'the outcome of a change is missing in the audit trail')
    }
  }
  const failed = async (error: unknown): Promise<void> => {
    const { code } = error instanceof GatewayError ? error : storeFailure(error) ?? { code: 'INTERNAL_ERROR' }
    await appendOutcome(code, async () => ({}))
  }

  if (typeof change !== 'function' && isWritesAlone(change) && trail.appendAround !== undefined) {
    const refused = await trail.appendAround(customerId, intent, change, outcomeOf('ok', { after: await shown(change.made as object) }))
    if (refused === null) return change.made
    await failed(refused)
    throw refused
  }
  await trail.append(customerId, intent)
  try {
    const made = await (typeof change === 'function' ? change() : change.make())
    await appendOutcome('ok', async () => ({ after: await shown(made as object | null) }))
    return made
  } catch (error) {
    await failed(error)
    throw error
  }
}

function isWritesAlone<T> (change: PlannedWrite<T>): change is PlannedWrite<T> & WritesAlone {
  return change.writes !== null
}

/** A record as it may be shown in the trail. */
function masked (record: object | null | undefined): Record<string, unknown> | null {
  if (record === null || record === undefined || typeof record !== 'object') return null
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, MASKED.includes(name) && value !== null ? '***' : value]))
}

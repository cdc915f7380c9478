import { Type } from 'typebox'
import type { AuditRecord } from '../../core/state/records.js'
import type { AuditTrail } from '../../core/state/store.js'
import { defineOperation, type Operation } from './operation.js'

const PIECE = 1_000

/**
 * The operation that erases, by `erase`, every entry of an account that tells of an e-mail address. An entry about a user is found by the user's id too; one about a
 * creation that was refused has an id that never came to be, and one of somebody else may name the address all the same.
 */
export function erasePerson (erase: Operation): Operation {
  return defineOperation({
    id: 'audit.erase-person', method: 'POST', url: '/admin/audit/erase', summary: 'Erases all that the entries of an account tell of who has an e-mail address, refused requests included', permission: 'system', status: 200,
    body: Type.Object({
      customer_id: Type.String({ minLength: 1, maxLength: 100, description: 'The account, also one that was removed.' }), email: Type.String({ format: 'email', maxLength: 254 })
    }, { additionalProperties: false }),
    answer: Type.Object({ erased: Type.Array(Type.String(), { description: 'The ids of the entries, which stay without their payload.', examples: [['aud_000000000007']] }) }, { additionalProperties: false }),
    async run (call) {
      const { body: { customer_id: customerId, email }, state: { open: { audit } } } = call
      const erased: string[] = []
      for (const id of await entriesWith(audit, customerId, email)) {
        await call.perform(id, erase, { params: { id }, body: {}, ifMatch: undefined })
        erased.push(id)
      }
      return { status: 200, body: { erased } }
    }
  })
}

async function entriesWith (audit: AuditTrail, customerId: string, email: string): Promise<string[]> {
  const sought = email.toLowerCase()
  const found: string[] = []
  for (let last = ''; ;) {
    const piece: readonly AuditRecord[] = await audit.list(customerId, { filter: { audit_id: { gt: last } }, limit: PIECE })
    for (const { audit_id: id, payload } of piece) if (holds(payload, sought)) found.push(id)
    if (piece.length < PIECE) return found
    last = piece.at(-1)?.audit_id ?? ''
  }
}

/** Whether a value is this text, or has it in it, without case. */
function holds (value: unknown, sought: string): boolean {
  if (typeof value === 'string') return value.toLowerCase() === sought
  return typeof value === 'object' && value !== null && Object.values(value).some((one) => holds(one, sought))
}

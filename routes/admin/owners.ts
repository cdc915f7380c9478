import { GatewayError } from '../../core/errors.js'
import type { Membership, User } from '../../core/state/records.js'
import type { Filter, Store } from '../../core/state/store.js'
import { everyRecord } from './every-record.js'
import type { AnyCall } from './operation.js'
import { refuseAbove, rolesAbove } from './roles.js'
import { underLease } from './under-lease.js'

/** The people who own an account: active, and with the role by a membership of the account itself. A token is no person: it can always be revoked. */
export async function ownersOf (store: Store, customerId: string, counts: (membership: Membership) => boolean = () => true): Promise<Set<string>> {
  const memberships = await everyRecord(store.memberships, 'membership_id', customerId, { scope: { eq: 'account' }, role: { eq: 'owner' } })
  const owners = new Set<string>()
  for (const { user_id: id } of memberships.filter(counts)) {
    if (!owners.has(id) && (await store.users.get(customerId, id))?.status === 'active') owners.add(id)
  }
  return owners
}

/** Rejects where a person has a role above that of who asks: by a membership, or by a token that works. */
export async function refuseHigherUser ({ principal, state }: AnyCall, { customer_id: customerId, user_id: id }: User): Promise<void> {
  const above = rolesAbove(principal)
  if (above.length === 0) return
  const { memberships, admin_tokens: tokens } = state.open.store
  const of = { user_id: { eq: id }, role: { in: above } }
  const working = { ...of, status: { eq: 'active' } } as const
  const [found] = [
    ...await memberships.list(customerId, { filter: of, limit: 1 }),
    ...await tokens.list(customerId, { filter: { ...working, expires_at: { eq: null } }, limit: 1 }),
    ...await tokens.list(customerId, { filter: { ...working, expires_at: { gt: new Date(state.now()).toISOString() } }, limit: 1 })
  ]
  if (found !== undefined) refuseAbove(principal, found.role)
}

/** Rejects where a membership that the filter lets through is of a role above that of who asks. */
export async function refuseHigherMembers ({ principal, state }: AnyCall, customerId: string, filter: Filter<Membership>): Promise<void> {
  const above = rolesAbove(principal)
  if (above.length === 0) return
  const [found] = await state.open.store.memberships.list(customerId, { filter: { ...filter, role: { in: above } }, limit: 1 })
  if (found !== undefined) refuseAbove(principal, found.role)
}

/**
 * Makes a change by which those memberships end that `leaves` tells, or their people: if an owner of the account stays. Rejects with CONFLICT where the last
 * would go. One such change of an account at a time, on whichever node: of two that looked at once each would see the other's owner stay.
 */
export async function keepAnOwner<T> ({ state }: AnyCall, customerId: string, leaves: (membership: Membership) => boolean, change: () => Promise<T>): Promise<T> {
  const { store, system } = state.open
  if ((await ownersOf(store, customerId, leaves)).size === 0) return await change()
  const refusal = (): GatewayError => new GatewayError('CONFLICT', { message: 'Another change of the owners of this account is under way: try again.', details: { reason: 'owners_changing' } })
  return await underLease(system, `owners ${customerId}`, refusal, async () => {
    if ((await ownersOf(store, customerId, (membership) => !leaves(membership))).size === 0 && (await ownersOf(store, customerId)).size > 0) {
      throw new GatewayError('CONFLICT', { message: 'This is the last owner of the account: make another one first.', details: { reason: 'last_owner' } })
    }
    return await change()
  })
}

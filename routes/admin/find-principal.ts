import type { AdminToken } from '../../core/state/records.js'
import { OPERATORS_ACCOUNT } from './reach.js'
import type { FindPrincipal } from './bearer.js'
import type { Principal } from './roles.js'
import type { StatePorts } from './state-ports.js'

// Enough for a burst with one token; a revoked one is dead within the second.
const REMEMBERED_MS = 500
const MOST_REMEMBERED = 1_000
// A token that works on and on costs a write in this time, and its last use is told as exactly.
const USE_TOLD_MS = 60_000
/** What stands for the admin API where usage names a project: no project of the store is called so. */
const ADMIN_API = '_admin'

/**
 * Finds who a personal token is of: it has to be active, of an account and a person that are, and not past its end. What was found is remembered
 * for half a second, and so is that the store is gone: of many requests that wait for it, one waits.
 */
export function createFindPrincipal (state: StatePorts): FindPrincipal {
  const remembered = new Map<string, { until: number, found: Promise<Principal | null> }>()
  const told = new Map<string, number>()
  const tellUse = ({ customer_id, token_id: id }: AdminToken): void => {
    const at = state.now()
    if (at - (told.get(id) ?? -Infinity) < USE_TOLD_MS) return
    if (told.size >= MOST_REMEMBERED) told.clear()
    told.set(id, at)
    const time = new Date(at).toISOString()
    // Nobody waits for it: a store that is gone just then does not tell of this use.
    state.open.system.addUsage([{ customer_id, project_id: ADMIN_API, credential_id: id, day: time.slice(0, 10), requests: 0, errors: 0, last_used_at: time }]).catch(() => { told.delete(id) })
  }
  const look = async (text: string, prefix: string): Promise<Principal | null> => {
    const { system, store } = state.open
    const token = (await system.tokensByPrefix(prefix)).find(({ digest, pepper_id: pepperId }) => state.keys.matches(text, digest, pepperId))
    if (token === undefined || !isAlive(token, state.now())) return null
    const { customer_id: customerId } = token
    if (customerId !== OPERATORS_ACCOUNT && (await store.accounts.get(customerId, customerId))?.status !== 'active') return null
    if (token.user_id !== null && (await store.users.get(customerId, token.user_id))?.status !== 'active') return null
    tellUse(token)
    return principalOf(token)
  }
  return (text) => {
    const prefix = state.keys.tokenPrefix(text)
    if (prefix === null) return Promise.resolve(null)
    const at = state.now()
    const there = remembered.get(text)
    if (there !== undefined && there.until > at) return there.found
    if (remembered.size >= MOST_REMEMBERED) remembered.clear()
    const found = look(text, prefix)
    remembered.set(text, { until: at + REMEMBERED_MS, found })
    return found
  }
}

function isAlive ({ status, expires_at: end }: AdminToken, at: number): boolean {
  return status === 'active' && (end === null || Date.parse(end) > at)
}

function principalOf ({ token_id: actor, customer_id: customerId, role, scope, scope_id: id }: AdminToken): Principal {
  return { actor, role, customerId: role === 'operator' && customerId === OPERATORS_ACCOUNT && scope === 'account' ? null : customerId, projectId: scope === 'project' ? id : null }
}

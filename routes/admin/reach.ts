import { GatewayError } from '../../core/errors.js'
import type { CollectionName, RecordBase, Records } from '../../core/state/records.js'
import type { Collection, Filter, Query } from '../../core/state/store.js'
import { OPERATORS_ACCOUNT, type Principal } from './roles.js'
import type { StatePorts } from './state-ports.js'
import { invalidRequest } from './validation.js'

/** A collection that tenants have. */
export type TenantCollection = Exclude<CollectionName, 'audit_records'>

export { OPERATORS_ACCOUNT }

// What no id looks like is no id of the store's: it is answered like a missing one, and never asked for.
const ID = /^[a-z0-9][a-z0-9_-]{0,99}$/i

/** The part of the store that somebody sees. What lies outside is as good as missing: it is asked for and answered in the same way. */
export interface Reach {
  find<C extends TenantCollection> (collection: C, id: string): Promise<Records[C] | null>
  /** The record; rejects with NOT_FOUND where there is none within reach. */
  get<C extends TenantCollection> (collection: C, id: string): Promise<Records[C]>
  list<C extends TenantCollection> (collection: C, query: Query<Records[C]>): Promise<Records[C][]>
  count<C extends TenantCollection> (collection: C, filter: Filter<Records[C]>): Promise<number>
  /** The record that a body refers to, of this account; rejects with VALIDATION_ERROR at `path`. */
  refer<C extends TenantCollection> (collection: C, customerId: string, id: string, path: string): Promise<Records[C]>
  /** The account that something new belongs to: the own one, or for operators the one that is named. Rejects with NOT_FOUND. */
  accountFor (named: unknown): Promise<string>
  /** The account of the project that a body refers to with `project_id`, which has to be the one that is named, if any. Rejects as `refer` and `accountFor` do. */
  accountOf (projectId: string, named: unknown): Promise<string>
}

const NOUNS: Readonly<Record<TenantCollection, string>> = {
  accounts: 'account', projects: 'project', domains: 'domain', users: 'user', teams: 'team', memberships: 'membership', consumers: 'consumer',
  credentials: 'API key', plans: 'plan', subscriptions: 'subscription', secrets: 'secret', admin_tokens: 'token', config_versions: 'version'
}

/** Every collection that tenants have. */
export const TENANT_COLLECTIONS = Object.keys(NOUNS) as readonly TenantCollection[]

/** The failure of a look-up. */
export function notFound (collection: TenantCollection): GatewayError {
  return new GatewayError('NOT_FOUND', { message: `There is no such ${NOUNS[collection]}.`, details: { reason: 'no_such_record' } })
}

/** Makes what somebody sees of the store. */
export function createReach ({ open: { store, system } }: StatePorts, { customerId, projectId }: Principal): Reach {
  const own = <C extends TenantCollection>(collection: C): Collection<Records[C]> => store[collection] as unknown as Collection<Records[C]>
  const inProject = (record: RecordBase | null): boolean => record !== null && (projectId === null || (record as { project_id?: string }).project_id === projectId || (record as { project_id?: string }).project_id === undefined)
  const narrowed = <C extends TenantCollection>(collection: C, filter: Filter<Records[C]> | undefined): Filter<Records[C]> => {
    if (projectId === null || (collection !== 'projects' && collection !== 'credentials' && collection !== 'domains' && collection !== 'secrets' && collection !== 'config_versions')) return filter ?? {}
    const { project_id: asked } = (filter ?? {}) as { project_id?: { in?: readonly string[] } }
    const allowed = asked?.in === undefined || asked.in.includes(projectId) ? [projectId] : []
    return { ...filter, project_id: { in: allowed } } as Filter<Records[C]>
  }
  const find = async <C extends TenantCollection>(collection: C, id: string): Promise<Records[C] | null> => {
    if (!ID.test(id)) return null
    const record = customerId === null ? await system.find(collection, id) : await own(collection).get(customerId, id)
    return inProject(record) ? record : null
  }
  const reach: Reach = {
    find,
    async get (collection, id) {
      const record = await find(collection, id)
      if (record === null) throw notFound(collection)
      return record
    },
    list (collection, query) {
      const narrow = { ...query, filter: narrowed(collection, query.filter) }
      return customerId === null ? system.list(collection, narrow) : own(collection).list(customerId, narrow)
    },
    count (collection, filter) {
      const narrow = narrowed(collection, filter)
      return customerId === null ? system.count(collection, narrow) : own(collection).count(customerId, narrow)
    },
    async refer (collection, account, id, path) {
      const record = ID.test(id) ? await own(collection).get(account, id) : null
      if (record === null || !inProject(record)) throw invalidRequest([{ path, message: `names no ${NOUNS[collection]} of the account` }])
      return record
    },
    async accountFor (named) {
      if (customerId !== null) {
        if (named !== undefined && named !== customerId) throw notFound('accounts')
        return customerId
      }
      if (named === undefined || named === OPERATORS_ACCOUNT) return OPERATORS_ACCOUNT
      if (await find('accounts', named as string) === null) throw notFound('accounts')
      return named as string
    },
    async accountOf (projectId, named) {
      const path = '/project_id'
      if (named !== undefined) {
        const account = await reach.accountFor(named)
        await reach.refer('projects', account, projectId, path)
        return account
      }
      const project = await find('projects', projectId)
      if (project === null) throw invalidRequest([{ path, message: 'names no project of the account' }])
      return project.customer_id
    }
  }
  return reach
}

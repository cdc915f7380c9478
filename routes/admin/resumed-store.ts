import { GatewayError } from '../../core/errors.js'
import type { PlannedWrite, Store } from '../../core/state/store.js'
import type { TenantCollection } from './reach.js'

type Fields = Readonly<Record<string, unknown>>

/** A collection, whatever it is of. */
interface AnyCollection {
  insert (customerId: string, record: Fields): Promise<Fields>
  planInsert (customerId: string, record: Fields): PlannedWrite<Fields>
  get (customerId: string, id: string): Promise<Fields | null>
  replace (customerId: string, record: Fields): Promise<Fields>
}

/** The field with the id, of what requests make. */
const ID_FIELDS = {
  accounts: 'customer_id', projects: 'project_id', domains: 'domain_id', users: 'user_id', teams: 'team_id', memberships: 'membership_id', consumers: 'consumer_id',
  credentials: 'credential_id', plans: 'plan_id', subscriptions: 'subscription_id', secrets: 'secret_id', admin_tokens: 'token_id', config_versions: 'config_version_id'
} as const satisfies Record<TenantCollection, string>

/**
 * The store for a request that is taken up again: a record that the attempt before made already is found in place of being made twice. It is
 * known by an id that was made for this request (`isOwn`), or, where the sender chose the id, by being what was asked for. What it shows once
 * nobody has seen: it gets other secrets.
 */
export function resumeStore (store: Store, isOwn: (id: string) => boolean): Store {
  const resumed = Object.entries(ID_FIELDS).map(([name, idField]) => {
    const collection = store[name as keyof typeof ID_FIELDS] as unknown as AnyCollection
    const insert = async (customerId: string, record: Fields): Promise<Fields> => {
      try {
        return await collection.insert(customerId, record)
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'DuplicateError') throw error
        const id = name === 'accounts' ? customerId : record[idField] as string
        const there = await collection.get(customerId, id)
        if (there === null || !(isOwn(id) || holds(there, record))) throw error
        return await withSecretsOf(collection, customerId, there, record)
      }
    }
    const planInsert = (customerId: string, record: Fields): PlannedWrite<Fields> => ({ ...collection.planInsert(customerId, record), writes: null, make: () => insert(customerId, record) })
    return [name, { ...collection, insert, planInsert }]
  })
  return { ...store, ...Object.fromEntries(resumed) as Partial<Store> }
}

function holds (there: Fields, record: Fields): boolean {
  return Object.entries(record).every(([name, value]) => JSON.stringify(there[name]) === JSON.stringify(value))
}

async function withSecretsOf (collection: AnyCollection, customerId: string, there: Fields, record: Fields): Promise<Fields> {
  const { digest, prefix, pepper_id: pepperId, secret } = record
  if (digest === undefined) return there
  if (there.status !== 'active') throw new GatewayError('CONFLICT', { message: 'It was made by the attempt before, and revoked since.', details: { reason: 'key_is_over' } })
  return await collection.replace(customerId, { ...there, digest, prefix, pepper_id: pepperId, ...secret === undefined ? {} : { secret } })
}

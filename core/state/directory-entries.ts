import type { Domain, Limits, Project, Secret } from './records.js'

/**
 * What the directory keeps of records that others refer to: one object each, however many refer to it. `known` is false while a record is
 * referred to that is not there (yet, or any more): it is then good for nothing.
 */
interface Entry {
  readonly id: string
  known: boolean
}

/** What is kept of a secret: sealed as the store has it. */
export type SecretEntry = Pick<Secret, 'secret_id' | 'customer_id' | 'project_id' | 'name' | 'value'>

/** Of an account. */
export interface AccountEntry extends Entry {
  active: boolean
  /** Those that every project of it can name. */
  secrets: SecretEntry[] | null
}

/** Of a project; whole, since what is served is made of it. */
export interface ProjectEntry extends Entry {
  record: Project | null
  domains: Domain[] | null
  /** Those that it alone can name. */
  secrets: SecretEntry[] | null
}

/** Of a consumer. */
export interface ConsumerEntry extends Entry {
  name: string
  active: boolean
  account: AccountEntry | null
  subscriptions: SubscriptionEntry[] | null
  /** How many credentials and subscriptions refer to it. */
  references: number
}

/** Of a plan. */
export interface PlanEntry extends Entry {
  account: string
  name: string
  limits: Limits
}

/** Of a subscription that is active. */
export interface SubscriptionEntry {
  readonly id: string
  readonly account: string
  readonly consumer: ConsumerEntry
  readonly project: ProjectEntry
  readonly plan: PlanEntry
}

/** An account of which nothing is known yet. */
export function unknownAccount (id: string): AccountEntry { return { id, known: false, active: false, secrets: null } }

/** A project of which nothing is known yet. */
export function unknownProject (id: string): ProjectEntry { return { id, known: false, record: null, domains: null, secrets: null } }

/** A consumer of which nothing is known yet. */
export function unknownConsumer (id: string): ConsumerEntry {
  return { id, known: false, name: '', active: false, account: null, subscriptions: null, references: 0 }
}

/** A plan of which nothing is known yet. */
export function unknownPlan (id: string): PlanEntry { return { id, known: false, account: '', name: '', limits: {} } }

/** The entry of an id, made where there is none. */
export function entryOf<E> (entries: Map<string, E>, id: string, make: (id: string) => E): E {
  let entry = entries.get(id)
  if (entry === undefined) {
    entry = make(id)
    entries.set(id, entry)
  }
  return entry
}

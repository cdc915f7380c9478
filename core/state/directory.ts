import type { Directory as ProjectDirectory, KeyMatch, KeyRefusal } from '../host.js'
import { compileCidrs } from '../lib/cidr.js'
import type { CredentialTable } from './credential-table.js'
import type { ConsumerEntry, PlanEntry, ProjectEntry, SecretEntry } from './directory-entries.js'
import { DirectoryTables } from './directory-tables.js'
import type { KeyReader } from './key-reader.js'
import { LOCAL_ACCOUNT, type Domain, type Project } from './records.js'
import { hashText } from './slot-index.js'

const ANYWHERE = (): boolean => true
const NO_DOMAINS: readonly Domain[] = []
const NO_SECRETS: readonly SecretEntry[] = []
const NETWORK_LISTS_KEPT = 1_000

/**
 * One process's view of the store: what the data path needs, in memory, read without waiting. Whoever keeps it fresh (`feed.ts`) changes the
 * tables behind it or puts others in their place; the directory itself stays the same for whoever holds it.
 */
export class Directory {
  readonly #keys: KeyReader
  readonly #now: () => number
  readonly #networks = new Map<string, (address: string) => boolean>()
  #tables = new DirectoryTables()
  #matched = false

  /** `now` gives milliseconds since 1970. */
  constructor (keys: KeyReader, now: () => number = Date.now) {
    this.#keys = keys
    this.#now = now
  }

  get tables (): DirectoryTables { return this.#tables }

  /** Puts tables in the place of the present ones, at once. */
  adopt (tables: DirectoryTables): void { this.#tables = tables }

  /** The port for what runs in one project. Made once and kept: it sees every change. */
  forProject (projectId: string): ProjectDirectory {
    return { lookUpKey: (key) => this.lookUpKey(projectId, key) }
  }

  /** A project of the store, or null. */
  project (projectId: string): Project | null { return this.#tables.projects.get(projectId)?.record ?? null }

  /** Every project of the store. */
  * projects (): IterableIterator<Project> {
    for (const { record } of this.#tables.projects.values()) if (record !== null) yield record
  }

  /** Host names that a project claims; they serve it where they are verified. */
  domainsOf (projectId: string): readonly Domain[] { return this.#tables.projects.get(projectId)?.domains ?? NO_DOMAINS }

  /** The secrets that a project can name, sealed: its own before those of its account. A name may stand in both. */
  secretsOf (projectId: string): readonly SecretEntry[] {
    const { record, secrets: own } = this.#tables.projects.get(projectId) ?? {}
    if (record === null || record === undefined) return NO_SECRETS
    const ofProject = own?.filter(({ customer_id: account }) => account === record.customer_id) ?? NO_SECRETS
    const ofAccount = this.#tables.accounts.get(record.customer_id)?.secrets ?? NO_SECRETS
    return ofAccount.length === 0 ? ofProject : [...ofProject, ...ofAccount]
  }

  /** Whether an account may be served: it is there, and not suspended. */
  isActive (customerId: string): boolean {
    const entry = this.#tables.accounts.get(customerId)
    return entry === undefined ? customerId === LOCAL_ACCOUNT : entry.active
  }

  /** The key of a project, with the reason where it may not be used. Null where there is none such (see the port in `core/host.ts`). */
  lookUpKey (projectId: string, key: string): KeyMatch | null {
    const prefix = this.#keys.prefixOf(key)
    if (prefix === null) return null
    const { credentials } = this.#tables
    const slot = this.#find(credentials, hashText(prefix), key)
    if (slot === -1 || credentials.isFree(slot)) return null
    const project = credentials.project(slot)
    const account = credentials.account(slot)
    const consumer = credentials.consumer(slot)
    // Files declare projects that the store has no record of; their keys are those of the local account.
    const isOfProject = project.id === projectId && (project.record?.customer_id ?? LOCAL_ACCOUNT) === account.id
    const isOfAccount = !consumer.known || consumer.account === account
    // Only here, so that a key of another project takes as long as one that there is not.
    if (!this.#matched || !isOfProject || !isOfAccount) return null
    const expiresAt = credentials.expiresAt(slot)
    const refused: KeyRefusal | null = credentials.isRevoked(slot)
      ? 'revoked'
      : expiresAt <= this.#now()
          ? 'expired'
          : !account.active ? 'account_suspended' : !consumer.active ? 'consumer_inactive' : null
    const plan = planOf(credentials.plan(slot), consumer, project, account.id)
    const networks = credentials.networks(slot)
    return {
      consumer: plan === null ? { id: consumer.id, name: consumer.name } : { id: consumer.id, name: consumer.name, plan: plan.name },
      credential: { id: credentials.id(slot), kind: 'api_key', limits: credentials.limits(slot), expiresAt: expiresAt === Infinity ? null : expiresAt },
      plan: plan === null ? null : { id: plan.id, name: plan.name, limits: plan.limits },
      refused,
      requireSignature: credentials.needsSignature(slot),
      isAllowedFrom: networks === null ? ANYWHERE : this.#allowedFrom(networks)
    }
  }

  /**
   * The slot whose digest is the key's, where `#matched` then says so; else one that was compared, or -1 where there is none at all. Every key that has the
   * form of one costs a digest and a comparison, also where nothing begins like it.
   */
  #find (credentials: CredentialTable, prefixHash: number, key: string): number {
    const { pepperIds } = credentials
    this.#matched = false
    let found = -1
    let pepper = -1
    let digest: Uint8Array | null = null
    const first = credentials.firstByPrefix(prefixHash)
    // Any other slot, so that what is read of it comes as slowly out of memory as that of one which begins like the key.
    let slot = first === -1 ? credentials.decoyFor(prefixHash) : first
    while (slot !== -1) {
      if (credentials.pepper(slot) !== pepper) {
        pepper = credentials.pepper(slot)
        digest = this.#keys.digest(key, pepperIds[pepper] as string)
      }
      const matches = digest !== null && credentials.matches(slot, digest) && first !== -1
      if (matches || !this.#matched) found = slot
      if (matches) this.#matched = true
      const next = credentials.afterPrefix(slot)
      slot = first === -1 ? -1 : next
    }
    return found
  }

  #allowedFrom (networks: readonly string[]): (address: string) => boolean {
    const name = networks.join()
    let check = this.#networks.get(name)
    if (check === undefined) {
      if (this.#networks.size >= NETWORK_LISTS_KEPT) this.#networks.clear()
      check = compileNetworks(networks)
      this.#networks.set(name, check)
    }
    return check
  }
}

/** A list that can not be read lets nobody in: the store keeps none such, unless somebody wrote past the admin API. */
function compileNetworks (networks: readonly string[]): (address: string) => boolean {
  try {
    return compileCidrs(networks)
  } catch {
    return () => false
  }
}

/** The key's own plan, else the one that its consumer has for the project. */
function planOf (own: PlanEntry | null, consumer: ConsumerEntry, project: ProjectEntry, account: string): PlanEntry | null {
  if (own !== null && own.known && own.account === account) return own
  if (consumer.subscriptions === null) return null
  for (const subscription of consumer.subscriptions) {
    if (subscription.project === project && subscription.account === account && subscription.plan.known && subscription.plan.account === account) return subscription.plan
  }
  return null
}

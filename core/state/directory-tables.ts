import { CredentialTable } from './credential-table.js'
import {
  type AccountEntry, type ConsumerEntry, entryOf, type PlanEntry, type ProjectEntry, type SecretEntry, type SubscriptionEntry, unknownAccount, unknownConsumer, unknownPlan, unknownProject
} from './directory-entries.js'
import type { NamesSecret } from './sealed-config.js'
import { LOCAL_ACCOUNT, type Account, type CollectionName, type Consumer, type Credential, type Domain, type Plan, type Project, type Subscription } from './records.js'
import { hashText } from './slot-index.js'

/** The collections that a directory is made of, those first that others refer to. */
export const DIRECTORY_COLLECTIONS = ['accounts', 'projects', 'domains', 'secrets', 'plans', 'consumers', 'subscriptions', 'credentials'] as const satisfies readonly CollectionName[]

/** One of them. */
export type DirectoryCollection = typeof DIRECTORY_COLLECTIONS[number]

/** A credential as the directory takes it: of the store, or of a snapshot, which has the prefix's hash in the prefix's place. */
export type CredentialSource = Pick<Credential, 'credential_id' | 'customer_id' | 'project_id' | 'consumer_id' | 'digest' | 'pepper_id' | 'status' | 'plan_id' | 'limits' | 'allowed_networks' | 'require_signature' | 'expires_at'>
  & ({ readonly prefix: string } | { readonly prefix_hash: number })

/** What the directory takes of each record: all that it keeps. */
export interface DirectorySources {
  accounts: Pick<Account, 'customer_id' | 'status'>
  projects: Project
  domains: Domain
  secrets: SecretEntry
  plans: Pick<Plan, 'plan_id' | 'customer_id' | 'name' | 'limits'>
  consumers: Pick<Consumer, 'consumer_id' | 'customer_id' | 'name' | 'status'>
  subscriptions: Pick<Subscription, 'subscription_id' | 'customer_id' | 'consumer_id' | 'project_id' | 'plan_id' | 'status'>
  credentials: CredentialSource
}

type Puts = { readonly [C in DirectoryCollection]: (record: DirectorySources[C]) => void }
type Removes = Readonly<Record<DirectoryCollection, (id: string) => void>>

/** What the directory holds, and how records change it: entries by id, and the table of credentials. */
export class DirectoryTables {
  readonly accounts = new Map<string, AccountEntry>()
  readonly projects = new Map<string, ProjectEntry>()
  readonly consumers = new Map<string, ConsumerEntry>()
  readonly plans = new Map<string, PlanEntry>()
  readonly subscriptions = new Map<string, SubscriptionEntry>()
  readonly credentials = new CredentialTable()
  readonly domains = new Map<string, Domain>()
  readonly secrets = new Map<string, SecretEntry>()
  /** Told the id of every project of which something changed that what is served is made of. */
  onProject: (projectId: string) => void = () => {}
  /** Whether a project names a secret: of one that changes, only those are told that do. */
  namesSecret: NamesSecret = () => true

  /** How many of each it holds; those too that others only refer to. */
  get sizes (): Readonly<Record<DirectoryCollection, number>> {
    return Object.fromEntries(DIRECTORY_COLLECTIONS.map((name) => [name, this[name].size])) as Record<DirectoryCollection, number>
  }

  /** Takes a record over, new or changed. */
  put<C extends DirectoryCollection> (collection: C, record: DirectorySources[C]): void {
    (this.#puts[collection] as (record: unknown) => void)(record)
  }

  /** Forgets a record that was removed. */
  remove (collection: DirectoryCollection, id: string): void {
    this.#removes[collection](id)
  }

  readonly #puts: Puts = {
    accounts: (record) => { this.#putAccount(record) },
    projects: (record) => { this.#putProject(record) },
    domains: (record) => { this.#putDomain(record) },
    secrets: (record) => { this.#putSecret(record) },
    plans: (record) => { this.#putPlan(record) },
    consumers: (record) => { this.#putConsumer(record) },
    subscriptions: (record) => { this.#putSubscription(record) },
    credentials: (record) => { this.#putCredential(record) }
  }

  readonly #removes: Removes = {
    accounts: (id) => { this.#changeAccount(id, false, false) },
    projects: (id) => {
      const entry = this.projects.get(id)
      if (entry === undefined) return
      entry.known = false
      entry.record = null
      this.onProject(id)
    },
    domains: (id) => { this.#removeDomain(id) },
    secrets: (id) => { this.#removeSecret(id) },
    plans: (id) => {
      const entry = this.plans.get(id)
      if (entry !== undefined) entry.known = false
    },
    consumers: (id) => {
      const entry = this.consumers.get(id)
      if (entry === undefined) return
      entry.known = false
      entry.active = false
      this.#forgetUnused(entry)
    },
    subscriptions: (id) => { this.#removeSubscription(id) },
    credentials: (id) => {
      const slot = this.credentials.slotOf(id)
      if (slot === -1) return
      const consumer = this.credentials.consumer(slot)
      this.credentials.remove(slot)
      this.#release(consumer)
    }
  }

  #account (id: string): AccountEntry {
    return entryOf(this.accounts, id, (fresh) => {
      const entry = unknownAccount(fresh)
      // Files have no record of the account that they belong to.
      if (fresh === LOCAL_ACCOUNT) { entry.known = true; entry.active = true }
      return entry
    })
  }

  #putAccount ({ customer_id: id, status }: DirectorySources['accounts']): void {
    this.#changeAccount(id, true, status === 'active')
  }

  #changeAccount (id: string, known: boolean, active: boolean): void {
    const entry = this.#account(id)
    const changed = entry.active !== active
    entry.known = known
    entry.active = active
    if (!changed) return
    for (const { id: projectId, record } of this.projects.values()) if (record?.customer_id === id) this.onProject(projectId)
  }

  #putProject (record: Project): void {
    const entry = entryOf(this.projects, record.project_id, unknownProject)
    entry.known = true
    entry.record = record
    this.onProject(record.project_id)
  }

  #putDomain (record: Domain): void {
    this.#removeDomain(record.domain_id)
    const project = entryOf(this.projects, record.project_id, unknownProject)
    project.domains = [...project.domains ?? [], record]
    this.domains.set(record.domain_id, record)
    this.onProject(record.project_id)
  }

  #removeDomain (id: string): void {
    const record = this.domains.get(id)
    if (record === undefined) return
    this.domains.delete(id)
    const project = entryOf(this.projects, record.project_id, unknownProject)
    project.domains = (project.domains ?? []).filter((other) => other !== record)
    this.onProject(record.project_id)
  }

  #putSecret ({ secret_id: id, customer_id: account, project_id: projectId, name, value }: SecretEntry): void {
    this.#removeSecret(id)
    const entry: SecretEntry = { secret_id: id, customer_id: account, project_id: projectId, name, value }
    const owner = this.#secretOwner(entry)
    owner.secrets = [...owner.secrets ?? [], entry]
    this.secrets.set(id, entry)
    this.#secretChanged(entry)
  }

  #removeSecret (id: string): void {
    const entry = this.secrets.get(id)
    if (entry === undefined) return
    this.secrets.delete(id)
    const owner = this.#secretOwner(entry)
    const left = (owner.secrets ?? []).filter((other) => other !== entry)
    owner.secrets = left.length === 0 ? null : left
    this.#secretChanged(entry)
  }

  #secretOwner ({ customer_id: account, project_id: projectId }: SecretEntry): AccountEntry | ProjectEntry {
    return projectId === null ? this.#account(account) : entryOf(this.projects, projectId, unknownProject)
  }

  /** Tells the projects whose configuration names it: others are made of the same things as before. */
  #secretChanged ({ customer_id: account, project_id: projectId, name }: SecretEntry): void {
    const own = projectId === null ? this.projects.values() : [entryOf(this.projects, projectId, unknownProject)]
    for (const { id, record } of own) if (record?.customer_id === account && this.namesSecret(record, name)) this.onProject(id)
  }

  #putPlan ({ plan_id: id, customer_id: account, name, limits }: DirectorySources['plans']): void {
    const entry = entryOf(this.plans, id, unknownPlan)
    entry.known = true
    entry.account = account
    entry.name = name
    entry.limits = limits
  }

  #putConsumer ({ consumer_id: id, customer_id: account, name, status }: DirectorySources['consumers']): void {
    const entry = entryOf(this.consumers, id, unknownConsumer)
    entry.known = true
    entry.name = name
    entry.active = status === 'active'
    entry.account = this.#account(account)
  }

  #putSubscription ({ subscription_id: id, customer_id: account, consumer_id: consumerId, project_id: projectId, plan_id: planId, status }: DirectorySources['subscriptions']): void {
    this.#removeSubscription(id)
    if (status !== 'active') return
    const consumer = entryOf(this.consumers, consumerId, unknownConsumer)
    const entry: SubscriptionEntry = {
      id, account, consumer, project: entryOf(this.projects, projectId, unknownProject), plan: entryOf(this.plans, planId, unknownPlan)
    }
    consumer.references++
    consumer.subscriptions = [...consumer.subscriptions ?? [], entry]
    this.subscriptions.set(id, entry)
  }

  #removeSubscription (id: string): void {
    const entry = this.subscriptions.get(id)
    if (entry === undefined) return
    this.subscriptions.delete(id)
    const { consumer } = entry
    const left = (consumer.subscriptions ?? []).filter((other) => other !== entry)
    consumer.subscriptions = left.length === 0 ? null : left
    this.#release(consumer)
  }

  #putCredential (record: CredentialSource): void {
    const consumer = entryOf(this.consumers, record.consumer_id, unknownConsumer)
    const slot = this.credentials.slotOf(record.credential_id)
    const before = slot === -1 ? null : this.credentials.consumer(slot)
    consumer.references++
    this.credentials.put({
      id: record.credential_id,
      prefixHash: 'prefix' in record ? hashText(record.prefix) : record.prefix_hash,
      digest: Buffer.from(record.digest, 'base64url'),
      pepper: record.pepper_id,
      account: this.#account(record.customer_id),
      consumer,
      project: entryOf(this.projects, record.project_id, unknownProject),
      plan: record.plan_id === null ? null : entryOf(this.plans, record.plan_id, unknownPlan),
      revoked: record.status !== 'active',
      requireSignature: record.require_signature,
      // What can not be read as a time is one that has passed.
      expiresAt: record.expires_at === null ? Infinity : Date.parse(record.expires_at) || 0,
      limits: record.limits,
      networks: record.allowed_networks
    })
    if (before !== null) this.#release(before)
  }

  #release (consumer: ConsumerEntry): void {
    consumer.references--
    this.#forgetUnused(consumer)
  }

  #forgetUnused (consumer: ConsumerEntry): void {
    if (!consumer.known && consumer.references === 0) this.consumers.delete(consumer.id)
  }
}

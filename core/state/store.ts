import type { AuditRecord, CollectionName, Records } from './records.js'
import type { Refusal, Write } from './stored-document.js'

/** What a new record is made of: the store adds revision and times. */
export type NewRecord<T> = Omit<T, 'rev' | 'created_at' | 'updated_at' | 'customer_id'>

/** A condition on one field. Several conditions of one filter hold together. */
export type Condition =
  | { readonly eq: string | number | boolean | null }
  | { readonly in: readonly (string | number | boolean)[] }
  | { readonly gt?: string | number, readonly gte?: string | number, readonly lt?: string | number, readonly lte?: string | number }
  /** Text that contains this one, without case, in this field or in one of `alsoIn`; never a pattern. */
  | { readonly contains: string, readonly alsoIn?: readonly string[] }

/** Conditions by field of the record's first level. */
export type Filter<T> = { readonly [F in keyof T & string]?: Condition }

/**
 * A change of one record, or several, that is decided and not yet made: the audit trail makes it between its two entries, and where the engine can in one
 * commit with them (`AuditTrail.appendAround`).
 */
export interface PlannedWrite<T> {
  /** Null = it is more than writes, and `make` alone can do it. */
  readonly writes: readonly Write[] | null
  /** The record as it is kept once all of them are made. */
  readonly made: T
  /** The error that says why one of them was refused. */
  refusal (write: Write, why: Refusal): Error
  /** Makes them without the trail. Rejects as `Collection.insert` and `Collection.replace` do. */
  make (): Promise<T>
}

/** A planned write that the trail can make. */
export type WritesAlone = PlannedWrite<unknown> & { readonly writes: readonly Write[] }

/** What part of a collection is wanted, in what order. */
export interface Query<T> {
  readonly filter?: Filter<T>
  /** By these fields in turn; the id is always the last. Default: the id. */
  readonly sort?: readonly { readonly field: keyof T & string, readonly descending?: boolean }[]
  /** At most this many, 1 to 1 000. */
  readonly limit: number
  /** How many are left out before. */
  readonly offset?: number
}

/**
 * Records of one kind. The tenant comes first, in every call, and a record of another tenant is as good as none.
 *
 * Every method rejects with StoreUnavailableError when the engine does not answer within its time limit: whether a write was made
 * is then not known, and the same call may be made again, which is safe because of the revision.
 */
export interface Collection<T> {
  /** Keeps a new record. Rejects with DuplicateError where its id was ever used, or a field that is unique is taken. */
  insert (customerId: string, record: NewRecord<T>): Promise<T>
  /** The record, or null. */
  get (customerId: string, id: string): Promise<T | null>
  list (customerId: string, query: Query<T>): Promise<T[]>
  count (customerId: string, filter?: Filter<T>): Promise<number>
  /**
   * Puts `record` in the place of the one that has its id and its `rev`. Resolves to it as it is now kept. Rejects with StaleRevisionError
   * when there is another revision, or none; with DuplicateError where a unique field is taken.
   */
  replace (customerId: string, record: T): Promise<T>
  /** What `insert` would do. Throws InvalidValueError. */
  planInsert (customerId: string, record: NewRecord<T>): PlannedWrite<T>
  /** What `replace` would do. Throws InvalidValueError, and StaleRevisionError for what no record has. */
  planReplace (customerId: string, record: T): PlannedWrite<T>
  /** Removes the record; with `rev`, only while that is its revision (else StaleRevisionError). False when there was none. */
  remove (customerId: string, id: string, rev?: number): Promise<boolean>
  /**
   * Removes every record of the tenant that the filter lets through (without one, all), however many; gives how many there were. Not at one moment:
   * what is added meanwhile may stay, and when it rejects some are gone already. The same call goes on then.
   */
  removeAll (customerId: string, filter?: Filter<T>): Promise<number>
}

/** What a key was used for in one day (UTC). */
export interface UsageDay {
  readonly project_id: string
  readonly credential_id: string
  /** `2026-11-26` */
  readonly day: string
  readonly requests: number
  /** Those of them that were answered with a status from 400 on. */
  readonly errors: number
  /** When it was last used on that day; left out = that is not known. */
  readonly last_used_at?: string
}

/** What a key of some tenant was used for in one day. */
export interface TenantUsageDay extends UsageDay {
  readonly customer_id: string
}

/** Counts of use, by key and day. */
export interface UsageStore {
  /** Adds to what is counted; days and keys that are new begin at 0. Of two last uses the later one stays. */
  add (customerId: string, counts: readonly UsageDay[]): Promise<void>
  /** From the first to the last day, both included; days without use are left out. */
  days (customerId: string, of: { readonly credentialId?: string, readonly projectId?: string }, fromDay: string, toDay: string): Promise<UsageDay[]>
  /** When each of these keys was last used; those that never were are left out. */
  lastUses (customerId: string, credentialIds: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Removes all that is counted for the tenant. */
  removeAll (customerId: string): Promise<void>
}

/** What tenants have: a collection of each kind. The audit trail has a door of its own, which only adds. */
export type Store = { readonly [C in Exclude<CollectionName, 'audit_records'>]: Collection<Records[C]> } & { readonly usage: UsageStore }

/** One record as it changed. */
export interface Change {
  /** Grows with each change of the store; never twice the same. */
  readonly seq: number
  readonly collection: CollectionName
  readonly id: string
  readonly customerId: string
  /** As it now is; null = it was removed. */
  readonly record: Records[CollectionName] | null
}

/** A lease: one holder at a time, until it expires. */
export interface Lease {
  readonly holder: string
  readonly expiresAt: number
}

/** What crosses tenants, and nothing else: reading everything for the directory, following changes, finding a key, leases, migrations. */
export interface SystemStore {
  /** Every record of a collection, in pieces, in no order. A record that changes meanwhile comes as it was or as it is. */
  readAll<C extends CollectionName> (collection: C): AsyncIterable<readonly Records[C][]>
  /** The record of this id, whoever's it is: for operators. */
  find<C extends CollectionName> (collection: C, id: string): Promise<Records[C] | null>
  /** As `Collection.list`, over all tenants: for operators. */
  list<C extends CollectionName> (collection: C, query: Query<Records[C]>): Promise<Records[C][]>
  /** With `most`, counts no further than to that: it costs what it counts. */
  count<C extends CollectionName> (collection: C, filter?: Filter<Records[C]>, most?: number): Promise<number>
  /** The sequence number of the newest change. */
  latestSeq (): Promise<number>
  /**
   * What changed behind `seq`, oldest first, at most `limit`; of one record perhaps only its newest state. A change is never left out
   * for good because a later one was seen before it.
   */
  changesSince (seq: number, limit: number): Promise<readonly Change[]>
  /** Calls back when something may have changed, as early as the engine can tell; returns what ends that. Polling is the caller's business. */
  onChange (callback: () => void): () => void
  /** The credentials that begin with this prefix: those that may be the key that was shown. */
  credentialsByPrefix (prefix: string): Promise<readonly Records['credentials'][]>
  tokensByPrefix (prefix: string): Promise<readonly Records['admin_tokens'][]>
  /** As `UsageStore.add`, for several tenants at once. */
  addUsage (counts: readonly TenantUsageDay[]): Promise<void>
  /** Takes or prolongs a lease for `ttlMs`; null = somebody else has it. */
  takeLease (name: string, holder: string, ttlMs: number): Promise<Lease | null>
  releaseLease (name: string, holder: string): Promise<void>
  /** Settings of the store itself (migrations, format version). */
  getMeta (key: string): Promise<string | null>
  /** Writes a setting; with `expected`, only while that is its value (null = it is not there). False = it was another. */
  setMeta (key: string, value: string, expected?: string | null): Promise<boolean>
  /** Removes the settings whose keys are between these two (the first included, the second not). */
  removeMeta (fromKey: string, toKey: string): Promise<void>
  /** Leaves nothing of what was replaced or removed in the files of the store, where it has files of its own: others read and write meanwhile, and may wait. */
  scrub (): Promise<void>
  /** Whether the engine answers; rejects with StoreUnavailableError when it does not. */
  /** Whether the engine answers, and can be written to as far as that is known; rejects with StoreUnavailableError when not. */
  ping (): Promise<void>
  /** How often it was opened: when that has grown, it may be another store, with a history of its own. */
  openings (): number
}

/** What an entry of the audit trail is made of: the trail adds its place in the chain. */
export type NewAuditRecord = Pick<AuditRecord, 'request_id' | 'phase' | 'action' | 'actor' | 'target_id' | 'outcome'> & { readonly payload: Readonly<Record<string, unknown>> }

/** What is wrong with a chain: the number of the first entry that does not fit, and in what. */
export interface AuditFault {
  readonly seq: number
  readonly problem: 'missing' | 'chain' | 'entry' | 'payload'
}

/** The audit trail: entries are added, read, and never changed; a payload can be erased. Rejects as `Collection` does. */
export interface AuditTrail {
  /** Adds an entry behind all others, durably. */
  append (customerId: string, entry: NewAuditRecord): Promise<AuditRecord>
  /**
   * Adds an intent, makes a change and adds its outcome, all durably and in this order, with one commit. Null = all is there; else the change was refused,
   * the intent is there and the outcome is not. Absent where the engine has a commit for each write alone.
   */
  appendAround? (customerId: string, intent: NewAuditRecord, change: WritesAlone, outcome: NewAuditRecord): Promise<Error | null>
  /** Null crosses tenants: for operators. */
  list (customerId: string | null, query: Query<AuditRecord>): Promise<AuditRecord[]>
  count (customerId: string | null, filter?: Filter<AuditRecord>): Promise<number>
  /** Forgets what an entry tells of people; the chain stays whole. False when there is none. */
  erase (customerId: string, auditId: string): Promise<boolean>
  /** Reads the whole chain; `fault` null = nothing is missing or changed. Entries cut off at the end show by `head` alone: keep it elsewhere. */
  verify (): Promise<{ readonly entries: number, readonly head: string, readonly fault: AuditFault | null }>
}

/** A store that is open. Whoever opened it closes it. */
export interface OpenStore {
  readonly engine: 'embedded' | 'mongodb'
  readonly store: Store
  readonly system: SystemStore
  readonly audit: AuditTrail
  close (): Promise<void>
}

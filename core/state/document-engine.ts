import type { CollectionName } from './records.js'
import type { Condition, TenantUsageDay, UsageDay } from './store.js'
import type { Refusal, StoredDocument, Write } from './stored-document.js'

export type { Refusal, StoredDocument, Write }

/** A document and the collection that it is one of. */
export type CollectedDocument = StoredDocument & { readonly collection: CollectionName }

/** A record as an engine gives it back. */
export type KeptDocument = Omit<StoredDocument, 'unique'>

/** What to find. `customerId` null crosses tenants: for the system store alone. */
export interface Find {
  readonly customerId: string | null
  readonly filter: Readonly<Record<string, Condition>>
  readonly sort: readonly { readonly field: string, readonly descending: boolean }[]
  readonly limit: number
  readonly offset: number
}

/** A document with the number of its last change. */
export interface ChangedDocument extends KeptDocument {
  readonly seq: number
  readonly collection: CollectionName
}

/**
 * What SQLite and MongoDB both can do, and all that the stores are made of: single-document conditional writes, simple finds, a change
 * sequence. Removed documents are never found. Every method rejects with StoreUnavailableError where the engine does not answer in time.
 */
export interface DocumentEngine {
  readonly name: 'embedded' | 'mongodb'
  /** Null when it is kept; else what is taken: `id`, or the entry of `unique`. */
  insert (collection: CollectionName, document: StoredDocument): Promise<string | null>
  /** `customerId` null crosses tenants, as in Find. */
  get (collection: CollectionName, customerId: string | null, id: string): Promise<KeptDocument | null>
  find (collection: CollectionName, find: Find): Promise<KeptDocument[]>
  /** With `most`, counts no further than to that. */
  count (collection: CollectionName, customerId: string | null, filter: Find['filter'], most?: number): Promise<number>
  /** Replaces the document of this id and tenant while its revision is `rev`. `stale` = it is another, or there is none; else what is taken of `unique`, or null. */
  replace (collection: CollectionName, rev: number, document: StoredDocument): Promise<Refusal | null>
  /** Inserts documents that belong to several collections, in one go: for each, what `insert` gives. When it rejects, some may be kept. */
  insertAll (documents: readonly CollectedDocument[]): Promise<(string | null)[]>
  /** Removes a tenant's documents that the filter lets through, in pieces, each document a change of its own; gives how many. When it rejects, some are gone. */
  removeAll (collection: CollectionName, customerId: string, filter: Find['filter']): Promise<number>
  /**
   * Makes writes in their order up to the first that is refused, and keeps those before it: one commit for all of them. Resolves to the outcome of each
   * that was tried, null = made. Absent where an engine has no such thing: nothing may depend on it but speed.
   */
  writeAll? (writes: readonly Write[]): Promise<(Refusal | null)[]>
  readAll (collection: CollectionName, batch: number): AsyncIterable<KeptDocument[]>
  latestSeq (): Promise<number>
  changesSince (seq: number, limit: number): Promise<ChangedDocument[]>
  onChange (callback: () => void): () => void
  addUsage (counts: readonly TenantUsageDay[]): Promise<void>
  usageDays (customerId: string, of: { readonly credentialId?: string, readonly projectId?: string }, fromDay: string, toDay: string): Promise<UsageDay[]>
  /** The newest `last_used_at` of each of these keys, where there is one: pairs of key and time. */
  lastUses (customerId: string, credentialIds: readonly string[]): Promise<[string, string][]>
  /** Removes all that is counted for a tenant. */
  removeUsage (customerId: string): Promise<void>
  takeLease (name: string, holder: string, nowMs: number, ttlMs: number): Promise<{ readonly holder: string, readonly expiresAt: number } | null>
  releaseLease (name: string, holder: string): Promise<void>
  getMeta (key: string): Promise<string | null>
  setMeta (key: string, value: string, expected: string | null | undefined): Promise<boolean>
  /** Removes the settings from `fromKey` (included) to `toKey` (not included), compared as bytes of UTF-8. */
  removeMeta (fromKey: string, toKey: string): Promise<void>
  /** Rewrites the files without what was replaced or removed, of which they may hold pieces. Takes as long as the store is large; absent where files are the server's. */
  scrub? (): Promise<void>
  ping (): Promise<void>
  /** The connections that are open and those of them in use, where an engine has connections. */
  pool? (): { readonly open: number, readonly used: number }
  /** How often it was opened, where another store may take the place of the one that was open. */
  openings? (): number
  close (): Promise<void>
}

import type { CollectionName } from './records.js'

/** A record as an engine is given it to keep: what it must know of it beside the record itself. */
export interface StoredDocument {
  readonly id: string
  readonly customerId: string
  readonly rev: number
  /** Every value of the record that no other record of the collection may have: `email:acme:a@b.c`. */
  readonly unique: readonly string[]
  /** The record; null = removed. Its id is never used again. */
  readonly record: Readonly<Record<string, unknown>> | null
}

/** One conditional write, as `insert` and `replace` of an engine make it. */
export type Write =
  | { readonly kind: 'insert', readonly collection: CollectionName, readonly document: StoredDocument }
  | { readonly kind: 'replace', readonly collection: CollectionName, readonly rev: number, readonly document: StoredDocument }

/** Why a write was not made. */
export type Refusal = 'stale' | { readonly taken: string }

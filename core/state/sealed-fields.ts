import type { CollectionName, Records, Sealed } from './records.js'

/** Where a sealed value stands; it can be opened there alone. */
export interface SealedPlace {
  /** A collection of the store, or another word for what is kept elsewhere. */
  readonly collection: string
  readonly field: string
}

/** The fields of a record that hold sealed values. */
type SealedFieldOf<T> = { [F in keyof T & string]-?: Sealed extends T[F] ? string extends T[F] ? never : F : never }[keyof T & string]

/** The collections that have such fields. */
type SealedCollection = { [C in CollectionName]: [SealedFieldOf<Records[C]>] extends [never] ? never : C }[CollectionName]

/** The collections whose records hold a digest, which names its pepper. */
type PepperedCollection = { [C in CollectionName]: Records[C] extends { readonly pepper_id: string } ? C : never }[CollectionName]

/** Every sealed field of the store. A table that leaves one out does not compile. */
export const SEALED_FIELDS: { readonly [C in SealedCollection]: { readonly [F in SealedFieldOf<Records[C]>]: true } } = {
  credentials: { secret: true },
  secrets: { value: true }
}

/** Every collection with a digest; likewise. */
export const PEPPERED_COLLECTIONS: { readonly [C in PepperedCollection]: true } = {
  credentials: true,
  admin_tokens: true
}

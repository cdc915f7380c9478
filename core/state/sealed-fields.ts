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

/** Where the configuration of a project is sealed. A version is a copy of what its project had: the value goes from one to the other as it is. */
export const CONFIG_PLACE: SealedPlace = { collection: 'projects', field: 'config' }

/** Every sealed field of the store, and the place that its values are sealed for. A table that leaves one out does not compile. */
export const SEALED_FIELDS: { readonly [C in SealedCollection]: { readonly [F in SealedFieldOf<Records[C]>]: SealedPlace } } = {
  credentials: { secret: { collection: 'credentials', field: 'secret' } },
  secrets: { value: { collection: 'secrets', field: 'value' } },
  projects: { config: CONFIG_PLACE },
  config_versions: { config: CONFIG_PLACE }
}

/** The place of a field, or null where it holds no sealed value. */
export function placeOf (collection: CollectionName, field: string): SealedPlace | null {
  const fields: Readonly<Record<string, SealedPlace>> = collection in SEALED_FIELDS ? SEALED_FIELDS[collection as SealedCollection] : {}
  return Object.hasOwn(fields, field) ? fields[field] ?? null : null
}

/** Every collection with a digest; likewise. */
export const PEPPERED_COLLECTIONS: { readonly [C in PepperedCollection]: true } = {
  credentials: true,
  admin_tokens: true
}

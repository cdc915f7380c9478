import { createHash } from 'node:crypto'
import type { CollectionName } from './records.js'
import { placeOf, type SealedPlace } from './sealed-fields.js'

/** How the records of one collection change. Told as data, so that it can be done again to a record that has changed already, without effect. */
export interface RecordChange {
  readonly collection: Exclude<CollectionName, 'audit_records'>
  /** Fields by their old names; where a record has the new one too, that stays. */
  readonly rename?: Readonly<Record<string, string>>
  /** What new fields are in records that do not have them. */
  readonly add?: Readonly<Record<string, unknown>>
  readonly drop?: readonly string[]
  /** Fields with a value that was kept plain and is sealed from now on: its JSON is. */
  readonly seal?: readonly string[]
}

/** Seals a text for a place of the record's tenant. */
export type SealText = (place: SealedPlace, text: string) => string

/** One step forward of what records look like, in every engine. One that was released is never changed. */
export interface Migration {
  /** Counts from 1 without gaps: the format of a store is that of the last one. */
  readonly version: number
  /** In kebab-case, for people. */
  readonly name: string
  readonly changes: readonly RecordChange[]
}

/** Every migration, oldest first. (Tables and indexes are their engine's own business, when it is opened.) */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, name: 'first-records', changes: [] },
  { version: 2, name: 'config-versions', changes: [{ collection: 'projects', add: { config_version: 1, config_author: 'unknown', config_comment: null } }] },
  { version: 3, name: 'sealed-configurations', changes: [{ collection: 'projects', seal: ['config'] }, { collection: 'config_versions', seal: ['config'] }] }
]

/** What a migration does, in one short text: another one means that it was changed after it was applied somewhere. */
export function checksumOf ({ version, name, changes }: Migration): string {
  return createHash('sha256').update(JSON.stringify([version, name, changes])).digest('hex').slice(0, 16)
}

/** Whether something of a record is to be sealed: what is sealed is a text, what was kept plain is none. */
export function hasPlain (record: object, { seal = [] }: RecordChange): boolean {
  return seal.some((field) => isPlain((record as Readonly<Record<string, unknown>>)[field]))
}

/** The record after a change; null where it is so already. `sealText` is needed where `hasPlain` says so. */
export function changeRecord<T extends object> (record: T, { collection, rename = {}, add = {}, drop = [], seal = [] }: RecordChange, sealText: SealText | null = null): T | null {
  const next = new Map<string, unknown>(Object.entries(record))
  let changed = false
  const put = (field: string, value: unknown): void => {
    if (next.has(field)) return
    next.set(field, value)
    changed = true
  }
  for (const [from, to] of Object.entries(rename)) {
    if (!next.has(from)) continue
    put(to, next.get(from))
    changed = next.delete(from)
  }
  for (const [field, value] of Object.entries(add)) put(field, value)
  for (const field of seal) {
    const value = next.get(field)
    const place = placeOf(collection, field)
    if (!isPlain(value) || place === null || sealText === null) continue
    next.set(field, sealText(place, JSON.stringify(value)))
    changed = true
  }
  for (const field of drop) changed = next.delete(field) || changed
  return changed ? Object.fromEntries(next) as T : null
}

function isPlain (value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

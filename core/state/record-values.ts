import { InvalidValueError } from './store-errors.js'
import type { Condition } from './store.js'

/** How many bytes of JSON a record may have. MongoDB takes 16 MB, and a list of small numbers needs five times its JSON there. */
const MOST_RECORD_BYTES = 2 * 1024 * 1024

// MongoDB takes a hundred levels, of which an engine may need some.
const DEEPEST = 64
// A path shows where it is, and is no copy of a hostile record.
const SHOWN = 8

/**
 * The record as JSON has it, and nothing shared with the one that was given. Throws InvalidValueError where the engines would not give
 * back the same: text with half a character (lone surrogates), a NUL in a key, too many levels, numbers that JSON does not have, too many bytes.
 */
export function plainRecord<T> (collection: string, record: T): T {
  const check = (value: unknown, path: readonly string[]): void => {
    const refuse = (problem: string): never => { throw new InvalidValueError(collection, path.slice(0, SHOWN), problem) }
    if (typeof value === 'string' && !isWellFormed(value)) refuse('has half a character (a lone surrogate)')
    if (typeof value === 'number' && !Number.isFinite(value)) refuse('is no finite number')
    if (typeof value === 'bigint' || typeof value === 'function' || typeof value === 'symbol') refuse(`is a ${typeof value}, which JSON does not have`)
    if (typeof value !== 'object' || value === null) return
    if (path.length >= DEEPEST) refuse(`has more than ${DEEPEST} levels`)
    if (Array.isArray(value)) for (const [index, item] of value.entries()) check(item, [...path, String(index)])
    else {
      if (Object.prototype.toString.call(value) !== '[object Object]') refuse('is no plain object')
      for (const [key, item] of Object.entries(value)) {
        if (!isWellFormed(key) || key.includes('\0')) refuse('has a key with NUL or half a character')
        check(item, [...path, key])
      }
    }
  }
  check(record, [])
  const json = JSON.stringify(record)
  if (Buffer.byteLength(json) > MOST_RECORD_BYTES) throw new InvalidValueError(collection, [], `has more than ${MOST_RECORD_BYTES} bytes of JSON`)
  return JSON.parse(json) as T
}

/** Whether this can be the id of a record or tenant: text that every engine compares as it is. */
export function isPlainId (id: unknown): id is string {
  return typeof id === 'string' && id !== '' && id.length <= 512 && isWellFormed(id) && !id.includes('\0')
}

/** Throws InvalidValueError for a field that is no plain word, and for a condition that is none of those that there are (an operator of a database). */
export function assertConditions (collection: string, filter: Readonly<Record<string, Condition | undefined>>, sort: readonly { readonly field: string }[]): void {
  for (const field of [...Object.keys(filter), ...sort.map(({ field }) => field)]) {
    if (!FIELD.test(field)) throw new InvalidValueError(collection, [], 'has no field of this name')
  }
  for (const [field, condition] of Object.entries(filter)) {
    if (!isCondition(condition)) throw new InvalidValueError(collection, [field], 'is asked for with something that is no condition')
  }
}

const FIELD = /^[a-z][a-z0-9_]{0,63}$/
const BOUNDS = ['gt', 'gte', 'lt', 'lte']

function isCondition (condition: unknown): boolean {
  if (typeof condition !== 'object' || condition === null) return false
  const entries = Object.entries(condition).filter(([, value]) => value !== undefined)
  const [name, value] = entries[0] ?? []
  if (entries.length > 0 && entries.every(([key, bound]) => BOUNDS.includes(key) && (typeof bound === 'string' ? isWellFormed(bound) && !bound.includes('\0') : isNumber(bound)))) return true
  const { alsoIn } = condition as { readonly alsoIn?: unknown }
  if (name === 'contains' && entries.length === 2 && Array.isArray(alsoIn)) return alsoIn.every((field) => typeof field === 'string' && FIELD.test(field)) && isCondition({ contains: value as unknown })
  if (entries.length !== 1) return false
  if (name === 'eq') return value === null || isScalar(value)
  if (name === 'in') return Array.isArray(value) && value.every(isScalar)
  return name === 'contains' && typeof value === 'string' && isWellFormed(value)
}

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value)
const isScalar = (value: unknown): boolean => typeof value === 'boolean' || isNumber(value) || (typeof value === 'string' && isWellFormed(value))

/** As String.prototype.isWellFormed, which the library's types do not have yet. */
function isWellFormed (text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

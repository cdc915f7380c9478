import type { Condition } from '../../core/state/store.js'
import { listAnswer, type ListRequest } from './listing.js'

type Fields = Readonly<Record<string, unknown>>

/** The answer to a list of records that no store keeps, as the store would filter, sort and cut them. */
export function listInMemory (records: readonly Fields[], asked: ListRequest, url: string, idField: string): ReturnType<typeof listAnswer> {
  const { query: { filter = {}, sort = [], offset = 0 }, perPage } = asked
  const { [idField]: cursor, ...rest } = filter as Readonly<Record<string, Condition>>
  const behind = asked.page === null ? cursor : undefined
  const uncut = Object.entries(behind === undefined ? filter as Readonly<Record<string, Condition>> : rest)
  const found = records.filter((record) => uncut.every(([field, condition]) => holds(record, field, condition)))
  const order = [...sort, { field: idField, descending: false }]
  const sorted = found.toSorted((a, b) => {
    for (const { field, descending = false } of order) {
      const [left, right] = [textOf(a[field]), textOf(b[field])]
      if (left !== right) return (left < right ? -1 : 1) * (descending ? -1 : 1)
    }
    return 0
  })
  const left = behind === undefined ? sorted : sorted.filter((record) => holds(record, idField, behind))
  return listAnswer(left.slice(offset, offset + perPage), { total: found.length, beyond: left.length }, asked, url, idField)
}

function holds (record: Fields, field: string, condition: Condition): boolean {
  const value = record[field]
  if ('eq' in condition) return value === condition.eq
  if ('in' in condition) return condition.in.some((one) => one === value)
  if ('contains' in condition) return [field, ...condition.alsoIn ?? []].some((one) => textOf(record[one]).toLowerCase().includes(condition.contains.toLowerCase()))
  return condition.gt === undefined || textOf(value) > String(condition.gt)
}

function textOf (value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'boolean' || typeof value === 'number' ? String(value) : ''
}

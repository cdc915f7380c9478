import type { Collection, Filter } from '../../core/state/store.js'

const PIECE = 1_000

/** All records of a tenant that a filter lets through, in the order of their ids, however many. */
export async function everyRecord<T> (collection: Collection<T>, idField: keyof T & string, customerId: string, filter: Filter<T>): Promise<T[]> {
  const all: T[] = []
  for (let piece: T[] | null = null; piece === null || piece.length === PIECE;) {
    const last = all.at(-1)?.[idField] as string | undefined
    piece = await collection.list(customerId, { filter: last === undefined ? filter : { ...filter, [idField]: { gt: last } }, limit: PIECE })
    all.push(...piece)
  }
  return all
}

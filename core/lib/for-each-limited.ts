/** Calls `work` for every item, at most `limit` at a time, and resolves when all are done. Rejects with the first failure; what is running by then goes on. */
export async function forEachLimited<T> (items: Iterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]()
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) await work(next.value)
  }
  await Promise.all(Array.from({ length: limit }, lane))
}

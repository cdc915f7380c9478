/** Has those who name the same key go one after the other, in the order in which they came; the others do not wait for them. Made per use: it keeps what is under way and nothing else. */
export function createTurns (): <T>(key: string, act: () => Promise<T>) => Promise<T> {
  const last = new Map<string, Promise<unknown>>()
  return <T>(key: string, act: () => Promise<T>): Promise<T> => {
    const before = last.get(key)
    const mine = before === undefined ? act() : before.then(act)
    const settled: Promise<unknown> = mine.catch(() => {}).then(() => { if (last.get(key) === settled) last.delete(key) })
    last.set(key, settled)
    return mine
  }
}

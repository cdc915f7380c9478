import type { StatePorts } from './state-ports.js'

const AT_ONCE = 1_000

/**
 * When each of these keys or tokens was last used. It is kept beside the usage: a record that changed with each use would have another revision each time,
 * and who edits it would be told that somebody else did.
 */
export async function lastUses<K extends string> (
  { open: { store: { usage } } }: Pick<StatePorts, 'open'>, records: readonly ({ readonly customer_id: string, readonly last_used_at: string | null } & Readonly<Record<K, string>>)[], idField: K
): Promise<{ last_used_at: string | null }[]> {
  const found = new Map<string, string>()
  for (const account of new Set(records.map(({ customer_id: of }) => of))) {
    const ids = records.filter(({ customer_id: of }) => of === account).map((record): string => record[idField])
    for (let from = 0; from < ids.length; from += AT_ONCE) for (const [id, at] of await usage.lastUses(account, ids.slice(from, from + AT_ONCE))) found.set(id, at)
  }
  return records.map((record) => ({ last_used_at: found.get(record[idField]) ?? record.last_used_at }))
}

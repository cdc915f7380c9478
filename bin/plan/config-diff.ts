import { isMap } from '../../core/config/raw.js'

/** One difference between two configurations. */
export interface ConfigChange {
  /** Where: keys, and for entries of a list what names them (`routes`, `orders`, `match`). */
  readonly path: readonly string[]
  readonly kind: 'added' | 'removed' | 'changed' | 'moved'
  /** Null for what was added. */
  readonly before: unknown
  /** Null for what was removed. */
  readonly after: unknown
}

/**
 * The differences between two configurations, as few and as deep as can be. Entries of lists are told apart by their `id`, by the plugin that
 * they name, or by what they are, so that a route put in front of others is one addition; where only the order of a list differs, and it
 * has one, that is told as well. Plain JSON on both sides.
 */
export function diffConfig (before: unknown, after: unknown): ConfigChange[] {
  const changes: ConfigChange[] = []
  compare(before, after, [], changes)
  return changes
}

function compare (before: unknown, after: unknown, path: readonly string[], changes: ConfigChange[]): void {
  if (isMap(before) && isMap(after)) { compareEntries(Object.entries(before), Object.entries(after), path, changes); return }
  if (Array.isArray(before) && Array.isArray(after)) {
    const from = namedEntries(before)
    const to = namedEntries(after)
    if (from !== null && to !== null) {
      compareEntries(from, to, path, changes)
      const kept = (entries: [string, unknown][], others: [string, unknown][]): string[] => entries.map(([name]) => name).filter((name) => others.some(([other]) => other === name))
      const order = kept(from, to)
      const now = kept(to, from)
      if (order.join('\n') !== now.join('\n')) changes.push({ path, kind: 'moved', before: order, after: now })
      return
    }
  }
  if (!same(before, after)) changes.push({ path, kind: 'changed', before, after })
}

function compareEntries (before: readonly [string, unknown][], after: readonly [string, unknown][], path: readonly string[], changes: ConfigChange[]): void {
  const left = new Map(before)
  const right = new Map(after)
  for (const [name, value] of left) {
    if (right.has(name)) compare(value, right.get(name), [...path, name], changes)
    else changes.push({ path: [...path, name], kind: 'removed', before: value, after: null })
  }
  for (const [name, value] of right) if (!left.has(name)) changes.push({ path: [...path, name], kind: 'added', before: null, after: value })
}

/** The entries of a list by name; null where some have none, or one twice: then the list is one value. */
export function namedEntries (list: readonly unknown[]): [string, unknown][] | null {
  const entries: [string, unknown][] = []
  const seen = new Set<string>()
  for (const entry of list) {
    const name = nameOf(entry)
    if (name === null || seen.has(name)) return null
    seen.add(name)
    entries.push([name, entry])
  }
  return entries
}

function nameOf (entry: unknown): string | null {
  if (typeof entry === 'string') return entry
  if (!isMap(entry)) return null
  if (typeof entry['id'] === 'string') return entry['id']
  // A use of a plugin: its name, and beside it what the language allows for any (`stage`, `timeout`, …).
  const [first, ...more] = Object.keys(entry)
  return first !== undefined && more.length <= 3 ? first : null
}

function same (left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true
  if (Array.isArray(left) && Array.isArray(right)) return left.length === right.length && left.every((value, index) => same(value, right[index]))
  if (!isMap(left) || !isMap(right)) return false
  const names = Object.keys(left)
  return names.length === Object.keys(right).length && names.every((name) => Object.hasOwn(right, name) && same(left[name], right[name]))
}

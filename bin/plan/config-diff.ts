import { isDeepStrictEqual } from 'node:util'
import { isMap } from '../../core/config/raw.js'
import { sameEntries, longestRise } from './same-entries.js'
import { namedEntries } from './named-entries.js'

/** One difference between two configurations. */
export interface ConfigChange {
  /** Where: keys, and for entries of a list what names them (`routes`, `orders`, `match`), or their place where nothing does. */
  readonly path: readonly string[]
  readonly kind: 'added' | 'removed' | 'changed' | 'moved'
  /** Null for what was added; for what was moved the entry that it stood behind, null = it was the first. */
  readonly before: unknown
  /** Null for what was removed; for what was moved the entry that it stands behind now, null = it is the first. */
  readonly after: unknown
}

/**
 * The differences between two configurations, as few and as deep as can be: the order of keys is none. Entries of lists are told apart by what names
 * them, so that a route put in front of others is one addition, and one that stands elsewhere among the others is one move; where nothing names them, by
 * what the two lists have in common. Plain JSON on both sides.
 */
export function diffConfig (before: unknown, after: unknown): ConfigChange[] {
  const changes: ConfigChange[] = []
  compare(before, after, [], changes)
  return changes
}

function compare (before: unknown, after: unknown, path: readonly string[], changes: ConfigChange[]): void {
  if (isMap(before) && isMap(after)) compareEntries(Object.entries(before), Object.entries(after), path, changes)
  else if (Array.isArray(before) && Array.isArray(after)) compareLists(before, after, path, changes)
  else if (!isDeepStrictEqual(before, after)) changes.push({ path, kind: 'changed', before, after })
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

function compareLists (before: readonly unknown[], after: readonly unknown[], path: readonly string[], changes: ConfigChange[]): void {
  const key = path.at(-1)
  const from = namedEntries(before, key)
  const to = namedEntries(after, key)
  if (from === null || to === null) { compareByPlace(before, after, path, changes); return }
  compareEntries(from, to, path, changes)
  const isOrdered = path.length === 1 && key === 'routes' ? hasRegex : () => true
  const [left, right] = [from, to].map((entries) => entries.filter(([, entry]) => isOrdered(entry)).map(([name]) => name)) as [string[], string[]]
  const places = new Map(right.map((name, place) => [name, place]))
  const kept = left.filter((name) => places.has(name))
  const stayed = new Set(longestRise(kept.map((name) => places.get(name) as number)).map((place) => right[place]))
  const behind = (names: readonly string[], name: string): string | null => names[names.indexOf(name) - 1] ?? null
  for (const name of kept) if (!stayed.has(name)) changes.push({ path: [...path, name], kind: 'moved', before: behind(left, name), after: behind(right, name) })
}

/** The order of routes counts only among those with a `pathRegex`. */
function hasRegex (route: unknown): boolean {
  return isMap(route) && isMap(route['match']) && route['match']['pathRegex'] !== undefined
}

/** What lies between the parts that two lists have in common: entry against entry where there are as many, else removed and added. */
function compareByPlace (before: readonly unknown[], after: readonly unknown[], path: readonly string[], changes: ConfigChange[]): void {
  let [left, right] = [0, 0]
  for (const [nextLeft, nextRight] of [...sameEntries(before, after), [before.length, after.length] as const]) {
    if (nextLeft - left === nextRight - right) {
      for (; left < nextLeft; left++, right++) compare(before[left], after[right], [...path, String(right)], changes)
    } else {
      for (; left < nextLeft; left++) changes.push({ path: [...path, String(left)], kind: 'removed', before: before[left], after: null })
      for (; right < nextRight; right++) changes.push({ path: [...path, String(right)], kind: 'added', before: null, after: after[right] })
    }
    left = nextLeft + 1
    right = nextRight + 1
  }
}

import type { ConfigPath, Finding } from '../errors.js'

/** A finding on its way. */
export interface Draft extends Finding {
  /** Points at the key of its path instead of the value. */
  onKey?: boolean
  /** There is no value because of it: what else is found at its place follows from that. */
  decisive?: boolean
}

/** Collects findings up to a limit, and counts what is over it. */
export interface FindingList {
  readonly items: readonly Draft[]
  readonly omitted: number
  add (finding: Draft): void
}

/** Makes an empty list. The limit leaves room for one that says how many were left out. */
export function createFindingList (limit = 999): FindingList {
  const items: Draft[] = []
  let omitted = 0
  return {
    items,
    get omitted () { return omitted },
    add (finding) {
      if (items.length < limit) items.push(finding)
      else omitted++
    }
  }
}

/** The value at a path of a raw value; undefined where there is none. */
export function valueAt (value: unknown, path: ConfigPath): unknown {
  let node = value
  for (const key of path) {
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, key)) return undefined
    node = (node as Record<string | number, unknown>)[key]
  }
  return node
}

import type { Finding } from './errors.js'

/** Collects findings, each once. */
export interface FindingSet {
  readonly items: readonly Finding[]
  /** There are more than anybody reads: looking for others is no use. */
  readonly full: boolean
  add (findings: Iterable<Finding>): void
}

const MOST_FINDINGS = 1_000

/** Makes an empty set. One mistake in a list that a thousand routes share is one finding: the same path and message count as the same. */
export function createFindingSet (): FindingSet {
  const items: Finding[] = []
  const seen = new Set<string>()
  return {
    items,
    get full () { return items.length >= MOST_FINDINGS },
    add (findings) {
      for (const finding of findings) {
        const key = JSON.stringify([finding.path, finding.message])
        if (seen.has(key) || items.length >= MOST_FINDINGS) continue
        seen.add(key)
        items.push(finding)
      }
    }
  }
}

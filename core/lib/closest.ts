/** The candidate that `word` most likely was meant to be, or null when none is near: for a did-you-mean. Compares without case. */
export function closest (word: string, candidates: Iterable<string>): string | null {
  const wanted = word.toLowerCase()
  let best: string | null = null
  // One slip in three letters, at least one: further away a suggestion is noise.
  let bestDistance = Math.max(1, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = editDistance(wanted, candidate.toLowerCase(), bestDistance)
    if (distance < bestDistance) { best = candidate; bestDistance = distance }
  }
  return best
}

/** How many letters have to be added, dropped, changed or swapped with their neighbour (optimal string alignment); `limit` where it is that or more. */
export function editDistance (a: string, b: string, limit = Infinity): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let before: number[] = []
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    let least = i
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1]
      let cost = Math.min((previous[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + (same ? 0 : 1))
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) cost = Math.min(cost, (before[j - 2] ?? 0) + 1)
      row.push(cost)
      if (cost < least) least = cost
    }
    // A swap reaches back two rows, so one row alone at the limit proves nothing yet.
    if (least > limit) return limit
    before = previous
    previous = row
  }
  return Math.min(previous[b.length] ?? 0, limit)
}

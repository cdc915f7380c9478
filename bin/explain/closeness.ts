import { editDistance } from '../../core/lib/closest.js'
import type { ExplainedCandidate } from './explanation.js'

/** Longer paths are compared by their beginning: the distance takes the product of their lengths. */
const MOST_COMPARED = 200

/** Candidates that do not match, those first that come closest: another method, then other predicates, then the most similar path (or host). */
export function byCloseness (candidates: readonly ExplainedCandidate[], path: string, pathOf: (candidate: ExplainedCandidate) => string): ExplainedCandidate[] {
  const wanted = path.slice(0, MOST_COMPARED)
  const ranked = candidates.map((candidate) => ({ candidate, rank: rankOf(candidate, wanted, pathOf(candidate).slice(0, MOST_COMPARED)) }))
  return ranked.sort((a, b) => a.rank - b.rank).map(({ candidate }) => candidate)
}

function rankOf ({ reason }: ExplainedCandidate, path: string, other: string): number {
  if (reason.startsWith('method:')) return -2
  if (!reason.startsWith('path:') && !reason.startsWith('host: is none')) return -1
  // What stands for anything is no difference: compare segment by segment what is literal.
  const segments = path.split('/')
  const likened = other.split('/').map((segment, i) => segment.startsWith(':') ? segments[i] ?? segment : segment === '*' ? segments.slice(i).join('/') : segment)
  return editDistance(path.toLowerCase(), likened.join('/').toLowerCase())
}

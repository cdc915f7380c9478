import type { ConfigPath } from '../errors.js'
import { normalizeHost } from '../lib/host-name.js'
import type { ProjectConfig } from '../route.js'
import { matchesHost } from './predicates.js'

/** What became of one project for one host and path. */
export interface ProjectExplanation {
  readonly name: string
  readonly at: ConfigPath
  readonly outcome: 'wins' | 'loses' | 'no match'
  /** Why, without a full stop. */
  readonly reason: string
}

/**
 * One entry per project: the winner, then those that match too, then the rest, as the configuration has them. `winner` is the name of the project that
 * the host index found, or null. Goes through all projects: for people who ask, not for requests.
 */
export function explainProjects (projects: Iterable<ProjectConfig>, host: string, path: string, winner: string | null): ProjectExplanation[] {
  const all = [...projects].map((project) => ({ project, pattern: bestPattern(project, host) }))
  // The most specific host that any project has decides, wherever its basePath leads.
  const decisive = all.reduce((most, { pattern }) => Math.max(most, hostRank(pattern)), -2)
  const decider = all.find(({ pattern }) => hostRank(pattern) === decisive)?.pattern ?? null
  const won = all.find(({ project }) => project.name === winner)?.project ?? null
  const explained = all.map(({ project, pattern }): ProjectExplanation => {
    const { name, at, basePath, hosts } = project
    const because = (outcome: ProjectExplanation['outcome'], reason: string): ProjectExplanation => ({ name, at, outcome, reason })
    if (pattern === undefined) return because('no match', `host: is none of ${hosts.join(', ')}`)
    if (hostRank(pattern) < decisive) return because('loses', `host: ${pattern ?? 'any'} is less specific than ${decider ?? 'any'}, which decides`)
    if (!isBelow(path, basePath)) return because('no match', `basePath: the path does not begin with ${basePath}`)
    if (project === won) return because('wins', `host ${pattern ?? 'any'}, ${basePath === '' ? 'no basePath' : `basePath ${basePath}`}`)
    if (won === null) return because('loses', 'ambiguous: some upstreams would read the path as another one, which is not this project\'s')
    return because('loses', `basePath: ${basePath === '' ? 'none' : basePath} is shorter than ${won.basePath} of ${won.name}`)
  })
  const rank = { wins: 0, loses: 1, 'no match': 2 }
  return explained.sort((a, b) => rank[a.outcome] - rank[b.outcome])
}

/** The most specific host of a project that covers a host; null = any; undefined = none. */
function bestPattern ({ hosts }: ProjectConfig, host: string): string | null | undefined {
  if (hosts.length === 0) return null
  const matching = hosts.map(normalizeHost).filter((pattern) => matchesHost(pattern, host))
  return matching.sort((a, b) => hostRank(b) - hostRank(a))[0]
}

// Exact over wildcard, the longer wildcard over the shorter, any last.
function hostRank (pattern: string | null | undefined): number {
  if (pattern === undefined) return -2
  if (pattern === null) return -1
  return pattern.startsWith('*') ? pattern.length : Infinity
}

function isBelow (path: string, basePath: string): boolean {
  return path.startsWith(basePath) && (path.length === basePath.length || path.charCodeAt(basePath.length) === 0x2f || basePath === '')
}

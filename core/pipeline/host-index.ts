import type { Finding } from '../errors.js'
import { hostProblem, normalizeHost } from '../lib/host-name.js'
import type { ProjectConfig } from '../route.js'
import { aliasesOf } from './aliases.js'
import { decodeReserved, hasEncodedSlash } from '../lib/path.js'
import { normalFormProblem } from './route-path.js'

/** Which project serves a host and path. */
export interface HostIndex<P> {
  /**
   * The value of the project that decides: under the most specific host that any project has (exact, then the longest wildcard, then any),
   * the longest basePath. There is no falling back to another host or project. Null where there is none, and for a path that a lenient
   * upstream would take for another project's (`/public/..;/admin`). Takes a path in normal form; the host's case, port and trailing dot do not count.
   */
  find (host: string, path: string): P | null
  /** Whether a project names this host, or a wildcard or "any" that covers it. */
  hasHost (host: string): boolean
  /** Whether a project names this host, or a wildcard that covers it. */
  namesHost (host: string): boolean
}

/** A project as the index needs it. */
export interface IndexedProject<P> {
  readonly name: string
  /** Host names and `*.suffix`; empty = any. */
  readonly hosts: readonly string[]
  /** Begins with `/`, no slash at the end; `''` = the root. */
  readonly basePath: string
  readonly value: P
  /** Whether it stays behind one that was added before it under the same host and basePath; left out: it replaces that. */
  readonly yieldsTo?: (other: P) => boolean
}

// The projects of one host, by basePath; `depth` is the number of segments of the deepest one.
interface Level<P> {
  readonly byBasePath: Map<string, P>
  depth: number
}

/** Builds the index in one go. A later project with the same host and basePath replaces an earlier one: `checkProjects` finds these. */
export function buildHostIndex<P> (projects: Iterable<IndexedProject<P>>): HostIndex<P> {
  const draft = draftHostIndex<P>(null)
  for (const project of projects) draft.add(project)
  return draft.index
}

/** An index that is being made: 10 000 projects take 10 ms and more, which whoever serves meanwhile spreads over several turns. */
export interface HostIndexDraft<P> {
  /** Takes away what was added of this project. */
  remove (project: IndexedProject<P>): void
  add (project: IndexedProject<P>): void
  /** Finds what was added so far. Nothing may be changed once it serves. */
  readonly index: HostIndex<P>
}

/** Begins an index: an empty one, or a copy of `before` (made by this function) that costs less than adding everything again and leaves it as it is. */
export function draftHostIndex<P> (before: HostIndex<P> | null): HostIndexDraft<P> {
  const index = before instanceof Levels ? new Levels<P>(before.exact, before.wildcards, before.any) : new Levels<P>()
  // Those that are not shared with `before`.
  const owned = new Set<Level<P>>()
  const own = (levels: Map<string, Level<P>>, key: string): Level<P> => {
    const level = levels.get(key)
    if (level !== undefined && owned.has(level)) return level
    const copy: Level<P> = { byBasePath: new Map(level?.byBasePath), depth: level?.depth ?? 0 }
    owned.add(copy)
    levels.set(key, copy)
    return copy
  }
  const each = ({ hosts }: IndexedProject<P>, act: (levels: Map<string, Level<P>>, key: string) => void): void => {
    if (hosts.length === 0) act(index.any, '')
    for (const host of hosts) {
      const name = normalizeHost(host)
      if (name.startsWith('*')) act(index.wildcards, name.slice(1))
      else act(index.exact, name)
    }
  }
  return {
    index,
    remove (project) {
      each(project, (levels, key) => {
        if (levels.get(key)?.byBasePath.get(project.basePath) !== project.value) return
        const level = own(levels, key)
        level.byBasePath.delete(project.basePath)
        if (level.byBasePath.size === 0) levels.delete(key)
        else level.depth = Math.max(...[...level.byBasePath.keys()].map(depthOf))
      })
    },
    add (project) {
      each(project, (levels, key) => {
        const level = own(levels, key)
        const there = level.byBasePath.get(project.basePath)
        if (there !== undefined && project.yieldsTo?.(there) === true) return
        level.byBasePath.set(project.basePath, project.value)
        level.depth = Math.max(level.depth, depthOf(project.basePath))
      })
    }
  }
}

class Levels<P> implements HostIndex<P> {
  readonly exact: Map<string, Level<P>>
  /** By suffix, dot included. */
  readonly wildcards: Map<string, Level<P>>
  /** Under the one key `''`. */
  readonly any: Map<string, Level<P>>

  constructor (exact?: ReadonlyMap<string, Level<P>>, wildcards?: ReadonlyMap<string, Level<P>>, any?: ReadonlyMap<string, Level<P>>) {
    this.exact = new Map(exact)
    this.wildcards = new Map(wildcards)
    this.any = new Map(any)
  }

  find (host: string, path: string): P | null {
    const level = this.levelFor(host)
    if (level === undefined) return null
    const found = findBelow(level, path)
    if (found === null || level.byBasePath.size === 1 || !isSuspect(path)) return found
    for (const alias of aliasesOf(decodeReserved(path), null, '')) {
      if (alias.path === null || findBelow(level, alias.path) !== found) return null
    }
    return found
  }

  hasHost (host: string): boolean {
    return this.levelFor(host) !== undefined
  }

  namesHost (host: string): boolean {
    return this.namedLevelFor(host) !== undefined
  }

  private levelFor (host: string): Level<P> | undefined {
    return this.namedLevelFor(host) ?? this.any.get('')
  }

  private namedLevelFor (host: string): Level<P> | undefined {
    const name = normalizeHost(host)
    const level = this.exact.get(name)
    if (level !== undefined) return level
    if (this.wildcards.size > 0) {
      // From the left: the first suffix that is there is the longest.
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const wildcard = dot === 0 ? undefined : this.wildcards.get(name.slice(dot))
        if (wildcard !== undefined) return wildcard
      }
    }
    return undefined
  }
}

function depthOf (basePath: string): number {
  return basePath === '' ? 0 : basePath.split('/').length - 1
}

// Walks the prefixes of the path that end with a segment, the longest last, as deep as any basePath of this host goes.
function findBelow<P> ({ byBasePath, depth }: Level<P>, path: string): P | null {
  let found = byBasePath.get('') ?? null
  let end = 0
  for (let segment = 0; segment < depth && end < path.length; segment++) {
    end = path.indexOf('/', end + 1)
    if (end === -1) end = path.length
    found = byBasePath.get(path.slice(0, end)) ?? found
  }
  return found
}

function isSuspect (path: string): boolean {
  return path.includes(';') || path.includes('//') || (path.includes('%') && (path.includes('%3B') || hasEncodedSlash(path)))
}

const BASE_PATH = /^(\/[A-Za-z0-9._~-]+)*$/

/** What is wrong with the hosts and the basePath of one project by themselves. */
export function checkPlace (project: ProjectConfig): Finding[] {
  const findings: Finding[] = []
  const problem = basePathProblem(project.basePath)
  if (problem !== null) findings.push({ path: [...project.at, 'basePath'], ...problem })
  for (const [index, host] of project.hosts.entries()) {
    const malformed = hostProblem(host)
    if (malformed !== null) findings.push({ path: [...project.at, 'hosts', index], ...malformed })
  }
  return findings
}

/** Two projects that the same requests would belong to. What `checkPlace` finds something in is not compared. */
export function checkProjects (projects: Iterable<ProjectConfig>): Finding[] {
  const findings: Finding[] = []
  const owners = new Map<string, { project: ProjectConfig, path: Finding['path'] }>()
  const claim = (project: ProjectConfig, host: string | null, path: Finding['path']): void => {
    const key = `${host ?? ''} ${project.basePath}`
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, { project, path })
    else if (owner.project !== project) {
      const where = project.basePath === '' ? 'no basePath' : `basePath "${project.basePath}"`
      findings.push({
        path,
        message: `projects "${owner.project.name}" and "${project.name}" both have ${host === null ? 'no host' : `host "${host}"`} and ${where}`,
        remedy: host === null ? 'give one of them hosts, or another basePath' : 'give one of them another host or basePath',
        related: [{ path: owner.path }]
      })
    }
  }
  for (const project of projects) {
    if (basePathProblem(project.basePath) !== null) continue
    if (project.hosts.length === 0) claim(project, null, project.at)
    for (const [index, host] of project.hosts.entries()) {
      if (hostProblem(host) === null) claim(project, normalizeHost(host), [...project.at, 'hosts', index])
    }
  }
  return findings
}

// Only what has one spelling: with ":" or ";" in it, another spelling of the path would lead to another project.
function basePathProblem (basePath: string): { message: string, remedy: string } | null {
  if (BASE_PATH.test(basePath)) return basePath === '' ? null : normalFormProblem(basePath)
  if (!basePath.startsWith('/')) return { message: `the basePath "${basePath}" does not begin with "/"`, remedy: `write "/${basePath}"` }
  if (/^(\/[^/]+)*\/+$/.test(basePath)) return { message: `the basePath "${basePath}" ends with "/"`, remedy: basePath === '/' ? 'leave it out' : `write "${basePath.replace(/\/+$/, '')}"` }
  return { message: `the basePath "${basePath}" holds something beside letters, digits, "-", ".", "_" and "~"`, remedy: 'write it without' }
}

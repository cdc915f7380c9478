import { createHash } from 'node:crypto'
import { createRedactor } from '../../core/observe/redact.js'
import type { Terminal } from '../terminal.js'
import { visible } from '../terminal.js'
import { isShownSecret } from '../config-secrets.js'
import type { ConfigChange } from './config-diff.js'

/** What will become of one project. */
export interface ProjectPlan {
  readonly project: string
  readonly action: 'create' | 'change' | 'remove' | 'none'
  /** Who has it: the store, or the gateway's own files, which apply leaves alone. */
  readonly source: 'store' | 'file'
  readonly changes: readonly ConfigChange[]
  readonly affectedRoutes: readonly string[]
}

const SIGNS = { added: '+', removed: '-', changed: '~', moved: '~' } as const
const MAX_VALUE = 120
const SHARED = 20

const redactor = createRedactor([])

/** Prints a plan: one line a difference, and what it touches. Secrets are told by their digests, so that a change shows. */
export function printPlan (plans: readonly ProjectPlan[], terminal: Terminal): void {
  const { print, colors } = terminal
  for (const { project, action, source, changes, affectedRoutes } of plans) {
    if (action === 'none') continue
    const name = `${colors.bold(`project ${visible(project)}`)}${source === 'file' ? " of the gateway's files" : ''}`
    if (action === 'change') print(`${name}: ${routesText(changes, affectedRoutes)}`)
    else print(`${name}: ${action === 'create' ? 'new' : 'removed'}, ${affectedText(affectedRoutes)}`)
    printChanges(changes, terminal)
  }
  const changed = plans.filter(({ action }) => action !== 'none').length
  print(changed === 0 ? 'nothing to change' : `${count(changed, 'project')} to change, ${plans.length - changed} as they are`)
}

/** Prints differences, one a line, with colours where a person reads them. */
export function printChanges (changes: readonly ConfigChange[], { print, colors }: Terminal): void {
  const paint = { added: colors.green, removed: colors.red, changed: colors.yellow, moved: colors.yellow }
  for (const change of changes) print(paint[change.kind](`  ${changeLine(change)}`))
}

/** How many differences there are, and what they touch: `2 changes, 1 route affected: hello`. */
export function routesText (changes: readonly ConfigChange[], affectedRoutes: readonly string[]): string {
  return `${count(changes.length, 'change')}, ${affectedText(affectedRoutes)}`
}

function affectedText (routes: readonly string[]): string {
  return routes.length === 0 ? 'no route affected' : `${count(routes.length, 'route')} affected: ${routes.map(visible).join(', ')}`
}

/** Differences as they may be shown: without secrets. */
export function shownChanges (changes: readonly ConfigChange[]): ConfigChange[] {
  return changes.map(({ path, kind, before, after }) => {
    const name = path.at(-1) ?? ''
    return { path, kind, before: mask(before, name), after: mask(after, name) }
  })
}

/** A difference in one line, `~ upstreams.api.timeouts.headers: "30s" -> "5s"`. */
export function changeLine (change: ConfigChange): string {
  return `${SIGNS[change.kind]} ${describe(change)}`
}

function describe ({ path, kind, before, after }: ConfigChange): string {
  const place = visible(path.length === 0 ? 'project' : path.join('.'))
  const show = (value: unknown): string => text(value, path)
  switch (kind) {
    case 'added': return `${place}: ${show(after)}`
    case 'removed': return `${place}: ${show(before)}`
    case 'changed': {
      const from = beginOfDifference(before, after)
      return `${place}: ${text(before, path, from)} -> ${text(after, path, from)}`
    }
    case 'moved': return `${place}: moved ${typeof after === 'string' ? `behind ${visible(after)}` : 'to the front'}`
  }
}

/** A value in one line, with what is secret in it by name as the beginning of its SHA-256. */
function text (value: unknown, path: readonly string[], from = 0): string {
  const name = path.at(-1) ?? ''
  const masked = mask(value, name)
  const shown = JSON.stringify(from > 0 && masked === value && typeof masked === 'string' ? `…${masked.slice(from)}` : masked)
  return visible(shown.length > MAX_VALUE ? `${shown.slice(0, MAX_VALUE - 1)}…` : shown)
}

/** Where two long texts begin to differ, less a few characters that they share: what is before that is left out. */
function beginOfDifference (before: unknown, after: unknown): number {
  if (typeof before !== 'string' || typeof after !== 'string' || Math.max(before.length, after.length) <= MAX_VALUE) return 0
  let same = 0
  while (same < before.length && before[same] === after[same]) same++
  return Math.max(0, same - SHARED)
}

function mask (value: unknown, name: string): unknown {
  // The gateway shows keyed digests; what comes from elsewhere may be the secret.
  if (typeof value === 'string' && isShownSecret(value)) return value
  if (typeof value === 'string' || typeof value === 'number') return redactor.isSecret(name) ? `sha256:${createHash('sha256').update(String(value)).digest('hex').slice(0, 8)}` : value
  if (Array.isArray(value)) return value.map((entry) => mask(entry, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, mask(inner, key)]))
}

function count (number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`
}

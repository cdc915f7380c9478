/** `"${NAME}"`, `"${NAME:-default}"`, `"${file:path}"`, `"${secret:NAME}"` and `$${` in the strings of a configuration. */
import type { ConfigPath } from '../errors.js'
import type { FindingList } from './findings.js'
import type { Raw } from './raw.js'

/** What strings were before their references were resolved: by the map or list that holds them, and their key. */
export type Originals = Map<object, Map<string | number, string>>

/** Where the references of files lead. */
export interface ReferenceSources {
  readonly env: Readonly<Record<string, string | undefined>>
  /** The trimmed text of a file named in a config, or why there is none. */
  readText (name: string): { text: string } | { problem: string }
  /** Leaves what refers to secrets as it is written, for the store that has them; all else is then written so that the store takes it as it is. */
  readonly forStore: boolean
}

/** What a text with references stands for. */
export type ResolveText = (text: string, path: ConfigPath) => string

/** Every reference of a text, also those that are none: by group the variable, its default, the file and the secret. */
export const REFERENCE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?|file:([^}]+)|secret:([^}]*))\}|\$\{[^}]*\}?/g

/**
 * A copy of `value` with the texts at `paths` resolved, sharing all else; `value` stays as it is. `originals` learns what each changed text was.
 */
export function resolveReferences (value: Raw, paths: readonly ConfigPath[], resolve: ResolveText, originals: Originals): Raw {
  const owned = new Set<object>()
  const own = <T extends Raw>(node: T): T => {
    if (typeof node !== 'object' || node === null || owned.has(node)) return node
    const copy = Array.isArray(node) ? [...node] : { ...node }
    owned.add(copy)
    return copy as T
  }
  if (typeof value === 'string') return value
  const root = own(value)
  for (const path of paths) {
    let node = root as Record<string | number, Raw>
    for (const key of path.slice(0, -1)) {
      node[key] = own(node[key] as Raw)
      node = node[key] as Record<string | number, Raw>
    }
    const last = path.at(-1)
    const text = last === undefined ? undefined : node[last]
    if (last === undefined || typeof text !== 'string') continue
    node[last] = resolve(text, path)
    const known = originals.get(node)
    if (known === undefined) originals.set(node, new Map([[last, text]]))
    else known.set(last, text)
  }
  return root
}

/** Resolves the references of files. `findings` learns what could not be. */
export function fileReferences ({ env, readText, forStore }: ReferenceSources, findings: FindingList): ResolveText {
  const literal = (text: string): string => forStore ? text.replaceAll('${', () => '$${') : text
  return (text, path) => text.replace(REFERENCE, (whole: string, name: string | undefined, fallback: string | undefined, file: string | undefined, secret: string | undefined) => {
    if (whole === '$${') return literal('${')
    if (name !== undefined) {
      const found = Object.hasOwn(env, name) ? env[name] : undefined
      if (found !== undefined && (found !== '' || fallback === undefined)) return literal(found)
      if (fallback !== undefined) return literal(fallback)
      findings.add({ path, decisive: true, message: `the environment variable ${name} is not set`, remedy: `set it, or give a default: "\${${name}:-default}"` })
    } else if (file !== undefined) {
      const read = readText(file.trim())
      if ('text' in read) return literal(read.text)
      findings.add({ path, decisive: true, message: `the file "${file.trim()}" can not be read: ${read.problem}`, remedy: 'name a readable file, relative to this one' })
    } else if (secret !== undefined) {
      if (forStore) return whole
      findings.add({ path, decisive: true, message: `"${whole.slice(0, 40)}" names a secret of the store, and projects of files have none there`, remedy: 'write "${NAME}" or "${file:path}", or make the project over the admin API' })
    } else {
      findings.add({ path, decisive: true, message: `"${whole.slice(0, 40)}" is not a reference`, remedy: 'write "${NAME}", "${NAME:-default}" or "${file:path}", or "$${" for a literal "${"' })
    }
    return ''
  })
}

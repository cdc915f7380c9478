import type { ConfigPath, Finding } from '../../core/errors.js'
import { compileTemplate, type Template, type TemplateSource } from '../../core/lib/template.js'
import { reserved, type Direction } from './names.js'

/** The edits of one direction, as the config has them. */
export interface EditsConfig {
  readonly remove?: readonly string[]
  readonly rename?: Readonly<Record<string, string>>
  readonly set?: Readonly<Record<string, string>>
  readonly add?: Readonly<Record<string, string | readonly string[]>>
}

/** Changes a flat field list in place. */
export type Edit = (flat: string[], source: TemplateSource) => void

/** Checks the edits of one direction and folds them into functions, in the order remove, rename, set, add. What is wrong goes into `findings`. */
export function compileEdits (config: EditsConfig, direction: Direction, findings: Finding[]): readonly Edit[] {
  const at = (...path: ConfigPath): ConfigPath => [direction, ...path]
  const fieldName = (name: string, path: ConfigPath): string => {
    const lower = name.toLowerCase()
    const no = reserved(lower, direction)
    if (no !== null) findings.push({ path, ...no })
    return lower
  }
  const template = (text: string, path: ConfigPath): Template | null => {
    try {
      return compileTemplate(text, { encode: 'header' })
    } catch (error) {
      findings.push({ path, message: (error as Error).message, remedy: '' })
      return null
    }
  }
  const once = new Map<string, Set<string>>()
  const names = <V>(key: 'rename' | 'set' | 'add', entries: Readonly<Record<string, V>> | undefined): [string, V, ConfigPath][] =>
    Object.entries(entries ?? {}).map(([name, value]) => {
      const lower = fieldName(name, at(key, name))
      const seen = once.get(key) ?? new Set()
      if (seen.has(lower)) findings.push({ path: at(key, name), message: `"${lower}" stands twice in "${key}"`, remedy: 'header names have no case: keep one' })
      once.set(key, seen.add(lower))
      return [lower, value, at(key, name)]
    })

  const edits: Edit[] = []
  const remove = removal((config.remove ?? []).map((name, index) => fieldName(name, at('remove', index))), direction)
  if (remove !== null) edits.push(remove)
  for (const [from, to, path] of names('rename', config.rename)) edits.push(renaming(from, fieldName(to, path)))
  for (const [name, text, path] of names('set', config.set)) {
    const value = template(text, path)
    if (value !== null) edits.push(setting(name, value))
  }
  for (const [name, texts, path] of names('add', config.add)) {
    for (const text of typeof texts === 'string' ? [texts] : texts) {
      const value = template(text, path)
      if (value !== null) edits.push(adding(name, value))
    }
  }
  return edits
}

function removal (names: readonly string[], direction: Direction): Edit | null {
  if (names.length === 0) return null
  const exact = new Set(names.filter((name) => !name.endsWith('*')))
  const prefixes = names.filter((name) => name.endsWith('*')).map((name) => name.slice(0, -1))
  if (prefixes.length === 0) return (flat) => { drop(flat, 0, (name) => exact.has(name)) }
  // `content-*` must not take Content-Length away.
  const isUnwanted = (name: string): boolean => exact.has(name) || (prefixes.some((prefix) => name.startsWith(prefix)) && reserved(name, direction) === null)
  return (flat) => { drop(flat, 0, isUnwanted) }
}

/** The fields of `from` take the name `to`, in their places; fields that had it already go. Without a field `from` nothing happens. */
function renaming (from: string, to: string): Edit {
  return (flat) => {
    if (from === to || !has(flat, from)) return
    drop(flat, 0, (name) => name === to)
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === from) flat[i] = to
  }
}

/** One field of that name with that value; none when the value is empty, so that what a client sent never stands in for it. */
function setting (name: string, value: Template): Edit {
  return (flat, source) => {
    const text = value.render(source)
    if (text === '') { drop(flat, 0, (other) => other === name); return }
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== name) continue
      flat[i + 1] = text
      drop(flat, i + 2, (other) => other === name)
      return
    }
    flat.push(name, text)
  }
}

function adding (name: string, value: Template): Edit {
  return (flat, source) => {
    const text = value.render(source)
    if (text !== '') flat.push(name, text)
  }
}

function has (flat: readonly string[], name: string): boolean {
  for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return true
  return false
}

function drop (flat: string[], from: number, isUnwanted: (name: string) => boolean): void {
  let to = from
  for (let i = from; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (isUnwanted(name)) continue
    if (to !== i) { flat[to] = name; flat[to + 1] = flat[i + 1] as string }
    to += 2
  }
  if (to !== flat.length) flat.length = to
}

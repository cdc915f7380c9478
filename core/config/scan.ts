import type { ConfigPath } from '../errors.js'
import { isMap, type Raw } from './raw.js'

// What one file may unfold to: more than this, and more than three times what it has written out, is an alias bomb.
const MAX_NODES = 1_000_000
const MAX_GROWTH = 3
const MAX_DEPTH = 200

/** What is of interest in a parsed file, found in one walk. */
export interface RawScan {
  /** Where strings hold `${`. */
  readonly references: readonly ConfigPath[]
  /** Keys `__proto__`, which are taken out: nothing behind the scan meets one. */
  readonly forbidden: readonly ConfigPath[]
  /** Numbers such as `.inf` and `1e999`, which JSON can not carry. */
  readonly notFinite: readonly ConfigPath[]
}

/** Walks a parsed file once, removing keys `__proto__` from it. */
export function scanRaw (value: Raw): RawScan {
  const references: ConfigPath[] = []
  const forbidden: ConfigPath[] = []
  const notFinite: ConfigPath[] = []
  const path: (string | number)[] = []
  const visit = (node: Raw): void => {
    if (typeof node === 'string') {
      if (node.includes('${')) references.push([...path])
    } else if (typeof node === 'number') {
      if (!Number.isFinite(node)) notFinite.push([...path])
    } else if (Array.isArray(node)) {
      for (let index = 0; index < node.length; index++) {
        path.push(index)
        visit(node[index] as Raw)
        path.pop()
      }
    } else if (isMap(node)) {
      for (const key of Object.keys(node)) {
        path.push(key)
        if (key === '__proto__') {
          forbidden.push([...path])
          delete node[key]
        } else visit(node[key] as Raw)
        path.pop()
      }
    }
  }
  visit(value)
  return { references, forbidden, notFinite }
}

/** Why a value with aliases can not be used (it holds itself, or unfolds to too much), or null. */
export function aliasProblem (value: Raw): { message: string, remedy: string } | null {
  const known = new Map<object, { size: number, depth: number }>()
  const open = new Set<object>()
  let written = 0
  let cyclic = false
  const measure = (node: Raw): { size: number, depth: number } => {
    if (typeof node !== 'object' || node === null) return { size: 1, depth: 1 }
    const before = known.get(node)
    if (before !== undefined) return before
    if (open.has(node)) {
      cyclic = true
      return { size: 1, depth: 1 }
    }
    open.add(node)
    let size = 1
    let depth = 1
    for (const child of Array.isArray(node) ? node : Object.values(node)) {
      const one = measure(child)
      size += one.size
      depth = Math.max(depth, one.depth + 1)
      written++
    }
    open.delete(node)
    known.set(node, { size, depth })
    return { size, depth }
  }
  try {
    const { size, depth } = measure(value)
    if (cyclic) return { message: 'an alias (*name) stands inside of what its anchor (&name) marks', remedy: 'write the value out' }
    if (depth > MAX_DEPTH) return { message: `the aliases nest ${depth} levels deep`, remedy: `nest at most ${MAX_DEPTH}` }
    if (size > MAX_NODES && size > written * MAX_GROWTH) return { message: `the aliases unfold ${written} values to ${size}`, remedy: 'use fewer aliases of aliases' }
    return null
  } catch (error) {
    if (error instanceof RangeError) return { message: 'the aliases nest too deeply', remedy: `nest at most ${MAX_DEPTH} levels` }
    throw error
  }
}

import { load, YAMLException } from 'js-yaml'
import { findMisreadItem } from './misread-item.js'
import type { Raw } from './raw.js'
import { aliasProblem, scanRaw, type RawScan } from './scan.js'
import { explainSyntax, type TextProblem } from './syntax-problems.js'
import { YAML_SCHEMA } from './yaml-schema.js'

/** A file's content: a value with what a walk found in it, or why there is none. The value is shared with the cache: never change it. */
export type ParsedYaml =
  | { readonly value: Raw, readonly scan: RawScan, readonly problems: null }
  | { readonly problems: readonly TextProblem[] }

// Merge keys copy: this many are 0.2 s of work, and more than any real file has.
const LIMITS = { maxDepth: 100, maxTotalMergeKeys: 1_000_000 }

/** Options of `load` of js-yaml that values and positions are read with; the two limits are missing from its types. */
export const LOAD_OPTIONS = { schema: YAML_SCHEMA, ...LIMITS }

/** Parses the text of one file (without byte order mark). Never throws for what a text holds. */
export function parseYaml (text: string): ParsedYaml {
  let value: Raw | undefined
  try {
    value = load(text, LOAD_OPTIONS) as Raw | undefined
  } catch (error) {
    if (error instanceof YAMLException) return { problems: explainSyntax(text, error, LIMITS.maxDepth) }
    if (error instanceof RangeError) return { problems: [{ line: 1, column: 1, message: 'the file nests too deeply', remedy: `nest at most ${LIMITS.maxDepth} levels` }] }
    throw error
  }
  if (value === undefined || value === null) return { problems: [{ line: 1, column: 1, message: 'the file is empty', remedy: 'write at least one key, for example "projects: {}"' }] }
  const misread = findMisreadItem(text, value)
  if (misread !== null) return { problems: [misread] }
  // Without an anchor there is no alias, and nothing to measure.
  const bomb = text.includes('&') ? aliasProblem(value) : null
  if (bomb !== null) return { problems: [{ line: 1, column: 1, ...bomb }] }
  return { value, scan: scanRaw(value), problems: null }
}

/** What a schema wants and what a value is, in words. */
import { quantityOf } from '../lib/schema-types.js'
import { showText } from './secrets.js'

/** What is read of a JSON Schema to describe it. */
export interface SchemaNode {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly default?: unknown
  readonly examples?: readonly unknown[]
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>
  readonly additionalProperties?: boolean | SchemaNode
  readonly required?: readonly string[]
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly minimum?: number
  readonly maximum?: number
  readonly [keyword: string]: unknown
}

const TYPES: Readonly<Record<string, string>> = {
  integer: 'a whole number', number: 'a number', string: 'a text', boolean: 'true or false', array: 'a list', object: 'a map', null: 'nothing'
}

/** What a schema wants: `a duration`, `one of "a", "b"`, `a whole number`. */
export function expectation (schema: SchemaNode): string {
  // Titles of authors' own schemas may be headings; those that can stand in a sentence have an article.
  if (schema.title !== undefined && /^an? /.test(schema.title)) return schema.title
  const quantity = quantityOf(schema)
  if (quantity !== null) return `a ${quantity}`
  if (schema.const !== undefined) return write(schema.const)
  if (schema.enum !== undefined) return schema.enum.length === 1 ? write(schema.enum[0]) : `one of ${listOf(schema.enum.map(write))}`
  if (schema.anyOf !== undefined) return [...new Set(schema.anyOf.map(expectation))].join(' or ')
  const types = [schema.type ?? []].flat().map((type) => TYPES[type] ?? type)
  return types.length === 0 ? 'any value' : types.join(' or ')
}

/** What a value is: `the number 5`, `the text "abc"`, `a list`. Secrets and what references brought in stay hidden. */
export function found (value: unknown, key: string | null, original: string | undefined): string {
  if (original !== undefined) return `what ${write(shorten(showText('', key, original)))} gives`
  if (value === null || value === undefined) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a map'
  if (typeof value === 'string') return value === '' ? 'an empty text' : `the text ${write(shorten(showText(value, key, undefined)))}`
  if (typeof value === 'number') return `the number ${value}`
  return typeof value === 'boolean' ? String(value) : 'something else'
}

/** What to write instead: an example of the schema, or nothing where it has none. */
export function exampleOf (schema: SchemaNode): string {
  const examples = schema.examples ?? (schema.default === undefined ? schema.enum ?? schema.anyOf?.flatMap((branch) => branch.examples?.slice(0, 1) ?? []) ?? [] : [schema.default])
  if (examples.length === 0) return ''
  return `write for example ${listOf(examples.slice(0, 2).map(write), 'or')}`
}

/** `a, b and c`, cut off where it gets long. */
export function listOf (words: readonly string[], last?: 'or'): string {
  const shown = words.length > 12 ? [...words.slice(0, 12), '…'] : words
  return last === undefined ? shown.join(', ') : shown.join(` ${last} `)
}

/** A value as it would stand in YAML, on one line. */
export function write (value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? '[]' : `[ ${value.map(writeInside).join(', ')} ]`
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value).map(([key, one]) => `${key}: ${writeInside(one)}`)
    return entries.length === 0 ? '{}' : `{ ${entries.join(', ')} }`
  }
  return typeof value === 'string' ? JSON.stringify(value) : String(value)
}

function writeInside (value: unknown): string {
  return typeof value === 'string' && /^[A-Za-z][\w./-]*$/.test(value) ? value : write(value)
}

function shorten (text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}

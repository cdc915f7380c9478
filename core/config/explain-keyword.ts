import type { ErrorObject } from 'ajv'
import { closest } from '../lib/closest.js'
import { exampleOf, expectation, listOf, write, type SchemaNode } from './describe-schema.js'

/** An error with what ajv's `verbose` adds: the keyword's value, the schema around it and the data. */
export interface VerboseError extends ErrorObject {
  readonly parentSchema?: SchemaNode
}

/** Words for one error; `below` is the key that it is about where that is not the value itself. */
export interface Explanation {
  readonly below: string | null
  readonly message: string
  readonly remedy: string
}

/** Explains one error that is not a union's. `shown` is the value in words. */
export function explainKeyword (error: VerboseError, shown: string): Explanation {
  const schema = error.parentSchema ?? {}
  const params = error.params as Readonly<Record<string, unknown>>
  const say = (message: string, remedy = exampleOf(schema)): Explanation => ({ below: null, message, remedy })
  const bound = (text: string, otherwise = ''): Explanation => say(`expected ${text}, found ${shown}`, exampleOf(schema) || otherwise)
  switch (error.keyword) {
    case 'additionalProperties':
    case 'unevaluatedProperties':
      return unknownKey(String(params.additionalProperty ?? params.unevaluatedProperty), schema)
    case 'required':
      return missingKey(String(params.missingProperty), schema)
    case 'type':
      return say(`expected ${expectation(schema)}, found ${shown}`, typeRemedy(error.data, schema))
    case 'const':
    case 'enum':
      return notListed(error.data, schema, shown)
    case 'pattern':
      return wrongForm(error.data, schema, shown)
    case 'minimum': return bound(`at least ${String(params.limit)}`, `write ${String(params.limit)} or more`)
    case 'maximum': return bound(`at most ${String(params.limit)}`, `write ${String(params.limit)} or less`)
    case 'exclusiveMinimum': return bound(`more than ${String(params.limit)}`)
    case 'exclusiveMaximum': return bound(`less than ${String(params.limit)}`)
    case 'minLength': return params.limit === 1 ? bound(expectation(schema)) : bound(`at least ${String(params.limit)} characters`)
    case 'maxLength': return bound(`at most ${String(params.limit)} characters`)
    case 'minItems': return params.limit === 1 ? say('the list is empty') : say(`the list has fewer than ${String(params.limit)} entries`)
    case 'maxItems': return say(`the list has more than ${String(params.limit)} entries`)
    case 'uniqueItems': return say(`entries ${Number(params.j) + 1} and ${Number(params.i) + 1} of the list are the same`, 'keep one of them')
    case 'minProperties': return say(`the map has fewer than ${String(params.limit)} keys`)
    case 'maxProperties': return say(`the map has more than ${String(params.limit)} keys`)
    default:
      return say(error.message ?? `does not satisfy "${error.keyword}"`)
  }
}

function unknownKey (key: string, schema: SchemaNode): Explanation {
  const known = Object.keys(schema.properties ?? {})
  if (known.length === 0 && schema.patternProperties !== undefined) {
    return { below: key, message: `${write(key)} is not a name that can stand here`, remedy: 'use letters, digits, "-", "_" and ".", beginning with a letter or digit' }
  }
  const near = closest(key, known)
  const remedy = near !== null ? `did you mean ${write(near)}?` : known.length === 0 ? 'this map has no keys' : `the keys here are: ${listOf(known)}`
  return { below: key, message: `unknown key ${write(key)}`, remedy }
}

function missingKey (key: string, schema: SchemaNode): Explanation {
  const property = schema.properties?.[key] ?? {}
  const [example] = property.examples ?? (property.enum ?? [])
  return { below: null, message: `the key ${write(key)} is missing`, remedy: example === undefined ? `add "${key}:", ${expectation(property)}` : `add for example ${key}: ${write(example)}` }
}

function notListed (value: unknown, schema: SchemaNode, shown: string): Explanation {
  const allowed = schema.enum ?? [schema.const]
  const near = typeof value === 'string' ? closest(value, allowed.filter((one): one is string => typeof one === 'string')) : null
  const choices = allowed.length === 1 ? write(allowed[0]) : `one of ${listOf(allowed.map(write))}`
  return { below: null, message: `expected ${choices}, found ${shown}`, remedy: near !== null ? `did you mean ${write(near)}?` : `write ${listOf(allowed.map(write), 'or')}` }
}

/** Numbers in quotes, words without: what is most likely meant. */
function typeRemedy (value: unknown, schema: SchemaNode): string {
  const types = schema.anyOf === undefined ? [schema.type ?? []].flat() : schema.anyOf.flatMap(({ type }) => [type ?? []].flat())
  if (typeof value === 'string') {
    if (types.some((type) => type === 'integer' || type === 'number') && value.trim() !== '' && Number.isFinite(Number(value))) return 'take the quotes away'
    if (types.includes('boolean') && (value === 'true' || value === 'false')) return 'take the quotes away'
    if (types.includes('array') && schema.items !== undefined) return exampleOf(schema) || `write a list: [ ${write(value)} ]`
  }
  if (types.includes('string') && (typeof value === 'number' || typeof value === 'boolean')) {
    return schema.pattern === undefined ? `put it in quotes: "${value}"` : exampleOf(schema)
  }
  if (value === null) return exampleOf(schema) || 'write a value, or remove the key'
  return exampleOf(schema)
}

/** A text in the wrong form. The commonest slip with a unit is to leave it out. */
function wrongForm (value: unknown, schema: SchemaNode, shown: string): Explanation {
  const wanted = expectation(schema)
  const example = exampleOf(schema)
  const matches = `it has to match ${write(schema.pattern)}`
  if (wanted === 'a text') return { below: null, message: `expected a text of another form, found ${shown}`, remedy: example === '' ? matches : `${example}; ${matches}` }
  let remedy = example
  if (wanted === 'a duration' && typeof value === 'string' && /^\d+(\.\d+)?$/.test(value)) remedy = `add a unit: "${value}s" or "${value}ms"`
  else if (wanted === 'a path' && typeof value === 'string' && /^[^\s/]\S*$/.test(value)) remedy = `write "/${value}"`
  return { below: null, message: `expected ${wanted}, found ${shown}`, remedy: remedy === '' ? matches : remedy }
}

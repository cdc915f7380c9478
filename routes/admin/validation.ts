import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TObject } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { findCidrProblem } from '../../core/lib/cidr.js'
import { closest } from '../../core/lib/closest.js'
import { parseDuration } from '../../core/lib/units.js'
import { parseRate } from '../../core/lib/rate.js'
import { textProblem } from './json-body.js'

/** One thing that is wrong with a request: where (a JSON pointer, or the name of a query parameter), and what. */
export interface InvalidField {
  readonly path: string
  readonly message: string
  /** What is known in its place, where something unknown was sent. */
  readonly known?: readonly string[]
}

// A client that gets everything wrong learns of the first ones.
const MOST_SHOWN = 20

const EMAIL = /^[^\s@<>(),;:"[\]\\]{1,64}@[^\s@<>(),;:"[\]\\]{1,190}$/
const TIME = /^\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/
const DAY = /^\d{4}-\d\d-\d\d$/

const FORMATS: Readonly<Record<string, (text: string) => boolean>> = {
  'date-time': (text) => TIME.test(text) && isDay(text.slice(0, 10)) && !Number.isNaN(Date.parse(text)),
  'date': (text) => DAY.test(text) && isDay(text),
  'email': (text) => EMAIL.test(text) && !text.includes('..'),
  'cidr': (text) => findCidrProblem(text) === null,
  'rate': (text) => doesNotThrow(() => parseRate(text)),
  'duration-text': (text) => doesNotThrow(() => parseDuration(text))
}

const MEANINGS: Readonly<Record<string, string>> = {
  'date-time': 'a time like 2027-01-31T00:00:00Z', 'date': 'a day like 2027-01-31', 'email': 'an e-mail address', 'cidr': 'a network like 10.1.0.0/16', 'rate': 'a rate like 1000/h', 'duration-text': 'a duration like 24h'
}

const COMPILERS = { body: createCompiler(false), query: createCompiler(true) }

/**
 * Makes the check of bodies (types as they are sent) or of query parameters (texts that stand for numbers and booleans, which they become).
 * It throws GatewayError with all that is wrong. Compiled when it is first used: a port that is never asked costs nothing.
 */
export function createValidator (schema: TObject, part: 'body' | 'query'): (value: unknown) => void {
  let compiled: ValidateFunction | null = null
  return (value) => {
    const validate = compiled ??= COMPILERS[part].compile(schema)
    if (part === 'query') {
      for (const [name, text] of Object.entries(value as Record<string, unknown>)) {
        const problem = typeof text === 'string' ? textProblem(text) : 'is there twice'
        if (problem !== null && Object.hasOwn(schema.properties, name)) throw invalidRequest([{ path: name, message: problem }])
      }
    }
    if (!validate(value)) throw invalidRequest(explained(validate.errors ?? [], part))
  }
}

/** The failure that says which fields are wrong. */
export function invalidRequest (fields: readonly InvalidField[]): GatewayError {
  const [first] = fields
  const message = first === undefined ? undefined : `${first.path === '' ? 'The body' : first.path} ${first.message}.`
  return new GatewayError('VALIDATION_ERROR', { message, details: { reason: 'invalid_fields', fields: fields.slice(0, MOST_SHOWN) } })
}

function createCompiler (coerceTypes: boolean): Ajv {
  const ajv = new Ajv({ allErrors: true, strict: false, coerceTypes, removeAdditional: false, useDefaults: false, verbose: true })
  for (const [name, check] of Object.entries(FORMATS)) ajv.addFormat(name, check)
  return ajv
}

function explained (errors: readonly ErrorObject[], part: 'body' | 'query'): InvalidField[] {
  // A union tells of each of its branches and then of itself: the branch that says more than a type is what the sender needs.
  const telling = errors.filter(({ keyword }) => keyword !== 'anyOf')
  const byPath = new Map<string, InvalidField>()
  for (const error of telling.length === 0 ? errors : telling) {
    const field = explain(error, part)
    const there = byPath.get(field.path)
    if (there === undefined || there.message.includes('has to be null')) byPath.set(field.path, field)
  }
  return [...byPath.values()]
}

function explain ({ keyword, instancePath, params, parentSchema }: ErrorObject, part: 'body' | 'query'): InvalidField {
  const at = (key: string): string => part === 'query' ? key : `${instancePath}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
  const path = part === 'query' ? instancePath.slice(1) : instancePath
  const told = params as Record<string, unknown>
  switch (keyword) {
    case 'additionalProperties': {
      const unknown = told.additionalProperty as string
      const known = Object.keys((parentSchema as { properties?: object }).properties ?? {})
      const meant = closest(unknown, known)
      return { path: at(unknown), message: `is not known here${meant === null ? '' : ` (did you mean "${meant}"?)`}`, known }
    }
    case 'required': return { path: at(told.missingProperty as string), message: 'is needed' }
    case 'type': return { path, message: `has to be ${String(told.type)}` }
    case 'const': return { path, message: `has to be ${JSON.stringify(told.allowedValue)}` }
    case 'enum': return { path, message: 'is none of the known values', known: told.allowedValues as string[] }
    case 'format': return { path, message: `has to be ${MEANINGS[told.format as string] ?? String(told.format)}` }
    case 'minLength': return { path, message: Number(told.limit) === 1 ? 'is empty' : `has to have at least ${String(told.limit)} characters` }
    case 'maxLength': return { path, message: `may have at most ${String(told.limit)} characters` }
    case 'minimum': return { path, message: `has to be at least ${String(told.limit)}` }
    case 'maximum': return { path, message: `may be at most ${String(told.limit)}` }
    case 'minItems': return { path, message: `has to have at least ${String(told.limit)} entries` }
    case 'maxItems': return { path, message: `may have at most ${String(told.limit)} entries` }
    case 'minProperties': return { path, message: `has to name at least ${String(told.limit)} field` }
    case 'maxProperties': return { path, message: `may have at most ${String(told.limit)} fields` }
    case 'pattern': return { path, message: `has to look like ${String(told.pattern)}` }
    default: return { path, message: 'is not valid' }
  }
}

/** There is no 30 February, which `Date` takes for 2 March. */
function isDay (text: string): boolean {
  return !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text)
}

function doesNotThrow (run: () => unknown): boolean {
  try {
    run()
    return true
  } catch {
    return false
  }
}

import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { TSchema } from 'typebox'
import type { ConfigPath } from '../errors.js'
import { explainErrors } from './explain-errors.js'
import { valueAt, type FindingList } from './findings.js'
import { readPointer } from './json-pointer.js'
import type { Originals } from './references.js'

const OPTIONS = { allErrors: true, verbose: true, strict: false, validateFormats: false, logger: false } as const
// Its schemas are our own, and types and tests hold them: compiling the schema of schemas is a third of what compiling them takes.
const language = new Ajv({ ...OPTIONS, meta: false, validateSchema: false })
// A plugin's defaults are its schema's; those of the language are filled in by the code that builds.
const ofPlugins = new Ajv({ ...OPTIONS, useDefaults: true })
const VALID: ReadonlySet<string> = new Set()
const compiled = new WeakMap<TSchema, ValidateFunction>()

/** What a validation needs to know of its surroundings. */
export interface ValidationPlace {
  /** Where the value is in the configuration. */
  readonly at: ConfigPath
  readonly originals: Originals
  readonly findings: FindingList
}

/**
 * Validates a part of the language; what is wrong becomes findings in plain words. Text that came out of a reference becomes the
 * type that the schema wants, in `value`. Gives the keys of `value` below which something is wrong, `''` for the value itself: empty = valid.
 */
export function validateLanguage (schema: TSchema, value: unknown, place: ValidationPlace): ReadonlySet<string | number> {
  return validate(language, schema, value, place)
}

/** Validates the config of a plugin and fills its defaults in; `value` is changed, so it has to be a copy. False with findings. */
export function validatePluginConfig (schema: TSchema, value: unknown, place: ValidationPlace): boolean {
  return validate(ofPlugins, schema, value, place).size === 0
}

function validate (ajv: Ajv, schema: TSchema, value: unknown, { at, originals, findings }: ValidationPlace): ReadonlySet<string | number> {
  let check = compiled.get(schema)
  if (check === undefined) {
    check = ajv.compile(schema)
    compiled.set(schema, check)
  }
  // A second round sees the types that the first one asked for; a third what unions hid.
  for (let round = 0; round < 3; round++) {
    if (check(value)) return VALID
    if (originals.size === 0 || !coerceReferences(check.errors ?? [], value, originals)) break
  }
  const wrong = new Set<string | number>()
  for (const { path, ...finding } of explainErrors(check.errors ?? [], value, originals)) {
    wrong.add(path[0] ?? '')
    findings.add({ ...finding, path: [...at, ...path] })
  }
  return wrong
}

/** Turns texts that came out of references into what their schema wants; whether any changed. */
function coerceReferences (errors: readonly ErrorObject[], value: unknown, originals: Originals): boolean {
  let changed = false
  for (const { keyword, instancePath, data, params, parentSchema } of errors) {
    if (typeof data !== 'string' || !(keyword === 'type' || keyword === 'const' || keyword === 'enum' || keyword === 'pattern')) continue
    const path = readPointer(instancePath, value)
    const key = path.at(-1)
    const parent = valueAt(value, path.slice(0, -1)) as Record<string | number, unknown> | undefined
    if (key === undefined || parent === undefined || originals.get(parent)?.has(key) !== true) continue
    const { allowedValue, allowedValues = [allowedValue] } = params as { allowedValue?: unknown, allowedValues?: readonly unknown[] }
    const typed = coerce(data, keyword === 'const' || keyword === 'enum' ? allowedValues.map((one) => typeof one) : [parentSchema?.type].flat())
    if (typed === data) continue
    parent[key] = typed
    changed = true
  }
  return changed
}

function coerce (text: string, wanted: readonly unknown[]): unknown {
  if (wanted.includes('boolean') && (text === 'true' || text === 'false')) return text === 'true'
  if (wanted.includes('integer') && /^-?\d{1,16}$/.test(text)) return Number(text)
  if (wanted.includes('number') && /^-?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return Number(text)
  if (wanted.includes('null') && (text === '' || text === 'null')) return null
  return text
}

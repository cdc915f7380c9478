/** Validation errors in plain words: what was found, what is wanted, and an example. */
import type { ErrorObject } from 'ajv'
import { closest } from '../lib/closest.js'
import { found, type SchemaNode } from './describe-schema.js'
import { explainKeyword, type VerboseError } from './explain-keyword.js'
import { valueAt, type Draft } from './findings.js'
import { readPointer } from './json-pointer.js'
import type { Originals } from './references.js'

/** Findings for the errors of one validation; paths are below the validated value. */
export function explainErrors (errors: readonly ErrorObject[], value: unknown, originals: Originals): Draft[] {
  const explain = (group: readonly VerboseError[]): Draft[] => {
    const union = group.filter(({ keyword }) => keyword === 'anyOf').sort((a, b) => a.schemaPath.length - b.schemaPath.length)[0]
    if (union === undefined) return group.filter(({ keyword }) => keyword !== 'if').map(one)
    const inside = (error: VerboseError): boolean => error.schemaPath.startsWith(`${union.schemaPath}/`) && error.instancePath.startsWith(union.instancePath)
    const rest = explain(group.filter((error) => error !== union && !inside(error)))
    return [...explainUnion(union, group.filter(inside)), ...rest]
  }

  /** What is wrong with a value that fits none of several forms: of the form that it most looks like, if it looks like one. */
  const explainUnion = (union: VerboseError, inside: readonly VerboseError[]): Draft[] => {
    const branches = union.schema as readonly SchemaNode[]
    const data = union.data
    const errorsOf = (index: number): VerboseError[] => inside.filter(({ schemaPath }) => schemaPath.startsWith(`${union.schemaPath}/${index}/`))
    const candidates = branches.map((schema, index) => ({ schema, errors: errorsOf(index) }))
      .filter(({ errors }) => !errors.some(({ keyword, instancePath }) => instancePath === union.instancePath && (keyword === 'type' || keyword === 'const' || keyword === 'enum')))
    const keys = typeof data === 'object' && data !== null && !Array.isArray(data) ? Object.keys(data) : null
    if (keys === null || candidates.length < 2) {
      return candidates[0] === undefined ? [one({ ...union, keyword: 'type' })] : explain(candidates[0].errors)
    }
    const shared = (schema: SchemaNode): number => keys.filter((key) => Object.hasOwn(schema.properties ?? {}, key)).length
    const best = candidates.reduce((a, b) => shared(b.schema) > shared(a.schema) ? b : a)
    if (shared(best.schema) > 0) return explain(best.errors)
    const properties = Object.assign({}, ...candidates.map(({ schema }) => schema.properties ?? {})) as Record<string, SchemaNode>
    const wanted = { ...union, keyword: 'additionalProperties', parentSchema: { ...union.parentSchema, properties } }
    return keys.length === 0 ? [one({ ...union, keyword: 'type' })] : keys.map((key) => one({ ...wanted, params: { additionalProperty: key } }))
  }

  const one = (error: VerboseError): Draft => {
    const path = readPointer(error.instancePath, value)
    const parent = valueAt(value, path.slice(0, -1))
    const key = path.at(-1)
    const original = key === undefined || typeof parent !== 'object' || parent === null ? undefined : originals.get(parent)?.get(key)
    const name = path.findLast((part) => typeof part === 'string')
    const { below, ...words } = explainKeyword(error, found(error.data, name === undefined ? null : String(name), original))
    return below === null ? { path, ...words } : { path: [...path, below], onKey: true, ...words }
  }

  return explain(withoutMisspelt(errors as readonly VerboseError[]))
}

/** A key that is missing because it is misspelt is one slip: the misspelling says it. */
function withoutMisspelt (errors: readonly VerboseError[]): readonly VerboseError[] {
  const meant = new Set(errors.flatMap(({ keyword, instancePath, params, parentSchema }) => {
    if (keyword !== 'additionalProperties') return []
    return [`${instancePath} ${closest(String((params as { additionalProperty: unknown }).additionalProperty), Object.keys(parentSchema?.properties ?? {})) ?? ''}`]
  }))
  return errors.filter(({ keyword, instancePath, params }) => keyword !== 'required' || !meant.has(`${instancePath} ${String((params as { missingProperty: unknown }).missingProperty)}`))
}

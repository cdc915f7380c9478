import { Ajv, type ValidateFunction } from 'ajv'
import type { TSchema } from 'typebox'
import { oneSpelling, quantityOf } from '../lib/schema-types.js'
import type { SchemaNode } from './describe-schema.js'
import { isMap } from './raw.js'

/** Gives a value in its normal form; maps and lists are changed in place. */
type Step = (value: unknown) => unknown

interface Scope {
  readonly root: SchemaNode
  /** Whether a value fits the part of the schema at a JSON pointer. */
  fits (pointer: string, value: unknown): boolean
  /** The steps of what `$ref` names, by pointer and by whether defaults are missing there. */
  readonly referenced: Map<string, { step: Step | null }>
}

const compiled = new WeakMap<TSchema, Step | null>()

/**
 * The one form of what a plugin's config says: defaults filled in also inside of unions, which validators leave out, and durations, sizes and rates in
 * one spelling. Give it what the schema let through, with the other defaults in it; maps and lists are changed in place. What says the same for the
 * schema is equal then, and stays as it is when it comes here again.
 */
export function normalForm (schema: TSchema, value: unknown): unknown {
  let step = compiled.get(schema)
  if (step === undefined) compiled.set(schema, step = compileSchema(schema as unknown as SchemaNode))
  return step === null ? value : step(value)
}

function compileSchema (root: SchemaNode): Step | null {
  let ajv: Ajv | null = null
  const checks = new Map<string, ValidateFunction | undefined>()
  const scope: Scope = {
    root,
    fits (pointer, value) {
      // One of its own: two plugins may have a schema of one `$id`.
      ajv ??= new Ajv({ strict: false, validateSchema: false, validateFormats: false, meta: false, logger: false }).addSchema(root, 'config')
      if (!checks.has(pointer)) checks.set(pointer, ajv.getSchema(`config#${pointer}`))
      return checks.get(pointer)?.(value) === true
    },
    referenced: new Map()
  }
  return compile(root, '', false, scope)
}

/** What is to be done at a node; null = nothing. `bare`: nobody filled defaults in there. */
function compile (node: unknown, pointer: string, bare: boolean, scope: Scope): Step | null {
  if (!isNode(node)) return null
  const quantity = quantityOf(node)
  const steps = [
    quantity === null ? null : (value: unknown) => oneSpelling(quantity, value),
    typeof node.$ref === 'string' ? compileReference(node.$ref, bare, scope) : null,
    compileMap(node, pointer, bare, scope),
    compileList(node, pointer, bare, scope),
    ...branchesOf(node, 'allOf').map((branch, index) => compile(branch, `${pointer}/allOf/${index}`, bare, scope)),
    compileUnion(node, 'anyOf', pointer, scope),
    compileUnion(node, 'oneOf', pointer, scope),
    compileCondition(node, pointer, bare, scope)
  ].filter((step) => step !== null)
  const [first] = steps
  if (first === undefined || steps.length === 1) return first ?? null
  return (value) => steps.reduce((now, step) => step(now), value)
}

function compileMap (node: SchemaNode, pointer: string, bare: boolean, scope: Scope): Step | null {
  const named = Object.entries(node.properties ?? {}).flatMap(([key, schema]) => {
    const step = compile(schema, `${pointer}/properties/${toPart(key)}`, bare, scope)
    const missing = bare && isNode(schema) ? schema.default : undefined
    return step === null && missing === undefined ? [] : [{ key, step, missing }]
  })
  const patterns = Object.entries(node.patternProperties ?? {}).flatMap(([pattern, schema]) => {
    const step = compile(schema, `${pointer}/patternProperties/${toPart(pattern)}`, bare, scope)
    return [{ pattern: new RegExp(pattern, 'u'), step }]
  })
  const rest = compile(node.additionalProperties, `${pointer}/additionalProperties`, bare, scope)
  if (named.length === 0 && rest === null && patterns.every(({ step }) => step === null)) return null
  const known = new Set(Object.keys(node.properties ?? {}))
  return (value) => {
    if (!isMap(value)) return value
    const map = value as Record<string, unknown>
    for (const { key, step, missing } of named) {
      if (!Object.hasOwn(map, key) && missing !== undefined) map[key] = structuredClone(missing)
      if (step !== null && Object.hasOwn(map, key)) map[key] = step(map[key])
    }
    if (patterns.length === 0 && rest === null) return map
    for (const key of Object.keys(map)) {
      const matching = patterns.filter(({ pattern }) => pattern.test(key))
      for (const { step } of matching) if (step !== null) map[key] = step(map[key])
      if (rest !== null && matching.length === 0 && !known.has(key)) map[key] = rest(map[key])
    }
    return map
  }
}

function compileList (node: SchemaNode, pointer: string, bare: boolean, scope: Scope): Step | null {
  const key = Array.isArray(node.items) ? 'items' : 'prefixItems'
  const first = branchesOf(node, key).map((schema, index) => compile(schema, `${pointer}/${key}/${index}`, bare, scope))
  const restKey = key === 'items' ? 'additionalItems' : 'items'
  const rest = compile(node[restKey], `${pointer}/${restKey}`, bare, scope)
  if (rest === null && first.every((step) => step === null)) return null
  return (value) => {
    if (!Array.isArray(value)) return value
    const list: unknown[] = value
    list.forEach((entry, index) => {
      const step = index < first.length ? first[index] : rest
      if (step !== null && step !== undefined) list[index] = step(entry)
    })
    return list
  }
}

/** Of several forms that of the first which fits. With its defaults in it a value may fit another one that comes before: then that one's too. */
function compileUnion (node: SchemaNode, keyword: 'anyOf' | 'oneOf', pointer: string, scope: Scope): Step | null {
  const branches = branchesOf(node, keyword).map((branch, index) => ({ at: `${pointer}/${keyword}/${index}`, step: compile(branch, `${pointer}/${keyword}/${index}`, true, scope) }))
  if (branches.every(({ step }) => step === null)) return null
  return (value) => {
    let now = value
    for (let rounds = branches.length, last = branches.length; rounds > 0; rounds--) {
      const index = branches.findIndex(({ at }) => scope.fits(at, now))
      if (index < 0 || index === last) return now
      now = branches[index]?.step?.(now) ?? now
      last = index
    }
    return now
  }
}

function compileCondition (node: SchemaNode, pointer: string, bare: boolean, scope: Scope): Step | null {
  if (node.if === undefined) return null
  const then = compile(node.then, `${pointer}/then`, bare, scope)
  const otherwise = compile(node.else, `${pointer}/else`, bare, scope)
  if (then === null && otherwise === null) return null
  return (value) => (scope.fits(`${pointer}/if`, value) ? then : otherwise)?.(value) ?? value
}

/** What a reference names may hold itself: it is compiled once, and found when it is used. */
function compileReference (reference: string, bare: boolean, scope: Scope): Step | null {
  const target = findReference(reference, scope.root, '')
  if (target === null) return null
  const key = `${target.pointer} ${String(bare)}`
  const known = scope.referenced.get(key)
  if (known !== undefined) return (value) => known.step === null ? value : known.step(value)
  const made: { step: Step | null } = { step: null }
  scope.referenced.set(key, made)
  made.step = compile(target.node, target.pointer, bare, scope)
  return made.step
}

/** The part that `#`, `#/a/b` or an `$id` names. */
function findReference (reference: string, node: unknown, pointer: string): { node: SchemaNode, pointer: string } | null {
  if (reference === '#' && isNode(node)) return { node, pointer }
  if (reference.startsWith('#/')) {
    const target = reference.slice(2).split('/').reduce<unknown>((at, part) => (at as Readonly<Record<string, unknown>> | undefined)?.[fromPart(part)], node)
    return isNode(target) ? { node: target, pointer: reference.slice(1) } : null
  }
  if (typeof node !== 'object' || node === null) return null
  if (isNode(node) && (node.$id === reference || `#${String(node.$anchor)}` === reference)) return { node, pointer }
  for (const [key, inner] of Object.entries(node)) {
    const found = findReference(reference, inner, `${pointer}/${toPart(key)}`)
    if (found !== null) return found
  }
  return null
}

function branchesOf (node: SchemaNode, keyword: string): readonly unknown[] {
  const branches = node[keyword]
  return Array.isArray(branches) ? branches : []
}

function isNode (value: unknown): value is SchemaNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function toPart (key: string): string {
  return encodeURIComponent(key.replaceAll('~', '~0').replaceAll('/', '~1'))
}

function fromPart (part: string): string {
  return decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~')
}

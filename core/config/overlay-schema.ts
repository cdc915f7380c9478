import { Type, type TSchema } from 'typebox'
import type { SchemaNode } from './describe-schema.js'
import { FileSchema } from './schema.js'

/** A schema for a part of what `schema` describes: nothing is required, `null` deletes, and lists, which replace, stay whole. */
export function partialSchema (schema: SchemaNode): SchemaNode {
  if (schema.anyOf !== undefined) return { ...schema, anyOf: schema.anyOf.map(partialSchema) }
  if (schema.type !== 'object') return schema
  const { required: _, ...rest } = schema
  return {
    ...rest,
    ...(schema.properties === undefined ? {} : { properties: mapValues(schema.properties, nullable) }),
    ...(schema.patternProperties === undefined ? {} : { patternProperties: mapValues(schema.patternProperties, nullable) })
  }
}

function nullable (schema: SchemaNode): SchemaNode {
  const { title, description, examples, ...rest } = partialSchema(schema)
  const notes = Object.fromEntries(Object.entries({ title, description, examples }).filter(([, value]) => value !== undefined))
  return rest.anyOf === undefined ? { ...notes, anyOf: [{ ...notes, ...rest }, { type: 'null' }] } : { ...notes, ...rest, anyOf: [...rest.anyOf, { type: 'null' }] }
}

function mapValues (map: Readonly<Record<string, SchemaNode>>, change: (schema: SchemaNode) => SchemaNode): Record<string, SchemaNode> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}

const { include: _include, environments: _environments, ...properties } = FileSchema.properties

/** What an environment may say. */
export const OverlaySchema: TSchema = Type.Unsafe(partialSchema({ type: 'object', title: 'a map', additionalProperties: false, properties: properties as unknown as Record<string, SchemaNode> }))

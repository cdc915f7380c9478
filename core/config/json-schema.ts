/** One JSON Schema for a whole configuration file: what editors complete and explain with. */
import { EntryKeys } from './build-plugins.js'
import type { SchemaNode } from './describe-schema.js'
import { partialSchema } from './overlay-schema.js'
import type { Plugin } from '../plugin.js'
import type { Registry } from './registry.js'
import { FileSchema } from './schema.js'
import { QUANTITY } from '../lib/schema-types.js'
import { PLUGIN_LIST } from './schema-fields.js'

const ENTRY = '#/definitions/pluginEntry'
const REFERENCE = '#/definitions/reference'

/** An author's plugin, with its file relative to the folder of the configuration, `/` between names. */
export interface AuthoredSchema {
  readonly file: string
  readonly plugin: Plugin
}

/** The schema of configuration files (JSON Schema draft 7, self-contained), with the keys of every plugin of the registry and of authors' own. */
export function buildJsonSchema (registry: Registry, authored: readonly AuthoredSchema[] = []): Record<string, unknown> {
  const { environments, ...properties } = (FileSchema as unknown as SchemaNode).properties ?? {}
  const overlay = partialSchema({ type: 'object', additionalProperties: false, properties: without(properties, 'include') })
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Sluice configuration',
    type: 'object',
    additionalProperties: false,
    properties: {
      ...mapValues(properties, forEditors),
      environments: { title: environments?.title, description: environments?.description, type: 'object', additionalProperties: forEditors(overlay) }
    },
    definitions: {
      reference: {
        title: 'a reference',
        description: '`"${NAME}"` or `"${NAME:-default}"` for an environment variable, `"${file:path}"` for the content of a file. The result becomes the type that is wanted here.',
        type: 'string',
        pattern: '\\$\\{.+\\}'
      },
      pluginEntry: pluginEntry(registry, authored)
    }
  }
}

function pluginEntry (registry: Registry, authored: readonly AuthoredSchema[]): SchemaNode {
  const plugins = [...registry.values()]
  const keys = mapValues(EntryKeys as unknown as Record<string, SchemaNode>, forEditors)
  const configs = Object.fromEntries(plugins.map(({ name, description, config }) => {
    const schema = forEditors(config as unknown as SchemaNode)
    return [name, { description, anyOf: [schema, { const: false, description: 'Removes it here.' }, { enum: [true, null], description: 'Without keys of its own.' }] }]
  }))
  const ofOwn = (use: SchemaNode, config: SchemaNode): SchemaNode => ({ type: 'object', additionalProperties: false, required: ['use'], properties: { use, config, ...keys } })
  const file = { type: 'string', minLength: 1, description: 'File of your own plugin; relative to this file.', examples: ['./plugins/mine.ts'] }
  const known = authored.map(({ file: path, plugin }) => ({ plugin, pattern: usePattern(path), example: `./${path}` }))
  return {
    title: 'a plugin',
    description: 'A name, or a map with the name and its keys; `use` for a plugin of your own.',
    anyOf: [
      ...plugins.map(({ name, description }) => ({ const: name, description })),
      { type: 'object', additionalProperties: false, minProperties: 1, not: { required: ['use'] }, properties: { ...configs, ...keys } },
      ...known.map(({ plugin, pattern, example }) => ofOwn(
        { ...file, description: plugin.description === '' ? file.description : plugin.description, pattern, examples: [example] },
        forEditors({ ...plugin.config as unknown as SchemaNode, description: `The keys of ${plugin.name}.` })
      )),
      ofOwn(
        known.length === 0 ? file : { ...file, not: { anyOf: known.map(({ pattern }) => ({ pattern })) } },
        { type: ['object', 'null'], description: 'The keys of your own plugin.' }
      )
    ]
  }
}

// A file is named from the folder of the file that uses it, so what comes first differs: the rest has to be the same.
function usePattern (file: string): string {
  const names = file.split('/').filter((name) => name !== '..')
  return `(^|/)${names.map((name) => name.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('/')}$`
}

/** Puts the plugins in, and lets a reference stand for every value that text alone would not do for. */
function forEditors (schema: SchemaNode): SchemaNode {
  const { [PLUGIN_LIST]: isPluginList, [QUANTITY]: _, ...node } = schema
  if (isPluginList === true) return { ...node, items: { $ref: ENTRY } }
  if (node.anyOf !== undefined) return { ...node, anyOf: node.anyOf.map(forEditors) }
  const types = [node.type ?? []].flat()
  const isScalar = types.length > 0 && !types.includes('object') && !types.includes('array') && !types.includes('null')
  if ((isScalar && (!types.includes('string') || node.pattern !== undefined || node.enum !== undefined)) || (node.type === undefined && node.enum !== undefined)) return orReference(node)
  const { required, ...rest } = node
  // A plugin fills its defaults in before it requires anything.
  const needed = required?.filter((key) => node.properties?.[key]?.default === undefined) ?? []
  return {
    ...rest,
    ...(needed.length === 0 ? {} : { required: needed }),
    ...(node.properties === undefined ? {} : { properties: mapValues(node.properties, forEditors) }),
    ...(node.patternProperties === undefined ? {} : { patternProperties: mapValues(node.patternProperties, forEditors) }),
    ...(typeof node.additionalProperties === 'object' ? { additionalProperties: forEditors(node.additionalProperties) } : {}),
    ...(node.items === undefined ? {} : { items: forEditors(node.items) })
  }
}

function orReference (node: SchemaNode): SchemaNode {
  const { title, description, default: fallback, examples, ...rule } = node
  const notes = Object.fromEntries(Object.entries({ title, description, default: fallback, examples }).filter(([, value]) => value !== undefined))
  return { ...notes, anyOf: [rule, { $ref: REFERENCE }] }
}

function mapValues (map: Readonly<Record<string, SchemaNode>>, change: (schema: SchemaNode) => SchemaNode): Record<string, SchemaNode> {
  return Object.fromEntries(Object.entries(map).map(([key, value]) => [key, change(value)]))
}

function without (map: Readonly<Record<string, SchemaNode>>, key: string): Record<string, SchemaNode> {
  return Object.fromEntries(Object.entries(map).filter(([name]) => name !== key))
}

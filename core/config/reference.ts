/** The reference of the config language in Markdown, made from the schema. */
import { EntryKeys } from './build-plugins.js'
import { expectation, write, type SchemaNode } from './describe-schema.js'
import type { Registry } from './registry.js'
import { FileSchema } from './schema.js'
import { PLUGIN_LIST } from './schema-fields.js'

interface Row { readonly key: string, readonly schema: SchemaNode, readonly required: boolean }

/** The reference: every key of the language and of every plugin, with what it takes, its default and what it does. */
export function buildReference (registry: Registry): string {
  const properties = (FileSchema as unknown as SchemaNode).properties ?? {}
  const lines = [
    '# Configuration reference',
    '',
    'Made from the schema by `npm run docs`; do not edit. Durations are written `500ms`, `30s`, `5m`, `1h`, `7d`; sizes `512b`, `64kb`, `1mb`, `2gb`',
    '(1 kb = 1024 bytes); rates `10/s`, `100/m`, `5/2s`. A text may hold `"${NAME}"`, `"${NAME:-default}"` or `"${file:path}"`, in quotes; `$${` is a',
    'literal `${`; projects that are kept in the store name secrets of it as `"${secret:NAME}"`. Unknown keys are errors. Keys in **bold** have to be given. [config-language.md](config-language.md) explains values, references, plugin lists,',
    'environments and includes; [routing.md](routing.md) which route wins.',
    ''
  ]
  for (const [key, schema] of Object.entries(properties)) {
    if (key === 'environments' || key === 'projects') continue
    lines.push(`## ${key}`, '', ...section(key, schema), '')
  }
  const [project] = Object.values(properties.projects?.patternProperties ?? {})
  lines.push('## projects', '', properties.projects?.description ?? '', '')
  for (const [key, schema] of Object.entries(project?.properties ?? {})) lines.push(`### projects.NAME.${key}`, '', ...section(`projects.NAME.${key}`, schema), '')
  lines.push('## environments', '', properties.environments?.description ?? '', '', 'An environment is chosen with `--env NAME` or `SLUICE_ENV`, and may hold every key above but `include`.', '')
  lines.push('## Plugin lists', '', ...pluginLists(), '', '## Plugins', '')
  for (const { name, description, stages, config } of [...registry.values()].sort((a, b) => a.name < b.name ? -1 : 1)) {
    lines.push(`### ${name}`, '', description, '', `Stage: ${stages.map((stage) => `\`${stage}\``).join(', ')}.`, '', ...table(rowsOf('', config as unknown as SchemaNode)), '')
  }
  return `${lines.join('\n').replace(/\n{3,}/g, '\n\n').trimEnd()}\n`
}

function pluginLists (): string[] {
  const keys = Object.entries(EntryKeys as unknown as Record<string, SchemaNode>).map(([key, schema]) => ({ key, schema, required: false }))
  return [
    'An entry of a `plugins` list is a name (`cors`), a map with the name and its keys (`{ request-size: { maxBody: 1mb } }`), or a plugin of your own',
    '(`{ use: ./plugins/mine.ts, config: { … } }`, relative to the file that names it). `{ NAME: false }` removes what an outer list put there;',
    'naming a plugin again replaces the outer one\'s config in its place. Beside the plugin an entry may have:',
    '',
    ...table(keys)
  ]
}

function section (key: string, schema: SchemaNode): string[] {
  const rows = rowsOf(key, schema)
  const takes = `${capital(taken(schema))}.${schema.default === undefined ? '' : ` Default: \`${write(schema.default)}\`.`}`
  return [schema.description ?? '', '', ...(rows.length === 0 ? [takes, ''] : []), ...table(rows)]
}

function table (rows: readonly Row[]): string[] {
  if (rows.length === 0) return []
  const line = (cells: readonly string[]): string => `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replace(/\s+/g, ' ')).join(' | ')} |`
  return [
    line(['key', 'takes', 'default', '']),
    line(['---', '---', '---', '---']),
    ...rows.map(({ key, schema, required }) => line([required ? `**\`${key}\`**` : `\`${key}\``, taken(schema), schema.default === undefined ? '' : `\`${write(schema.default)}\``, schema.description ?? '']))
  ]
}

/** Every key below a schema, depth first: lists as `[]`, names of the user's own as `NAME`. */
function rowsOf (prefix: string, schema: SchemaNode): Row[] {
  const below = (key: string): string => prefix === '' ? key : `${prefix}.${key}`
  const rows: Row[] = []
  for (const [key, property] of Object.entries(schema.properties ?? {})) {
    rows.push({ key: below(key), schema: property, required: property.default === undefined && schema.required?.includes(key) === true }, ...rowsOf(below(key), property))
  }
  for (const property of Object.values(schema.patternProperties ?? {})) {
    rows.push({ key: below('NAME'), schema: property, required: false }, ...rowsOf(below('NAME'), property))
  }
  if (typeof schema.additionalProperties === 'object') rows.push({ key: below('NAME'), schema: schema.additionalProperties, required: false }, ...rowsOf(below('NAME'), schema.additionalProperties))
  if (schema.items !== undefined && schema[PLUGIN_LIST] !== true) rows.push(...rowsOf(`${prefix}[]`, schema.items))
  // What one form of a value needs, another need not.
  for (const branch of schema.anyOf ?? []) rows.push(...rowsOf(prefix, branch).map((row) => ({ ...row, required: row.required && branch.required?.some((key) => row.key === below(key)) !== true })))
  // Two forms of one map may share keys.
  return rows.filter(({ key }, index) => rows.findIndex((other) => other.key === key) === index)
}

function taken (schema: SchemaNode): string {
  if (schema.enum !== undefined && schema.title === undefined) return schema.enum.map((one) => `\`${write(one)}\``).join(', ')
  if (schema.type === 'array' && schema.title === undefined && schema.items !== undefined) return `a list: ${expectation(schema.items)}`
  const range = schema.type === 'integer' && schema.minimum !== undefined && schema.maximum !== undefined ? `, ${schema.minimum} to ${schema.maximum}` : ''
  return `${expectation(schema)}${range}`
}

function capital (text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

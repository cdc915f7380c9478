import { test } from 'tap'
import { readdirSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { Ajv } from 'ajv'
import { QUANTITY } from '../../core/lib/schema-types.js'
import { STAGES } from '../../core/route.js'
import { testPlugin } from '../../core/testing.js'
import { plugins } from '../../plugins/index.js'

// dist/test/plugins/index.test.js: three levels up is the repository.
const folder = new URL('../../../plugins/', import.meta.url)

test('plugins: the registry lists them by stage, then by name', async (t) => {
  t.same(plugins.map((plugin) => `${plugin.stages[0]} ${plugin.name}`), [
    'edge compression',
    'edge cors',
    'edge debug',
    'edge ip-restriction',
    'edge request-size',
    'edge security-headers',
    'authenticate api-key',
    'transform headers',
    'upstream redirect',
    'upstream respond'
  ])
  const sorted = plugins.toSorted((a, b) => STAGES.indexOf(a.stages[0] ?? 'edge') - STAGES.indexOf(b.stages[0] ?? 'edge') || (a.name < b.name ? -1 : 1))
  t.same(plugins.map((plugin) => plugin.name), sorted.map((plugin) => plugin.name))
})

test('plugins: every folder is a plugin of that name in the registry, with a README', async (t) => {
  const folders = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory()).map((entry) => entry.name)
  t.same(plugins.map((plugin) => plugin.name).sort(), folders.sort())
  for (const name of folders) t.ok(readdirSync(new URL(`${name}/`, folder)).includes('README.md'), `${name} has a README`)
})

test('plugins: every key of every schema has a description and an example', async (t) => {
  for (const { name, description, config } of plugins) {
    t.ok(description.endsWith('.'), `${name} says what it does`)
    const { properties, additionalProperties } = config as { properties?: Record<string, { description?: string, examples?: unknown[] }>, additionalProperties?: boolean }
    t.equal(additionalProperties, false, `${name} refuses unknown keys`)
    for (const [key, schema] of Object.entries(properties ?? {})) {
      t.ok(schema.description, `${name}.${key} has a description`)
      t.ok(schema.examples?.length, `${name}.${key} has an example`)
    }
  }
})

test('plugins: no schema says what a validator would not heed', async (t) => {
  // Defaults inside of unions, which it would not, are filled in by what brings a config into its normal form.
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, keywords: [QUANTITY] })
  for (const { name, config } of plugins) t.doesNotThrow(() => ajv.compile(config), name)
})

/** Every use of a plugin in a YAML value: `name` or `name: config` in a list named `plugins`. */
function usesOf (value: unknown): [name: string, config: unknown][] {
  if (value === null || typeof value !== 'object') return []
  return Object.entries(value).flatMap(([key, child]): [string, unknown][] => {
    if (key !== 'plugins' || !Array.isArray(child)) return usesOf(child)
    return child.flatMap((use: unknown) => typeof use === 'string' ? [[use, {}] as [string, unknown]] : Object.entries(use as Record<string, unknown>))
  })
}

test('plugins: the examples of every README are valid', async (t) => {
  for (const plugin of plugins) {
    const readme = readFileSync(new URL(`${plugin.name}/README.md`, folder), 'utf8')
    const uses = [...readme.matchAll(/^```yaml[^\n]*\n([^]*?)^```/gm)].flatMap(([, yaml = '']) => usesOf(parse(yaml)))
    t.ok(uses.some(([name]) => name === plugin.name), `${plugin.name} has an example`)
    for (const [name, config] of uses) {
      const used = plugins.find((other) => other.name === name)
      if (used === undefined) continue
      await t.resolves(testPlugin(used, config).then(async (instance) => instance.close()), `${plugin.name}: an example of ${name}`)
    }
  }
})

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { test } from 'tap'
import { parse } from 'yaml'
import { buildJsonSchema } from '../../../core/config/json-schema.js'
import { buildReference } from '../../../core/config/reference.js'
import { buildRegistry } from '../../../core/config/registry.js'
import { definePlugin } from '../../../core/plugin.js'
import { Type } from 'typebox'
import { plugins } from '../../../plugins/index.js'
import { generatedDocs } from '../../../scripts/generated-docs.js'
import { TEST_REGISTRY } from '../../fixtures/load-config.js'

const read = (file: string): string => readFileSync(fileURLToPath(new URL(`../../../../${file}`, import.meta.url)), 'utf8')

test('json schema: the files in docs/ are what the schemas make of them (npm run docs)', (t) => {
  for (const [file, text] of generatedDocs()) t.ok(read(file) === text, `${file} is fresh`)
  t.end()
})

test('json schema: it is a valid schema without references to elsewhere, and says what every key is for', (t) => {
  const schema = buildJsonSchema(buildRegistry(plugins))
  const ajv = new Ajv({ strict: false })
  t.ok(ajv.validateSchema(schema), JSON.stringify(ajv.errors))
  const text = JSON.stringify(schema)
  t.same([...new Set([...text.matchAll(/"\$ref":"([^"]*)"/g)].map(([, target]) => target))].sort(), ['#/definitions/pluginEntry', '#/definitions/reference'])
  t.notMatch(text, /x-plugin-list/)
  const silent: string[] = []
  const visit = (node: unknown, at: string): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, property] of Object.entries((node as { properties?: Record<string, { description?: string }> }).properties ?? {})) {
      if ((property.description ?? '') === '') silent.push(`${at}.${key}`)
    }
    for (const [key, child] of Object.entries(node)) visit(child, `${at}.${key}`)
  }
  visit(schema, '')
  t.same(silent, [], 'no key without a description')
  t.end()
})

test('json schema: editors take what the loader takes, with references anywhere, and mark what is wrong', (t) => {
  const check = new Ajv({ strict: false }).compile(buildJsonSchema(TEST_REGISTRY))
  for (const good of [
    'listen: { port: "${PORT:-1}", keepRepeatedSlashes: "${X}", limits: { headers: "${T}" } }', 'workers: "${N}"', 'plugins: [ plain, { inspect: , id: a }, { rate-limit: false }, { use: ./x.ts, config: { any: [ 1 ] }, stage: edge } ]',
    'plugins: [ { rate-limit: { limits: [ { name: a, limit: "${L}" } ], most: "${M}" } } ]', 'environments: { e: { listen: { port: null, tls: null }, projects: { a: null, b: { routes: null, upstreams: { u: { targets: null } } } } } }'
  ]) t.ok(check(parse(good)), `${good}: ${JSON.stringify(check.errors?.[0])}`)
  for (const bad of [
    'lsten: {}', 'listen: { port: x }', 'plugins: [ plian ]', 'plugins: [ { plain: { a: 1 } } ]', 'plugins: [ { rate-limit: {} } ]', 'plugins: [ { plain: {}, lockd: true } ]', 'plugins: [ { use: ./x.ts, plain: {} } ]', 'plugins: [ {} ]',
    'projects: { a: { routes: [ {} ] } }', 'projects: { "a b": {} }', 'environments: { e: { include: [] } }', 'environments: { e: { listen: { port: x } } }'
  ]) t.notOk(check(parse(bad)), bad)
  t.end()
})

test('json schema: the reference names every key of the language and of each plugin', (t) => {
  const text = buildReference(TEST_REGISTRY)
  for (const piece of ['`listen.limits.bodyRate`', '**`projects.NAME.routes[].match`**', '`projects.NAME.upstreams.NAME.timeouts.connect` | a duration | `"5s"`', '### rate-limit', '**`limits[].limit`** | a rate', '`most` | a whole number | `10`', '## environments']) t.ok(text.includes(piece), piece)
  t.notMatch(text, /undefined|\[object/)
  t.end()
})

test('json schema: a registry takes each name once, and none that means something else', (t) => {
  const plugin = (name: string) => definePlugin({ name, stage: 'edge', config: Type.Object({}), create: () => ({}) })
  t.throws(() => buildRegistry([plugin('a'), plugin('a')]), /two plugins are called "a" \(rename one\)/)
  t.throws(() => buildRegistry([plugin('use')]), /can not be called "use"/)
  t.end()
})

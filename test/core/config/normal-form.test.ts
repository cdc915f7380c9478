import assert from 'node:assert/strict'
import fc from 'fast-check'
import { test } from 'tap'
import { Type, type TSchema } from 'typebox'
import { createFindingList } from '../../../core/config/findings.js'
import { normalForm } from '../../../core/config/normal-form.js'
import { validatePluginConfig } from '../../../core/config/validate.js'
import { Duration, Rate, Size } from '../../../core/lib/schema-types.js'
import { plugins } from '../../../plugins/index.js'
import { valid } from '../../fixtures/schema-arbitrary.js'

/** A config as a load has it: valid, with its defaults, in its normal form. */
function loaded (schema: TSchema, config: unknown): unknown {
  const value = structuredClone(config)
  const findings = createFindingList()
  assert.ok(validatePluginConfig(schema, value, { at: [], originals: new Map(), findings }), JSON.stringify([config, findings.items]))
  return normalForm(schema, value)
}

const Retry = Type.Object({ times: Type.Optional(Type.Integer({ default: 3 })), wait: Type.Optional(Duration({ default: '1000ms' })) }, { additionalProperties: false })
const closed = { additionalProperties: false }

const CASES: [title: string, schema: TSchema, equal: unknown[], form: unknown][] = [
  ['a default inside of a union', Type.Object({ retry: Type.Union([Type.Literal(false), Retry], { default: {} }) }, closed), [{}, { retry: {} }, { retry: { wait: '1s' } }, { retry: { times: 3, wait: '0.0166666666m' } }], { retry: { times: 3, wait: '1s' } }],
  ['the branch that was chosen', Type.Object({ retry: Type.Union([Type.Literal(false), Retry], { default: {} }) }, closed), [{ retry: false }], { retry: false }],
  ['a union of unions, in a list', Type.Object({ all: Type.Array(Type.Union([Type.String(), Type.Union([Type.Null(), Retry])])) }, closed), [{ all: ['60s', null, {}] }, { all: ['60s', null, { times: 3 }] }], { all: ['60s', null, { times: 3, wait: '1s' }] }],
  ['a quantity in a union', Type.Object({ ttl: Type.Union([Type.Literal('never'), Duration()]) }, closed), [{ ttl: '60s' }, { ttl: '1m' }], { ttl: '1m' }],
  ['quantities by name', Type.Object({ limits: Type.Record(Type.String({ pattern: '^[a-z]+$' }), Rate(), closed), sizes: Type.Record(Type.String(), Size(), { default: {} }) }, closed), [{ limits: { a: '10/1s', b: '5/60s' }, sizes: { x: 1024 } }, { sizes: { x: '1kb' }, limits: { b: '5/m', a: '10/s' } }], { limits: { a: '10/s', b: '5/m' }, sizes: { x: '1kb' } }],
  ['a tuple', Type.Object({ pair: Type.Tuple([Duration(), Size()]) }, closed), [{ pair: ['60s', 2048] }], { pair: ['1m', '2kb'] }],
  ['an intersection', Type.Object({ both: Type.Intersect([Type.Object({ a: Duration() }), Type.Object({ b: Size() })]) }, closed), [{ both: { a: '120s', b: 1024 } }], { both: { a: '2m', b: '1kb' } }],
  ['a map in a map, and a default of a default', Type.Object({ a: Type.Union([Type.Null(), Type.Object({ b: Type.Optional(Type.Object({ c: Type.Optional(Size({ default: 1024 })) }, { default: {} })) })], { default: {} }) }, closed), [{}, { a: {} }, { a: { b: {} } }, { a: { b: { c: '1024b' } } }], { a: { b: { c: '1kb' } } }],
  ['a schema by hand, with references', Type.Unsafe({ type: 'object', properties: { tree: { $ref: '#/$defs/node' } }, $defs: { node: { type: 'object', properties: { ttl: { type: 'string', 'x-quantity': 'duration' }, below: { type: 'array', items: { $ref: '#/$defs/node' } }, 'a/b~c': { oneOf: [{ type: 'boolean' }, { type: 'object', properties: { on: { type: 'boolean', default: true } } }] } } } } }), [{ tree: { ttl: '60s', below: [{ ttl: '3600s', 'a/b~c': {} }] } }], { tree: { ttl: '1m', below: [{ ttl: '1h', 'a/b~c': { on: true } }] } }],
  ['one form, then another', Type.Unsafe({ type: 'object', properties: { kind: { type: 'string' } }, if: { properties: { kind: { const: 'time' } } }, then: { properties: { value: { type: 'string', 'x-quantity': 'duration' } } }, else: { properties: { value: { type: ['string', 'integer'], 'x-quantity': 'size' } } } }), [{ kind: 'time', value: '60s' }], { kind: 'time', value: '1m' }]
]

test('normal-form: what says the same is the same, whatever is left out and however it is spelled', (t) => {
  for (const [title, schema, equal, form] of CASES) {
    for (const config of equal) t.strictSame(loaded(schema, config), form, `${title}: ${JSON.stringify(config)}`)
    t.strictSame(loaded(schema, form), form, `${title}: stays as it is`)
  }
  t.end()
})

test('normal-form: what is no quantity keeps its spelling, and what can not be read its text', (t) => {
  const schema = Type.Object({ text: Type.String(), ttl: Duration(), list: Type.Array(Type.Unknown()) }, closed)
  t.strictSame(loaded(schema, { text: '60s', ttl: '99999999999999w', list: ['60s', { a: '60s' }] }), { text: '60s', ttl: '99999999999999w', list: ['60s', { a: '60s' }] })
  const union = Type.Object({ a: Type.Union([Type.Object({ b: Type.Optional(Type.Integer({ default: 1 })) }), Type.Null()]) })
  t.strictSame(normalForm(union, { a: 'fits none' }), { a: 'fits none' })
  t.end()
})

test('normal-form: of every plugin stays as it is and is valid, for any config that its schema takes', (t) => {
  for (const { name, config } of plugins) {
    fc.assert(fc.property(valid(config), (written) => {
      const once = loaded(config, written)
      assert.deepEqual(loaded(config, once), once)
      assert.deepEqual(JSON.parse(JSON.stringify(once)), once)
    }), { numRuns: 100 })
    t.pass(name)
  }
  t.end()
})

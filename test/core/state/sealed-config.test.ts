import { test } from 'tap'
import { createKeyRing } from '../../../core/state/key-ring.js'
import { newRingContent } from '../../../core/state/key-ring-text.js'
import type { Project, Sealed } from '../../../core/state/records.js'
import { createNamesSecret, openConfig, sealConfig } from '../../../core/state/sealed-config.js'
import { CONFIG_PLACE, placeOf, SEALED_FIELDS } from '../../../core/state/sealed-fields.js'
import { records } from '../../fixtures/directory.js'

const content = newRingContent()
const ring = createKeyRing(() => content)
const naming = (name: string): Record<string, unknown> => ({ plugins: [{ headers: { request: { set: { a: `Bearer \${secret:${name}}` } } } }] })

test('sealed config: is opened as it was, for its account alone, and says nothing where it lies', (t) => {
  const config = { basePath: '/canary', routes: [{ id: 'ä\u{1f600}', match: { path: '/' } }], ['__proto__']: { odd: [1.5, null, true] } }
  const sealed = sealConfig(ring, 'acme', config)
  t.notMatch(sealed, 'canary')
  t.strictSame(JSON.stringify(openConfig(ring, { customer_id: 'acme', config: sealed })), JSON.stringify(config))
  t.not(sealConfig(ring, 'acme', config), sealed, 'what is the same does not show')
  t.equal(openConfig(ring, { customer_id: 'acme', config: null }), null)
  t.throws(() => openConfig(ring, { customer_id: 'umbrella', config: sealed }), { name: 'KeyRingError', reason: 'not_authentic' })
  t.throws(() => openConfig(ring, { customer_id: 'acme', config: ring.seal('acme', { collection: 'secrets', field: 'value' }, '{}') }), { name: 'KeyRingError', reason: 'not_authentic' }, 'nor is another sealed value one')
  t.throws(() => openConfig(ring, { customer_id: 'acme', config: '{}' as Sealed }), { name: 'KeyRingError', reason: 'not_sealed' })
  t.end()
})

test('sealed config: what the store would refuse is refused before it is sealed', (t) => {
  let deep: unknown = 1
  for (let level = 0; level < 70; level++) deep = [deep]
  for (const config of [{ a: NaN }, { a: '\ud800' }, { 'a\0': 1 }, { deep }, { large: 'x'.repeat(2 * 1024 * 1024) }]) t.throws(() => sealConfig(ring, 'acme', config), { name: 'InvalidValueError' })
  t.end()
})

test('sealed config: tells which secrets projects name, each opened once, and any where it can not be opened', (t) => {
  let opened = 0
  const namesSecret = createNamesSecret({ open: (...args) => { opened++; return ring.open(...args) } })
  const shop = records.project('shop', { config: sealConfig(ring, 'acme', naming('TOKEN')) })
  t.same(['TOKEN', 'TOKE', 'OTHER', 'TOKEN'].map((name) => namesSecret(shop, name)), [true, false, false, true])
  t.equal(opened, 1)
  const next: Project = { ...shop, config: sealConfig(ring, 'acme', naming('OTHER')) }
  t.same(['TOKEN', 'OTHER'].map((name) => namesSecret(next, name)), [false, true])
  t.equal(namesSecret(records.project('short'), 'TOKEN'), false)
  t.equal(namesSecret({ ...shop, config: 'plain' as Sealed }, 'TOKEN'), true, 'nobody goes by it')
  t.end()
})

test('sealed config: every sealed field has a place of its own, but that a version has its project\'s', (t) => {
  t.equal(placeOf('config_versions', 'config'), CONFIG_PLACE)
  for (const [collection, fields] of Object.entries(SEALED_FIELDS)) {
    if (collection !== 'config_versions') for (const [field, place] of Object.entries(fields)) t.same(place, { collection, field })
  }
  for (const [collection, field] of [['projects', 'target_url'], ['accounts', 'name'], ['credentials', 'toString']] as const) t.equal(placeOf(collection, field), null)
  t.end()
})

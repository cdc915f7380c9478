import { createSecretKey, randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { createKeyRing, keyIdOf, KeyRingError, type KeyRing, type RingContent, type RingKey, type RingKeys } from '../../../core/state/key-ring.js'
import type { Sealed } from '../../../core/state/records.js'

const PLACE = { collection: 'credentials', field: 'secret' }
const CANARY = 'canary-3f9a61c0-secret'

function ringKey (id: string): RingKey {
  return { id, createdAt: '2026-11-26T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }
}

function kind (...keys: readonly RingKey[]): RingKeys {
  return { active: keys.at(-1)!.id, keys }
}

function contentOf (...ids: readonly string[]): RingContent {
  return { encryption: kind(...ids.map((id) => ringKey(`e${id}`))), peppers: kind(...ids.map((id) => ringKey(`p${id}`))) }
}

function ringOf (content: RingContent): KeyRing {
  return createKeyRing(() => content)
}

/** The refusal of `act`, which must show nothing of the canary however it is printed. */
function refusalOf (t: Test, act: () => unknown): KeyRingError {
  try {
    act()
  } catch (error) {
    if (!(error instanceof KeyRingError)) throw error
    t.notMatch(`${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}${error.stack}`, CANARY)
    return error
  }
  throw new Error('it was not refused')
}

test('key-ring: opens what it sealed, whatever text, tenant and place', (t) => {
  const ring = ringOf(contentOf('1'))
  const text = fc.string({ unit: 'binary' })
  fc.assert(fc.property(text, text, text, text, (plaintext, customerId, collection, field) => {
    const sealed = ring.seal(customerId, { collection, field }, plaintext)
    return ring.open(customerId, { collection, field }, sealed) === Buffer.from(plaintext).toString() && ring.seal(customerId, { collection, field }, plaintext) !== sealed
  }), { numRuns: 500 })
  t.end()
})

test('key-ring: opens a value for no other tenant, collection or field, also where their names run together the same', (t) => {
  const ring = ringOf(contentOf('1'))
  const names = fc.tuple(fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }), fc.string({ maxLength: 4 }))
  fc.assert(fc.property(names, names, ([customerId, collection, field], [otherId, otherCollection, otherField]) => {
    fc.pre(customerId !== otherId || collection !== otherCollection || field !== otherField)
    const sealed = ring.seal(customerId, { collection, field }, CANARY)
    return refusalOf(t, () => ring.open(otherId, { collection: otherCollection, field: otherField }, sealed)).reason === 'not_authentic'
  }), { numRuns: 200 })
  const sealed = ring.seal('ab', { collection: 'c', field: 'd' }, CANARY)
  t.match(refusalOf(t, () => ring.open('a', { collection: 'bc', field: 'd' }, sealed)), { reason: 'not_authentic' })
  t.match(refusalOf(t, () => ring.open('ab', { collection: 'cd', field: '' }, sealed)), { reason: 'not_authentic', message: /cd\. was changed, or was sealed for another tenant or place/ })
  t.end()
})

test('key-ring: notices every character that is changed, left out, doubled or added', (t) => {
  const ring = ringOf(contentOf('1'))
  const sealed = ring.seal('acme', PLACE, CANARY)
  const forged: string[] = [`${sealed}A`, `${sealed}=`, `${sealed}\n`, ` ${sealed}`, '', sealed.slice(0, 12), 'sealed1.e1.AAAA', CANARY]
  for (let at = 0; at < sealed.length; at++) {
    const before = sealed.slice(0, at)
    const after = sealed.slice(at + 1)
    for (const other of 'ABab01-_.') if (other !== sealed[at]) forged.push(`${before}${other}${after}`)
    forged.push(`${before}${after}`, `${before}${sealed[at]}${sealed[at]}${after}`)
    if (at > 0) forged.push(before)
  }
  for (const value of new Set(forged)) {
    if (value === sealed) continue
    refusalOf(t, () => ring.open('acme', PLACE, value as Sealed))
  }
  const [, , text = ''] = sealed.split('.')
  const bytes = Buffer.from(text, 'base64url')
  for (let at = 0; at < bytes.length; at++) {
    for (let bit = 0; bit < 8; bit++) {
      const changed = Buffer.from(bytes)
      changed[at]! ^= 1 << bit
      t.equal(refusalOf(t, () => ring.open('acme', PLACE, `sealed1.e1.${changed.toString('base64url')}` as Sealed)).reason, 'not_authentic')
    }
  }
  t.equal(ring.open('acme', PLACE, sealed), CANARY)
  t.end()
})

test('key-ring: seals with the active key, opens with older ones, and knows which values are due', (t) => {
  const content = contentOf('1', '2')
  const old = ringOf({ ...content, encryption: { ...content.encryption, active: 'e1' } })
  const ring = ringOf(content)
  const sealed = old.seal('acme', PLACE, CANARY)
  t.equal(keyIdOf(sealed), 'e1')
  t.equal(old.needsRotation(sealed), false)
  t.equal(ring.needsRotation(sealed), true)
  t.equal(ring.open('acme', PLACE, sealed), CANARY)
  t.equal(ring.needsRotation(ring.seal('acme', PLACE, CANARY)), false)
  const alone = ringOf({ ...content, encryption: kind(content.encryption.keys[1]!) })
  t.match(refusalOf(t, () => alone.open('acme', PLACE, sealed)), { reason: 'unknown_key', message: /^the key ring has no key e1: / })
  const namesake = ringOf({ ...content, encryption: kind(ringKey('e1')) })
  t.match(refusalOf(t, () => namesake.open('acme', PLACE, sealed)), { reason: 'not_authentic', message: /by another key that was called e1$/ })
  t.match(refusalOf(t, () => ring.needsRotation(CANARY as Sealed)), { reason: 'not_sealed' })
  t.end()
})

test('key-ring: takes up what is added while it runs, and asks for it only where that can matter', (t) => {
  const content = contentOf('1', '2')
  const before: RingContent = { encryption: kind(content.encryption.keys[0]!), peppers: kind(content.peppers.keys[0]!) }
  let now = before
  let loads = 0
  const ring = createKeyRing(() => { loads++; return now })
  const elsewhere = ringOf(content)
  const sealed = elsewhere.seal('acme', PLACE, CANARY)
  const digest = elsewhere.digest(CANARY)
  t.equal(ring.verify(CANARY, digest), false)
  t.match(refusalOf(t, () => ring.open('acme', PLACE, sealed)), { reason: 'unknown_key' })
  now = content
  t.equal(ring.open('acme', PLACE, sealed), CANARY)
  t.equal(ring.verify(CANARY, digest), true)
  t.equal(keyIdOf(ring.seal('acme', PLACE, CANARY)), 'e2')
  const asked = loads
  for (let i = 0; i < 10; i++) ring.verify(CANARY, digest)
  for (let i = 0; i < 10; i++) ring.open('acme', PLACE, sealed)
  t.equal(loads, asked)
  t.end()
})

test('key-ring: a digest names its pepper, and holds for its own text alone', (t) => {
  const content = contentOf('1', '2')
  const ring = ringOf(content)
  t.match(ring.digest('a'), { digest: /^[A-Za-z0-9_-]{43}$/, pepper_id: 'p2' })
  t.match(ring.digest('a', 'p1'), { pepper_id: 'p1' })
  t.not(ring.digest('a', 'p1').digest, ring.digest('a').digest)
  t.match(refusalOf(t, () => ring.digest(CANARY, 'gone')), { reason: 'unknown_key', message: /no pepper gone/ })
  t.equal(ring.verify('a', { digest: ring.digest('a').digest, pepper_id: 'gone' }), false)
  for (const digest of ['', 'A', ring.digest('a').digest.slice(1), `${ring.digest('a').digest}AAAA`]) t.equal(ring.verify('a', { digest, pepper_id: 'p2' }), false)
  fc.assert(fc.property(fc.string(), fc.string(), fc.constantFrom('p1', 'p2'), (text, other, pepper) => {
    const digest = ring.digest(text, pepper)
    return ring.verify(text, digest) && ring.verify(other, digest) === (other === text) && !ring.verify(text, { ...digest, pepper_id: pepper === 'p1' ? 'p2' : 'p1' })
  }))
  t.end()
})

test('key-ring: its digest is HMAC-SHA-256 as RFC 4231 has it', (t) => {
  // Test case 2, its key "Jefe" filled up with zeros, which HMAC does anyway.
  const key = createSecretKey(Buffer.concat([Buffer.from('Jefe'), Buffer.alloc(28)]))
  const ring = ringOf({ ...contentOf('1'), peppers: kind({ id: 'p1', createdAt: '', key }) })
  t.equal(Buffer.from(ring.digest('what do ya want for nothing?').digest, 'base64url').toString('hex'), '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843')
  t.end()
})

test('key-ring: printing a ring or its content shows no key', (t) => {
  const content = contentOf('1')
  const shown = `${inspect(content, { depth: 9, showHidden: true })}${JSON.stringify(content)}${inspect(ringOf(content), { depth: 9, showHidden: true })}`
  for (const { key } of [...content.encryption.keys, ...content.peppers.keys]) {
    for (const encoding of ['base64', 'base64url', 'hex'] as const) t.notMatch(shown, key.export().toString(encoding))
  }
  t.end()
})

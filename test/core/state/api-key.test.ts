import { crc32 } from 'node:zlib'
import fc from 'fast-check'
import { test } from 'tap'
import { createAdminToken, createApiKey, createHmacSecret, isHmacSecret, parseAdminToken, parseApiKey } from '../../../core/state/api-key.js'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** The number that 6 characters of base 62 stand for. */
function numberOf (checksum: string): number {
  return [...checksum].reduce((sum, char) => sum * 62 + ALPHABET.indexOf(char), 0)
}

test('api-key: a key is its mode, 178 random bits and their CRC-32, and says how it is looked up', (t) => {
  for (const mode of ['live', 'test'] as const) {
    const { text, prefix } = createApiKey(mode)
    t.match(text, new RegExp(`^ak_${mode}_[0-9A-Za-z]{36}$`))
    t.equal(prefix, text.slice(0, 16))
    t.equal(numberOf(text.slice(-6)), crc32(text.slice(0, -6)), 'so that others can check it offline')
    t.strictSame(parseApiKey(text), { mode, prefix })
  }
  t.match(createApiKey().text, /^ak_live_/)
  t.ok(30 * Math.log2(62) >= 160)
  t.end()
})

test('api-key: admin tokens and HMAC secrets are alike, and none is taken for another', (t) => {
  const key = createApiKey().text
  const { text: token, prefix } = createAdminToken()
  const secret = createHmacSecret()
  t.match(token, /^st_[0-9A-Za-z]{36}$/)
  t.strictSame(parseAdminToken(token), { prefix })
  t.equal(prefix, token.slice(0, 11))
  t.match(secret, /^sk_[0-9A-Za-z]{49}$/)
  t.ok(43 * Math.log2(62) >= 256)
  t.equal(isHmacSecret(secret), true)
  for (const other of [token, secret]) t.equal(parseApiKey(other), null)
  for (const other of [key, secret]) t.equal(parseAdminToken(other), null)
  for (const other of [key, token]) t.equal(isHmacSecret(other), false)
  t.end()
})

test('api-key: every changed, missing, doubled, added or swapped character is noticed', (t) => {
  for (const text of [createApiKey().text, createApiKey('test').text]) {
    for (let at = 0; at < text.length; at++) {
      const before = text.slice(0, at)
      const after = text.slice(at + 1)
      for (const other of `${ALPHABET}_-. \0\u{e9}\u{1f511}`) {
        if (other !== text[at] && parseApiKey(`${before}${other}${after}`) !== null) t.fail(`${text} with ${other} at ${at}`)
      }
      if (parseApiKey(`${before}${after}`) !== null || parseApiKey(`${before}${text[at]}${text[at]}${after}`) !== null) t.fail(`${text} at ${at}`)
      const next = text[at + 1]
      if (next !== undefined && next !== text[at] && parseApiKey(`${before}${next}${text[at]}${text.slice(at + 2)}`) !== null) t.fail(`${text} swapped at ${at}`)
    }
    const otherMode = text.startsWith('ak_live_') ? 'ak_test_' : 'ak_live_'
    for (const other of [text.toUpperCase(), text.toLowerCase(), ` ${text}`, `${text}\n`, `${otherMode}${text.slice(8)}`]) t.equal(parseApiKey(other), null)
  }
  t.end()
})

test('api-key: whatever is sent as a key is read or refused, and long ones cost nothing', (t) => {
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => parseApiKey(text) === null && parseApiKey(`ak_live_${text}`) === null && parseAdminToken(`st_${text}`) === null && !isHmacSecret(`sk_${text}`)), { numRuns: 1_000 })
  const random = fc.string({ unit: fc.constantFrom(...ALPHABET), minLength: 36, maxLength: 36 })
  fc.assert(fc.property(random, (text) => (parseApiKey(`ak_live_${text}`) !== null) === (numberOf(text.slice(30)) === crc32(`ak_live_${text.slice(0, 30)}`))), { numRuns: 1_000 })
  const huge = `ak_live_${'A'.repeat(10_000_000)}`
  const start = process.hrtime.bigint()
  t.equal(parseApiKey(huge), null)
  t.ok(process.hrtime.bigint() - start < 50_000_000n)
  t.end()
})

test('api-key: its random characters are all equally likely, and no two keys are alike', (t) => {
  const counts = new Map<string, number>()
  const texts = new Set<string>()
  for (let i = 0; i < 5_000; i++) {
    const { text } = createApiKey()
    texts.add(text)
    for (const char of text.slice(8, 38)) counts.set(char, (counts.get(char) ?? 0) + 1)
  }
  t.equal(texts.size, 5_000)
  t.equal(counts.size, 62)
  // Chi-square with 61 degrees of freedom: above 140 once in ten million runs; a modulo bias of bytes gives about 4 000.
  const wanted = 150_000 / 62
  const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - wanted) ** 2 / wanted, 0)
  t.ok(chiSquare < 140, `${chiSquare}`)
  t.end()
})

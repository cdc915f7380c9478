import { test } from 'tap'
import { createSecretMatcher } from '../../../core/lib/secret-matcher.js'

test('secret-matcher: matches the secret and nothing else, of any length', async (t) => {
  const matches = createSecretMatcher('sat_0123456789')
  t.equal(matches('sat_0123456789'), true)
  for (const other of ['', 'sat_012345678', 'sat_01234567890', 'SAT_0123456789', ' sat_0123456789', 'x'.repeat(100_000), '\ud800']) t.equal(matches(other), false)
})

test('secret-matcher: an empty secret matches nothing', async (t) => {
  t.equal(createSecretMatcher('')(''), false)
})

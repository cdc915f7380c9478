import { test } from 'tap'
import { createFindingSet } from '../../core/finding-set.js'

test('finding set: keeps each finding once, and no more than anybody reads', (t) => {
  const set = createFindingSet()
  const one = { path: ['plugins', 0], message: 'wrong', remedy: 'mend it' }
  set.add([one, { ...one }, { ...one, path: ['plugins', 1] }, { ...one, message: 'wrong too' }])
  t.strictSame(set.items.map(({ path, message }) => [path, message]), [[['plugins', 0], 'wrong'], [['plugins', 1], 'wrong'], [['plugins', 0], 'wrong too']])
  t.equal(set.full, false)
  set.add(Array.from({ length: 2_000 }, (_, n) => ({ ...one, path: ['routes', n] })))
  t.strictSame([set.items.length, set.full], [1_000, true])
  t.end()
})

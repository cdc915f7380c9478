import { Ajv } from 'ajv'
import fc from 'fast-check'
import { test } from 'tap'
import { parseRate, RATE_PATTERN } from '../../../core/lib/rate.js'
import { Duration, Rate, Size } from '../../../core/lib/schema-types.js'
import { parseDuration, parseSize } from '../../../core/lib/units.js'

test('rate: a number per window, with or without a count of units', (t) => {
  for (const [text, limit, windowMs] of [['100/m', 100, 60_000], ['5/2s', 5, 2_000], ['1000/h', 1_000, 3_600_000], ['0/s', 0, 1_000], ['7/250ms', 7, 250], ['1/d', 1, 86_400_000], ['3/2w', 3, 1_209_600_000]] as const) {
    t.same(parseRate(text), { limit, windowMs }, text)
  }
  for (const text of ['', '100', '100/', '/m', '100/x', '-1/m', '1.5/m', '1/1.5m', '1 / m', '100/m ', '1e3/m', '100/M', `${'9'.repeat(16)}/s`]) {
    t.throws(() => parseRate(text), /^"?.*is not a rate \(write it like 10\/s, 100\/m, 1000\/h or 5\/2s\)$/, JSON.stringify(text))
  }
  t.throws(() => parseRate('5/0s'), /has a window of no length/)
  t.end()
})

test('rate: reads back what it is written as', (t) => {
  fc.assert(fc.property(fc.nat(), fc.integer({ min: 1, max: 999_999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd', 'w'), (limit, count, unit) => {
    const rate = parseRate(`${limit}/${count}${unit}`)
    return rate.limit === limit && rate.windowMs === parseDuration(`${count}${unit}`) && new RegExp(RATE_PATTERN).test(`${limit}/${count}${unit}`)
  }))
  t.end()
})

test('schema types: what the schemas let through, the functions read', (t) => {
  const ajv = new Ajv({ strict: true, allowUnionTypes: true })
  const duration = ajv.compile(Duration({ default: '1m', description: 'How long.' }))
  const size = ajv.compile(Size({ default: 4096 }))
  const rate = ajv.compile(Rate())
  fc.assert(fc.property(fc.oneof(fc.stringMatching(/^\d{1,4}(\.\d)?(ms|s|m|h|b|kb|mb|\/m|\/2s)?$/), fc.string(), fc.integer()), (value) => {
    const reads = (read: (value: never) => unknown): boolean => {
      try {
        read(value as never)
        return true
      } catch {
        return false
      }
    }
    return duration(value) === (typeof value === 'string' && reads(parseDuration)) && size(value) === reads(parseSize) && rate(value) === (typeof value === 'string' && reads(parseRate))
  }), { numRuns: 2_000 })
  t.match([Duration(), Size(), Rate()], [{ title: 'a duration' }, { title: 'a size' }, { title: 'a rate' }])
  t.equal(parseSize(4096), 4096)
  for (const wrong of [-1, 1.5, NaN, 2 ** 60]) t.throws(() => parseSize(wrong), /is not a size/)
  t.end()
})

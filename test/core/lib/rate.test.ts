import { Ajv } from 'ajv'
import fc from 'fast-check'
import { test } from 'tap'
import { formatRate, parseRate, RATE_PATTERN } from '../../../core/lib/rate.js'
import { Duration, oneSpelling, QUANTITY, quantityOf, Rate, Size } from '../../../core/lib/schema-types.js'
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
  const ajv = new Ajv({ strict: true, allowUnionTypes: true, keywords: [QUANTITY] })
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

test('schema types: a schema says of which quantity it is, and a quantity has one spelling', (t) => {
  t.same([Duration(), Size(), Rate(), { type: 'string', pattern: RATE_PATTERN }, { type: 'string' }].map(quantityOf), ['duration', 'size', 'rate', 'rate', null])
  const table: ['duration' | 'size' | 'rate', unknown, unknown][] = [
    ['duration', '60s', '1m'], ['duration', '1.5s', '1500ms'], ['duration', '0h', '0'], ['duration', '14d', '14d'], ['duration', '2w', '14d'],
    ['size', 1_048_576, '1mb'], ['size', '1024kb', '1mb'], ['size', '0.5kb', '512b'], ['size', 0, '0'], ['size', 1_000, '1000b'],
    ['rate', '10/s', '10/s'], ['rate', '10/1s', '10/s'], ['rate', '010/1000ms', '10/s'], ['rate', '100/60s', '100/m'], ['rate', '5/2s', '5/2s'], ['rate', '7/1w', '7/7d'],
    // What is none, and what can not be counted.
    ['rate', '1/0s', '1/0s'], ['duration', '99999999999999w', '99999999999999w'], ['duration', 60, 60], ['size', -1, -1], ['rate', null, null]
  ]
  for (const [quantity, value, spelled] of table) t.equal(oneSpelling(quantity, value), spelled, `${quantity} ${String(value)}`)
  fc.assert(fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 99_999_999 }), fc.constantFrom('ms', 's', 'm', 'h', 'd'), (limit, count, unit) => {
    const rate = parseRate(`${limit}/${count}${unit}`)
    const text = formatRate(rate)
    const again = parseRate(text)
    return new RegExp(RATE_PATTERN).test(text) && again.limit === rate.limit && again.windowMs === rate.windowMs && oneSpelling('rate', text) === text
  }))
  t.end()
})

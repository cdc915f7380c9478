import { test } from 'tap'
import fc from 'fast-check'
import { fitLine, median, medianOfRatios, quantile } from '../../bench/lib/stats.js'

test('stats: medians and quantiles of known samples', (t) => {
  t.equal(median([3, 1, 2]), 2)
  t.equal(median([4, 1, 3, 2]), 2.5)
  t.ok(Number.isNaN(median([])))
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i)
  t.equal(quantile(hundred, 0.5), 50)
  t.equal(quantile(hundred, 0.99), 99)
  t.equal(quantile(hundred, 1), 100)
  t.equal(quantile(hundred, 0), 1)
  t.equal(quantile([7], 0.99), 7)
  t.ok(Number.isNaN(quantile([], 0.5)))
  t.end()
})

test('stats: a quantile is one of the samples, and no more than its share lies below it', (t) => {
  fc.assert(fc.property(fc.array(fc.integer(), { minLength: 1 }), fc.double({ min: 0, max: 1, noNaN: true }), (samples, q) => {
    const value = quantile(samples, q)
    const below = samples.filter((sample) => sample < value).length
    return samples.includes(value) && below <= q * samples.length
  }))
  t.end()
})

test('stats: a ratio is taken round by round, so that a slow round does not count twice', (t) => {
  // The second round ran on a machine half as fast: both took twice as long, and their ratio says the same as ever.
  t.equal(medianOfRatios([20, 40, 20], [10, 20, 10]), 2)
  t.equal(medianOfRatios([20, 40], [10]), 2, 'what one list has more is left out')
  t.ok(Number.isNaN(medianOfRatios([], [1])))
  t.end()
})

test('stats: a line through points tells slope, start and how sure the slope is', (t) => {
  const exact = fitLine([0, 1, 2, 3], [5, 7, 9, 11])
  t.equal(exact.slope, 2)
  t.equal(exact.intercept, 5)
  t.equal(exact.slopeError, 0)
  // y = 1, 3, 2 at 0, 1, 2: slope 0.5, residuals -0.5, 1, -0.5; error sqrt(1.5 / 1 / 2).
  const rough = fitLine([0, 1, 2], [1, 3, 2])
  t.ok(Math.abs(rough.slope - 0.5) < 1e-12)
  t.ok(Math.abs(rough.slopeError - Math.sqrt(0.75)) < 1e-12)
  t.ok(Number.isNaN(fitLine([0, 1], [1, 2]).slopeError), 'two points fit any line')
  t.throws(() => fitLine([1, 1], [1, 2]), RangeError)
  t.end()
})

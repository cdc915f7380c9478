/** Statistics of small samples, as the benches print them. */

/** The value below which the share `q` (0 to 1) of the samples lies, nearest rank; NaN without samples. */
export function quantile (samples: readonly number[], q: number): number {
  if (samples.length === 0) return NaN
  const sorted = Float64Array.from(samples).sort()
  return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))] as number
}

/** The middle one, or the mean of the two in the middle; NaN without samples. */
export function median (samples: readonly number[]): number {
  if (samples.length === 0) return NaN
  const sorted = Float64Array.from(samples).sort()
  const half = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[half] as number : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2
}

/**
 * The median of `top[i] / bottom[i]`. Round by round, so that what slows a whole round down (another process, a hot machine) divides
 * out; a ratio of medians would compare one round's luck with another's. What either list has more than the other is left out.
 */
export function medianOfRatios (top: readonly number[], bottom: readonly number[]): number {
  const ratios: number[] = []
  for (let i = 0; i < Math.min(top.length, bottom.length); i++) ratios.push((top[i] as number) / (bottom[i] as number))
  return median(ratios)
}

/** A straight line through points, by least squares. */
export interface Line {
  slope: number
  intercept: number
  /** Standard error of the slope: twice of it to either side holds the true one 19 times of 20. NaN for less than three points. */
  slopeError: number
}

/** Fits a line. Throws RangeError for less than two different `xs`. */
export function fitLine (xs: readonly number[], ys: readonly number[]): Line {
  const n = Math.min(xs.length, ys.length)
  const meanX = mean(xs.slice(0, n))
  const meanY = mean(ys.slice(0, n))
  let sxx = 0
  let sxy = 0
  for (let i = 0; i < n; i++) {
    const dx = (xs[i] as number) - meanX
    sxx += dx * dx
    sxy += dx * ((ys[i] as number) - meanY)
  }
  if (!(sxx > 0)) throw new RangeError('a line needs two different places')
  const slope = sxy / sxx
  const intercept = meanY - slope * meanX
  let residual = 0
  for (let i = 0; i < n; i++) residual += ((ys[i] as number) - intercept - slope * (xs[i] as number)) ** 2
  return { slope, intercept, slopeError: n < 3 ? NaN : Math.sqrt(residual / (n - 2) / sxx) }
}

function mean (values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

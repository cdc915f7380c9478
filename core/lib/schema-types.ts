/** TypeBox schemas for what people write with a unit. What they let through is text: the functions named at each turn it into numbers. */
import { Type, type TString, type TStringOptions, type TUnsafe } from 'typebox'
import { formatRate, parseRate, RATE_PATTERN } from './rate.js'
import { DURATION_PATTERN, formatDuration, formatSize, parseDuration, parseSize, SIZE_PATTERN } from './units.js'

/** What a value with a unit is of. */
export type Quantity = 'duration' | 'size' | 'rate'

/** The keyword by which a schema says which quantity its value is. */
export const QUANTITY = 'x-quantity'

const PATTERNS: Readonly<Record<string, Quantity>> = { [DURATION_PATTERN]: 'duration', [SIZE_PATTERN]: 'size', [RATE_PATTERN]: 'rate' }
const FORMATS: Readonly<Record<Quantity, (value: string | number) => string>> = {
  duration: (value) => formatDuration(parseDuration(String(value))),
  size: (value) => formatSize(parseSize(value)),
  rate: (value) => formatRate(parseRate(String(value)))
}

/** A duration such as `30s`. Read it with `parseDuration`. */
export function Duration (options: TStringOptions = {}): TString {
  return Type.String({ title: 'a duration', examples: ['500ms', '30s', '5m', '1h'], ...options, pattern: DURATION_PATTERN, [QUANTITY]: 'duration' })
}

/** A size such as `1mb`, or a whole number of bytes. Read it with `parseSize`. */
export function Size (options: Omit<TStringOptions, 'default'> & { default?: string | number } = {}): TUnsafe<string | number> {
  return Type.Unsafe<string | number>({ title: 'a size', examples: ['64kb', '1mb', 4096], ...options, type: ['string', 'integer'], pattern: SIZE_PATTERN, minimum: 0, [QUANTITY]: 'size' })
}

/** A rate such as `100/m`. Read it with `parseRate`. */
export function Rate (options: TStringOptions = {}): TString {
  return Type.String({ title: 'a rate', examples: ['10/s', '100/m', '5/2s'], ...options, pattern: RATE_PATTERN, [QUANTITY]: 'rate' })
}

/** Which quantity a schema is of: by the keyword, or by the pattern where it was written by hand; null = none. */
export function quantityOf (schema: object): Quantity | null {
  const { [QUANTITY]: named, pattern } = schema as { readonly [QUANTITY]?: unknown, readonly pattern?: unknown }
  if (named === 'duration' || named === 'size' || named === 'rate') return named
  return typeof pattern === 'string' && Object.hasOwn(PATTERNS, pattern) ? PATTERNS[pattern] as Quantity : null
}

/** A quantity in its one spelling: `60s` is `1m`, 1048576 is `1mb`, `10/60s` is `10/m`. What can not be read stays as it is. */
export function oneSpelling (quantity: Quantity, value: unknown): unknown {
  if (typeof value !== 'string' && !(quantity === 'size' && typeof value === 'number')) return value
  try {
    return FORMATS[quantity](value)
  } catch {
    return value
  }
}

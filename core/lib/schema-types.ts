/** TypeBox schemas for what people write with a unit. What they let through is text: the functions named at each turn it into numbers. */
import { Type, type TString, type TStringOptions, type TUnsafe } from 'typebox'
import { RATE_PATTERN } from './rate.js'
import { DURATION_PATTERN, SIZE_PATTERN } from './units.js'

/** A duration such as `30s`. Read it with `parseDuration`. */
export function Duration (options: TStringOptions = {}): TString {
  return Type.String({ title: 'a duration', examples: ['500ms', '30s', '5m', '1h'], ...options, pattern: DURATION_PATTERN })
}

/** A size such as `1mb`, or a whole number of bytes. Read it with `parseSize`. */
export function Size (options: Omit<TStringOptions, 'default'> & { default?: string | number } = {}): TUnsafe<string | number> {
  return Type.Unsafe<string | number>({ title: 'a size', examples: ['64kb', '1mb', 4096], ...options, type: ['string', 'integer'], pattern: SIZE_PATTERN, minimum: 0 })
}

/** A rate such as `100/m`. Read it with `parseRate`. */
export function Rate (options: TStringOptions = {}): TString {
  return Type.String({ title: 'a rate', examples: ['10/s', '100/m', '5/2s'], ...options, pattern: RATE_PATTERN })
}

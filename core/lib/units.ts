/** Durations and sizes as people write them in YAML: `30s`, `1mb`. */

const MS_PER: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }
const BYTES_PER: Readonly<Record<string, number>> = { b: 1, kb: 1024, mb: 1024 ** 2, gb: 1024 ** 3 }

/** What a duration looks like, as a regular expression for JSON Schema: a number with a unit (ms, s, m, h, d, w), or 0. */
export const DURATION_PATTERN = '^(0|\\d+(\\.\\d+)?(ms|s|m|h|d|w))$'

/** What a size looks like, as a regular expression for JSON Schema: a number with a unit (b, kb, mb, gb; 1 kb = 1024 b), or 0. */
export const SIZE_PATTERN = '^(0|\\d+(\\.\\d+)?(b|kb|mb|gb))$'

/** A duration in milliseconds, rounded: `'1.5s'` is 1500. Throws TypeError for what DURATION_PATTERN does not match. */
export function parseDuration (text: string): number {
  return parse(text, DURATION_PATTERN, MS_PER, 'a duration (write it like 500ms, 30s, 5m, 1h or 7d)')
}

/** A size in bytes, rounded: `'1mb'` is 1048576, a whole number is bytes already. Throws TypeError for what SIZE_PATTERN does not match. */
export function parseSize (size: string | number): number {
  if (typeof size === 'string') return parse(size, SIZE_PATTERN, BYTES_PER, 'a size (write it like 512b, 64kb, 1mb or 2gb)')
  if (!Number.isSafeInteger(size) || size < 0) throw new TypeError(`${size} is not a size (write a whole number of bytes, or one with a unit like 64kb)`)
  return size
}

/** A duration as `parseDuration` reads it, in the largest unit that needs no fraction: 90 000 is `90s`, 0 is `0`. */
export function formatDuration (ms: number): string {
  const [unit, each] = Object.entries(MS_PER).findLast(([name, one]) => name !== 'w' && ms % one === 0) ?? ['ms', 1]
  return ms === 0 ? '0' : `${ms / each}${unit}`
}

/** A size as `parseSize` reads it, in the largest unit that needs no fraction: 1 048 576 is `1mb`, 0 is `0`. */
export function formatSize (bytes: number): string {
  const [unit, each] = Object.entries(BYTES_PER).findLast(([, one]) => bytes % one === 0) ?? ['b', 1]
  return bytes === 0 ? '0' : `${bytes / each}${unit}`
}

function parse (text: string, pattern: string, units: Readonly<Record<string, number>>, kind: string): number {
  if (!new RegExp(pattern).test(text)) throw new TypeError(`"${text}" is not ${kind}`)
  if (text === '0') return 0
  const unit = /[a-z]+$/.exec(text)?.[0] ?? ''
  const value = Math.round(Number(text.slice(0, -unit.length)) * (units[unit] as number))
  // Beyond this, adding one does nothing any more.
  if (!Number.isSafeInteger(value)) throw new TypeError(`"${text}" is too large`)
  return value
}

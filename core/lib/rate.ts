/** Rates as people write them in YAML: `100/m`, `5/2s`. */
import { formatDuration, parseDuration } from './units.js'

/** A rate: so many in each window. */
export interface Rate {
  readonly limit: number
  readonly windowMs: number
}

/** What a rate looks like, as a regular expression for JSON Schema: a whole number, a slash, and a duration whose number may be left out when it is 1. */
export const RATE_PATTERN = '^\\d{1,15}/(\\d{1,9})?(ms|s|m|h|d|w)$'

/** A rate: `'100/m'` is 100 in 60 000 ms, `'5/2s'` 5 in 2 000 ms. Throws TypeError for what RATE_PATTERN does not match, and for an empty window. */
export function parseRate (text: string): Rate {
  if (!new RegExp(RATE_PATTERN).test(text)) throw new TypeError(`"${text}" is not a rate (write it like 10/s, 100/m, 1000/h or 5/2s)`)
  const slash = text.indexOf('/')
  const window = text.slice(slash + 1)
  const windowMs = parseDuration(/^\d/.test(window) ? window : `1${window}`)
  if (windowMs === 0) throw new TypeError(`"${text}" has a window of no length (write it like 100/m)`)
  return { limit: Number(text.slice(0, slash)), windowMs }
}

/** A rate as `parseRate` reads it, with its window in the largest unit that needs no fraction: 100 in 60 000 ms is `100/m`. */
export function formatRate ({ limit, windowMs }: Rate): string {
  return `${limit}/${formatDuration(windowMs).replace(/^1(?=\D)/, '')}`
}

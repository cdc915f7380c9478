/**
 * The one normal form of a request path (RFC 3986 section 6.2.2): what is matched, what plugins see, what is forwarded.
 *
 * - unreserved characters (section 2.3) are decoded, every other escape stays, its hex upper-cased
 * - dot segments are resolved, written `%2e` too; repeated slashes are merged unless they are kept
 * - characters that a path can not hold but that clients send (`"<>[]^{|}` and the backtick) are escaped
 * - `%2F` and `%5C` are never decoded: `hasEncodedSlash` finds them
 *
 * What can not be brought into it without guessing is invalid.
 */

const SLASH = 0x2f
const DOT = 0x2e
const PERCENT = 0x25
// From here on letters are lower-case.
const LOWER = 0x61

// What a character of a raw path is.
const PLAIN = 0
const SPECIAL = 1
const ESCAPE = 2
const INVALID = 3

const KIND = new Uint8Array(256).fill(INVALID)
const UNRESERVED = new Uint8Array(256)
// Sub-delims, ":" and "@": allowed raw in a segment, yet not the same as their escapes (RFC 3986 section 2.2).
const RESERVED = new Uint8Array(256)
for (const char of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~') UNRESERVED[char.charCodeAt(0)] = 1
for (const char of "!$&'()*+,;=:@") RESERVED[char.charCodeAt(0)] = 1
for (let code = 0; code < 128; code++) if (UNRESERVED[code] === 1 || RESERVED[code] === 1) KIND[code] = PLAIN
for (const char of '/.%') KIND[char.charCodeAt(0)] = SPECIAL
for (const char of '"<>[]^`{|}') KIND[char.charCodeAt(0)] = ESCAPE

const HEX = new Uint8Array(256).fill(255)
for (let digit = 0; digit < 16; digit++) {
  HEX[digit.toString(16).charCodeAt(0)] = digit
  HEX[digit.toString(16).toUpperCase().charCodeAt(0)] = digit
}

/**
 * The normal form of a raw path (without its query), or null for one that is invalid; `pathProblem` says why.
 * Going above the root is invalid, not clamped as RFC 3986 section 5.2.4 would: clients resolve dot segments before they send,
 * so only somebody who is looking for a way out sends it. Escaped control characters are invalid too: an upstream would decode them
 * into its logs and headers. A path that is in normal form already is returned as it is, after one scan and without an allocation.
 */
export function normalizePath (raw: string, keepRepeatedSlashes: boolean): string | null {
  if (raw.charCodeAt(0) !== SLASH) return null
  const length = raw.length
  let afterSlash = true
  for (let i = 1; i < length; i++) {
    const code = raw.charCodeAt(i)
    if (code > 127) return null
    const kind = KIND[code]
    if (kind === PLAIN) {
      afterSlash = false
      continue
    }
    if (kind === INVALID) return null
    if (code === SLASH) {
      if (afterSlash && !keepRepeatedSlashes) return rebuild(raw, keepRepeatedSlashes)
      afterSlash = true
      continue
    }
    if (code !== DOT || (afterSlash && beginsDotSegment(raw, i))) return rebuild(raw, keepRepeatedSlashes)
    afterSlash = false
  }
  return raw
}

/** What is wrong with a raw path that `normalizePath` refuses, without a full stop; `''` for a valid one. */
export function pathProblem (raw: string): string {
  if (raw.charCodeAt(0) !== SLASH) return 'the path does not begin with "/"'
  const problem = spellingProblem(raw) ?? resolve(spell(raw), false)
  return problem.charCodeAt(0) === SLASH ? '' : problem
}

/** Whether a path in normal form holds a slash or backslash in its escaped form. */
export function hasEncodedSlash (path: string): boolean {
  return path.includes('%2F') || path.includes('%5C')
}

/**
 * A path in normal form with the escapes of `!$&'()*+,;=:@` decoded: what routes compare. RFC 3986 keeps `%3A` and `:` apart, so the
 * normal form does, but nearly every upstream reads both as one: a route must not be missed by writing the other.
 * The number of segments stays the same.
 */
export function decodeReserved (path: string): string {
  let at = path.indexOf('%')
  if (at === -1) return path
  let text = ''
  let from = 0
  for (; at !== -1; at = path.indexOf('%', at + 3)) {
    const value = escapeAt(path, at)
    if (value < 0 || RESERVED[value] === 0) continue
    text += path.slice(from, at) + String.fromCharCode(value)
    from = at + 3
  }
  return from === 0 ? path : text + path.slice(from)
}

function beginsDotSegment (path: string, at: number): boolean {
  const next = path.charCodeAt(at + 1) === DOT ? at + 2 : at + 1
  return next >= path.length || path.charCodeAt(next) === SLASH
}

function rebuild (raw: string, keepRepeatedSlashes: boolean): string | null {
  if (spellingProblem(raw) !== null) return null
  const resolved = resolve(spell(raw), keepRepeatedSlashes)
  return resolved.charCodeAt(0) === SLASH ? resolved : null
}

// The byte that an escape stands for, or -1.
function escapeAt (text: string, at: number): number {
  const high = HEX[text.charCodeAt(at + 1)] ?? 255
  const low = HEX[text.charCodeAt(at + 2)] ?? 255
  return high > 15 || low > 15 ? -1 : high * 16 + low
}

function spellingProblem (raw: string): string | null {
  // UTF-8 (RFC 3629): how many more bytes the character needs, and between what the next one must lie. The bounds keep out overlong
  // forms, surrogates and what lies above U+10FFFF.
  let missing = 0
  let least = 0x80
  let most = 0xbf
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i)
    if (code !== PERCENT) {
      if (missing > 0) return 'the path holds an escape that is not valid UTF-8'
      if (code > 127) return 'the path holds a character that must be percent-encoded'
      if (code === 0x5c) return 'the path holds a backslash'
      if (code < 0x20 || code === 0x7f) return 'the path holds a control character'
      if (KIND[code] === INVALID) return `the path holds ${code === 0x20 ? 'a space' : `"${raw.charAt(i)}"`}, which must be percent-encoded`
      continue
    }
    const value = escapeAt(raw, i)
    if (value < 0) return 'the path holds "%" without two hex digits'
    if (value < 0x20 || value === 0x7f) return 'the path holds an escaped control character'
    i += 2
    if (missing > 0) {
      if (value < least || value > most) return 'the path holds an escape that is not valid UTF-8'
      missing--
      least = 0x80
      most = 0xbf
    } else if (value >= 0x80) {
      if (value < 0xc2 || value > 0xf4) return 'the path holds an escape that is not valid UTF-8'
      missing = value < 0xe0 ? 1 : value < 0xf0 ? 2 : 3
      if (value === 0xe0) least = 0xa0
      else if (value === 0xed) most = 0x9f
      else if (value === 0xf0) least = 0x90
      else if (value === 0xf4) most = 0x8f
    }
  }
  return missing > 0 ? 'the path holds an escape that is not valid UTF-8' : null
}

// Each character in its one spelling. The path is known to be valid.
function spell (raw: string): string {
  let text = ''
  let from = 0
  for (let i = 0; i < raw.length; i++) {
    const code = raw.charCodeAt(i)
    if (code === PERCENT) {
      const value = escapeAt(raw, i)
      i += 2
      if (UNRESERVED[value] === 0 && raw.charCodeAt(i - 1) < LOWER && raw.charCodeAt(i) < LOWER) continue
      text += raw.slice(from, i - 2) + (UNRESERVED[value] === 1 ? String.fromCharCode(value) : raw.slice(i - 2, i + 1).toUpperCase())
    } else if (KIND[code] === ESCAPE) {
      text += `${raw.slice(from, i)}%${code.toString(16).toUpperCase()}`
    } else continue
    from = i + 1
  }
  return from === 0 ? raw : text + raw.slice(from)
}

const TO_RESOLVE = /\/[/.]/

// Dot segments and repeated slashes (RFC 3986 section 5.2.4); what has no such form gives, instead of a path, what is wrong with it. Merging
// comes first: `/a//../b` is `/b`. When slashes are kept, an upstream may still merge them, so the depth is counted as if they were merged.
function resolve (path: string, keepRepeatedSlashes: boolean): string {
  if (!TO_RESOLVE.test(path)) return path
  const parts = path.split('/')
  const kept: string[] = []
  let depth = 0
  for (let i = 1; i < parts.length; i++) {
    const part = parts[i] as string
    const last = i === parts.length - 1
    if (part === '..') {
      if (--depth < 0) return 'the path goes above the root'
      // `/a%2Fb/..` is `/` to who reads one segment in front of the dots, and `/a/` to who reads two.
      if (hasEncodedSlash(kept.pop() ?? '')) return 'a dot segment of the path takes back an encoded slash or backslash'
    } else if (part !== '.' && part !== '') {
      depth++
      kept.push(part)
      continue
    } else if (part === '' && keepRepeatedSlashes && !last) kept.push('')
    if (last) kept.push('')
  }
  return `/${kept.join('/')}`
}

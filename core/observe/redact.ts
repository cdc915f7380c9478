/** Decides by name what a log must not show, and masks it in queries and paths. A value too many masked beats one that leaks. */

/** What stands in a log for a value that must not be there. */
export const REDACTED = '[redacted]'

/** Always redacted, with every name that holds one of the telling words below (`client_secret`, `X-Amz-Signature`, `user[password]`). */
export const ALWAYS_REDACTED: readonly string[] = [
  'authorization', 'cookie', 'set-cookie', 'proxy-authorization', 'x-api-key', 'api_key', 'apikey', 'access_token', 'token', 'key', 'secret', 'password', 'signature'
]

const TELLING_ANYWHERE = /token|secret|passw|signature|apikey|authorization|cookie|credential|bearer|jwt/
const TELLING_WORD = /(?:^|[^a-z0-9])(?:keys?|auth|pwd|sig|sid|session|otp|passphrase)(?:[^a-z0-9]|$)/
// What the gateway makes itself (keys, their secrets, tokens) tells by its form, where no name does: `/orders/ak_live_…`.
const OWN_SECRET = /(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))((?:ak_live|ak_test|sk|st)_(?=[A-Za-z0-9]{24})|sat_(?=[\w-]{24}))[\w-]+/g
// Quicker to decide by, and true of hardly any target.
const MAY_BE_OWN = /(?:live|test|sk|st|sat)_[\w-]{24}/
const MAX_CACHED = 2000
const MAX_CACHED_LENGTH = 64
const AMPERSAND = 0x26
const SEMICOLON = 0x3b
const SLASH = 0x2f
const EQUALS = 0x3d

/** Tells and masks secrets by name. */
export interface Redactor {
  /** Whether values of this header, query key or field must not be shown. Takes it in any case, percent-encoded or not. */
  isSecret (name: string): boolean
  /** A query (without `?`) with the values of secret keys masked, and keys and tokens of the gateway's own whatever names them; the rest byte for byte. */
  query (query: string): string
  /** A path with the values of secret matrix parameters (`;token=…`) masked, and keys and tokens of the gateway's own. */
  path (path: string): string
}

/** Makes a redactor for these names beside those that are always redacted. */
export function createRedactor (names: readonly string[]): Redactor {
  const exact = new Set([...ALWAYS_REDACTED, ...names].map((name) => name.toLowerCase()))
  const known = new Map<string, boolean>()

  const decide = (name: string): boolean => {
    const decoded = decode(name)
    const lower = decoded.toLowerCase()
    if (exact.has(lower)) return true
    if (TELLING_ANYWHERE.test(lower.replace(/[^a-z0-9]+/g, ''))) return true
    const words = decoded.replace(/([a-z0-9])([A-Z])/g, '$1-$2').replace(/([A-Z])([A-Z][a-z])/g, '$1-$2').toLowerCase()
    return TELLING_WORD.test(words)
  }

  const isSecret = (name: string): boolean => {
    if (name.length > MAX_CACHED_LENGTH) return decide(name)
    let secret = known.get(name)
    if (secret === undefined) {
      secret = decide(name)
      if (known.size >= MAX_CACHED) known.clear() // names come from clients: they must not fill memory
      known.set(name, secret)
    }
    return secret
  }

  /** A value that is itself a URL, a query or JSON: `next=%2Fcb%3Ftoken%3Dabc`. */
  const holdsSecret = (value: string): boolean => {
    if (!/[=:]|%3[ad]|%25/i.test(value)) return false
    const text = decode(decode(value))
    for (const [, name] of text.matchAll(/([\w.[\]-]{1,100})["']?\s*[=:]/g)) if (isSecret(name as string)) return true
    return false
  }

  const maskPair = (pair: string, equals: number, inPath: boolean): string => {
    if (equals === -1) return !inPath && isSecret(pair) ? REDACTED : pair
    const name = pair.slice(0, equals)
    if (isSecret(name)) return `${/%(?:25)*3d/i.test(name) ? REDACTED : name}=${REDACTED}`
    return holdsSecret(pair.slice(equals + 1)) ? `${name}=${REDACTED}` : pair
  }

  const maskPairs = (text: string, from: number, inPath: boolean): string => {
    let masked = text.slice(0, from)
    let copied = from
    let start = from
    let equals = -1
    for (let i = from; i <= text.length; i++) {
      const code = i === text.length ? AMPERSAND : text.charCodeAt(i)
      if (code === EQUALS && equals === -1) equals = i
      if (code !== AMPERSAND && code !== SEMICOLON && (code !== SLASH || !inPath)) continue
      if (i > start) {
        const pair = text.slice(start, i)
        const shown = maskPair(pair, equals === -1 ? -1 : equals - start, inPath)
        if (shown !== pair) {
          masked += text.slice(copied, start) + shown
          copied = i
        }
      }
      start = i + 1
      equals = -1
    }
    return copied === from ? text : masked + text.slice(copied)
  }

  return {
    isSecret,
    query: (query) => query === '' ? query : maskOwn(maskPairs(query, 0, false)),
    path: (path) => {
      const at = path.indexOf(';')
      return maskOwn(at === -1 ? path : maskPairs(path, at + 1, true))
    }
  }
}

function maskOwn (text: string): string {
  return text.length > 24 && text.includes('_') && MAY_BE_OWN.test(text) ? text.replace(OWN_SECRET, `$1${REDACTED}`) : text
}

function decode (text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch {
    // Invalid UTF-8: what is ASCII in it still decides.
    return spaced.replace(/%([0-7][0-9a-f])/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)))
  }
}

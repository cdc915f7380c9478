/** What must not be shown of a configuration. */
import { isMap, type Raw, type RawMap } from './raw.js'
import type { Originals } from './references.js'

const SECRET_WORDS = new Set(['secret', 'secrets', 'token', 'tokens', 'password', 'passwd', 'passphrase', 'key', 'keys', 'apikey', 'authorization', 'credential', 'credentials', 'cookie'])
const MASK = '***'

/** Whether the text under a key is a secret, going by the last word of its name: `clientSecret`, `x-api-key`, but not `keyFile`. */
export function isSecretKey (key: string): boolean {
  const last = /[A-Za-z][a-z]*$|[A-Z]+$/.exec(key)?.[0] ?? ''
  return SECRET_WORDS.has(last.toLowerCase()) || SECRET_WORDS.has(key.toLowerCase())
}

/** A text as it may be shown: without the user and password of an address, and as a mask where its key says that it is a secret. */
export function showText (text: string, key: string | null, original: string | undefined): string {
  const secret = key !== null && isSecretKey(key)
  if (original !== undefined) return secret ? original.replace(/:-[^}]*\}/g, `:-${MASK}}`) : hideUserInfo(original)
  return secret && text !== '' ? MASK : hideUserInfo(text)
}

function hideUserInfo (text: string): string {
  return text.includes('@') ? text.replace(/(\b[a-z][a-z0-9+.-]*:\/\/)[^/?#\s@]*(?:@[^/?#\s@]*)*@/gi, `$1${MASK}@`) : text
}

/** A value as it may be shown: references as they were written, secrets masked. Shares what needs no change. */
export function redact (value: Raw, originals: Originals): Raw {
  return redactUnder(value, null, originals, undefined)
}

function redactUnder (value: Raw, key: string | null, originals: Originals, original: string | undefined): Raw {
  if (original !== undefined) return showText('', key, original)
  if (typeof value === 'string') return showText(value, key, undefined)
  if (Array.isArray(value)) {
    const known = originals.get(value)
    let copy: Raw[] | null = null
    for (let index = 0; index < value.length; index++) {
      const before = value[index] as Raw
      const after = redactUnder(before, key, originals, known?.get(index))
      if (after !== before) (copy ??= [...value])[index] = after
    }
    return copy ?? value
  }
  if (!isMap(value)) return value
  const known = originals.get(value)
  let copy: RawMap | null = null
  for (const name of Object.keys(value)) {
    const before = value[name] as Raw
    const after = redactUnder(before, name, originals, known?.get(name))
    if (after !== before) (copy ??= { ...value })[name] = after
  }
  return copy ?? value
}

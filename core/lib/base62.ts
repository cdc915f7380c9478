import { randomBytes } from 'node:crypto'

const ALPHABET = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

// The largest multiple of 62 that a byte can be below: what is left over would make the first characters likelier.
const EVEN = 248

/** That many random characters of `0-9 A-Z a-z`, each equally likely: 5.95 bits of randomness a character. */
export function randomBase62 (length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length - text.length + 8)) {
      if (byte < EVEN && text.length < length) text += ALPHABET[byte % 62]
    }
  }
  return text
}

/** A whole number, 0 or more, in base 62, filled up with `0` on the left. */
export function toBase62 (value: number, length: number): string {
  let text = ''
  for (let rest = value; rest > 0; rest = Math.floor(rest / 62)) text = `${ALPHABET[rest % 62]}${text}`
  return text.padStart(length, '0')
}

/** Whether every character of a text is one of `0-9 A-Z a-z`; looks at all of them whatever they are. */
export function isBase62 (text: string): boolean {
  let wrong = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    wrong |= Number(!((code >= 48 && code <= 57) || (code >= 65 && code <= 90) || (code >= 97 && code <= 122)))
  }
  return wrong === 0
}

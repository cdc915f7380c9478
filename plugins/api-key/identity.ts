const PLAIN = /^[\x21-\x24\x26-\x7e]+(?: +[\x21-\x24\x26-\x7e]+)*$/

/**
 * A text as a header can carry it: what is not printable ASCII, `%` and spaces at the ends are percent-encoded as UTF-8, so that a name
 * neither breaks the field nor reads as another one.
 */
export function percentEncoded (text: string): string {
  if (PLAIN.test(text)) return text
  let encoded = ''
  const bytes = Buffer.from(text)
  for (const [at, byte] of bytes.entries()) {
    const plain = byte > 0x20 && byte < 0x7f && byte !== 0x25
    const inner = byte === 0x20 && at !== 0 && at !== bytes.length - 1
    encoded += plain || inner ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}

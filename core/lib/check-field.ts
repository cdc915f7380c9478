/** A character that no value of a field may hold. RFC 9110 section 5.5: CR, LF or NUL would split the message; no other control character is allowed either, and one character is one byte. */
export const FORBIDDEN_IN_VALUE = /[^\t\x20-\x7e\x80-\xff]/
/** What a token is (RFC 9110 section 5.6.2): the name of a field, a method. */
export const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Throws TypeError for a name that is no token, and for a value with a control character or one that latin1 does not have: neither can be written. */
export function checkField (name: string, value: string): void {
  checkValue(name, value)
  if (!TOKEN.test(name)) throw new TypeError(`"${name}" is not a header name`)
}

/** `checkField` for a name that is known to be one. */
export function checkValue (name: string, value: string): void {
  if (typeof value !== 'string') throw new TypeError(`the value of header "${name}" is not a text`)
  if (FORBIDDEN_IN_VALUE.test(value)) throw new TypeError(`the value of header "${name}" holds a control character (CR, LF, NUL) or one beyond latin1`)
}

/** What a JSON string may hold as it is and every terminal shows as it is: printable ASCII without quote and backslash. */
const NOT_PLAIN = /[^\x20\x21\x23-\x5b\x5d-\x7e]/

// Beside what JSON escapes: DEL and C1 controls (0x9b begins ANSI sequences), line separators, and what hides or reorders text.
const DECEIVING = /[\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g

/** Below this a loop beats a regular expression. */
const SHORT = 48

/**
 * A string as JSON that is safe to show: one line whatever is in it, and nothing that a terminal obeys. Lone surrogates are
 * escaped, so that it is valid UTF-8 in a file.
 */
export function jsonText (text: string): string {
  if (text.length > SHORT) return NOT_PLAIN.test(text) ? escapeText(text) : `"${text}"`
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return escapeText(text)
  }
  return `"${text}"`
}

/** The same for a text that is JSON already: what JSON leaves as it is and a terminal would obey is escaped. */
export function safeJson (json: string): string {
  return json.replace(DECEIVING, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

function escapeText (text: string): string {
  return safeJson(JSON.stringify(text))
}

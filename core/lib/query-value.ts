/**
 * The first value of parameter `name` in a raw query (without `?`), decoded as forms are (`+` is a space, RFC 3986 escapes as UTF-8),
 * or undefined where there is none. A value whose escapes are invalid comes back as it was sent.
 */
export function queryValue (query: string, name: string): string | undefined {
  let from = 0
  while (from < query.length) {
    let to = query.indexOf('&', from)
    if (to === -1) to = query.length
    let equals = query.indexOf('=', from)
    if (equals === -1 || equals > to) equals = to
    const key = query.slice(from, equals)
    if (key === name || decodeFormText(key) === name) return equals === to ? '' : decodeFormText(query.slice(equals + 1, to))
    from = to + 1
  }
  return undefined
}

/** Decodes form-encoded text; text with invalid escapes comes back unchanged. */
export function decodeFormText (text: string): string {
  const spaced = text.includes('+') ? text.replaceAll('+', ' ') : text
  return decodePercent(spaced)
}

/** Decodes percent escapes as UTF-8; text with invalid escapes comes back unchanged. */
export function decodePercent (text: string): string {
  if (!text.includes('%')) return text
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

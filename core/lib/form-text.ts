/** Decodes form-encoded text: `+` is a space, percent escapes are UTF-8. Text with invalid escapes comes back unchanged. */
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

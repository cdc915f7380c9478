/** How `types` entries look: `text/html`, `text/*`, `*+json`. */
export const TYPE_PATTERN = '^(?:[a-z0-9!#$&^_.+-]+/(?:\\*|[a-z0-9!#$&^_.+-]+)|\\*\\+[a-z0-9.-]+)$'

/** What gains from compression and is not compressed in itself. */
export const DEFAULT_TYPES: readonly string[] = [
  'text/*', '*+json', '*+xml', 'application/json', 'application/javascript', 'application/x-javascript', 'application/xml',
  'application/x-ndjson', 'application/wasm', 'application/vnd.ms-fontobject', 'font/otf', 'font/ttf', 'image/bmp'
]

const MAX_REMEMBERED = 200

/** Makes the function that says whether a Content-Type (parameters and all) is one of `patterns`. Answers are remembered by field value. */
export function typeMatcher (patterns: readonly string[]): (contentType: string) => boolean {
  const exact = new Set<string>()
  const prefixes: string[] = []
  const suffixes: string[] = []
  for (const pattern of patterns) {
    if (pattern.startsWith('*+')) suffixes.push(pattern.slice(1))
    else if (pattern.endsWith('/*')) prefixes.push(pattern.slice(0, -1))
    else exact.add(pattern)
  }
  const remembered = new Map<string, boolean>()
  return (contentType) => {
    const known = remembered.get(contentType)
    if (known !== undefined) return known
    const type = mediaType(contentType)
    const matches = exact.has(type) || prefixes.some((prefix) => type.startsWith(prefix)) || suffixes.some((suffix) => type.endsWith(suffix))
    if (remembered.size >= MAX_REMEMBERED) remembered.clear()
    remembered.set(contentType, matches)
    return matches
  }
}

/** Type and subtype of a Content-Type, lower-case. */
export function mediaType (contentType: string): string {
  const semicolon = contentType.indexOf(';')
  return (semicolon === -1 ? contentType : contentType.slice(0, semicolon)).trim().toLowerCase()
}

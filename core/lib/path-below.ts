const SLASH = 0x2f

/** Whether a path in normal form is this one, or below it by whole segments. */
export function isPathBelow (path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || prefix === '' || path.charCodeAt(prefix.length) === SLASH)
}

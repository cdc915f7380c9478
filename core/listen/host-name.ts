// RFC 9110 section 7.2 with RFC 3986 section 3.2.2, less user information and what no host name holds. `_` is common in practice.
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z.])?)(?::([0-9]{1,5}))?$/

const known = new Map<string, string>()
const MAX_KNOWN = 4096

/** The lower-case host name of a Host field (no port, no trailing dot), or null when it is not one. Repeated values come from a bounded cache. */
export function hostNameOf (authority: string): string | null {
  const cached = known.get(authority)
  if (cached !== undefined) return cached
  const match = authority.length > 261 ? null : AUTHORITY.exec(authority)
  if (match === null || (match[2] !== undefined && Number(match[2]) > 65_535)) return null
  const name = (match[1] as string).toLowerCase()
  const host = name.endsWith('.') ? name.slice(0, -1) : name
  if (host === '' || host.includes('..')) return null
  if (known.size < MAX_KNOWN) known.set(authority, host)
  return host
}

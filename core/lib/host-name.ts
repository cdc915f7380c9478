import { domainToASCII } from 'node:url'

/**
 * A host name as the gateway compares it: lower-case, without port, one trailing dot removed. IPv6 addresses keep their brackets.
 * A name that is in this form already is returned as it is.
 */
export function normalizeHost (host: string): string {
  const last = host.length - 1
  for (let i = 0; i <= last; i++) {
    const code = host.charCodeAt(i)
    if ((code > 0x40 && code < 0x5b) || code === 0x3a || (i === last && code === 0x2e)) return rebuild(host)
  }
  return host
}

function rebuild (host: string): string {
  const end = host.charCodeAt(0) === 0x5b ? host.indexOf(']') + 1 || host.length : host.indexOf(':')
  const name = (end === -1 ? host : host.slice(0, end)).toLowerCase()
  return name.endsWith('.') ? name.slice(0, -1) : name
}

// RFC 9110 section 7.2 with RFC 3986 section 3.2.2, less user information and what no host name holds. `_` is common in practice.
const AUTHORITY = /^(\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z](?:[0-9A-Za-z._-]*[0-9A-Za-z.])?)(?::([0-9]{1,5}))?$/

const known = new Map<string, string>()
const MAX_KNOWN = 4096

/** The name of a Host field in the form of `normalizeHost`, or null when the field is no valid one. Repeated values come from a bounded cache. */
export function hostNameOf (authority: string): string | null {
  const cached = known.get(authority)
  if (cached !== undefined) return cached
  const match = authority.length > 261 ? null : AUTHORITY.exec(authority)
  if (match === null || (match[2] !== undefined && Number(match[2]) > 65_535)) return null
  const host = normalizeHost(match[1] as string)
  if (host === '' || host.includes('..')) return null
  if (known.size < MAX_KNOWN) known.set(authority, host)
  return host
}

const LABEL = /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$/
const IPV6 = /^\[[0-9a-f:.]+\]$/

/** What is wrong with a host of a configuration (`shop.example.com`, `*.example.com`) and what to do about it, or null. */
export function hostProblem (pattern: string): { message: string, remedy: string } | null {
  const host = pattern.toLowerCase().replace(/\.$/, '')
  const wrong = (what: string, remedy: string): { message: string, remedy: string } => ({ message: `"${pattern}" ${what}`, remedy })
  if (host === '') return wrong('is not a host name', 'write a name like "shop.example.com", or leave hosts out for any')
  if (host === '*') return wrong('is not a host name', 'leave hosts out for any host')
  if (IPV6.test(host)) return null
  if (host.includes('/')) return wrong('is an address, not a host name', 'write the name alone, without scheme and path')
  if (host.includes(':')) return wrong('holds a port', 'write the name alone: hosts match on every port')
  const name = host.startsWith('*.') ? host.slice(2) : host
  if (name.includes('*')) return wrong('has a wildcard in the wrong place', 'a "*" stands alone, in front of the first dot: "*.example.com"')
  if (/[^\0-\x7f]/.test(name)) return wrong('is not in ASCII', `write "${host.slice(0, host.length - name.length)}${domainToASCII(name)}"`)
  if (host.length > 253 || !name.split('.').every((label) => label.length < 64 && LABEL.test(label))) {
    return wrong('is not a host name', 'use letters, digits and hyphens between single dots')
  }
  return null
}

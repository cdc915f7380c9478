import { createHash } from 'node:crypto'
import ipaddr from 'ipaddr.js'
import { compileCidrs } from './cidr.js'
import { readAddress } from './ip-address.js'

/** Where what tenants name may lead: their upstreams, and whatever else the gateway calls for them. */
export interface Egress {
  /** The same for the same rules: what stands apart by it must not be shared. */
  readonly key: string
  /** Whether an IP address may be connected to. False for what is no address. */
  allows (address: string): boolean
}

/** Public by their numbers, and answered by the machine that the gateway runs on: Azure's WireServer hands out credentials. */
const METADATA_ON_PUBLIC_ADDRESSES: ReadonlySet<string> = new Set(['168.63.129.16'])

/**
 * Whether an address belongs to the internet at large. Loopback, private, shared (CGNAT), link-local with the clouds' metadata services,
 * multicast, documentation and benchmark networks do not, nor do IPv6 addresses that carry an IPv4 one (NAT64, 6to4, Teredo, compatible):
 * where these lead depends on who translates them. An IPv4-mapped address counts as the IPv4 address.
 */
export function isPublicAddress (address: string): boolean {
  // Not for ipaddr.js to decide: it takes the short and octal forms of inet_aton, which no socket reports.
  if (readAddress(address) === 0) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast') return false
  // RFC 4291 section 2.4 and IANA's registry: global unicast is 2000::/3, all the rest is reserved or has a meaning of its own.
  return parsed.kind() === 'ipv6' ? ((parsed as ipaddr.IPv6).parts[0] as number) >>> 13 === 1 : !METADATA_ON_PUBLIC_ADDRESSES.has(parsed.toString())
}

/**
 * Compiles what operators allow beside public addresses (CIDR blocks). `own` are the addresses of this machine, which are refused like
 * loopback: the gateway's own ports listen there. Throws TypeError with the remedy for a wrong entry.
 */
export function compileEgress (allow: readonly string[], own: readonly string[] = []): Egress {
  const isAllowed = compileCidrs(allow)
  const isOwn = compileCidrs(own)
  return {
    key: createHash('sha256').update(JSON.stringify([allow, own])).digest('base64url'),
    allows: (address) => isAllowed(address) || (isPublicAddress(address) && !isOwn(address))
  }
}

/** Nothing but public addresses. */
export const PUBLIC_ONLY: Egress = compileEgress([])

const REMEDY = 'name a server that the internet can reach, or ask the operator to add its network to egress.allow'

/**
 * What is wrong with an address (URL) that a tenant names, as far as its text tells, and what to do about it; null = nothing. A name may
 * still lead to a forbidden address: that is decided where it is resolved, at each connection.
 */
export function targetProblem (url: string, egress: Egress): { message: string, remedy: string } | null {
  // The WHATWG parser mends what other readers of the same text would take for another host.
  if (/[\s\\\u0000-\u001f\u007f]/.test(url)) return { message: 'the address holds a space, a backslash or a control character', remedy: 'write it without' }
  if (!/^https?:\/\/[^/]/i.test(url) || !URL.canParse(url)) return { message: 'this is not an address of http or https', remedy: 'write for example "https://api.example.com"' }
  const { username, password, hostname } = new URL(url)
  if (username !== '' || password !== '' || /^https?:\/\/[^/?#]*@/i.test(url)) return { message: 'the address holds a user or password', remedy: 'write it without; set an Authorization header with the "headers" plugin' }
  const host = hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '').toLowerCase()
  const isLocalName = host === 'localhost' || host.endsWith('.localhost')
  if (readAddress(host) !== 0 ? !egress.allows(host) : isLocalName && !egress.allows('127.0.0.1') && !egress.allows('::1')) {
    return { message: `"${host}" is not a public address`, remedy: REMEDY }
  }
  return null
}

import { isIP } from 'node:net'
import type { HeaderList } from '../lib/header-list.js'
import type { Connection } from './connection.js'

/**
 * The client behind trusted peers: X-Forwarded-For read from the right, trusted hops skipped; the first that is not trusted is
 * whom the nearest trusted peer saw. Entries left of it are the client's own words and are not looked at.
 */
export function clientAddressOf (headers: HeaderList, connection: Connection, isTrusted: (address: string) => boolean): string {
  const forwarded = headers.joined('x-forwarded-for')
  if (forwarded === undefined) return connection.remoteAddress
  let seen = connection.remoteAddress
  const hops = forwarded.split(',')
  for (let i = hops.length - 1; i >= 0; i--) {
    const hop = addressOf((hops[i] as string).trim())
    if (hop === null) return seen
    seen = hop
    if (!isTrusted(hop)) return hop
  }
  return seen
}

// `1.2.3.4`, `1.2.3.4:80`, `[::1]`, `[::1]:80`, `::1`; IPv4-mapped as IPv4.
function addressOf (hop: string): string | null {
  let address = hop
  if (address.startsWith('[')) address = address.slice(1, address.indexOf(']'))
  else if (address.includes('.') && !address.includes('::')) address = address.split(':')[0] as string
  if (isIP(address) === 0) return null
  return address.toLowerCase().startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

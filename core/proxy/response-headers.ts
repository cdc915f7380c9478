import { FieldKind, connectionNames, removeNames, responseFields } from '../lib/header-names.js'
import { latin1 } from '../lib/latin1.js'

/**
 * Turns undici's raw head into a flat list without hop-by-hop fields (RFC 9110 section 7.6.1): lower-case names, order and
 * duplicates kept. Bytes are read as latin1 and written as latin1 again, so that what is not ASCII passes unchanged.
 * Null where the body is in a transfer coding other than `chunked`: nobody asked for one, and without its field the bytes mean something else.
 */
export function cleanResponseHeaders (raw: readonly Buffer[]): string[] | null {
  const flat: string[] = []
  let listed: string[] | null = null
  let chunked = false
  for (let i = 0; i < raw.length; i += 2) {
    const field = responseFields.lookUp(latin1(raw[i] as Buffer))
    switch (field.kind) {
      case FieldKind.hopByHop:
      case FieldKind.upgrade:
        break
      case FieldKind.transferEncoding:
        if (chunked || latin1(raw[i + 1] as Buffer).toLowerCase() !== 'chunked') return null
        chunked = true
        break
      case FieldKind.connection: {
        const names = connectionNames(latin1(raw[i + 1] as Buffer))
        if (names !== null) listed = listed === null ? names : listed.concat(names)
        break
      }
      default:
        flat.push(field.lower, latin1(raw[i + 1] as Buffer))
    }
  }
  if (listed !== null) removeNames(flat, listed)
  return flat
}

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set(['host', 'expect', 'set-cookie', 'authorization', 'www-authenticate'])

/** Trailer fields, flat; those that frame, route or authenticate are not taken from a trailer (RFC 9110 section 6.5.1). */
export function cleanTrailers (raw: readonly (Buffer | string)[] | null): string[] | null {
  if (raw === null || raw.length === 0) return null
  const flat: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = String(raw[i]).toLowerCase()
    if (responseFields.lookUp(name).kind !== FieldKind.plain || NOT_IN_TRAILERS.has(name) || name.startsWith('content-')) continue
    const value = raw[i + 1] as Buffer | string
    flat.push(name, typeof value === 'string' ? value : latin1(value))
  }
  return flat.length === 0 ? null : flat
}

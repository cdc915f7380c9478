import { FieldKind, connectionNames, removeNames, responseFields } from '../lib/header-names.js'

/**
 * The fields of an answer, as they came, without those that are hop-by-hop (RFC 9110 section 7.6.1): flat, lower-case names, order and
 * duplicates kept. Bytes are read as latin1 and written as latin1 again, so that what is not ASCII passes unchanged.
 * Null where the body is in a transfer coding other than `chunked`: nobody asked for one, and without its field the bytes mean something else.
 */
export function cleanResponseHeaders (raw: readonly string[]): string[] | null {
  const flat: string[] = []
  let listed: string[] | null = null
  let chunked = false
  for (let i = 0; i < raw.length; i += 2) {
    const field = responseFields.lookUp(raw[i] as string)
    switch (field.kind) {
      case FieldKind.hopByHop:
      case FieldKind.upgrade:
        break
      case FieldKind.transferEncoding:
        if (chunked || (raw[i + 1] as string).toLowerCase() !== 'chunked') return null
        chunked = true
        break
      case FieldKind.connection: {
        const names = connectionNames(raw[i + 1] as string)
        if (names !== null) listed = listed === null ? names : listed.concat(names)
        break
      }
      default:
        flat.push(field.lower, raw[i + 1] as string)
    }
  }
  if (listed !== null) removeNames(flat, listed)
  return flat
}

const LENGTH = ['content-length']

/** `cleanResponseHeaders` for a final status. RFC 9110 section 8.6: a 204 has no length, and a client that believed one would wait for a body. */
export function finalHeaders (status: number, raw: readonly string[]): string[] | null {
  const flat = cleanResponseHeaders(raw)
  if (status === 204 && flat !== null) removeNames(flat, LENGTH)
  return flat
}

const NOT_IN_TRAILERS: ReadonlySet<string> = new Set(['host', 'expect', 'set-cookie', 'authorization', 'www-authenticate'])

/** Trailer fields, flat; those that frame, route or authenticate are not taken from a trailer (RFC 9110 section 6.5.1). */
export function cleanTrailers (raw: readonly string[] | null): string[] | null {
  if (raw === null || raw.length === 0) return null
  const flat: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    const name = (raw[i] as string).toLowerCase()
    if (responseFields.lookUp(name).kind !== FieldKind.plain || NOT_IN_TRAILERS.has(name) || name.startsWith('content-')) continue
    flat.push(name, raw[i + 1] as string)
  }
  return flat.length === 0 ? null : flat
}

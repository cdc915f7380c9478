import { TOKEN } from './check-field.js'

/**
 * What the gateway does with a header field, decided once per spelling of its name. Most traffic repeats a few dozen
 * spellings, so one bounded map look-up stands for lower-casing and all the checks of RFC 9110 section 7.6.1.
 */

/** How a field is treated on its way through. Numbers, because the hot loops switch on them. */
export const FieldKind = {
  /** Goes through. */
  plain: 0,
  /** Concerns one connection only: removed in both directions. */
  hopByHop: 1,
  /** Lists further hop-by-hop names. */
  connection: 2,
  host: 3,
  contentLength: 4,
  transferEncoding: 5,
  expect: 6,
  /** X-Forwarded-*, Forwarded, X-Real-IP and what else tells an upstream of another client, address, host, method or target: believed only from a trusted peer. */
  forwarded: 7,
  upgrade: 8,
  /** Tells an upstream who calls: never taken from a client. Names with underscores are treated alike: many servers read `_` as `-`. */
  refused: 9,
  via: 10,
  date: 11,
  requestId: 12,
  /** Only `trailers` goes on. */
  te: 13
} as const

/** What is known of one spelling of a field name. */
export interface FieldName {
  readonly lower: string
  readonly kind: number
  /** Whether it is a field name at all (RFC 9110 section 5.1). */
  readonly isToken: boolean
}

const KINDS: Readonly<Record<string, number>> = {
  'keep-alive': FieldKind.hopByHop,
  'proxy-connection': FieldKind.hopByHop,
  'proxy-authenticate': FieldKind.hopByHop,
  'proxy-authorization': FieldKind.hopByHop,
  'proxy-authentication-info': FieldKind.hopByHop,
  te: FieldKind.te,
  trailer: FieldKind.hopByHop,
  'http2-settings': FieldKind.hopByHop,
  connection: FieldKind.connection,
  host: FieldKind.host,
  'content-length': FieldKind.contentLength,
  'transfer-encoding': FieldKind.transferEncoding,
  expect: FieldKind.expect,
  forwarded: FieldKind.forwarded,
  'x-real-ip': FieldKind.forwarded,
  'x-client-ip': FieldKind.forwarded,
  'x-cluster-client-ip': FieldKind.forwarded,
  'x-original-forwarded-for': FieldKind.forwarded,
  'true-client-ip': FieldKind.forwarded,
  'cf-connecting-ip': FieldKind.forwarded,
  'fastly-client-ip': FieldKind.forwarded,
  'x-original-host': FieldKind.forwarded,
  // Some servers and frameworks serve the path or the method that these name: what protects another route would be walked around.
  'x-original-url': FieldKind.forwarded,
  'x-original-uri': FieldKind.forwarded,
  'x-rewrite-url': FieldKind.forwarded,
  'x-original-method': FieldKind.forwarded,
  'x-http-method-override': FieldKind.forwarded,
  'x-http-method': FieldKind.forwarded,
  'x-method-override': FieldKind.forwarded,
  upgrade: FieldKind.upgrade,
  via: FieldKind.via,
  date: FieldKind.date
}

/** A client may not grow the map without bound by inventing names. */
const MAX_NAMES = 1024
const MAX_NAME_LENGTH = 64

function kindOf (lower: string): number {
  if (Object.hasOwn(KINDS, lower)) return KINDS[lower] as number
  return lower.startsWith('x-forwarded-') ? FieldKind.forwarded : FieldKind.plain
}

/** Field names and what to do with them; one per direction and set of identity headers. */
export class FieldTable {
  private readonly names = new Map<string, FieldName>()
  private readonly extra: ReadonlyMap<string, number>
  private readonly dropUnderscores: boolean

  /**
   * `extra` overrides kinds by lower-case name. `dropUnderscores` marks names with `_` as refused.
   */
  constructor (extra: ReadonlyMap<string, number>, dropUnderscores: boolean) {
    this.extra = extra
    this.dropUnderscores = dropUnderscores
  }

  /** What is known of a name as it came over the wire. */
  lookUp (name: string): FieldName {
    return this.names.get(name) ?? this.learn(name)
  }

  private learn (name: string): FieldName {
    const lower = name.toLowerCase()
    const kind = this.extra.get(lower) ?? (this.dropUnderscores && lower.includes('_') ? FieldKind.refused : kindOf(lower))
    const known = { lower, kind, isToken: TOKEN.test(name) }
    if (this.names.size < MAX_NAMES && name.length <= MAX_NAME_LENGTH) this.names.set(name, known)
    return known
  }
}

/** Table for what clients send: identity headers are refused. */
export function createRequestFieldTable (identityHeaders: Iterable<string>, requestIdHeader: string | null): FieldTable {
  const extra = new Map<string, number>()
  for (const name of identityHeaders) extra.set(name, FieldKind.refused)
  if (requestIdHeader !== null) extra.set(requestIdHeader, FieldKind.requestId)
  return new FieldTable(extra, true)
}

/** Table for what upstreams send: underscores are their business. */
export const responseFields = new FieldTable(new Map([['expect', FieldKind.plain], ['host', FieldKind.plain], ['te', FieldKind.hopByHop]]), false)

/**
 * The names that a Connection field lists beside those that are hop-by-hop anyway; null for the common `close` and `keep-alive`.
 * Names that frame or address the message can not be listed away.
 */
export function connectionNames (value: string): string[] | null {
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive' || value === 'Close') return null
  let names: string[] | null = null
  for (const part of value.split(',')) {
    const token = part.trim().toLowerCase()
    if (token === '' || token === 'close' || token === 'keep-alive' || token === 'upgrade') continue
    const kind = kindOf(token)
    if (kind === FieldKind.host || kind === FieldKind.contentLength || kind === FieldKind.forwarded || kind === FieldKind.via || kind === FieldKind.te) continue
    names ??= []
    names.push(token)
  }
  return names
}

/** Removes the fields of those names from a flat, lower-case list, in place. */
export function removeNames (flat: string[], names: readonly string[]): void {
  // An upstream may list thousands of names over thousands of fields: a second of nothing else.
  const many = names.length > 16 ? new Set(names) : null
  let to = 0
  for (let i = 0; i < flat.length; i += 2) {
    if (many === null ? names.includes(flat[i] as string) : many.has(flat[i] as string)) continue
    flat[to] = flat[i] as string
    flat[to + 1] = flat[i + 1] as string
    to += 2
  }
  if (to !== flat.length) flat.length = to
}

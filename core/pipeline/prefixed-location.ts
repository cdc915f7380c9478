import { isPathBelow } from '../lib/path-below.js'

/** What is known of a request whose path had a prefix taken off. */
export interface TakenPrefix {
  /** As the client has it: `/p/shop`. */
  readonly prefix: string
  /** `host` or `host:port` as the client wrote it. */
  readonly authority: string
  /** The server that answered; null where a step did. */
  readonly target: { readonly authority: string, readonly basePath: string } | null
}

/**
 * A `Location` (RFC 9110 section 10.2.2) as it leads somewhere below the prefix again: a path gets it in front, and so does the path of an address of the target
 * or of the gateway itself, which becomes a path alone. What is put before paths for the target is taken off first. An upstream that heeds
 * X-Forwarded-Prefix has put it there already: that stays, as do paths that are relative and addresses of others.
 */
export function prefixedLocation (location: string, { prefix, authority, target }: TakenPrefix): string {
  const [, host, rest = ''] = /^(?:https?:)?\/\/([^/?#\\]*)([^\\]*)$/i.exec(location) ?? []
  const isOwn = host !== undefined && [authority, target?.authority].some((own) => own !== undefined && own.toLowerCase() === host.toLowerCase())
  if (!isOwn && (host !== undefined || !/^\/(?![/\\])/.test(location))) return location
  const path = !isOwn ? location : rest.startsWith('/') ? rest : `/${rest}`
  const end = path.search(/[?#]/)
  const alone = end === -1 ? path : path.slice(0, end)
  if (isPathBelow(alone, prefix)) return location
  const basePath = target?.basePath ?? ''
  const inside = basePath !== '' && isPathBelow(alone, basePath) ? path.slice(basePath.length) : path
  return `${prefix}${inside}`
}

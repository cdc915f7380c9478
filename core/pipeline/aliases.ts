import { hasEncodedSlash, normalizePath } from '../lib/path.js'
import type { RoutePath } from './route-path.js'

/** Another way in which a lenient upstream may read a path. */
export interface Alias {
  /** In normal form; null where it goes above the root. */
  readonly path: string | null
  /** Only escaped slashes were decoded, and nothing was left to resolve: a route that allows them takes them as part of one segment. */
  readonly mild: boolean
}

/** Whether a path in normal form may have aliases at all. Nearly none has: this is what every request pays. */
export function mayHaveAliases (path: string): boolean {
  return path.charCodeAt(path.length - 1) === 0x2f || path.includes(';') || path.includes('//') || hasEncodedSlash(path)
}

/**
 * The other ways in which upstreams are known to read a path: without its trailing slash, without `;parameters` (`/public/..;/admin` is
 * `/admin` to some), with escaped slashes decoded, with repeated slashes merged, and these together. `winner` is the path of the route
 * that the request got: what it declares itself (a trailing slash, a `;` in a literal) stays. Takes a path with reserved characters decoded.
 */
export function aliasesOf (path: string, winner: RoutePath | null, basePath: string): Alias[] {
  const stripped = path.includes(';') ? stripParameters(path, winner, basePath) : path
  const keepsSlash = winner !== null && !winner.wildcard && winner.literals.at(-1) === ''
  const aliases: Alias[] = []
  for (const text of stripped === path ? [path] : [path, stripped]) {
    for (const decodes of hasEncodedSlash(text) ? [false, true] : [false]) {
      const spelled = decodes ? text.replace(/%2F|%5C/g, '/') : text
      const normal = normalizePath(spelled, false)
      if (normal !== path) aliases.push({ path: normal, mild: decodes && text === path && normal === spelled })
      if (normal !== null && normal.endsWith('/') && normal.length > basePath.length + 1 && !keepsSlash) aliases.push({ path: normal.slice(0, -1), mild: false })
    }
  }
  return aliases
}

function stripParameters (path: string, winner: RoutePath | null, basePath: string): string {
  const segments = path.slice(basePath.length).split('/')
  const kept = segments.map((segment, i) => {
    const literal = winner?.literals[i - 1]
    const semicolon = segment.indexOf(';')
    return semicolon === -1 || (typeof literal === 'string' && literal.includes(';')) ? segment : segment.slice(0, semicolon)
  })
  return basePath + kept.join('/')
}

import { hasEncodedSlash, normalizePath } from '../lib/path.js'
import type { RoutePath } from './route-path.js'

/** Another way in which a lenient upstream may read a path. */
export interface Alias {
  /** In normal form; null where it goes above the root. */
  readonly path: string | null
  /** Only escaped slashes were decoded, and nothing was left to resolve: a route that allows them takes them as part of one segment. */
  readonly mild: boolean
}

/** Finds the paths (in normal form) that may have aliases. Nearly none has: this one test is what every request pays. */
export const UNUSUAL = /[%;]|\/\/|\/$/

/**
 * The other ways in which upstreams are known to read a path: without its trailing slash, without `;parameters` (`/public/..;/admin` is
 * `/admin` to some), with escaped slashes decoded, with repeated slashes merged, and these together. `winner` is the path of the route
 * that the request got: what it declares itself (a trailing slash, a `;` in a literal) stays. Takes a path with reserved characters decoded.
 */
export function aliasesOf (path: string, winner: RoutePath | null, basePath: string): Alias[] {
  const keepsSlash = winner !== null && !winner.wildcard && winner.literals.at(-1) === ''
  const spellings = new Set([path, stripParameters(path, winner, basePath)])
  if (hasEncodedSlash(path)) {
    // Before and after parameters are taken away: `..;%2Fadmin` is `..` or `../admin`.
    for (const spelling of [...spellings]) spellings.add(decodeSlashes(spelling))
    spellings.add(stripParameters(decodeSlashes(path), null, basePath))
    // To some only one of the two is a slash at first: the parameter of `;%5C:%2Fadmin` ends at the other one.
    for (const slash of ['%2F', '%5C']) spellings.add(decodeSlashes(stripParameters(path.replaceAll(slash, '/'), null, basePath)))
  }
  const aliases: Alias[] = []
  for (const spelling of spellings) {
    const normal = normalizePath(spelling, false)
    if (normal !== path) aliases.push({ path: normal, mild: normal === spelling && normal === decodeSlashes(path) })
    if (normal !== null && normal.endsWith('/') && normal.length > basePath.length + 1 && !keepsSlash) aliases.push({ path: normal.slice(0, -1), mild: false })
  }
  return aliases
}

function decodeSlashes (path: string): string {
  return path.replace(/%2F|%5C/g, '/')
}

function stripParameters (path: string, winner: RoutePath | null, basePath: string): string {
  if (!path.includes(';')) return path
  const segments = path.slice(basePath.length).split('/')
  const kept = segments.map((segment, i) => {
    const literal = winner?.literals[i - 1]
    const semicolon = segment.indexOf(';')
    return semicolon === -1 || (typeof literal === 'string' && literal.includes(';')) ? segment : segment.slice(0, semicolon)
  })
  return basePath + kept.join('/')
}

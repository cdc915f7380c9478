/** Which origins (RFC 6454) a list of entries allows. */

/** Any origin, or those that a function accepts. */
export type OriginRule = { any: true } | { any: false, allows: (origin: string) => boolean }

/** One wildcard entry: the origin begins and ends so, with one or more whole labels of a host name between. */
interface Wildcard {
  before: string
  after: string
}

const ORIGIN = /^([a-z][a-z0-9+.-]*:\/\/)(\*\.)?((?:[a-z0-9_-]+\.)*[a-z0-9_-]+|\[[0-9a-f:.]+\])(:\d{1,5})?$/
const LABELS = /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/

/** What is wrong with an entry of an origin list and what to do about it, or null. */
export function findOriginProblem (entry: string): { message: string, remedy: string } | null {
  if (entry === '*' || entry === 'null') return null
  const lower = entry.toLowerCase()
  const match = ORIGIN.exec(lower)
  if (match === null) {
    const bare = /^[a-z][a-z0-9+.-]*:\/\/[^/?#]+(?=[/?#])/.exec(lower)?.[0]
    const remedy = bare !== undefined && ORIGIN.test(bare) ? `write ${bare}` : 'write it like https://app.example.com, https://*.example.com or http://localhost:3000'
    return { message: `"${entry}" is not an origin: scheme, host and, where it is not the default one, port`, remedy }
  }
  const [, scheme = '', wildcard = '', host = '', port = ''] = match
  if ((scheme === 'https://' && port === ':443') || (scheme === 'http://' && port === ':80')) {
    // RFC 6454 section 6.2: browsers leave a default port out, so that this would never match.
    return { message: `"${entry}" names the default port, which browsers leave out`, remedy: `write ${scheme}${wildcard}${host}` }
  }
  return null
}

/** Compiles a list of origins that `findOriginProblem` finds nothing wrong with. */
export function compileOrigins (entries: readonly string[]): OriginRule {
  if (entries.includes('*')) return { any: true }
  const exact = new Set<string>()
  const wildcards: Wildcard[] = []
  for (const entry of entries) {
    const lower = entry.toLowerCase()
    const star = lower.indexOf('*')
    if (star < 0) exact.add(lower)
    else wildcards.push({ before: lower.slice(0, star), after: lower.slice(star + 1) })
  }
  if (wildcards.length === 0) return { any: false, allows: (origin) => exact.has(origin) }
  return { any: false, allows: (origin) => exact.has(origin) || wildcards.some((wildcard) => fits(origin, wildcard)) }
}

function fits (origin: string, { before, after }: Wildcard): boolean {
  // `after` begins with the dot, so that https://*.example.com is not https://evilexample.com; and what the star stands for
  // must be labels, so that no port, user or path can be hidden in it.
  return origin.length > before.length + after.length && origin.startsWith(before) && origin.endsWith(after) &&
    LABELS.test(origin.slice(before.length, origin.length - after.length))
}

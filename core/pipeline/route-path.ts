import { decodeReserved, normalizePath, pathProblem } from '../lib/path.js'

/** A route's path, parsed: `/orders/:id/*` has the literals `['orders', null]`, one parameter and a wildcard. */
export interface RoutePath {
  /** One entry per segment before the wildcard: its text (reserved characters decoded), or null for a parameter. */
  readonly literals: readonly (string | null)[]
  /** The parameters, from the left; `index` counts segments. */
  readonly params: readonly { readonly name: string, readonly index: number }[]
  /** Whether it ends with `/*`. */
  readonly wildcard: boolean
}

/** What is wrong with something written in a configuration, and what to do about it. */
export interface Problem {
  readonly message: string
  readonly remedy: string
}

// Each segment costs a step per request, and the steps are nested.
const MAX_SEGMENTS = 100
const PARAM = /^:[A-Za-z_][A-Za-z0-9_]*$/

// The projects of many tenants have the same few paths: parsed once, they also share what came of it.
const known = new Map<string, RoutePath | Problem>()
const MAX_KNOWN = 256

/** Parses a route's path, or says what is wrong with it. */
export function parseRoutePath (path: string): RoutePath | Problem {
  let parsed = known.get(path)
  if (parsed === undefined) {
    parsed = parse(path)
    if (known.size >= MAX_KNOWN) known.clear()
    if (path.length < 200) known.set(path, parsed)
  }
  return parsed
}

function parse (path: string): RoutePath | Problem {
  if (!path.startsWith('/')) return { message: `the path "${path}" does not begin with "/"`, remedy: `write "/${path}"` }
  const segments = path.split('/').slice(1)
  if (segments.length > MAX_SEGMENTS) return { message: `the path has ${segments.length} segments`, remedy: `use at most ${MAX_SEGMENTS}` }
  const wildcard = segments.at(-1) === '*'
  if (wildcard) segments.pop()
  const literals: (string | null)[] = []
  const params: { name: string, index: number }[] = []
  for (const [index, segment] of segments.entries()) {
    if (segment.includes('*')) return { message: `the path "${path}" has a "*" that is not its last segment`, remedy: 'let "/*" end the path, name what stands for one segment (":name"), or use pathRegex' }
    if (!segment.startsWith(':')) {
      literals.push(decodeReserved(segment))
      continue
    }
    const name = segment.slice(1)
    if (!PARAM.test(segment) || name === '__proto__') {
      return { message: name === '' ? `the path "${path}" has a ":" without a name` : `"${name}" can not name a parameter`, remedy: 'write ":name" with letters, digits and "_"; a segment that begins with a colon is written "%3A"' }
    }
    if (params.some((other) => other.name === name)) return { message: `the path "${path}" names two parameters "${name}"`, remedy: 'give each its own name' }
    literals.push(null)
    params.push({ name, index })
  }
  return normalFormProblem(path) ?? { literals, params, wildcard }
}

/** Tells the two results of `parseRoutePath` apart. */
export function isProblem (parsed: object): parsed is Problem {
  return 'message' in parsed
}

/** How much two paths have in common for a request that both match: negative when `a` is the more specific, 0 for one shape. */
export function comparePaths (a: RoutePath, b: RoutePath): number {
  const length = Math.min(a.literals.length, b.literals.length)
  for (let i = 0; i < length; i++) {
    const order = Number(a.literals[i] === null) - Number(b.literals[i] === null)
    if (order !== 0) return order
  }
  // One of them has ended: an exact end or a further literal or parameter is more specific than a wildcard.
  return a.literals.length === b.literals.length ? Number(a.wildcard) - Number(b.wildcard) : b.literals.length - a.literals.length
}

/** The path of every route that matches the same requests by path: parameter names do not count. */
export function shapeOf (path: RoutePath): string {
  return path.literals.map((literal) => literal ?? ':').join('/') + (path.wildcard ? '/*' : '')
}

/** What is wrong with a literal text that must be a path in normal form, or null. `:` and `*` are ordinary characters here. */
export function normalFormProblem (path: string): Problem | null {
  const normal = normalizePath(path, false)
  if (normal === path) return null
  if (normal !== null) return { message: `the path "${path}" is not in its normal form, which requests are compared in`, remedy: `write "${normal}"` }
  const encoded = encodeLoosely(path)
  return { message: pathProblem(path), remedy: encoded === null ? 'write the path as it stands in a URL' : `write "${encoded}"` }
}

// People write "/café" and "/a b": the form that a URL has it in. Null where that can not be told.
function encodeLoosely (path: string): string | null {
  try {
    return normalizePath(path.replace(/[^\x21-\x7e]+/g, encodeURIComponent), false)
  } catch {
    return null
  }
}

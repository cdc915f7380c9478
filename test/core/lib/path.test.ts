import fc from 'fast-check'
import t from 'tap'
import { decodeReserved, hasEncodedSlash, normalizePath, pathProblem } from '../../../core/lib/path.js'

// Raw path, normal form with slashes merged, and (where it differs) with slashes kept.
const VALID: readonly (readonly [raw: string, merged: string, kept?: string])[] = [
  ['/', '/'],
  ['/a/b', '/a/b'],
  ['/a/b/', '/a/b/'],
  ["/-._~!$&'()*+,;=:@", "/-._~!$&'()*+,;=:@"],
  ['/%7Euser/%41%62%39%2D%2E%5F', '/~user/Ab9-._'],
  ['/%7e/%2d', '/~/-'],
  ['/%21%24%26%27%28%29%2a%2B%2c%3b%3d%3a%40', '/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40'],
  ['/%20%22%23%25%3c%3E%3f%5b%5D%5e%60%7b%7C%7d', '/%20%22%23%25%3C%3E%3F%5B%5D%5E%60%7B%7C%7D'],
  ['/"<>[]^`{|}', '/%22%3C%3E%5B%5D%5E%60%7B%7C%7D'],
  ['/caf%c3%a9/%e2%82%ac/%F0%9f%98%80', '/caf%C3%A9/%E2%82%AC/%F0%9F%98%80'],
  ['/%ef%bf%bf/%f4%8f%bf%bf/%ed%9f%bf/%ee%80%80/%c2%80', '/%EF%BF%BF/%F4%8F%BF%BF/%ED%9F%BF/%EE%80%80/%C2%80'],
  ['/a/./b', '/a/b'],
  ['/a/../b', '/b'],
  ['/a/%2e/b/%2E%2e/c/.%2e/d', '/a/d'],
  ['/.', '/'],
  ['/a/.', '/a/'],
  ['/a/..', '/'],
  ['/a/b/..', '/a/'],
  ['/a/../', '/'],
  ['/.well-known/...', '/.well-known/...'],
  ['/a./b../..c/.d', '/a./b../..c/.d'],
  ['//a///b//', '/a/b/', '//a///b//'],
  ['//', '/', '//'],
  ['/a//../b', '/b', '/a/b'],
  ['/a/.//b', '/a/b', '/a//b'],
  // Never decoded, so no dot segment either.
  ['/a%2fb%2F..', '/a%2Fb%2F..'],
  ['/a%5cb', '/a%5Cb'],
  // Decoded once.
  ['/%2541%252e%252F', '/%2541%252e%252F'],
  ['/%252E%252E/x', '/%252E%252E/x']
]

const INVALID: readonly (readonly [raw: string, problem: RegExp])[] = [
  ['', /begin/],
  ['a/b', /begin/],
  ['*', /begin/],
  ['%2Fa', /begin/],
  ['/a\0', /control character/],
  ['/%00', /escaped control/],
  ['/%0d%0aSet-Cookie', /escaped control/],
  ['/%1F', /escaped control/],
  ['/%7f', /escaped control/],
  ['/a\tb', /control character/],
  ['/a\x7f', /control character/],
  ['/a\\b', /backslash/],
  ['/a b', /space/],
  ['/a?b', /"\?"/],
  ['/a#b', /"#"/],
  ['/café', /percent-encoded/],
  ['/\u{1f600}', /percent-encoded/],
  ['/\u0141', /percent-encoded/],
  ['/%', /two hex/],
  ['/%4', /two hex/],
  ['/%4g', /two hex/],
  ['/%g4', /two hex/],
  ['/%%41', /two hex/],
  ['/%u0041', /two hex/],
  // UTF-8: lone, missing, overlong, surrogate, above U+10FFFF.
  ['/%80', /UTF-8/],
  ['/%c3', /UTF-8/],
  ['/%c3a', /UTF-8/],
  ['/%c3/%a9', /UTF-8/],
  ['/%c3%41', /UTF-8/],
  ['/%c0%af', /UTF-8/],
  ['/%c1%81', /UTF-8/],
  ['/%e0%80%af', /UTF-8/],
  ['/%e2%82', /UTF-8/],
  ['/%ed%a0%80', /UTF-8/],
  ['/%f0%80%80%af', /UTF-8/],
  ['/%f4%90%80%80', /UTF-8/],
  ['/%f5%80%80%80', /UTF-8/],
  ['/%ff', /UTF-8/],
  ['/..', /above the root/],
  ['/../a', /above the root/],
  ['/a/../..', /above the root/],
  ['/%2e%2e/a', /above the root/],
  // As deep as an upstream that merges slashes sees it.
  ['/a//../../b', /above the root/],
  ['/a%2Fb/..', /takes back an encoded slash/],
  ['/x/admin%5cusers/%2E%2e/y', /takes back an encoded slash/]
]

t.test('normalizePath: brings each spelling into the one normal form', async (t) => {
  for (const [raw, merged, kept = merged] of VALID) {
    t.equal(normalizePath(raw, false), merged, raw)
    t.equal(normalizePath(raw, true), kept, `${raw} with slashes kept`)
    t.equal(pathProblem(raw), '', `${raw} has no problem`)
  }
})

t.test('normalizePath: refuses what can not be brought into it, and pathProblem says why', async (t) => {
  for (const [raw, problem] of INVALID) {
    t.equal(normalizePath(raw, false), null, JSON.stringify(raw))
    t.equal(normalizePath(raw, true), null, `${JSON.stringify(raw)} with slashes kept`)
    t.match(pathProblem(raw), problem, JSON.stringify(raw))
  }
})

t.test('normalizePath: returns what is in normal form already as the same string, in time that a long path does not blow up', async (t) => {
  const long = `/${'a'.repeat(8000)}`
  t.equal(normalizePath(long, false), long)
  const started = process.cpuUsage().user
  t.equal(normalizePath('/a/..'.repeat(2000), false), '/')
  t.equal(normalizePath('/%41'.repeat(2000), false), '/A'.repeat(2000))
  t.equal(normalizePath('/'.repeat(8000), false), '/')
  t.ok(process.cpuUsage().user - started < 500_000, 'three hostile paths of 8 KB take less than 0.5 s of CPU')
})

// Pieces that matter to some server, besides random ones.
const rawPath = fc.array(fc.oneof(
  fc.constantFrom('/', '/', '/', '.', '..', '/../', '//', '%2e', '%2E%2e', ';', ';x=1', '%2f', '%5C', '\\', '%00', '%', '%25', '%3a', ':', '%c3%a9', '%C3', '%A9', 'é', ' ', '"', '{', '%7b', '~', '%7e', 'a', 'B', '?', '#', '@'),
  fc.string({ maxLength: 2 }),
  fc.integer({ min: 0, max: 255 }).map((byte) => `%${byte.toString(16).padStart(2, '0')}`)
), { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`)

t.test('normalizePath: its result is its own normal form, and nothing but a path', async () => {
  fc.assert(fc.property(rawPath, fc.boolean(), (raw, keep) => {
    const normal = normalizePath(raw, keep)
    if (normal === null) return pathProblem(raw) !== ''
    if (pathProblem(raw) !== '' || normalizePath(normal, keep) !== normal) return false
    if (!keep && normal.includes('//')) return false
    if (/\/\.{1,2}(\/|$)/.test(normal) || /%[0-9A-F]?[a-f]/.test(normal.replaceAll('%25', ''))) return false
    decodeURIComponent(normal)
    return /^\/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-F]{2})*$/.test(normal)
  }), { numRuns: 5000 })
})

// One decoded segment, and two ways to write it. Reserved characters are left as they are: RFC 3986 keeps them apart from their escapes.
const UNRESERVED = /[A-Za-z0-9\-._~]/
const RESERVED = /[!$&'()*+,;=:@]/
const RAW_TOO = /["<>[\]^`{|}]/
const spelledTwice = fc.array(fc.tuple(
  fc.oneof(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 4 }), fc.string({ minLength: 1, maxLength: 4 })).filter((text) => !/[\0-\x1f\x7f/\\]/.test(text) && /^\P{Surrogate}*$/u.test(text) && !/^\.{1,2}$/.test(text)),
  fc.infiniteStream(fc.integer({ min: 0, max: 7 })),
  fc.infiniteStream(fc.integer({ min: 0, max: 7 }))
), { minLength: 1, maxLength: 5 })

function spellSegment (text: string, choices: Iterator<number>): string {
  let out = ''
  for (const char of text) {
    const choice = choices.next().value as number
    const escaped = [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
    if (RESERVED.test(char)) out += char
    else if ((UNRESERVED.test(char) || RAW_TOO.test(char)) && choice < 4) out += char
    else out += choice % 2 === 0 ? escaped : escaped.toUpperCase()
  }
  const choice = choices.next().value as number
  return ['', '', './', '%2e/', 'x/../', 'x/%2E./', '/', '/./'][choice] + out
}

t.test('normalizePath: two spellings of one decoded path have one normal form', async () => {
  fc.assert(fc.property(spelledTwice, (segments) => {
    const one = `/${segments.map(([text, choices]) => spellSegment(text, choices)).join('/')}`
    const two = `/${segments.map(([text, , choices]) => spellSegment(text, choices)).join('/')}`
    const normal = normalizePath(one, false)
    return normal !== null && normal === normalizePath(two, false) && decodeURIComponent(normal) === `/${segments.map(([text]) => text).join('/')}`
  }), { numRuns: 3000 })
})

t.test('normalizePath: resolves dot segments as the URL standard does, above the root apart', async () => {
  const segment = fc.constantFrom('a', 'b', '', '.', '..', '%2e', '.%2E', '%2e%2E', '...', 'a.')
  fc.assert(fc.property(fc.array(segment, { minLength: 1, maxLength: 8 }), (segments) => {
    const raw = `/${segments.join('/')}`
    const normal = normalizePath(raw, true)
    return normal === null || normal === new URL(`http://host${raw}`).pathname
  }), { numRuns: 3000 })
})

t.test('hasEncodedSlash: sees slashes and backslashes that stayed encoded', async (t) => {
  t.equal(hasEncodedSlash(normalizePath('/a%2fb', false) ?? ''), true)
  t.equal(hasEncodedSlash(normalizePath('/a%5cb', false) ?? ''), true)
  t.equal(hasEncodedSlash(normalizePath('/a%252fb%20', false) ?? ''), false)
  t.equal(hasEncodedSlash('/a/b'), false)
})

t.test('decodeReserved: decodes what a segment may hold raw, and nothing else', async (t) => {
  t.equal(decodeReserved('/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40'), "/!$&'()*+,;=:@")
  t.equal(decodeReserved('/%2F%5C%20%25%3F%C3%A9%3Ax'), '/%2F%5C%20%25%3F%C3%A9:x')
  t.equal(decodeReserved('/%253A'), '/%253A')
  t.equal(decodeReserved('/a/b'), '/a/b')
})

import { Type, type Static, type TUnsafe } from 'typebox'
import type { Finding } from '../../core/errors.js'
import { oncePer } from '../../core/lib/once-per.js'
import { Duration } from '../../core/lib/schema-types.js'
import { parseDuration } from '../../core/lib/units.js'
import { definePlugin, type PluginInstance } from '../../core/plugin.js'
import { compileFields } from './fields.js'

const FIELD_VALUE = '^[\\x21-\\x7e]([\\x20-\\x7e]*[\\x21-\\x7e])?$'
const ORIGIN = '^[a-z][a-z0-9+.-]*://[^\\s;,\'"]+$'

/** One of some words, or `false`. An enum has one clear message for what is neither, which a union of literals has not. */
function wordOrFalse<const W extends string> (words: readonly W[], options: { default?: W | false, description?: string, examples?: W[] } = {}): TUnsafe<W | false> {
  return Type.Unsafe<W | false>({ enum: [...words, false], ...options })
}

// Types can not tell that defaults are filled in inside of a union.
const HSTS_DEFAULTS = { maxAge: '365d', includeSubDomains: false, preload: false }

const config = Type.Object({
  hsts: Type.Union([
    Type.Literal(false),
    Type.Object({
      // Optional: a validator looks at a union before defaults are in it.
      maxAge: Type.Optional(Duration({ default: HSTS_DEFAULTS.maxAge, description: 'How long browsers remember to use https only. `0` makes them forget.', examples: ['365d', '2h'] })),
      includeSubDomains: Type.Optional(Type.Boolean({ default: HSTS_DEFAULTS.includeSubDomains, description: 'Whether it holds for all hosts below this one.', examples: [true] })),
      preload: Type.Optional(Type.Boolean({ default: HSTS_DEFAULTS.preload, description: 'Consent to be in the lists that browsers ship. Hard to undo. Needs includeSubDomains and at least 365d.', examples: [true] }))
    }, { additionalProperties: false })
  ], {
    title: 'a Strict-Transport-Security setting',
    default: { maxAge: '365d' },
    description: 'Strict-Transport-Security (RFC 6797), on https answers only; `false` turns it off.',
    examples: [{ maxAge: '730d', includeSubDomains: true }]
  }),
  noSniff: Type.Boolean({ default: true, description: 'X-Content-Type-Options: nosniff. Browsers then do not guess types.', examples: [false] }),
  frames: Type.Union([
    wordOrFalse(['none', 'self']),
    Type.Array(Type.String({ title: 'an origin', pattern: ORIGIN }), { minItems: 1 })
  ], {
    title: 'none, self, false or a list of origins',
    default: 'none',
    description: 'Which pages may frame answers: `none`, `self`, or a list of origins; as the Content-Security-Policy directive frame-ancestors and, where it can say it, X-Frame-Options. `false` turns it off.',
    examples: ['self', ['https://portal.example.com']]
  }),
  contentSecurityPolicy: Type.Union([Type.Literal(false), Type.String({ title: 'a header value', pattern: FIELD_VALUE })], {
    default: false,
    description: 'More Content-Security-Policy directives, in front of the one of `frames`.',
    examples: ["default-src 'none'"]
  }),
  referrerPolicy: wordOrFalse([
    'no-referrer', 'no-referrer-when-downgrade', 'origin', 'origin-when-cross-origin', 'same-origin',
    'strict-origin', 'strict-origin-when-cross-origin', 'unsafe-url'
  ], { default: 'no-referrer', description: 'Referrer-Policy; `false` turns it off.', examples: ['strict-origin-when-cross-origin'] }),
  crossOriginOpenerPolicy: wordOrFalse(['same-origin', 'same-origin-allow-popups', 'noopener-allow-popups', 'unsafe-none'], {
    default: 'same-origin', description: 'Cross-Origin-Opener-Policy; `false` turns it off.', examples: ['same-origin-allow-popups']
  }),
  crossOriginResourcePolicy: wordOrFalse(['same-origin', 'same-site', 'cross-origin'], {
    default: 'same-origin', description: 'Cross-Origin-Resource-Policy: who may embed answers without CORS; `false` turns it off.', examples: ['cross-origin']
  }),
  crossOriginEmbedderPolicy: wordOrFalse(['require-corp', 'credentialless', 'unsafe-none'], {
    default: false, description: 'Cross-Origin-Embedder-Policy; `false` turns it off.', examples: ['require-corp']
  }),
  permissionsPolicy: Type.Union([Type.Literal(false), Type.String({ title: 'a header value', pattern: FIELD_VALUE })], {
    default: 'camera=(), geolocation=(), microphone=()',
    description: 'Permissions-Policy; `false` turns it off.',
    examples: ['fullscreen=(self)']
  }),
  remove: Type.Array(Type.String({ title: 'a header name', pattern: '^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$' }), {
    default: ['server', 'x-powered-by'],
    description: 'Response headers of the upstream that clients need not see.',
    examples: [['server', 'x-powered-by', 'x-aspnet-version']]
  }),
  override: Type.Boolean({ default: false, description: 'Whether these values replace what the upstream sets; else the upstream wins.', examples: [true] })
}, { additionalProperties: false })

type Settings = Static<typeof config>

const YEAR_MS = 31_536_000_000

/** What preload lists ask for (hstspreload.org). */
function findProblems ({ hsts }: Settings): Finding[] {
  const { maxAge, includeSubDomains, preload } = { ...HSTS_DEFAULTS, ...(hsts === false ? {} : hsts) }
  const findings: Finding[] = []
  if (preload && !includeSubDomains) findings.push({ path: ['hsts', 'preload'], message: 'preload needs includeSubDomains', remedy: 'set includeSubDomains: true, or leave preload out' })
  if (preload && parseDuration(maxAge) < YEAR_MS) findings.push({ path: ['hsts', 'maxAge'], message: `preload needs a maxAge of at least a year, not ${maxAge}`, remedy: 'write 365d, or leave preload out' })
  return findings
}

function strictTransportSecurity (hsts: Exclude<Settings['hsts'], false>): string {
  const { maxAge, includeSubDomains, preload } = { ...HSTS_DEFAULTS, ...hsts }
  return `max-age=${Math.floor(parseDuration(maxAge) / 1000)}${includeSubDomains ? '; includeSubDomains' : ''}${preload ? '; preload' : ''}`
}

function contentSecurityPolicy ({ frames, contentSecurityPolicy: policy }: Settings): string | false {
  const ancestors = frames === false ? [] : [`frame-ancestors ${frames === 'none' ? "'none'" : frames === 'self' ? "'self'" : frames.join(' ')}`]
  const directives = [...(policy === false ? [] : [policy.replace(/[;\s]+$/, '')]), ...ancestors]
  return directives.length === 0 ? false : directives.join('; ')
}

const createInstance = oncePer((settings: Settings): PluginInstance => {
  const { hsts, noSniff, frames, remove, override } = settings
  const everywhere: [name: string, value: string | false][] = [
    ['x-content-type-options', noSniff && 'nosniff'],
    ['x-frame-options', frames === 'none' ? 'DENY' : frames === 'self' && 'SAMEORIGIN'],
    ['content-security-policy', contentSecurityPolicy(settings)],
    ['referrer-policy', settings.referrerPolicy],
    ['cross-origin-opener-policy', settings.crossOriginOpenerPolicy],
    ['cross-origin-resource-policy', settings.crossOriginResourcePolicy],
    ['cross-origin-embedder-policy', settings.crossOriginEmbedderPolicy],
    ['permissions-policy', settings.permissionsPolicy]
  ]
  const removed = remove.map((name) => name.toLowerCase())
  const plain = compileFields(everywhere, removed, override)
  // RFC 6797 section 7.2: never over plain http.
  const secure = hsts === false ? plain : compileFields([['strict-transport-security', strictTransportSecurity(hsts)], ...everywhere], removed, override)
  return {
    response (ctx) {
      (ctx.request.scheme === 'https' ? secure : plain)(ctx.response.headers.flat)
    }
  }
})

/** Sets the headers by which browsers restrict what an answer may be used for, and removes those that tell what made it. */
export default definePlugin({
  name: 'security-headers',
  description: 'Sets the headers by which browsers protect users (HSTS, nosniff, frames, referrer, cross-origin and permissions policies) and removes those that tell what software answered.',
  stage: 'edge',
  config,
  check: findProblems,
  create: createInstance
})

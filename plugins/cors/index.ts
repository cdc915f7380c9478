import { Type, type Static } from 'typebox'
import type { Finding } from '../../core/errors.js'
import { oncePer } from '../../core/lib/once-per.js'
import { Duration } from '../../core/lib/schema-types.js'
import { parseDuration } from '../../core/lib/units.js'
import { definePlugin, type PluginInstance } from '../../core/plugin.js'
import { Reply } from '../../core/reply.js'
import { compileOrigins, findOriginProblem } from './origins.js'

const TOKEN = '^[!#$%&\'*+.^_`|~0-9A-Za-z-]+$'

const config = Type.Object({
  origins: Type.Array(Type.String(), {
    minItems: 1,
    description: 'Origins whose pages may read answers: exact (`https://app.example.com`), all hosts below a domain (`https://*.example.com`), `*` for any, or `null` for sandboxed pages and files.',
    examples: [['https://app.example.com', 'https://*.example.com'], ['*']]
  }),
  methods: Type.Array(Type.String({ title: 'a method', pattern: TOKEN }), {
    default: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'],
    minItems: 1,
    description: 'Methods that pages may use.',
    examples: [['GET', 'POST']]
  }),
  allowHeaders: Type.Optional(Type.Array(Type.String({ title: 'a header name', pattern: TOKEN }), {
    description: 'Request headers that pages may set. Left out: whatever the browser asks for.',
    examples: [['authorization', 'content-type', 'x-api-key']]
  })),
  exposeHeaders: Type.Array(Type.String({ title: 'a header name', pattern: TOKEN }), {
    default: [],
    description: 'Response headers that scripts may read, beside the few that are always readable.',
    examples: [['x-request-id', 'ratelimit', 'retry-after']]
  }),
  credentials: Type.Boolean({
    default: false,
    description: 'Whether pages may send cookies, HTTP authentication and client certificates. Not together with the origin `*`.',
    examples: [true]
  }),
  maxAge: Duration({
    default: '10m',
    description: 'How long a browser may remember the answer to a preflight. Browsers cap it (Chromium at 2 hours).',
    examples: ['10m', '2h']
  }),
  privateNetwork: Type.Boolean({
    default: false,
    description: 'Whether pages of public sites may call this gateway when it has a private address (Private Network Access).',
    examples: [true]
  })
}, { additionalProperties: false })

/** What is wrong with a config beyond its schema; paths from the plugin's config on. */
function findProblems (settings: Static<typeof config>): Finding[] {
  const { origins, methods, allowHeaders = [], exposeHeaders, credentials } = settings
  const findings: Finding[] = []
  for (const [index, entry] of origins.entries()) {
    const problem = findOriginProblem(entry)
    if (problem !== null) findings.push({ path: ['origins', index], ...problem })
  }
  if (!credentials) return findings
  // Fetch section 3.2.5: with credentials browsers take "*" for a name; echoing every origin instead would hand each
  // user's data to any site.
  if (origins.includes('*')) {
    findings.push({ path: ['origins', origins.indexOf('*')], message: 'the origin "*" can not be combined with credentials', remedy: 'list the origins that may use credentials, or set credentials: false' })
  }
  for (const [key, list] of [['methods', methods], ['allowHeaders', allowHeaders], ['exposeHeaders', exposeHeaders]] as const) {
    if (list.includes('*')) findings.push({ path: [key, list.indexOf('*')], message: `"*" in ${key} means nothing to browsers when there are credentials`, remedy: 'write the names out, or set credentials: false' })
  }
  return findings
}

const createInstance = oncePer((settings: Static<typeof config>): PluginInstance => {
  const rule = compileOrigins(settings.origins)
  const { credentials, privateNetwork } = settings
  const allowHeaders = settings.allowHeaders?.join(', ').toLowerCase()
  const exposeHeaders = settings.exposeHeaders.join(', ').toLowerCase()

  const preflightVary = [
    ...(rule.any ? [] : ['Origin']),
    'Access-Control-Request-Method',
    ...(allowHeaders === undefined ? ['Access-Control-Request-Headers'] : []),
    ...(privateNetwork ? ['Access-Control-Request-Private-Network'] : [])
  ].join(', ')
  const preflightBase: readonly string[] = [
    'vary', preflightVary,
    'access-control-allow-methods', settings.methods.join(', ').toUpperCase(),
    'access-control-max-age', String(Math.floor(parseDuration(settings.maxAge) / 1000)),
    ...(allowHeaders === undefined || allowHeaders === '' ? [] : ['access-control-allow-headers', allowHeaders]),
    ...(credentials ? ['access-control-allow-credentials', 'true'] : [])
  ]
  // Without Access-Control-Allow-Origin the browser gives up, which is the whole of the protocol's "no".
  const refusedPreflight = new Reply(204, ['vary', preflightVary], null)

  const answerBase: readonly string[] = [
    ...(credentials ? ['access-control-allow-credentials', 'true'] : []),
    ...(exposeHeaders === '' ? [] : ['access-control-expose-headers', exposeHeaders])
  ]

  return {
    request ({ request }) {
      if (request.method !== 'OPTIONS') return
      const { headers } = request
      const origin = headers.get('origin')
      // Fetch section 3.2.2: only an OPTIONS with both fields is a preflight; others are the API's own.
      if (origin === undefined || !headers.has('access-control-request-method')) return
      if (!rule.any && !rule.allows(origin)) return refusedPreflight
      const fields = ['access-control-allow-origin', rule.any ? '*' : origin, ...preflightBase]
      if (allowHeaders === undefined) {
        const asked = headers.joined('access-control-request-headers')
        if (asked !== undefined && HEADER_NAMES.test(asked)) fields.push('access-control-allow-headers', asked)
      }
      if (privateNetwork && headers.get('access-control-request-private-network') === 'true') fields.push('access-control-allow-private-network', 'true')
      return new Reply(204, fields, null)
    },

    response (ctx) {
      const { headers } = ctx.response
      const { flat } = headers
      // What this plugin says replaces what the upstream says: two Access-Control-Allow-Origin fields are a "no" to browsers.
      removeCorsFields(flat)
      if (rule.any) {
        flat.push('access-control-allow-origin', '*')
      } else {
        // On every answer, also without Origin: else a shared cache would give an answer without the field to a page.
        if (headers.has('vary')) headers.addToken('vary', 'Origin')
        else flat.push('vary', 'Origin')
        const origin = ctx.request.headers.get('origin')
        if (origin === undefined || !rule.allows(origin)) return
        flat.push('access-control-allow-origin', origin)
      }
      for (const text of answerBase) flat.push(text)
    }
  }
})

/** Cross-origin resource sharing (Fetch section 3.2): answers preflights and marks answers that pages of other origins may read. */
export default definePlugin({
  name: 'cors',
  description: 'Lets pages of other origins call the API: answers CORS preflights at the edge and marks every answer, errors included.',
  stage: 'edge',
  config,
  check: findProblems,
  create: createInstance
})

const HEADER_NAMES = /^[!#$%&'*+.^_`|~0-9A-Za-z, -]+$/

function removeCorsFields (flat: string[]): void {
  let to = 0
  for (let i = 0; i < flat.length; i += 2) {
    const name = flat[i] as string
    if (name.startsWith('access-control-')) continue
    if (to !== i) { flat[to] = name; flat[to + 1] = flat[i + 1] as string }
    to += 2
  }
  if (to !== flat.length) flat.length = to
}

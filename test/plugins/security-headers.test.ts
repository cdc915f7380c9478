import { test } from 'tap'
import type { HeaderList } from '../../core/lib/header-list.js'
import { testPlugin } from '../../core/testing.js'
import securityHeaders from '../../plugins/security-headers/index.js'
import { configFindings } from '../fixtures/config-findings.js'

const DEFAULTS = {
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'content-security-policy': "frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()'
}

const ALL_OFF = {
  hsts: false,
  noSniff: false,
  frames: false,
  contentSecurityPolicy: false,
  referrerPolicy: false,
  crossOriginOpenerPolicy: false,
  crossOriginResourcePolicy: false,
  crossOriginEmbedderPolicy: false,
  permissionsPolicy: false,
  remove: []
}

const NAMES = [...Object.keys(DEFAULTS), 'strict-transport-security', 'cross-origin-embedder-policy', 'server', 'x-powered-by', 'x-aspnet-version', 'x-test']

/** The fields that this plugin is about. */
function fieldsOf (headers: HeaderList): Record<string, string> {
  return Object.fromEntries([...headers].filter(([name]) => NAMES.includes(name)))
}

async function answer (config: Record<string, unknown>, headers: Record<string, string> = {}, scheme: 'http' | 'https' = 'http'): Promise<Record<string, string>> {
  const plugin = await testPlugin(securityHeaders, config, { upstream: () => ({ status: 200, headers }) })
  return fieldsOf((await plugin.request({ target: '/', scheme })).headers)
}

test('security-headers: sets its defaults and takes away what tells the software', async (t) => {
  t.same(await answer({}, { server: 'nginx/1.2', 'x-powered-by': 'PHP', 'x-test': 'stays' }), { ...DEFAULTS, 'x-test': 'stays' })
})

test('security-headers: sends Strict-Transport-Security over https only', async (t) => {
  t.equal((await answer({}, {}, 'https'))['strict-transport-security'], 'max-age=31536000')
  t.equal((await answer({}, {}, 'http'))['strict-transport-security'], undefined)
  t.equal((await answer({ hsts: { maxAge: '730d', includeSubDomains: true, preload: true } }, {}, 'https'))['strict-transport-security'], 'max-age=63072000; includeSubDomains; preload')
  t.equal((await answer({ hsts: { includeSubDomains: true } }, {}, 'https'))['strict-transport-security'], 'max-age=31536000; includeSubDomains')
  t.equal((await answer({ hsts: { maxAge: '0' } }, {}, 'https'))['strict-transport-security'], 'max-age=0')
  t.same(await answer({ hsts: false }, {}, 'https'), DEFAULTS)
})

test('security-headers: every field can be switched off', async (t) => {
  t.same(await answer(ALL_OFF, { server: 'nginx' }, 'https'), { server: 'nginx' })
  const keys: [key: string, names: string[]][] = [
    ['noSniff', ['x-content-type-options']],
    ['frames', ['x-frame-options', 'content-security-policy']],
    ['referrerPolicy', ['referrer-policy']],
    ['crossOriginOpenerPolicy', ['cross-origin-opener-policy']],
    ['crossOriginResourcePolicy', ['cross-origin-resource-policy']],
    ['permissionsPolicy', ['permissions-policy']]
  ]
  for (const [key, names] of keys) {
    const expected = Object.fromEntries(Object.entries(DEFAULTS).filter(([name]) => !names.includes(name)))
    t.same(await answer({ [key]: false }), expected, `${key}: false`)
  }
})

test('security-headers: says who may frame an answer', async (t) => {
  const framing = async (config: Record<string, unknown>): Promise<unknown> => {
    const fields = await answer(config)
    return [fields['x-frame-options'], fields['content-security-policy']]
  }
  t.same(await framing({ frames: 'self' }), ['SAMEORIGIN', "frame-ancestors 'self'"])
  t.same(await framing({ frames: ['https://a.example', 'https://b.example:8443'] }), [undefined, 'frame-ancestors https://a.example https://b.example:8443'])
  t.same(await framing({ contentSecurityPolicy: "default-src 'none';" }), ['DENY', "default-src 'none'; frame-ancestors 'none'"])
  t.same(await framing({ frames: false, contentSecurityPolicy: "default-src 'none'" }), [undefined, "default-src 'none'"])
})

test('security-headers: sets what is configured', async (t) => {
  const fields = await answer({
    referrerPolicy: 'origin', crossOriginOpenerPolicy: 'unsafe-none', crossOriginResourcePolicy: 'cross-origin', crossOriginEmbedderPolicy: 'require-corp', permissionsPolicy: 'fullscreen=()', remove: ['X-AspNet-Version']
  }, { 'x-aspnet-version': '4', server: 'IIS' })
  t.same(fields, {
    ...DEFAULTS,
    'referrer-policy': 'origin',
    'cross-origin-opener-policy': 'unsafe-none',
    'cross-origin-resource-policy': 'cross-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'permissions-policy': 'fullscreen=()',
    server: 'IIS'
  })
})

test('security-headers: what the upstream sets stays, unless told otherwise', async (t) => {
  const upstream = { 'x-frame-options': 'SAMEORIGIN', 'content-security-policy': "default-src 'self'", 'strict-transport-security': 'max-age=5', 'referrer-policy': 'origin' }
  t.same(await answer({}, upstream, 'https'), { ...DEFAULTS, ...upstream })
  t.same(await answer({ override: true }, upstream, 'https'), { ...DEFAULTS, 'strict-transport-security': 'max-age=31536000' })
  t.same(await answer({ override: true, frames: false }, upstream, 'http'), { ...DEFAULTS, ...upstream, 'referrer-policy': 'no-referrer' }, 'a field that is switched off is left alone')
})

test('security-headers: sets each field once', async (t) => {
  const plugin = await testPlugin(securityHeaders, { override: true }, { upstream: () => ({ status: 200, headers: { 'referrer-policy': ['origin', 'unsafe-url'], server: ['a', 'b'] } }) })
  const { headers } = await plugin.request({ target: '/' })
  t.same(headers.getAll('referrer-policy'), ['no-referrer'])
  t.same(headers.getAll('server'), [])
})

test('security-headers: refuses a config that preload lists refuse, and values that are no field values', async (t) => {
  t.same(await configFindings(() => testPlugin(securityHeaders, { hsts: { preload: true } })), ['hsts.preload: preload needs includeSubDomains (set includeSubDomains: true, or leave preload out)'])
  t.same(await configFindings(() => testPlugin(securityHeaders, { hsts: { preload: true, includeSubDomains: true, maxAge: '30d' } })), ['hsts.maxAge: preload needs a maxAge of at least a year, not 30d (write 365d, or leave preload out)'])
  const wrong: Record<string, unknown>[] = [
    { hsts: true }, { hsts: { maxAge: '1' } }, { hsts: { max: '1d' } }, { frames: 'all' }, { frames: [] }, { frames: ['https://a.example; script-src *'] }, { referrerPolicy: 'none' },
    { contentSecurityPolicy: 'a\r\nset-cookie: x' }, { contentSecurityPolicy: '' }, { permissionsPolicy: 'é' }, { noSniff: 'yes' }, { remove: ['a b'] }, { xssProtection: true }
  ]
  for (const config of wrong) await t.rejects(testPlugin(securityHeaders, config), JSON.stringify(config))
})

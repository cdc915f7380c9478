import { Type } from 'typebox'
import { test } from 'tap'
import { hideSecrets } from '../../../core/config/hide-secrets.js'
import { parseProject } from '../../../core/config/parse-project.js'
import type { ProjectSecrets } from '../../../core/config/project-secrets.js'
import { buildRegistry } from '../../../core/config/registry.js'
import { buildStoredProject } from '../../../core/config/store-projects.js'
import { PUBLIC_ONLY } from '../../../core/lib/egress.js'
import { definePlugin } from '../../../core/plugin.js'
import { service } from '../../fixtures/services.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createAuthority } from '../../fixtures/tls.js'

const CANARY = 'canary-4711-token'
const VALUES: Readonly<Record<string, string>> = {
  API_TOKEN: CANARY, PORT: '8443', PEM: `-----BEGIN CERTIFICATE-----\n${CANARY}\n-----END CERTIFICATE-----\n`, _odd: 'x ${secret:PORT} $${y}', SHORT: 'abc'
}
const secrets: ProjectSecrets = {
  names: () => Object.keys(VALUES),
  open (name) {
    if (name === 'BROKEN') throw new Error('the key ring has no key enc_1')
    return VALUES[name] ?? null
  }
}

/** Complains of what it is given, in the way of a check that quotes the value, or a part of it. */
const picky = definePlugin({
  name: 'picky',
  stage: 'transform',
  config: Type.Object({ text: Type.Optional(Type.String()), list: Type.Optional(Type.Array(Type.String())), number: Type.Optional(Type.Integer({ maximum: 9000 })), word: Type.Optional(Type.Enum(['a', 'b'])) }, { additionalProperties: false }),
  check: ({ text }) => text === undefined || text.startsWith('fine') ? [] : [{ path: ['text'], message: `"${text.toUpperCase().slice(0, 12)}…" is not fine`, remedy: '' }],
  create: () => ({})
})
const registry = buildRegistry([picky])
const options = { name: 'shop', label: 'config', registry, secrets, origin: 'tenant' as const }
const withPlugin = (entry: string): string => `upstreams: { u: { targets: [ "https://u.example" ] } }\nroutes:\n  - match: { path: "/*" }\n    upstream: u\n    plugins: [ ${entry} ]\n`
const complaints = (text: string): string[] => parseProject({ ...options, text }).findings.map(({ message, remedy, position }) => `${position?.line}:${position?.column} ${message} (${remedy})`)

test('project secrets: the value comes in where a plugin is set, as the type that its place wants, and the written project keeps the reference', (t) => {
  const { project, value, findings } = parseProject({ ...options, text: withPlugin('{ picky: { text: "fine ${secret:API_TOKEN}${secret:SHORT}", list: [ "$${secret:API_TOKEN}", "${secret:_odd}" ], number: "${secret:PORT}" } }') })
  t.same(findings, [])
  t.same(project?.config.routes[0]?.plugins[0]?.config, { text: `fine ${CANARY}abc`, list: ['${secret:API_TOKEN}', 'x ${secret:PORT} $${y}'], number: 8443 }, 'a value is never read again for references')
  t.notMatch(JSON.stringify(value), CANARY)
  t.match(JSON.stringify(value), 'fine ${secret:API_TOKEN}')
  t.end()
})

test('project secrets: what can not be named, and where nothing can be named, is told at its place', (t) => {
  t.same(complaints(withPlugin('{ picky: { text: "${secret:API_TOKN}" } }')), ['5:33 there is no secret "API_TOKN" in this project or its account (did you mean "API_TOKEN"?)'])
  t.match(complaints(withPlugin('{ picky: { text: "${secret:nothing_like_it}" } }')), [/^5:33 there is no secret "nothing_like_it" .* \(there are API_TOKEN, PEM, PORT, SHORT, _odd; make it with POST \/admin\/secrets or `sluice secret create`\)$/])
  t.match(complaints(withPlugin('{ picky: { text: "${secret:BROKEN}" } }')), [/the secret "BROKEN" can not be opened: the key ring has no key enc_1/])
  t.match(complaints(withPlugin('{ picky: { text: "${secret:a b}${secret:}" } }')), [/"\$\{secret:a b\}" names no secret/, /"\$\{secret:\}" names no secret/])
  for (const line of ['hosts: [ "${secret:API_TOKEN}" ]', 'basePath: "/${secret:API_TOKEN}"', 'upstreams: { u: { targets: [ "https://${secret:API_TOKEN}" ] } }', 'upstreams: { u: { targets: [ "https://u.example" ], host: "${secret:API_TOKEN}" } }',
    'routes: [ { id: "${secret:API_TOKEN}", match: { path: / } } ]', 'routes: [ { match: { path: "/${secret:API_TOKEN}" } } ]', 'plugins: [ "${secret:API_TOKEN}" ]', 'plugins: [ { picky: {}, id: "${secret:API_TOKEN}" } ]', 'plans: { free: { requests: "${secret:API_TOKEN}" } }']) {
    t.match(complaints(`${line}\n`), [/a secret can not stand here \(secrets can stand in the settings of plugins/], line)
  }
  t.match(complaints(withPlugin('{ picky: { text: "${HOME}${secret:API_TOKEN}" } }')), [/environment of the gateway/])
  t.match(complaints(withPlugin('{ picky: { text: "${file:/etc/passwd}" } }')), [/environment of the gateway/])
  t.match(parseProject({ ...options, secrets: { names: () => [], open: () => null }, text: withPlugin('{ picky: { text: "${secret:X}" } }') }).findings, [{ remedy: 'make it with POST /admin/secrets or `sluice secret create`' }])
  t.end()
})

test('project secrets: no finding tells a value, nor a part of it', (t) => {
  const texts = [
    withPlugin('{ picky: { text: "${secret:API_TOKEN}" } }'), withPlugin('{ picky: { text: "${secret:SHORT}" } }'), withPlugin('{ picky: { number: "${secret:API_TOKEN}" } }'), withPlugin('{ picky: { word: "${secret:API_TOKEN}" } }'),
    withPlugin('{ picky: "${secret:API_TOKEN}" }'), 'upstreams: { u: { targets: [ "https://u.example" ], tls: { ca: "${secret:PEM}" } } }\nroutes: []\n', 'upstreams: { u: { targets: [ "https://u.example" ], tls: { ca: "${secret:API_TOKEN}" } } }\nroutes: []\n',
    'upstreams: { u: { targets: [ "https://u.example" ], tls: { cert: "${secret:PEM}", key: "/etc/${secret:API_TOKEN}" } } }\nroutes: []\n'
  ]
  for (const text of texts) {
    const found = complaints(text)
    t.ok(found.length > 0, text)
    for (const complaint of found) t.notMatch(complaint.toLowerCase(), /canary|4711|"abc/, complaint)
  }
  t.match(complaints(texts[0]!), ['5:33 what "${secret:API_TOKEN}" gives can not be used here (give the secret a value that fits this place)'])
  t.match(complaints(texts[2]!), [/expected a whole number, found what "\$\{secret:API_TOKEN\}" gives/])
  t.match(complaints(texts[6]!), [/gives is no PEM text/], 'it is not taken for the name of a file')
  const hide = hideSecrets(new Map([['A', 'a-long-secret-text']]))
  const say = (message: string): string | undefined => hide([{ path: [], message, remedy: '' }])[0]?.message
  t.equal(say('"A-LONG-S" is odd'), 'what "${secret:A}" gives can not be used here')
  t.equal(say('what "${secret:A}" gives is odd, and a-long is no reason'), 'what "${secret:A}" gives is odd, and a-long is no reason')
  t.end()
})

test('project secrets: a project that is shown is built with the names of its secrets', (t) => {
  const { project, findings } = parseProject({ ...options, secrets: 'kept', text: withPlugin('{ picky: { text: "fine ${secret:API_TOKEN}", list: [ "$${x}" ] } }') })
  t.same(findings, [])
  t.same(project?.config.routes[0]?.plugins[0]?.config, { text: 'fine ${secret:API_TOKEN}', list: ['$${x}'] })
  t.end()
})

test('project secrets: the certificate and key of an upstream come out of secrets, and have to belong together', { skip: service('openssl').skip }, (t) => {
  const authority = createAuthority(tempDir(t))
  const [one, other] = [authority.issue('one', ['gateway.internal']), authority.issue('other', ['gateway.internal'])]
  const text = 'upstreams: { u: { targets: [ "https://u.example" ], tls: { ca: "${secret:CA}", cert: "${secret:CERT}", key: "${secret:KEY}" } } }\nroutes:\n  - { match: { path: "/*" }, upstream: u }\n'
  const with_ = (values: Readonly<Record<string, string>>): ReturnType<typeof parseProject> => parseProject({ ...options, text, secrets: { names: () => Object.keys(values), open: (name) => values[name] ?? null } })
  const good = with_({ CA: authority.ca, CERT: one.cert, KEY: one.key })
  t.same(good.findings, [])
  t.same(good.project?.config.upstreams['u']?.tls, { ca: authority.ca, cert: one.cert, key: one.key, serverName: null, verify: true })
  t.match(with_({ CA: authority.ca, CERT: one.cert, KEY: other.key }).findings, [{ message: 'this key is not the one of its certificate', position: { line: 1 } }])
  const shown = parseProject({ ...options, text, secrets: 'kept' })
  t.same(shown.project?.config.upstreams['u']?.tls, { ca: '${secret:CA}', cert: '${secret:CERT}', key: '${secret:KEY}', serverName: null, verify: true }, 'it is shown with their names')
  t.end()
})

test('project secrets: the hash of a stored project follows the values, and tells nobody what they are', (t) => {
  const stored = { project_id: 'shop', target_url: null, auth_type: 'none' as const, written_by: 'tenant' as const, config: { upstreams: { u: { targets: ['https://u.example'] } }, routes: [{ match: { path: '/*' }, upstream: 'u', plugins: [{ picky: { text: 'fine ${secret:S}' } }] }] } }
  const hashOf = (value: string): string | undefined => buildStoredProject(stored, { registry, egress: PUBLIC_ONLY, baseDomain: 'g.example', domains: [], secrets: { names: () => ['S'], open: () => value } }).project?.hash
  t.equal(hashOf('one'), hashOf('one'))
  t.not(hashOf('one'), hashOf('two'))
  const inline = { ...stored, config: JSON.parse(JSON.stringify(stored.config).replace('${secret:S}', 'one')) as Record<string, unknown> }
  t.not(hashOf('one'), buildStoredProject(inline, { registry, egress: PUBLIC_ONLY, baseDomain: 'g.example', domains: [] }).project?.hash, 'who guesses a value can not compare')
  t.match(buildStoredProject(stored, { registry, egress: PUBLIC_ONLY, baseDomain: 'g.example', domains: [] }).findings, [{ message: 'there is no secret "S" in this project or its account' }])
  t.end()
})

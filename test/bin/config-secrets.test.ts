import { createHmac } from 'node:crypto'
import { test } from 'tap'
import { isShownSecret, restoreSecrets, secretsOf, withDigests, withDigestsOfAll } from '../../bin/config-secrets.js'
import type { RawMap } from '../../core/config/raw.js'

const digest = (text: string): string => `sha256:${createHmac('sha256', 'k').update(text).digest('base64url').slice(0, 22)}`

const CONFIG: RawMap = {
  upstreams: { u: { targets: ['https://u.example', 'https://ada:pw@u.example'], tls: { key: 'PEM', serverName: 'u.example' } } },
  plugins: [{ 'api-key': { header: 'x-api-key' } }, { debug: { tokens: ['one', 'two'], sessionSecret: 'three' } }],
  routes: [{ id: 'a', match: { path: '/a', headers: { authorization: 'Basic x', cookie: true } } }, { id: 'b', match: { path: '/b' }, plugins: [{ headers: { request: { set: { authorization: 'Bearer ${secret:TOKEN}' } } } }] }]
}

test('config-secrets: what is secret by its name or in an address is shown as a digest, and nothing else', (t) => {
  t.strictSame(withDigests(CONFIG, digest), {
    upstreams: { u: { targets: ['https://u.example', digest('https://ada:pw@u.example')], tls: { key: digest('PEM'), serverName: 'u.example' } } },
    plugins: [{ 'api-key': { header: 'x-api-key' } }, { debug: { tokens: [digest('one'), digest('two')], sessionSecret: digest('three') } }],
    routes: [{ id: 'a', match: { path: '/a', headers: { authorization: digest('Basic x'), cookie: true } } }, { id: 'b', match: { path: '/b' }, plugins: [{ headers: { request: { set: { authorization: 'Bearer ${secret:TOKEN}' } } } }] }]
  })
  const pem = 'CERTIFICATE\n-----BEGIN EC PRIVATE KEY-----\nx'
  t.strictSame(withDigests({ tls: { cert: pem } }, digest), { tls: { cert: digest(pem) } }, 'nor a key beside its certificate')
  t.strictSame(withDigests({ a: 'short', b: 'short', c: ['long enough'] }, digest, [['a', 'short'], ['x', 'long enough']]), { a: digest('short'), b: 'short', c: [digest('long enough')] }, 'what references gave')
  t.ok(isShownSecret(digest('x')))
  for (const text of ['sha256:', 'sha256:short', `${digest('x')}x`, 'x']) t.notOk(isShownSecret(text), text)
  t.end()
})

test('config-secrets: for what is never taken back, all is a digest that plugins are told or requests have to hold, but for names of secrets', (t) => {
  const config: RawMap = {
    upstreams: { u: { targets: ['https://u.example'], tls: { cert: 'PEM', serverName: 'u.example' } } }, plugins: ['api-key', { respond: { body: 'hello', status: 200 }, timeout: '5s' }],
    routes: [{ id: 'a', match: { path: '/a', headers: { 'x-partner': 'acme' } }, upstream: 'u', plugins: [{ headers: { request: { set: { 'x-a': 'Bearer ${secret:A}', 'x-b': 'me:pw-${secret:B}', 'x-c': '' } } } }] }]
  }
  t.strictSame(withDigestsOfAll(config, digest), {
    upstreams: { u: { targets: ['https://u.example'], tls: { cert: digest('PEM'), serverName: 'u.example' } } }, plugins: ['api-key', { respond: { body: digest('hello'), status: 200 }, timeout: '5s' }],
    routes: [{ id: 'a', match: { path: '/a', headers: { 'x-partner': digest('acme') } }, upstream: 'u', plugins: [{ headers: { request: { set: { 'x-a': 'Bearer ${secret:A}', 'x-b': digest('me:pw-${secret:B}'), 'x-c': '' } } } }] }]
  })
  t.end()
})

test('config-secrets: digests in their places become the secrets again, also where entries of lists were moved', (t) => {
  const present = secretsOf([CONFIG])
  const shown = withDigests(CONFIG, digest)
  t.strictSame(restoreSecrets(shown, present, digest), { value: CONFIG, findings: [] })
  const moved = { ...shown, routes: [...shown['routes'] as RawMap[]].reverse(), plugins: [{ debug: { tokens: [digest('two'), 'four', digest('one')] } }] }
  t.match(restoreSecrets(moved, present, digest), { value: { routes: [{ id: 'b' }, { id: 'a', match: { headers: { authorization: 'Basic x' } } }], plugins: [{ debug: { tokens: ['two', 'four', 'one'] } }] }, findings: [] })
  t.end()
})

test('config-secrets: a digest elsewhere, or of another secret, is a finding at its place', (t) => {
  const present = secretsOf([CONFIG])
  const wrong: [value: RawMap, path: (string | number)[]][] = [
    [{ routes: [{ id: 'c', match: { headers: { authorization: digest('Basic x') } } }] }, ['routes', 0, 'match', 'headers', 'authorization']],
    [{ upstreams: { u: { tls: { key: digest('three') } } } }, ['upstreams', 'u', 'tls', 'key']],
    [{ plugins: [{ debug: { tokens: [digest('three')] } }] }, ['plugins', 0, 'debug', 'tokens', 0]]
  ]
  for (const [value, path] of wrong) t.match(restoreSecrets(value, present, digest).findings, [{ path, message: /digest of a secret/, remedy: 'write the secret itself' }], path.join('.'))
  t.strictSame(restoreSecrets({ plugins: [{ respond: { body: digest('x') } }] }, present, digest).findings, [], 'where no secret can be it is a text')
  t.end()
})

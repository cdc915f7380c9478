import { createSecretKey, randomBytes } from 'node:crypto'
import { test, type Test } from 'tap'
import { testPlugin } from '../../core/testing.js'
import { createApiKey } from '../../core/state/api-key.js'
import { Directory } from '../../core/state/directory.js'
import { createKeyReader } from '../../core/state/key-reader.js'
import { createKeyRing } from '../../core/state/key-ring.js'
import type { Credential } from '../../core/state/records.js'
import apiKey from '../../plugins/api-key/index.js'
import { ask, type Asked } from '../fixtures/ask.js'
import { configFindings } from '../fixtures/config-findings.js'
import { records } from '../fixtures/directory.js'
import { startPluginGateway } from '../fixtures/plugin-gateway.js'
import { sendRaw } from '../fixtures/raw-client.js'
import { createUpstream } from '../fixtures/upstream.js'

const LOCAL = { customer_id: 'local' }

/** A gateway with the plugin in front of an upstream, and a directory to put keys in. */
async function start (t: Test, config: Record<string, unknown> = {}) {
  const keys = [{ id: 'k1', createdAt: '2026-01-01T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }]
  const content = { encryption: { active: 'k1', keys }, peppers: { active: 'k1', keys } }
  const ring = createKeyRing(() => content)
  const directory = new Directory(createKeyReader(ring))
  directory.tables.put('consumers', records.consumer('ada', { ...LOCAL, name: 'Ada Lovelace' }))
  const upstream = await createUpstream()
  const gateway = await startPluginGateway(upstream.url, { 'api-key': config }, null, directory)
  t.teardown(async () => { await gateway.close(); await upstream.close() })
  /** Makes a key; gives its text. */
  const issue = (id: string, more: Partial<Credential> = {}, text = createApiKey().text): string => {
    const { digest, pepper_id: pepperId } = ring.digest(text)
    directory.tables.put('credentials', { ...records.credential(id, 'x.1', 'ada', 'test', { ...LOCAL, ...more }), prefix: text.slice(0, 16), digest, pepper_id: pepperId })
    return text
  }
  const get = (key: string, header = 'X-API-Key'): Promise<Asked> => ask(gateway.port, '/orders', { headers: { [header]: key } })
  return { directory, upstream, gateway, issue, get }
}

function errorOf (answer: Asked): { code: string, message: string, reason: unknown } {
  const { error } = JSON.parse(answer.text) as { error: { code: string, message: string, details: Record<string, unknown> } }
  return { code: error.code, message: error.message, reason: error.details['reason'] }
}

test('api-key: lets a valid key in, tells the upstream who calls, and keeps the key to itself', async (t) => {
  const { directory, upstream, issue, get } = await start(t)
  directory.tables.put('plans', records.plan('pro', { ...LOCAL, name: 'Pro' }))
  const key = issue('c1', { plan_id: 'pro' })
  t.equal((await get(key)).status, 200)
  const [seen] = upstream.requests
  t.same(['x-consumer-id', 'x-consumer-name', 'x-consumer-plan', 'x-credential-id', 'x-api-key'].map((name) => seen?.values(name)), [['ada'], ['Ada Lovelace'], ['Pro'], ['c1'], []])
  t.notMatch(JSON.stringify(seen), key)
})

test('api-key: 401 in the same words for keys that are unknown, malformed or of another project, with a challenge', async (t) => {
  const { directory, upstream, gateway, issue, get } = await start(t)
  const key = issue('c1')
  directory.tables.put('consumers', records.consumer('bob', LOCAL))
  const foreign = issue('c2', { project_id: 'other', consumer_id: 'bob' })
  const last = key.at(-1) === 'a' ? 'b' : 'a'
  const sameBeginning = `${key.slice(0, 16)}${createApiKey().text.slice(16)}`
  const wrong = [createApiKey().text, foreign, `${key.slice(0, -1)}${last}`, sameBeginning, key.toUpperCase(), `${key}x`, `${key}, ${key}`, 'x', '', 'ak_live_', '__proto__', 'é', `${key} \t.`, 'a'.repeat(4_000)]
  const answers = await Promise.all(wrong.map((text) => get(text)))
  const shapes = new Set(answers.map((answer) => JSON.stringify([answer.status, answer.headers['www-authenticate'], errorOf(answer)])))
  t.same([...shapes].map((shape) => JSON.parse(shape) as unknown), [[401, 'ApiKey realm="test"', { code: 'AUTHENTICATION_ERROR', message: 'The API key is not valid.', reason: 'api_key_invalid' }]])
  const missing = await ask(gateway.port, '/orders')
  t.same([missing.status, missing.headers['www-authenticate'], errorOf(missing).reason], [401, 'ApiKey realm="test"', 'api_key_missing'])
  const nul = await sendRaw(gateway.port, `GET / HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\0\r\n\r\n`)
  t.equal(nul.responses[0]?.status, 400)
  t.equal(upstream.requests.length, 0, 'nothing of it was forwarded')
  t.same(gateway.errors, [])
})

test('api-key: tells a key that is right in full why it may not be used', async (t) => {
  const { directory, upstream, issue, get } = await start(t)
  const past = new Date(Date.now() - 1).toISOString()
  const found = async (key: string): Promise<unknown[]> => {
    const answer = await get(key)
    return [answer.status, errorOf(answer).reason, answer.headers['www-authenticate'] !== undefined]
  }
  t.same(await found(issue('c1', { expires_at: past })), [401, 'api_key_expired', true])
  t.same(await found(issue('c2', { status: 'revoked', revoked_at: past })), [401, 'api_key_revoked', true])
  t.same(await found(issue('c3', { require_signature: true })), [401, 'signature_required', true])
  t.same(await found(issue('c4', { allowed_networks: ['10.0.0.0/8'] })), [403, 'network_denied', false])
  const key = issue('c5', { allowed_networks: ['127.0.0.0/8'], expires_at: new Date(Date.now() + 60_000).toISOString() })
  t.equal((await get(key)).status, 200)
  directory.tables.put('consumers', records.consumer('ada', { ...LOCAL, status: 'inactive' }))
  t.same(await found(key), [403, 'consumer_inactive', false])
  directory.tables.put('accounts', records.account('local', { status: 'suspended' }))
  t.same(await found(key), [403, 'account_suspended', false])
  t.equal(upstream.requests.length, 1)
})

test('api-key: a key that is revoked is dead with the next request, on a connection that is open too', async (t) => {
  const { gateway, issue } = await start(t)
  const key = issue('c1')
  const request = `GET /orders HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\n\r\n`
  t.equal((await sendRaw(gateway.port, request)).responses[0]?.status, 200)
  issue('c1', { status: 'revoked' }, key)
  const { responses } = await sendRaw(gateway.port, `${request}${request}`, { count: 2 })
  t.same(responses.map(({ status }) => status), [401, 401])
})

test('api-key: refuses two keys at once, equal or not', async (t) => {
  const { upstream, gateway, issue } = await start(t)
  const key = issue('c1')
  for (const other of [key, 'x', '']) {
    const { responses } = await sendRaw(gateway.port, `GET / HTTP/1.1\r\nhost: x\r\nx-api-key: ${key}\r\nX-API-Key: ${other}\r\n\r\n`)
    t.equal(responses[0]?.status, 400)
    t.match(responses[0]?.body.toString(), /"reason":"api_key_repeated"/)
  }
  t.equal(upstream.requests.length, 0)
})

test('api-key: holds for every method and every spelling of a path', async (t) => {
  const { upstream, gateway } = await start(t)
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'QUERY', 'PURGE']) {
    for (const path of ['/orders', '//orders', '/%6frders', '/a/../orders', '/orders;a=1', '/named/%2e%2e/orders']) {
      const { status } = await ask(gateway.port, path, { method })
      t.ok(status === 401 || status === 400, `${method} ${path}: ${status}`)
    }
  }
  t.equal(upstream.requests.length, 0)
})

test('api-key: identity comes from the gateway alone', async (t) => {
  const { upstream, gateway, issue } = await start(t)
  const key = issue('c1')
  await sendRaw(gateway.port, `GET / HTTP/1.1\r\nhost: x\r\nconnection: x-consumer-id\r\nx-consumer-id: eve\r\nX-Consumer-Plan: gold\r\nX_Consumer_Id: eve\r\nx-credential-id: c9\r\nx-api-key: ${key}\r\n\r\n`)
  const [seen] = upstream.requests
  t.same(['x-consumer-id', 'x-credential-id', 'x-consumer-plan', 'x_consumer_id'].map((name) => seen?.values(name)), [['ada'], ['c1'], [], []])
})

test('api-key: a name can not break the header that carries it', async (t) => {
  const { directory, upstream, issue, get } = await start(t)
  const key = issue('c1')
  const names: [string, string][] = [
    ['Zoë', 'Zo%C3%AB'], ['a\r\nx-admin: 1', 'a%0D%0Ax-admin: 1'], ['100%', '100%25'], [' a  b ', '%20a  b%20'], ['日本', '%E6%97%A5%E6%9C%AC'], ['', ''], ['\ud800', '%EF%BF%BD'], ['a\0', 'a%00']
  ]
  for (const [name, expected] of names) {
    directory.tables.put('consumers', records.consumer('ada', { ...LOCAL, name }))
    t.equal((await get(key)).status, 200)
    t.same(upstream.requests.at(-1)?.values('x-consumer-name'), [expected], JSON.stringify(name))
  }
})

test('api-key: takes the key from the header that the config names, in any case', async (t) => {
  const { upstream, issue, get } = await start(t, { header: 'ApiKey' })
  const key = issue('c1')
  t.equal((await get(key, 'apikey')).status, 200)
  t.same(upstream.requests[0]?.values('apikey'), [])
  t.equal((await get(key, 'X-API-Key')).status, 401)
})

test('api-key: fills the slots, logs nothing, and lets the access log know who was refused', async (t) => {
  const directory = {
    keys: {
      good: { consumer: { id: 'ada', name: 'Ada' }, plan: { id: 'pro', name: 'Pro', limits: { requests: '1000/h' } } },
      old: { consumer: { id: 'bob' }, refused: 'expired' as const }
    }
  }
  const plugin = await testPlugin(apiKey, {}, { directory })
  const good = await plugin.request({ headers: { 'x-api-key': 'good' } })
  t.equal(good.forwarded?.headers.get('x-consumer-id'), 'ada')
  t.equal(good.forwarded?.headers.get('x-api-key'), undefined)
  t.equal((await plugin.request({ headers: { 'x-api-key': 'old' } })).status, 401)
  t.same(plugin.logs, [])
  t.same(good.annotations, {})
})

test('api-key: fails closed where there is no store', async (t) => {
  const plugin = await testPlugin(apiKey, {})
  const { status, body, forwarded } = await plugin.request({ headers: { 'x-api-key': createApiKey().text } })
  t.equal(status, 503)
  t.match(body.toString(), /"SERVICE_UNAVAILABLE".*"no_directory"/)
  t.equal(forwarded, null)
  t.equal((await plugin.request()).status, 401, 'and without a key')
})

test('api-key: refuses headers that can not carry a key', async (t) => {
  const remedy = '(choose another name, such as x-api-key)'
  t.same(await configFindings(() => testPlugin(apiKey, { header: 'Host' })), [`header: "host" can not carry a key: it names the project ${remedy}`])
  t.same(await configFindings(() => testPlugin(apiKey, { header: 'X-Consumer-Id' })), [`header: "x-consumer-id" can not carry a key: it tells the upstream who calls, and is taken from clients ${remedy}`])
  t.match(await configFindings(() => testPlugin(apiKey, { header: 'connection' })), [/^header: "connection" can not carry a key: it belongs to one connection/])
  for (const header of ['', 'x_api_key', 'a b', 'a:b', 'é', 'x'.repeat(65), 1]) await t.rejects(testPlugin(apiKey, { header }), JSON.stringify(header))
})

import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test } from 'tap'
import { runCli } from '../../fixtures/cli.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createUpstream } from '../../fixtures/upstream.js'

/** Found where it is looked for: what shows that a secret would be. */
const MARKER = 'marker-that-may-be-seen'
/** What a tenant writes into a configuration, and not into a secret, is told by nothing but that configuration. */
const WRITTEN_OPENLY = 'a header of a tenant'
const OWN_FORM = /^(?:ak_live|sk|st|sat)_/

/** A secret in the forms in which it could be written down. */
function formsOf (secret: string): Buffer[] {
  const bytes = Buffer.from(secret)
  const raw = /^[\w-]{43}$/.test(secret) ? [Buffer.from(secret, 'base64url')] : []
  return [bytes, Buffer.from(bytes.toString('hex')), Buffer.from(bytes.toString('base64').slice(0, -4)), Buffer.from(encodeURIComponent(secret)), ...raw.flatMap((key) => [key, Buffer.from(key.toString('hex')), Buffer.from(key.toString('base64'))]),
    // Most of a key is a key: what is shown of it ends long before.
    ...bytes.length >= 32 ? [bytes.subarray(0, 26), bytes.subarray(-20)] : []]
}

test('canary: no key, secret, token or key of the ring is in what a gateway writes or tells, whatever is done with them', async (t) => {
  t.setTimeout(90_000)
  const cwd = tempDir(t)
  const upstream = await createUpstream((_, res) => { res.setHeader('x-upstream', MARKER); res.end('upstream') })
  t.teardown(() => upstream.close())
  const canary = (): string => `canary-${randomBytes(24).toString('hex')}`
  const secrets = new Map<string, string>([['the environment', canary()], ['the file', canary()], ['a secret of a tenant', canary()], [WRITTEN_OPENLY, canary()]])
  const config = (more: string): string => `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
workers: 2
baseDomain: gate.example
egress: { allow: [ 127.0.0.0/8 ] }
state: { embedded: { path: ./data } }
accessLog: { file: ./access.log }
plugins: [ debug ]
projects:
  ${MARKER}:
    hosts: [ ${MARKER}.example ]
    upstreams: { u: { targets: [ "${upstream.url}" ] }, away: { targets: [ "http://127.0.0.1:9" ] } }
    plugins: [ { headers: { request: { set: { authorization: "\${UPSTREAM_TOKEN}", x-api-key: ${secrets.get('the file') ?? ''} } } } } ]
    routes: [ { match: { path: "/*" }, upstream: u }, { match: { path: /away }, upstream: away } ]${more}
`
  writeFileSync(join(cwd, 'gateway.yaml'), config(''))
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml', '--json', '--log-level', 'debug'], { cwd, env: { UPSTREAM_TOKEN: secrets.get('the environment') ?? '' } })
  const [data, adminPort] = [await sluice.port('data'), await sluice.port('admin')]
  const operator = readFileSync(join(cwd, 'data/admin-token'), 'utf8').trim()
  secrets.set('the operator\'s token', operator)
  const ring = JSON.parse(readFileSync(join(cwd, 'data/keys.json'), 'utf8')) as Record<string, { keys: { id: string, key: string }[] }>
  for (const [kind, { keys }] of Object.entries(ring)) for (const { id, key } of keys ?? []) secrets.set(`${kind} ${id}`, key)
  t.ok(secrets.size >= 7, [...secrets.keys()].join(', '))

  const seen: string[] = []
  const admin = async (method: string, path: string, body?: unknown, { token = operator, headers = {} }: { token?: string, headers?: Record<string, string> } = {}): Promise<{ status: number, text: string, json: Record<string, never> }> => {
    const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, {
      method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) })
    })
    const text = await answer.text()
    return { status: answer.status, text, json: (answer.headers.get('content-type')?.startsWith('application/json') === true ? JSON.parse(text) : {}) as Record<string, never> }
  }
  /** Makes something that is shown once, and keeps what must not be seen again. */
  const make = async (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Record<string, never>> => {
    const { status, json, text } = await admin('POST', path, body, { headers })
    if (status >= 300) throw new Error(`${path}: ${text}`)
    for (const name of ['api_key', 'secret', 'token']) if (typeof json[name] === 'string') secrets.set(`${name} of ${path} ${secrets.size}`, json[name])
    return json
  }
  const ask = async (host: string, target: string, headers: string): Promise<number> =>
    (await sendRaw(data, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${headers}Connection: close\r\n\r\n`, { settleMs: 0 })).responses[0]?.status ?? 0

  await make('/admin/accounts', { customer_id: 'acme', name: MARKER })
  const quick = await make('/', { target_url: `${upstream.url}/${MARKER}`, customer_id: 'acme' }, { 'idempotency-key': 'quick' })
  const replayed = await admin('POST', '/', { target_url: `${upstream.url}/${MARKER}`, customer_id: 'acme' }, { headers: { 'idempotency-key': 'quick' } })
  t.equal(replayed.status, 201)
  for (const name of ['api_key', 'secret', 'curl']) t.notOk(name in replayed.json, `a replay has no ${name}`)
  seen.push(replayed.text)
  const project = (quick['project'] as unknown as { project_id: string }).project_id
  const host = `${project}.gate.example`
  const key = await make('/admin/api-keys', { project_id: project, name: MARKER })
  const id = key['credential_id'] as unknown as string
  const rotated = await make(`/admin/api-keys/${id}/rotate`, {})
  const again = await make(`/admin/api-keys/${rotated['credential_id'] as unknown as string}/regenerate`, {})
  const user = await make('/admin/users', { email: `${MARKER}@x.example`, customer_id: 'acme' })
  const token = await make('/admin/tokens', { name: MARKER, role: 'owner', customer_id: 'acme', user_id: user['user_id'] })
  const tenant = token['token'] as unknown as string
  for (const revoked of [await make('/admin/tokens', { name: 'x', role: 'auditor', customer_id: 'acme' })]) await admin('POST', `/admin/tokens/${revoked['token_id'] as unknown as string}/revoke`, {})
  t.equal((await admin('POST', '/admin/secrets', { name: 'UPSTREAM', value: secrets.get('a secret of a tenant'), project_id: project }, { token: tenant })).status, 201)
  const written = {
    upstreams: { u: { targets: [upstream.url] } }, routes: [{ match: { path: '/*' }, upstream: 'u' }],
    plugins: ['api-key', { headers: { request: { set: { authorization: 'Bearer ${secret:UPSTREAM}', 'x-api-key': secrets.get(WRITTEN_OPENLY), 'x-client-secret': secrets.get(WRITTEN_OPENLY), 'x-partner': secrets.get(WRITTEN_OPENLY) } } } }]
  }
  const put = await admin('PUT', `/admin/projects/${project}/config`, written, { token: tenant })
  t.equal(put.status, 200, put.text)
  t.equal((await admin('PUT', `/admin/projects/${project}/config`, { ...written, listen: {} }, { token: tenant })).status, 400)
  t.equal((await admin('PUT', `/admin/projects/${project}/config`, { ...written, plugins: [{ headers: { request: { set: { authorization: [secrets.get(WRITTEN_OPENLY)] } } } }] }, { token: tenant })).status, 400)
  t.equal((await admin('PUT', `/admin/projects/${project}/config`, `${JSON.stringify(written)}}`, { token: tenant })).status, 400)

  const apiKey = again['api_key'] as unknown as string
  for (let tries = 0; tries < 200 && await ask(host, `/${MARKER}`, `X-API-Key: ${apiKey}\r\n`) !== 200;) tries++
  const all = [...secrets.values()]
  const statuses = new Set<number>()
  for (const secret of all) {
    for (const [target, headers] of [
      [`/${MARKER}`, `X-API-Key: ${secret}\r\n`], [`/${MARKER}`, `X-API-Key: ${secret}x\r\n`], ['/', `Authorization: Bearer ${secret}\r\n`], ['/', `Authorization: Basic ${Buffer.from(`${secret}:x`).toString('base64')}\r\n`], ['/', `Cookie: session=${secret}\r\n`],
      [`/?api_key=${secret}&token=${secret}&x-api-key=${secret}`, ''],
      // Without a name that tells: what has a form of its own is known by that.
      ...OWN_FORM.test(secret) ? [[`/?x=${secret}&y=%3D${secret}`, ''], [`/a/${secret}/b;c=${secret}`, ''], [`/${secret}`, '']] as const : []
    ] as const) for (const to of [host, `${MARKER}.example`, 'nobody.example']) statuses.add(await ask(to, target, headers))
    statuses.add(await ask(`${MARKER}.example`, '/away', `X-API-Key: ${secret}\r\n`))
  }
  t.ok([200, 401, 404].every((status) => statuses.has(status)), [...statuses].join(', '))

  // On the admin port: in bodies that are refused, in queries, in place of ids, as guesses until the address is locked out.
  for (const secret of all.slice(0, 8)) {
    for (const [method, path, body] of [
      ['GET', `/admin/projects?customer_id=${secret}`, undefined], ['GET', `/admin/projects?token=${secret}`, undefined], ['GET', `/admin/api-keys/${secret}`, undefined], ['POST', '/admin/projects', { target_url: secret }], ['POST', '/admin/api-keys', { project_id: secret }],
      ['POST', '/admin/consumers', `{"name":"${secret}"`], ['POST', `/nothing/${secret}`, {}], ['POST', '/admin/users', { email: secret }]
    ] as const) t.ok((await admin(method, path, body)).status < 500)
  }
  writeFileSync(join(cwd, 'gateway.yaml'), config('\nunknown: 1'))
  t.equal((await admin('POST', '/reload')).status, 400)
  writeFileSync(join(cwd, 'gateway.yaml'), config(''))
  t.equal((await admin('POST', '/reload')).status, 200)

  const trail: string[] = []
  for (let next: string | null = '/admin/audit?perPage=100&page=1&format=ndjson', page = 1; next !== null; page++) {
    const { text } = await admin('GET', next)
    trail.push(text)
    next = text === '' ? null : `/admin/audit?perPage=100&page=${page + 1}&format=ndjson`
  }
  const told: Record<string, string> = { 'the audit trail': trail.join(''), 'a replay': seen.join('') }
  for (const path of ['/metrics', '/status', '/config']) told[path] = (await admin('GET', path)).text
  for (const kind of ['projects', 'api-keys', 'users', 'tokens', 'consumers', 'secrets', 'accounts']) told[`the list of ${kind}`] = (await admin('GET', `/admin/${kind}?perPage=100`)).text
  told['the export of a person'] = (await admin('GET', `/admin/users/${user['user_id'] as unknown as string}/export`)).text
  const backup = await runCli(t, ['backup', 'all.backup', '--config', 'gateway.yaml'], { cwd, env: { UPSTREAM_TOKEN: secrets.get('the environment') ?? '' } })
  t.equal(backup.code, 0, backup.stderr)
  const shown: Record<string, Buffer> = Object.fromEntries(Object.entries(told).map(([name, text]) => [name, Buffer.from(text)]))
  shown['a backup'] = gunzipSync(readFileSync(join(cwd, 'all.backup')))
  for (let guess = 0; guess < 12; guess++) await admin('GET', '/status', undefined, { token: `${operator.slice(0, -2)}${guess + 10}` })
  t.equal((await admin('GET', '/status')).status, 429)
  sluice.kill('SIGTERM')
  t.equal((await sluice.exited).code, 0)
  shown['standard output'] = Buffer.from(sluice.stdout())
  shown['the log'] = Buffer.from(sluice.stderr())
  shown['the access log'] = readFileSync(join(cwd, 'access.log'))
  for (const file of readdirSync(join(cwd, 'data'))) if (!['admin-token', 'keys.json'].includes(file)) shown[`data/${file}`] = readFileSync(join(cwd, 'data', file))
  t.ok(existsSync(join(cwd, 'data/directory.snapshot')) && shown['data/store.db'] !== undefined, Object.keys(shown).join(', '))
  t.ok(shown['the log']!.toString().split('\n').length > all.length, 'the log tells of failures')

  for (const place of ['the audit trail', '/metrics', '/config', 'a replay', 'the list of api-keys', 'the export of a person', 'a backup', 'the access log', 'data/store.db']) t.ok(shown[place]?.includes(MARKER) === true, `${place} is looked through`)
  for (const [where, bytes] of Object.entries(shown)) {
    for (const [what, secret] of secrets) {
      const found = formsOf(secret).find((form) => bytes.includes(form))
      if (found === undefined) continue
      const at = bytes.indexOf(found)
      t.fail(`${where}: ${what}`, { around: bytes.subarray(Math.max(0, at - 200), at + 100).toString('latin1') })
    }
  }
  t.comment(`${secrets.size} secrets in ${Object.keys(shown).length} places, ${Object.values(shown).reduce((sum, { length }) => sum + length, 0)} bytes`)
})

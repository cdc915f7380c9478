import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { test, type Test } from 'tap'
import { backup, restore } from '../../../bin/commands/backup.js'
import { retireKey } from '../../../bin/keyring/retire.js'
import { rotateKeyRing } from '../../../bin/keyring/rotate.js'
import { loadKeyRing } from '../../../core/state/key-ring-source.js'
import { keepTerminal } from '../../fixtures/cli.js'
import { keptDocuments, keptFiles, placesOf, type KeptBytes } from '../../fixtures/kept-bytes.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { service } from '../../fixtures/services.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createUpstream, type Upstream } from '../../fixtures/upstream.js'

const mongodb = service('mongodb')
const TOKEN = 'a-token-of-some-length'
/** What a configuration holds that nothing else may: under names that tell, and under such as do not. */
const CANARIES = ['authorization', 'x-client-secret', 'x-partner'].map((name, index) => [name, `canary-${index}-f3a9c1d7e5b2`] as const)
/** What shows that a place is looked through. */
const MARKER = 'marker-that-may-be-seen'

interface Answer { readonly status: number, readonly text: string, readonly json: Record<string, never> }

/** A store, and the file of a gateway that has it. */
interface Site {
  readonly file: string
  /** All that it keeps now. */
  kept (): Promise<KeptBytes>
}

/** A gateway that runs. */
interface Running {
  readonly sluice: SluiceProcess
  admin (method: string, path: string, body?: unknown, more?: { token?: string, headers?: Record<string, string> }): Promise<Answer>
  ask (host: string): Promise<number>
}

function site (t: Test, kind: 'embedded' | 'mongodb', name: string, folder: string): Site {
  const keyRing = join(folder, 'ring', 'keys.json')
  loadKeyRing({ text: undefined, file: keyRing, make: true })
  const database = kind === 'mongodb' ? mongoDatabase(t, mongodb.url ?? '') : ''
  const file = join(folder, `${name}.yaml`)
  const state = kind === 'embedded' ? `embedded: { path: ./${name} }` : `mongodb: { url: "${mongodb.url ?? ''}/${database}" }`
  writeFileSync(file, `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
baseDomain: gate.example
egress: { allow: [ 127.0.0.0/8 ] }
state: { ${state}, keyRing: ./ring/keys.json }
`)
  return { file, kept: async () => ({ ...kind === 'embedded' ? keptFiles(join(folder, name)) : await keptDocuments(mongodb.url ?? '', database), ...keptFiles(join(folder, 'ring')) }) }
}

async function run (t: Test, { file }: Site): Promise<Running> {
  const sluice = startSluice(t, ['start', '-c', file, '--json', '--log-level', 'debug'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const [data, port] = [await sluice.port('data'), await sluice.port('admin')]
  return {
    sluice,
    async admin (method, path, body, { token = TOKEN, headers = {} } = {}) {
      const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
        method, headers: { authorization: `Bearer ${token}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) })
      })
      const text = await answer.text()
      return { status: answer.status, text, json: (text.startsWith('{') ? JSON.parse(text) : {}) as Record<string, never> }
    },
    ask: async (host) => (await sendRaw(data, `GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, { settleMs: 0 })).responses[0]?.status ?? 0
  }
}

/** Holds that the upstream is sent what the configuration says, within the time that a change may take. */
async function serves (t: Test, upstream: Upstream, { ask }: Running, host: string, suffix: string): Promise<void> {
  const sent = async (): Promise<boolean> => await ask(host) === 200 && CANARIES.every(([name, value]) => upstream.requests.at(-1)?.values(name)[0] === `${value}${suffix}`)
  const until = performance.now() + 5_000
  let holds = await sent()
  while (!holds && performance.now() < until) holds = await sent()
  t.ok(holds, `${host} is served with what its configuration holds`)
}

function nowhere (t: Test, when: string, kept: KeptBytes): void {
  for (const [name, canary] of CANARIES) t.same(placesOf(canary, kept), [], `${when}: ${name}`)
  t.not(placesOf(MARKER, kept).length, 0, `${when}: it is looked through`)
}

for (const [kind, other] of [['embedded', 'mongodb'], ['mongodb', 'embedded']] as const) {
  const skip = kind === 'mongodb' ? mongodb.skip : false
  test(`configurations (${kind}): what a store, its trail, its last view and its backups keep of them is sealed, whatever is done with them`, { skip, timeout: 120_000 }, async (t) => {
    const upstream = await createUpstream()
    t.teardown(() => upstream.close())
    const folder = tempDir(t)
    const from = site(t, kind, 'from', folder)
    const gateway = await run(t, from)
    const { admin, sluice } = gateway
    const config = (suffix: string): object => ({
      upstreams: { u: { targets: [upstream.url] } }, plugins: [{ headers: { request: { set: Object.fromEntries(CANARIES.map(([name, value]) => [name, `${value}${suffix}`])) } } }],
      routes: [{ id: MARKER, match: { path: '/*' }, upstream: 'u' }]
    })
    const done = async (status: number, ...args: Parameters<Running['admin']>): Promise<Answer> => {
      const answer = await admin(...args)
      t.equal(answer.status, status, `${args[0]} ${args[1]}: ${answer.text}`)
      return answer
    }
    await done(201, 'POST', '/admin/accounts', { customer_id: 'acme', name: MARKER })
    const token = String((await done(201, 'POST', '/admin/tokens', { name: MARKER, role: 'owner', customer_id: 'acme' })).json['token'])
    await done(201, 'PUT', '/admin/projects/shop/config?customer_id=acme', config('-1'), { headers: { 'if-none-match': '*' } })
    await serves(t, upstream, gateway, 'shop.gate.example', '-1')
    nowhere(t, 'made', await from.kept())

    await done(200, 'PUT', '/admin/projects/shop/config', config('-2'), { token })
    const again = await done(200, 'GET', '/admin/projects/shop/config', undefined, { token })
    await done(200, 'PUT', '/admin/projects/shop/config', again.json, { token })
    t.equal((await done(200, 'GET', '/admin/projects/shop')).json['config_version'], 2, 'what was shown says the same')
    await done(400, 'PUT', '/admin/projects/shop/config', { ...config('-x'), listen: {} }, { token })
    await done(200, 'PUT', '/admin/projects/shop/config?dry_run=true', config('-y'), { token })
    await done(200, 'PATCH', '/admin/projects/shop', { api_version: MARKER }, { token })
    await serves(t, upstream, gateway, 'shop.gate.example', '-2')
    const back = { headers: { 'idempotency-key': 'back' }, token }
    for (let time = 0; time < 2; time++) await done(200, 'POST', '/admin/projects/shop/rollback', { version: 1, comment: MARKER }, back)
    await serves(t, upstream, gateway, 'shop.gate.example', '-1')
    nowhere(t, 'changed', await from.kept())

    const shown = async (): Promise<string> => {
      const answers = []
      for (const path of ['/projects/shop/config', '/projects/shop/config?effective=true', '/config/cfv_shop_2', '/config/cfv_shop_3?effective=true', '/config/diff?project_id=shop&from=1&to=2', '/config/diff?project_id=shop&from=1&to=3']) answers.push((await done(200, 'GET', `/admin${path}`, undefined, { token })).text)
      return answers.join('\n')
    }
    const before = await shown()
    t.match(before, /authorization.{1,5}sha256:[\w-]{22}/)
    const [{ id: old } = { id: '' }] = (JSON.parse(readFileSync(join(folder, 'ring', 'keys.json'), 'utf8')) as { encryption: { keys: { id: string }[] } }).encryption.keys
    const terminal = keepTerminal()
    const flags = { config: from.file }
    const worked = async (what: string, code: Promise<number>): Promise<void> => { t.equal(await code, 0, `${what}: ${[...terminal.out, ...terminal.errors].join()}`) }
    if (kind === 'mongodb') await worked('prepared', rotateKeyRing({ ...flags, prepare: true }, terminal))
    await worked('rotated', rotateKeyRing(flags, terminal))
    await worked('retired', retireKey(old, { ...flags, yes: true }, terminal))
    t.equal(await shown(), before, 'after a rotation all is shown as before')
    await serves(t, upstream, gateway, 'shop.gate.example', '-1')
    await done(200, 'POST', '/admin/projects/shop/rollback', { version: 2 }, { token })
    await serves(t, upstream, gateway, 'shop.gate.example', '-2')
    const file = join(folder, 'all.backup')
    await worked('backed up', backup(file, flags, terminal))
    nowhere(t, 'rotated', await from.kept())
    nowhere(t, 'backed up', { 'a backup': gunzipSync(readFileSync(file)) })
    const audit = await done(200, 'GET', '/admin/audit?perPage=100')
    t.match(audit.text, /"x-partner":"sha256:/)
    nowhere(t, 'told', { 'the trail': Buffer.from(audit.text) })
    sluice.kill('SIGTERM')
    t.match(await sluice.exited, { code: 0 })
    nowhere(t, 'stopped', await from.kept())
    nowhere(t, 'logged', { log: Buffer.from(sluice.stderr() + MARKER) })

    const to = site(t, other === 'mongodb' && mongodb.url === null ? 'embedded' : other, 'to', folder)
    await worked('restored', restore(file, { config: to.file }, terminal))
    nowhere(t, 'restored', await to.kept())
    const second = await run(t, to)
    await serves(t, upstream, second, 'shop.gate.example', '-2')
    t.equal((await second.admin('GET', '/admin/projects/shop/config', undefined, { token })).status, 200)
    second.sluice.kill('SIGTERM')
    await second.sluice.exited
    nowhere(t, 'served', await to.kept())
  })
}

import { writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { loadKeyRing } from '../../../core/state/key-ring-source.js'
import { runCli } from '../../fixtures/cli.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { service } from '../../fixtures/services.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { createUpstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'
const KILLS = 15
const WRITERS = 4
const MOST_ANSWERS = 24
const BOOT_LIMIT_MS = 5_000
const mongodb = service('mongodb')

interface Answer { readonly status: number, readonly replayed: boolean, readonly json: Record<string, unknown> & { readonly data: Record<string, unknown>[], readonly error: { readonly details: { readonly reason: string } } } }
type Call = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>

/** A create that was sent, under a key of its own. */
interface Sent {
  readonly path: string
  readonly key: string
  readonly name: string
  readonly body: Record<string, unknown>
  /** Null where the answer did not come. */
  id: string | null
}

/** What clients were told while gateways were killed. */
interface Told {
  readonly creates: Sent[]
  /** The name that a consumer has since a change that was answered. */
  readonly names: Map<string, string>
  /** Sent without an answer: each may have been made or not. */
  readonly unsure: Set<string>
  readonly removed: Set<string>
  /** Keys of projects by the projects' host. */
  readonly keys: Map<string, string>
  answers: number
}

function caller (port: number): Call {
  return async (method, path, body, headers = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      method, headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await answer.text()
    return { status: answer.status, replayed: answer.headers.get('idempotent-replay') === 'true', json: (text === '' ? {} : JSON.parse(text)) as Answer['json'] }
  }
}

/** Creates, changes and removes until the gateway is gone. */
async function write (call: Call, name: string, lane: number, upstream: string, told: Told): Promise<void> {
  for (let index = 0; ; index++) {
    const quick = (index + lane) % 4 === 3
    const sent: Sent = { path: quick ? '/' : '/admin/consumers', key: `${name}-${index}`, name: `${name}-${index}`, body: quick ? { target_url: `${upstream}/${name}-${index}` } : { name: `${name}-${index}` }, id: null }
    told.creates.push(sent)
    const made = await call('POST', sent.path, sent.body, { 'idempotency-key': sent.key })
    if (made.status !== 201) throw new Error(`${sent.path}: ${made.status} ${JSON.stringify(made.json)}`)
    told.answers++
    if (quick) {
      const { project_id: id } = made.json['project'] as { project_id: string }
      sent.id = id
      told.keys.set(`${id}.gate.example`, String(made.json['api_key']))
      continue
    }
    const id = sent.id = String(made.json['consumer_id'])
    told.names.set(id, sent.name)
    if (index % 2 === 0) {
      told.unsure.add(id)
      const changed = await call('PATCH', `/admin/consumers/${id}`, { name: `${sent.name}-changed` })
      if (changed.status !== 200) throw new Error(JSON.stringify(changed.json))
      told.answers++
      told.unsure.delete(id)
      told.names.set(id, `${sent.name}-changed`)
    }
    if (index % 2 === 1) {
      told.unsure.add(id)
      const gone = await call('DELETE', `/admin/consumers/${id}`)
      if (gone.status !== 204) throw new Error(JSON.stringify(gone.json))
      told.answers++
      told.unsure.delete(id)
      told.removed.add(id)
    }
  }
}

/** What there is of one kind, by id, with the names that tell records apart. */
async function all (call: Call, path: string, idField: string, nameField: string): Promise<Map<string, string>> {
  const found = new Map<string, string>()
  for (let next: string | null = `${path}?perPage=100&cursor=`; next !== null;) {
    const { status, json }: Answer = await call('GET', next)
    if (status !== 200) throw new Error(JSON.stringify(json))
    for (const one of json.data) found.set(String(one[idField]), String(one[nameField]))
    next = (json['pagination'] as { next: string | null }).next
  }
  return found
}

/** Holds that all that was told is there, each once, and that a request which is repeated is not made again. */
async function expectAll (t: Test, call: Call, upstream: string, told: Told, from: number): Promise<void> {
  const consumers = await all(call, '/admin/consumers', 'consumer_id', 'name')
  const projects = await all(call, '/admin/projects', 'project_id', 'target_url')
  const wrong: string[] = []
  for (const [id, name] of told.names) {
    if (told.removed.has(id)) { if (consumers.has(id)) wrong.push(`${id} was removed, and is there`) } else if (!told.unsure.has(id) && consumers.get(id) !== name) wrong.push(`${id} is ${consumers.get(id) ?? 'gone'}, and was ${name}`)
  }
  const { creates } = told
  for (const { path, id } of creates) if (path === '/' && id !== null && !projects.has(id)) wrong.push(`the project ${id} is gone`)
  // Those of this gateway alone: what is before it was repeated already.
  for (const sent of creates.slice(from)) {
    const again = await call('POST', sent.path, sent.body, { 'idempotency-key': sent.key })
    const id = sent.path === '/' ? (again.json['project'] as { project_id: string } | undefined)?.project_id : again.json['consumer_id']
    if (sent.id !== null) {
      if (again.status !== 201 || !again.replayed || id !== sent.id) wrong.push(`${sent.key} was answered, and repeated gives ${again.status} ${JSON.stringify(again.json)}`)
      if (again.json['api_key'] !== undefined || again.json['secret'] !== undefined || again.json['curl'] !== undefined) wrong.push(`${sent.key}: a replay shows secrets`)
    } else if (again.status === 409) {
      // Whoever made it may be at it for all that another gateway knows, for a while.
      if (again.json.error.details.reason !== 'idempotency_key_in_use') wrong.push(`${sent.key}: ${JSON.stringify(again.json)}`)
    } else if (again.status !== 201) wrong.push(`${sent.key}: ${again.status} ${JSON.stringify(again.json)}`)
    const other = await call('POST', sent.path, { ...sent.body, [sent.path === '/' ? 'target_url' : 'name']: `${upstream}/other` }, { 'idempotency-key': sent.key })
    if (other.status !== 409) wrong.push(`${sent.key} with another body: ${other.status}`)
  }
  const names = [...(await all(call, '/admin/consumers', 'consumer_id', 'name')).values(), ...(await all(call, '/admin/projects', 'project_id', 'target_url')).values()].map((name) => name.replace('-changed', ''))
  for (const { name, path } of creates) {
    const wanted = path === '/' ? `${upstream}/${name}` : name
    if (names.filter((one) => one === wanted).length > 1) wrong.push(`${wanted} is there more than once`)
  }
  t.same(wrong, [])
}

async function killGateways (t: Test, state: string, cwd: string): Promise<void> {
  // Most of it is starting processes, which a busy machine does slowly.
  t.setTimeout(240_000)
  const upstream = await createUpstream((_, res) => { res.end('upstream') })
  t.teardown(() => upstream.close())
  writeFileSync(`${cwd}/gateway.yaml`, `listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nbaseDomain: gate.example\nstate: ${state}\n`)
  const told: Told = { creates: [], names: new Map(), unsure: new Set(), removed: new Set(), keys: new Map(), answers: 0 }
  const boots: number[] = []
  let repeated = 0
  let entries = 0
  for (let round = 0; round <= KILLS; round++) {
    const started = performance.now()
    const sluice = startSluice(t, ['start', '-c', `${cwd}/gateway.yaml`, '--json'], { cwd, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
    const [data, admin] = [await sluice.port('data'), await sluice.port('admin')]
    const call = caller(admin)
    while ((await call('GET', '/readyz')).json['status'] !== 'ready') await delay(10)
    boots.push(performance.now() - started)
    await expectAll(t, call, upstream.url, told, repeated)
    repeated = told.creates.length
    const verified = await call('GET', '/admin/audit/verify')
    t.match(verified, { status: 200, json: { fault: null } }, `the audit chain after ${round} kills`)
    entries = Number(verified.json['entries'])
    for (const [host, key] of [...told.keys].slice(-3)) {
      const { responses: [answer] } = await sendRaw(data, `GET / HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${key}\r\nConnection: close\r\n\r\n`, { settleMs: 0 })
      t.equal(answer?.status, 200, `${host} is served, and its key works`)
    }
    if (round === KILLS) {
      const { code, stdout } = await runCli(t, ['audit', 'verify', '--url', `http://127.0.0.1:${admin}`], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
      t.equal(code, 0)
      t.match(stdout, /^\d+ records, none missing and none changed/)
      break
    }
    const writers = Array.from({ length: WRITERS }, (_, lane) => write(call, `r${round}-${lane}`, lane, upstream.url, told))
    const ended = Promise.allSettled(writers)
    // After so many answers, whatever the machine and the store take for them, and somewhere within the next ones.
    const [enough, before] = [1 + Math.floor(Math.random() * MOST_ANSWERS), told.answers]
    while (told.answers - before < enough) await delay(1)
    await delay(Math.random() * 20)
    sluice.kill('SIGKILL')
    t.equal((await sluice.exited).signal, 'SIGKILL')
    for (const { reason } of await ended as PromiseRejectedResult[]) if (!/fetch failed|terminated/.test(String(reason))) throw reason
  }
  const answered = told.creates.filter(({ id }) => id !== null).length
  t.ok(answered > KILLS && told.removed.size > 0 && told.keys.size > 0 && told.creates.length > answered, 'they were killed while they wrote')
  // Something else may use the machine for a moment; what a crash costs, most boots behind one would cost.
  const slow = boots.filter((ms) => ms > BOOT_LIMIT_MS)
  t.ok(slow.length <= 2 && Math.max(...boots) <= 3 * BOOT_LIMIT_MS, `${boots.length - slow.length} of ${boots.length} were ready within ${BOOT_LIMIT_MS} ms`)
  t.comment(`${told.creates.length} creates, ${answered} of them answered, ${told.removed.size} removals, ${entries} audit entries; boots in ${boots.map((ms) => ms.toFixed(0)).join(', ')} ms`)
}

test(`crash: ${KILLS} gateways on the embedded store are killed while they write, and all that was answered is there once`, async (t) => {
  await killGateways(t, '{ embedded: { path: ./data } }', t.testdir({}))
})

test(`crash: ${KILLS} gateways on MongoDB are killed while they write, and all that was answered is there once`, { skip: mongodb.skip }, async (t) => {
  const cwd = t.testdir({})
  loadKeyRing({ text: undefined, file: `${cwd}/keys.json`, make: true })
  await killGateways(t, `{ mongodb: { url: "${mongodb.url ?? ''}/${mongoDatabase(t, mongodb.url ?? '')}" }, keyRing: ./keys.json }`, cwd)
})

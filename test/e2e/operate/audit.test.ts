import { join } from 'node:path'
import { writeFileSync } from 'node:fs'
import { test } from 'tap'
import { openSqliteConnection, type SqliteConnection } from '../../../core/state/sqlite-connection.js'
import { SQLITE_FILE } from '../../../core/state/sqlite-engine.js'
import { runCli } from '../../fixtures/cli.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'a-token-of-some-length'
const idOf = (seq: number): string => `aud_${String(seq).padStart(12, '0')}`

interface Entry { readonly seq: number, readonly audit_id: string, readonly hash: string, readonly prev_hash: string, readonly action: string, readonly phase: string, readonly payload: Record<string, unknown> | null, readonly customer_id: string, readonly target_id: string }

/** Changes the record of an entry behind the gateway's back. */
function rewrite (database: SqliteConnection, seq: number, change: (record: Record<string, unknown>) => Record<string, unknown>): void {
  const { doc } = database.row<{ doc: string }>('SELECT doc FROM docs WHERE collection = \'audit_records\' AND id = ?', idOf(seq)) ?? { doc: '{}' }
  database.run('UPDATE docs SET doc = ? WHERE collection = \'audit_records\' AND id = ?', JSON.stringify(change(JSON.parse(doc) as Record<string, unknown>)), idOf(seq))
}

test('audit trail: who works on the database finds no way to take out, change, exchange or add an entry that `sluice audit verify` does not see', async (t) => {
  t.setTimeout(90_000)
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.yaml'), 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nstate: { embedded: { path: ./data } }\n')
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml', '--json'], { cwd, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('admin')
  const ask = async (method: string, path: string, body?: unknown): Promise<{ status: number, text: string, json: Record<string, never> }> => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
    const text = await answer.text()
    return { status: answer.status, text, json: (answer.headers.get('content-type')?.startsWith('application/json') === true ? JSON.parse(text) : {}) as Record<string, never> }
  }
  const verify = async (): Promise<{ code: number | null, said: string }> => {
    const { code, stdout, stderr } = await runCli(t, ['audit', 'verify', '--url', `http://127.0.0.1:${port}`], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
    return { code, said: stdout + stderr }
  }
  const person = (await ask('POST', '/admin/users', { email: 'person@x.example', name: 'Somebody In Particular' })).json['user_id'] as unknown as string
  for (let index = 0; index < 6; index++) await ask('POST', '/admin/consumers', { name: `consumer ${index}` })
  t.match(await verify(), { code: 0, said: /^14 records, none missing and none changed/ })

  const database = openSqliteConnection({ path: join(cwd, 'data', SQLITE_FILE), create: false, limitMs: 5_000, functions: {}, prepare () {} })
  t.teardown(() => { database.close() })
  const rows = database.rows<{ id: string, customer_id: string, rev: number, seq: number, doc: string }>('SELECT id, customer_id, rev, seq, doc FROM docs WHERE collection = \'audit_records\' ORDER BY id')
  const restore = (): void => {
    database.run('DELETE FROM docs WHERE collection = \'audit_records\'')
    for (const { id, customer_id: account, rev, seq, doc } of rows) database.run('INSERT INTO docs (collection, id, customer_id, rev, seq, doc) VALUES (\'audit_records\', ?, ?, ?, ?, ?)', id, account, rev, seq, doc)
  }
  const parsed = rows.map(({ doc }) => JSON.parse(doc) as Record<string, unknown>)
  const tampered: [what: string, tamper: () => void, said: RegExp][] = [
    ['taken out', () => { database.run('DELETE FROM docs WHERE collection = \'audit_records\' AND id = ?', idOf(5)) }, /record 5 of the audit trail is missing/],
    ['removed as other records are', () => { database.run('UPDATE docs SET doc = NULL WHERE collection = \'audit_records\' AND id = ?', idOf(5)) }, /record 5 .*is missing/],
    ['the first', () => { database.run('DELETE FROM docs WHERE collection = \'audit_records\' AND id = ?', idOf(1)) }, /record 1 .*is missing/],
    ['another actor', () => { rewrite(database, 5, (record) => ({ ...record, actor: 'somebody-else' })) }, /record 5 .*was changed/],
    ['another time', () => { rewrite(database, 5, (record) => ({ ...record, created_at: '2020-01-01T00:00:00.000Z' })) }, /record 5 .*was changed/],
    ['another outcome', () => { rewrite(database, 6, (record) => ({ ...record, outcome: 'CONFLICT' })) }, /record 6 .*was changed/],
    ['another payload', () => { rewrite(database, 5, (record) => ({ ...record, payload: { peer: '10.0.0.1' } })) }, /record 5 .*says something else/],
    ['another payload with its hash', () => { rewrite(database, 5, (record) => ({ ...record, payload: null, payload_hash: '0'.repeat(64) })) }, /record 5 .*was changed/],
    ['two exchanged', () => {
      const [one, other] = [parsed[4]!, parsed[5]!]
      rewrite(database, 5, () => ({ ...other, seq: 5, audit_id: idOf(5) }))
      rewrite(database, 6, () => ({ ...one, seq: 6, audit_id: idOf(6) }))
    }, /record 5 .*does not follow the one before it/],
    ['one taken out, and those behind moved up', () => {
      for (let seq = 5; seq < rows.length; seq++) rewrite(database, seq, () => ({ ...parsed[seq]!, seq, audit_id: idOf(seq) }))
      database.run('DELETE FROM docs WHERE collection = \'audit_records\' AND id = ?', idOf(rows.length))
    }, /record 5 .*does not follow the one before it/],
    ['one added at the end', () => {
      database.run('INSERT INTO docs (collection, id, customer_id, rev, seq, doc) VALUES (\'audit_records\', ?, \'local\', 1, 100000, ?)', idOf(rows.length + 1), JSON.stringify({ ...parsed.at(-1), seq: rows.length + 1, audit_id: idOf(rows.length + 1), prev_hash: parsed.at(-1)?.['hash'], actor: 'somebody' }))
    }, new RegExp(`record ${rows.length + 1} .*was changed`)],
    ['one added beside another', () => {
      database.run('INSERT INTO docs (collection, id, customer_id, rev, seq, doc) VALUES (\'audit_records\', \'aud_x\', \'local\', 1, 100000, ?)', JSON.stringify({ ...parsed[4], audit_id: 'aud_x' }))
    }, /record 6 .*(?:does not follow|is missing)/]
  ]
  for (const [what, tamper, said] of tampered) {
    tamper()
    const found = await verify()
    t.equal(found.code, 1, what)
    t.match(found.said, said, what)
    restore()
  }
  t.match(await verify(), { code: 0 })

  // A person's part of it can go, and the chain holds; that it went stands in it.
  const named = (await ask('GET', `/admin/audit?target_id=${person}&perPage=100`)).json['data'] as unknown as Entry[]
  t.equal(named.length, 2)
  for (const { audit_id: id } of named) t.match(await runCli(t, ['audit', 'erase', id, '--yes', '--url', `http://127.0.0.1:${port}`], { env: { SLUICE_ADMIN_TOKEN: TOKEN } }), { code: 0 })
  t.match(await verify(), { code: 0, said: /^18 records/ })
  const gone = await ask('GET', `/admin/audit/${named[0]!.audit_id}`)
  t.match(gone.json, { payload: null, action: 'users.create', hash: named[0]!.hash })
  t.equal(((await ask('GET', '/admin/audit?action=audit.erase&phase=outcome&outcome=ok')).json['data'] as unknown as Entry[]).length, 2)

  // What is exported is the whole of it, and by itself a chain; filters cut it.
  const exported = (await ask('GET', '/admin/audit?format=ndjson&perPage=100&sort=seq')).text.trimEnd().split('\n').map((line) => JSON.parse(line) as Entry)
  t.notMatch(JSON.stringify(exported), /person@x\.example|In Particular/)
  t.same(exported.map(({ seq }) => seq), Array.from({ length: 18 }, (_, index) => index + 1))
  for (const [index, { prev_hash: before }] of exported.entries()) t.equal(before, exported[index - 1]?.hash ?? '0'.repeat(64))
  const cut = async (query: string): Promise<Entry[]> => (await ask('GET', `/admin/audit?format=ndjson&perPage=100&sort=seq&${query}`)).text.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Entry)
  t.equal((await cut('action=consumers.create')).length, 12)
  t.equal((await cut('action=consumers.create,users.create&phase=intent')).length, 7)
  t.equal((await cut('phase=outcome&outcome=ok')).length, 9)
  t.same((await cut(`target_id=${person}`)).map(({ action }) => action), ['users.create', 'users.create'])
  const middle = (exported[9] as unknown as { created_at: string }).created_at
  t.same((await cut(`from=${middle}`)).map(({ seq }) => seq), exported.filter((one) => (one as unknown as { created_at: string }).created_at >= middle).map(({ seq }) => seq))
  t.same((await cut(`to=${middle}`)).map(({ seq }) => seq), exported.filter((one) => (one as unknown as { created_at: string }).created_at < middle).map(({ seq }) => seq))
  t.equal((await cut('customer_id=nobody')).length, 0)

  // What tells of a person's address can go too, also of requests that were refused: those are found under no id of a person.
  const asked = [['POST', '/admin/users', { email: 'Ada@x.example', name: 'Ada' }, 201], ['POST', '/admin/users', { email: 'ada@X.example', name: 'Ada Again' }, 409], ['POST', '/admin/users', { email: 'grace@x.example' }, 201]] as const
  for (const [method, path, body, status] of asked) t.equal((await ask(method, path, body)).status, status)
  const erase = (...args: string[]) => runCli(t, ['audit', 'erase-person', 'ADA@x.example', ...args, '--yes', '--url', `http://127.0.0.1:${port}`], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  t.match(await erase(), { code: 2, stderr: /no account is named \(add --account/ })
  t.match(await ask('POST', '/admin/audit/erase', { customer_id: 'other', email: 'ada@x.example' }), { status: 200, json: { erased: [] } }, 'another account')
  t.match(await erase('--account', 'local'), { code: 0, stdout: '3 entries erased\n' })
  t.match(await ask('POST', '/admin/audit/erase', { customer_id: 'local', email: 'ada@x.example' }), { status: 200, json: { erased: [] } }, 'what is gone is not erased again')
  const after = (await ask('GET', '/admin/audit?format=ndjson&perPage=100')).text
  t.notMatch(after, /ada@x\.example/i)
  t.match(after, /grace@x\.example/)
  t.match(await verify(), { code: 0, said: /^30 records/ })
})

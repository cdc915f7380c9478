import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { parseCsv } from '../../bin/admin-client/csv.js'
import { createProgram } from '../../bin/program.js'
import { openAdminApi, OPERATOR_TOKEN } from '../fixtures/admin-api.js'
import { keepTerminal } from '../fixtures/cli.js'
import { failCalls } from '../fixtures/failing-calls.js'
import { tempDir } from '../fixtures/temp-dir.js'

interface Ran { code: unknown, stdout: string, stderr: string }

/** Runs commands in this process, with files of a folder. */
function sluiceFor (t: Test, url: string): { run (...args: string[]): Promise<Ran>, file (name: string, text: string): string } {
  const home = tempDir(t)
  return {
    async run (...args) {
      const terminal = keepTerminal({ HOME: home, SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: OPERATOR_TOKEN })
      await createProgram(terminal).parseAsync(['node', 'sluice', ...args])
      const code = process.exitCode
      process.exitCode = undefined
      return { code, stdout: terminal.out.map((line) => `${line}\n`).join(''), stderr: terminal.errors.map((line) => `${line}\n`).join('') }
    },
    file (name, text) {
      const path = join(home, name)
      writeFileSync(path, text)
      return path
    }
  }
}

test('bulk: CSV is read as RFC 4180 has it', (t) => {
  t.same(parseCsv('\ufeffa,b\r\n"x, ""y""",\n\n"two\nlines",z'), [{ line: 1, cells: ['a', 'b'] }, { line: 2, cells: ['x, "y"', ''] }, { line: 4, cells: ['two\nlines', 'z'] }])
  t.same(parseCsv('a,\n'), [{ line: 1, cells: ['a', ''] }])
  t.same(parseCsv('a,'), [{ line: 1, cells: ['a', ''] }])
  t.same(parseCsv('\n\r\n'), [])
  t.same(parseCsv('""'), [])
  for (const text of ['a"b', '"a', 'x\n"a"b', '"a" ,b']) t.throws(() => parseCsv(text), /has a double quote where none may be/, text)
  t.throws(() => parseCsv('"1\n2",x\na"b'), /line 3/)
  t.end()
})

test('bulk: users are imported from CSV, and what is refused is told with its line', async (t) => {
  const { url, ask } = await openAdminApi(t)
  const { run, file } = sluiceFor(t, url)
  const csv = file('users.csv', 'email,name,tier\nada@x.example,"Lovelace, Ada",gold\nnowhere,,\nADA@x.example,,\nbob@x.example,null,\n')
  const imported = await run('user', 'import', csv)
  t.equal(imported.code, 1)
  t.match(imported.stderr, /users\.csv:3: \/items\/1\/body\/email has to be an e-mail address\. \[400 VALIDATION_ERROR\]\n.*users\.csv:4: There is one with this email already\. \[409 CONFLICT\]\n2 of 4 done\n$/)
  t.match(imported.stdout, /ada@x\.example {2}Lovelace, Ada {2}gold/)
  t.same((await ask('GET', '/admin/users?sort=email')).body.data.map(({ email, name, tier }) => [email, name, tier]), [['ada@x.example', 'Lovelace, Ada', 'gold'], ['bob@x.example', null, null]])
  const many = file('many.ndjson', Array.from({ length: 230 }, (_, i) => JSON.stringify({ email: `p${i}@x.example` })).join('\n'))
  t.match(await run('user', 'import', many, '--json'), { code: 0, stderr: '' })
  t.equal((await ask('GET', '/admin/users')).body.pagination['total'], 232)
})

test('bulk: records of a file are changed by their ids, and what destroys is asked about', async (t) => {
  const { url, ask } = await openAdminApi(t)
  const { run, file } = sluiceFor(t, url)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://x.example' } })
  const made = await run('key', 'bulk', 'create', file('keys.json', JSON.stringify([{ project_id: 'one', name: 'a' }, { project_id: 'one', name: 'b', allowed_networks: ['10.1.0.0/16'] }])), '--json')
  t.equal(made.code, 0)
  const keys = JSON.parse(made.stdout) as { place: string, id: string, body: { api_key: string } }[]
  t.match(keys, [{ place: /keys\.json\[0\]$/, body: { api_key: /^ak_live_/, secret: /^sk_/ } }, { body: { api_key: /^ak_live_/ } }])
  t.match((await run('key', 'bulk', 'create', file('more.csv', 'project_id,allowed_networks\none,"[""10.1.0.0/16""]"\n'))).stdout, /ak_live_\w{36}.* {2}sk_\w+\n/, 'the table has what is shown once, whole')
  const ids = file('ids.csv', `credential_id,name\n${keys.map(({ id }) => `${id},renamed\n`).join('')}`)
  t.match(await run('key', 'bulk', 'update', ids), { code: 0, stderr: '2 of 2 done\n' })
  t.match(await run('key', 'bulk', 'revoke', ids), { code: 2, stderr: /nobody is there to be asked/ })
  t.match(await run('key', 'bulk', 'revoke', ids, '--yes'), { code: 0, stderr: '2 of 2 done\n' })
  t.equal((await ask('GET', '/admin/api-keys?status=revoked&search=renamed')).body.pagination['total'], 2)
  t.match(await run('user', 'bulk', 'delete', file('missing.csv', 'user_id\nno-such-one\n'), '--yes'), { code: 1, stderr: /missing\.csv:2: There is no such user\. \[404 NOT_FOUND\]\n0 of 1 done/ })
})

test('bulk: a file that is none is refused before anything is sent', async (t) => {
  const { url, ask } = await openAdminApi(t)
  const { run, file } = sluiceFor(t, url)
  const cases: [string, string, RegExp][] = [
    ['users.txt', 'x', /does not say what it is written in/], ['a.json', '{}', /is no JSON array/], ['b.json', '[1]', /b\.json\[0\] is no object/], ['c.ndjson', '{"email":"a@x.example"}\n{', /c\.ndjson:2 is no JSON/], ['d.csv', 'a,a\n1,2', /names a twice/],
    ['e.csv', 'a,,b\n', /without a name/], ['f.csv', 'email\na@x.example,b\n', /f\.csv:2 has more cells/], ['g.csv', 'email\n', /has no records/], ['h.csv', '', /has no records/]
  ]
  for (const [name, text, problem] of cases) t.match(await run('user', 'import', file(name, text)), { code: 2, stderr: problem }, name)
  t.match(await run('user', 'bulk', 'deactivate', file('i.csv', 'email\na@x.example\n'), '--yes'), { code: 2, stderr: /i\.csv:2 has no user_id/ })
  t.match(await run('user', 'import', '/nowhere/users.csv'), { code: 1, stderr: /users\.csv/ })
  t.equal((await ask('GET', '/admin/users')).body.pagination['total'], 0)
})

test('bulk: an import goes on when the store comes back, and makes nothing twice', async (t) => {
  const fixture = await openAdminApi(t)
  const { run, file } = sluiceFor(t, fixture.url)
  const failing = failCalls(fixture.engine)
  failing.failFrom(20, true)
  const running = run('user', 'import', file('users.ndjson', Array.from({ length: 20 }, (_, i) => JSON.stringify({ email: `p${i}@x.example` })).join('\n')))
  while (failing.made < 20) await new Promise((resolve) => { setImmediate(resolve) })
  failing.mend()
  t.match(await running, { code: 0, stderr: '20 of 20 done\n' })
  t.equal((await fixture.ask('GET', '/admin/users')).body.pagination['total'], 20)
})

test('bulk: a request that nobody answered is sent again with the same key', async (t) => {
  const keys: (string | undefined)[] = []
  const server = createServer((request, response) => {
    keys.push(String(request.headers['idempotency-key']))
    if (keys.length === 1) { request.socket.destroy(); return }
    if (keys.length === 2) { response.writeHead(503, { 'retry-after': '0', 'content-type': 'application/json' }).end('{}'); return }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [{ action: 'create', id: 'usr_1', status: 201, body: { user_id: 'usr_1', email: 'a@x.example' }, error: null }] }))
  })
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const { run, file } = sluiceFor(t, `http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  t.match(await run('user', 'import', file('users.csv', 'email\na@x.example\n')), { code: 0, stderr: '1 of 1 done\n' })
  t.equal(keys.length, 3)
  t.equal(new Set(keys).size, 1)
})

import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { check } from '../../bin/commands/check.js'
import { keepTerminal, REPOSITORY, runCli } from '../fixtures/cli.js'
import { service } from '../fixtures/services.js'
import { tempDir } from '../fixtures/temp-dir.js'

function write (t: Test, files: Readonly<Record<string, string>>): string {
  const folder = tempDir(t)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

interface Checked { code: number, stdout: string, lines: string[] }

/** Checks a file of a folder, in this process; what it prints, with the file named as from inside the folder. */
async function checked (folder: string, file = 'gateway.config.yaml', environment: string | null = null, json = false): Promise<Checked> {
  const terminal = keepTerminal()
  const code = await check({ file: join(folder, file), environment, json }, terminal)
  const lines = terminal.out.map((line) => line.replaceAll(`${folder}/`, ''))
  return { code, stdout: `${lines.join('\n')}\n`, lines }
}

const GOOD = `projects:
  one: { basePath: /one, upstreams: { up: { targets: [ "http://127.0.0.1:9" ] } }, routes: [ { match: { path: /a }, upstream: up }, { match: { path: /b }, upstream: up } ] }
  two: { basePath: /two, routes: [ { match: { path: /a }, plugins: [ { respond: { body: hi } } ] } ] }
`

const BAD = `lisen: { port: 1 }
plugins:
  - security-header
projects:
  shop:
    upstreams: { up: { targets: [ "http://127.0.0.1:9" ] } }
    routes:
      - { match: { path: /a }, upstream: upp }
      - { match: { path: /b, method: GET }, upstream: up }
`

test('check: the shipped configuration and the example pass, with a summary', async (t) => {
  t.strictSame(await runCli(t, ['check']), { code: 0, signal: null, stdout: 'gateway.config.yaml: 1 project, 1 route: no findings\n', stderr: '' })
  const example = await checked(REPOSITORY.replace(/\/$/, ''), 'examples/orders/gateway.config.yaml', 'test')
  t.match(example, { code: 0, stdout: /^examples\/orders\/gateway\.config\.yaml: 1 project, \d+ routes: no findings\n$/ })
  const folder = write(t, { 'gateway.config.yaml': GOOD })
  t.equal((await checked(folder)).stdout, 'gateway.config.yaml: 2 projects, 3 routes: no findings\n')
})

test('check: every finding is a line with its place, what is wrong and what to do', async (t) => {
  const folder = write(t, { 'gateway.config.yaml': BAD })
  const { code, stdout, stderr } = await runCli(t, ['check'], { cwd: folder })
  t.equal(code, 1)
  t.equal(stderr, '')
  const lines = stdout.trimEnd().split('\n')
  t.equal(lines.pop(), `gateway.config.yaml: ${lines.length} findings`)
  for (const line of lines) t.match(line, /^gateway\.config\.yaml:\d+:\d+ [\w.[\]()]+: .+ \(.+\)$/)
  t.match(lines.find((line) => line.includes(':1:1 ')), /lisen.*did you mean "listen"/)
  t.match(lines.find((line) => line.includes(':3:5 ')), /security-header.*did you mean "security-headers"/)
  t.match(lines.find((line) => line.includes(':8:')), /upp.*did you mean "up"/)
  t.match(lines.find((line) => line.includes(':9:30 ')), /method.*did you mean "methods"/)
})

test('check: --json gives findings as objects, one shape for good and bad', async (t) => {
  const folder = write(t, { 'good.yaml': GOOD, 'bad.yaml': BAD })
  const good = await checked(folder, 'good.yaml', null, true)
  t.equal(good.code, 0)
  t.strictSame(JSON.parse(good.stdout), { ok: true, file: 'good.yaml', environment: null, projects: 2, routes: 3, findings: [] })
  const bad = await runCli(t, ['check', 'bad.yaml', '--json'], { cwd: folder })
  t.equal(bad.code, 1)
  const told = JSON.parse(bad.stdout)
  t.match(told, { ok: false, file: 'bad.yaml', environment: null, projects: null, routes: null })
  t.strictSame(Object.keys(told), Object.keys(JSON.parse(good.stdout)))
  for (const finding of told.findings) t.match(finding, { path: Array, message: String, remedy: String, position: { file: 'bad.yaml', line: Number, column: Number } })
  t.match(told.findings.find(({ position }: { position: { line: number } }) => position.line === 8), { path: ['projects', 'shop', 'routes', 0, 'upstream'] })
})

test('check: what is wrong in one place hides nothing that is wrong in others', async (t) => {
  const folder = write(t, { 'gateway.config.yaml': `workers: -3
plugins: [ headers: { request: { set: { x-a: "{{ parms.id }}" } } } ]
projects:
  a:
    hosts: [ "a b", "a.example:80" ]
    upstreams:
      one: { targets: [ "http://h/p?q=1" ], tmieouts: {} }
      two: { taregts: [ "http://h" ], host: "a/b" }
    routes:
      - { match: { path: /a, headers: { x_y: "1" } }, upstream: nowhere, upgrads: [ x ] }
      - { match: { path: /b, methds: [ GET ] }, upstream: nowhere, plugins: [ respond: { status: 204, body: x } ] }
      - { match: { path: "/c/:id" }, rewrite: "/:nobody", timeouts: { idle: 5 } }
  b: { hosts: [ "*" ], routes: [ { match: { path: "/d/:a" }, upstrem: x }, { match: { path: "/d/:b" } } ] }
` })
  const { lines } = await checked(folder)
  t.equal(lines.pop(), 'gateway.config.yaml: 19 findings')
  t.strictSame(lines.map((line) => line.replace(/^gateway\.config\.yaml:(\d+):\d+ \S+: /, '$1 ').replace(/ \(.*/, '')), [
    '1 expected at least 1, found the number -3',
    '2 the template "{{ parms.id }}": unknown name "parms.id"',
    '5 "a b" is not a host name',
    '5 "a.example:80" holds a port',
    '7 "http://h/p?q=1" holds a query or fragment',
    '7 unknown key "tmieouts"',
    '8 unknown key "taregts"',
    '8 "a/b" can not stand in a Host header',
    '10 the header "x_y" never arrives: names with an underscore are dropped',
    '10 there is no upstream "nowhere" in this project',
    '10 unknown key "upgrads"',
    '11 unknown key "methds"',
    '11 there is no upstream "nowhere" in this project',
    '11 an answer with status 204 has no body',
    '12 the template names ":nobody", which the route\'s path does not have',
    '12 expected a duration, found the number 5',
    '13 "*" is not a host name',
    '13 unknown key "upstrem"',
    '13 routes "* /d/:a" and "* /d/:b" match the same requests, and nothing orders them; see also gateway.config.yaml:13:36'
  ])
})

test('check: a file that is missing, a folder, unreadable or empty is a finding', async (t) => {
  const folder = write(t, { 'locked.yaml': GOOD, 'empty.yaml': '', 'folder/x.yaml': '' })
  const findings = async (file: string): Promise<string> => {
    const { code, stdout } = await checked(folder, file)
    t.equal(code, 1, file)
    return stdout
  }
  t.match(await findings('missing.yaml'), /missing\.yaml:1:1 .*there is no such file \(name a file that exists/)
  t.match(await findings('folder'), /it is a folder \(name a file/)
  t.match((await runCli(t, ['check', '.'], { cwd: folder })).stdout, /^\.:1:1 \(root\): /)
  chmodSync(join(folder, 'locked.yaml'), 0)
  if (process.getuid?.() !== 0) t.match(await findings('locked.yaml'), /may not|permission/)
  t.match(await findings('empty.yaml'), /empty\.yaml/)
})

test('check: with --env or SLUICE_ENV the overlay counts, and an unknown one is a finding', async (t) => {
  const folder = write(t, { 'gateway.config.yaml': `${GOOD}environments: { staging: { projects: { two: { routes: [ { match: { path: /a }, upstream: nowhere } ] } } } }\n` })
  t.equal((await checked(folder)).code, 0)
  t.match(await checked(folder, 'gateway.config.yaml', 'staging'), { code: 1, stdout: /nowhere/ })
  t.match(await runCli(t, ['check'], { cwd: folder, env: { SLUICE_ENV: 'staging' } }), { code: 1, stdout: /nowhere/ })
  t.match(await checked(folder, 'gateway.config.yaml', 'stagin'), { code: 1, stdout: /there is no environment "stagin".*did you mean "staging"/ })
  t.match(await runCli(t, ['check', '--env', ''], { cwd: folder, env: { SLUICE_ENV: 'staging' } }), { code: 0 }, 'an empty name is none')
  t.match(await runCli(t, ['check'], { cwd: '/', env: { SLUICE_CONFIG: join(folder, 'gateway.config.yaml') } }), { code: 0 })
})

const PICKY = `import { Type, definePlugin } from 'sluice'
export default definePlugin({
  name: 'picky',
  stage: 'edge',
  config: Type.Object({ broken: Type.Boolean({ default: false }) }, { additionalProperties: false }),
  create ({ broken }) {
    if (broken) throw new Error('it will not be made')
    return {}
  }
})
`

test('check: it compiles as start does: plugins that can not be created are findings, all of them, and what they leave behind does not keep it', async (t) => {
  const use = (broken: boolean): string => `{ use: ./picky.ts, config: { broken: ${broken} } }`
  const config = (broken: boolean): string => `plugins: [ security-headers ]
projects:
  one:
    basePath: /one
    routes:
      - { match: { path: /a }, plugins: [ ${use(broken)}, { respond: { body: hi } } ] }
      - { match: { path: /b }, plugins: [ ${use(false)}, { respond: { body: hi } } ] }
      - { match: { path: /c }, plugins: [ ${use(broken)}, { respond: { body: hi } } ] }
  two:
    basePath: /two
    plugins: [ ${use(broken)} ]
    routes: [ { match: { path: /a }, plugins: [ { respond: { body: hi } } ] }, { match: { path: /b }, plugins: [ { respond: { body: hi } } ] } ]
`
  const folder = write(t, { 'bad.yaml': config(true), 'picky.ts': PICKY, 'order.yaml': 'plugins: [ { use: ./needy.ts } ]\nprojects: { a: { routes: [ { match: { path: / }, plugins: [ { respond: { body: hi } } ] } ] } }\n', 'needy.ts': PICKY.replace("'picky'", "'needy'").replace("stage: 'edge',", "stage: 'authorize', requires: ['consumer'],") })
  const lingering = write(t, { 'good.yaml': config(false), 'picky.ts': `${PICKY}setInterval(() => {}, 1000)\n` })
  t.match(await runCli(t, ['check', 'good.yaml'], { cwd: lingering }), { code: 0, stdout: 'good.yaml: 2 projects, 5 routes: no findings\n' })
  const { code, stdout } = await checked(folder, 'bad.yaml')
  t.equal(code, 1)
  t.strictSame(stdout.trimEnd().split('\n'), [
    'bad.yaml:6:43 projects.one.routes[0].plugins[0]: plugin "picky" could not be created: it will not be made (correct its configuration)',
    'bad.yaml:8:43 projects.one.routes[2].plugins[0]: plugin "picky" could not be created: it will not be made (correct its configuration)',
    'bad.yaml:11:16 projects.two.plugins[0]: plugin "picky" could not be created: it will not be made (correct its configuration)',
    'bad.yaml: 3 findings'
  ])
  t.match(await checked(folder, 'order.yaml'), { code: 1, stdout: /^order\.yaml:1:12 plugins\[0\]: plugin "needy" needs "consumer", which no plugin before it fills \(add "api-key" before it/ })
})

test('check: as a function it paints for people, and says the same without', async (t) => {
  const folder = write(t, { 'bad.yaml': BAD })
  const file = join(folder, 'bad.yaml')
  const [person, file2] = [keepTerminal({}, true), keepTerminal({}, false)]
  t.equal(await check({ file, environment: null, json: false }, person), 1)
  t.equal(await check({ file, environment: null, json: false }, file2), 1)
  t.match(person.out[0], '\x1b[1m')
  t.notMatch(file2.out.join('\n'), '\x1b')
  t.strictSame(person.out.map((line) => line.replace(/\x1b\[\d+m/g, '')), file2.out)
  t.equal(await check({ file: join(REPOSITORY, 'gateway.config.yaml'), environment: null, json: false }, keepTerminal()), 0)
})

test('check: a key that TLS does not take is a finding before start meets it', { skip: service('openssl').skip }, async (t) => {
  const folder = write(t, { 'gateway.config.yaml': `listen:
  tls: { certificates: [ { cert: weak.crt, key: weak.key } ] }
${GOOD}`, 'openssl.cnf': '[req]\ndistinguished_name = dn\n[dn]\n' })
  const at = (name: string): string => join(folder, name)
  execFileSync('openssl', ['req', '-config', at('openssl.cnf'), '-x509', '-newkey', 'rsa:512', '-noenc', '-days', '2', '-subj', '/CN=weak', '-keyout', at('weak.key'), '-out', at('weak.crt')], { stdio: 'ignore' })
  t.match(await checked(folder), { code: 1, stdout: /^gateway\.config\.yaml:2:3 listen\.tls: certificate .*weak\.crt with key .*weak\.key can not be used: .*too small \(check that both are PEM and belong together\)\n/ })
})

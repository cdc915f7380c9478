import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const CONFIG = `listen: { host: 127.0.0.1, port: 0, health: true }
admin: { host: 127.0.0.1, port: 0 }
projects:
  demo:
    upstreams: { echo: { builtin: echo } }
    routes: [ { id: echo, match: { path: "/echo/*" }, upstream: echo } ]
environments:
  staging:
    projects:
      demo:
        routes: [ { id: echo, match: { path: "/staged/*" }, upstream: echo } ]
`

test('start: tells each listener in a line, serves, and keeps the admin token in a file of the user alone', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), CONFIG)
  const sluice = startSluice(t, ['start'], { cwd, covered: true })
  const url = await sluice.until(() => /^sluice: data listens on (http:\S+)$/m.exec(sluice.stdout())?.[1])
  const admin = await sluice.until(() => /^sluice: admin listens on (http:\S+)$/m.exec(sluice.stdout())?.[1])
  const tokenFile = await sluice.until(() => /^sluice: the admin token is in (\S+)$/m.exec(sluice.stdout())?.[1])
  t.equal(tokenFile, join(cwd, 'data', 'admin-token'))
  t.equal(statSync(tokenFile).mode & 0o777, 0o600)
  const token = readFileSync(tokenFile, 'utf8').trim()
  t.match(token, /^sat_[\w-]{43}$/)

  const answer = await fetch(`${url}/echo/hello?x=1`)
  t.equal(answer.status, 200)
  t.match(await answer.json(), { method: 'GET', path: '/echo/hello' })
  t.match(answer.headers.get('x-request-id'), /^[\w-]{36}$/)
  t.equal((await fetch(`${admin}/status`)).status, 401)
  t.equal((await fetch(`${admin}/status`, { headers: { authorization: `Bearer ${token}` } })).status, 200)

  for (const path of ['/health', '/api/health']) {
    const health = await fetch(url + path)
    t.equal(health.status, 200)
    t.strictSame(await health.json(), { status: 'ok' })
    t.match(health.headers.get('x-request-id'), /^[\w-]{36}$/, 'every answer has a request id')
  }
  const wrong = await fetch(`${url}/health`, { method: 'POST' })
  t.equal(wrong.status, 404, 'another method is the project\'s')
  t.match(await wrong.json(), { error: { code: 'NOT_FOUND' } }, 'in the house shape')

  sluice.kill('SIGTERM')
  t.strictSame(await sluice.exited, { code: 0, signal: null })
  t.notMatch(sluice.stdout() + sluice.stderr(), token, 'the token is nowhere in what was written')
  const access = sluice.stdout().split('\n').filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>)
  t.match(access.map(({ path, status }) => `${String(path)} ${String(status)}`), ['/echo/hello 200', '/health 404'], 'the access log is on standard output')
})

test('start: with --json a line for each listener, the token from the environment, and it is never told', async (t) => {
  const cwd = tempDir(t)
  const token = 'a-token-of-the-operators-own-0123456789'
  writeFileSync(join(cwd, 'other.yaml'), CONFIG)
  const sluice = startSluice(t, ['start', '--json', '--log-level', 'debug'], { cwd, env: { SLUICE_CONFIG: 'other.yaml', SLUICE_ENV: 'staging', SLUICE_ADMIN_TOKEN: token } })
  const [data, admin] = [await sluice.port('data'), await sluice.port('admin')]
  const lines = sluice.stdout().trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>)
  t.strictSame(lines.map(({ pid: _, ...line }) => line), [
    { event: 'ready', listener: 'data', url: `http://127.0.0.1:${data}`, port: data, workers: 1 },
    { event: 'ready', listener: 'admin', url: `http://127.0.0.1:${admin}`, port: admin, workers: 1 }
  ])
  t.equal(lines[0]?.['pid'], sluice.pid)
  t.equal((await fetch(`http://127.0.0.1:${data}/staged/x`)).status, 200, 'SLUICE_ENV chose the overlay')
  t.equal((await fetch(`http://127.0.0.1:${data}/echo/x`)).status, 404)
  const status = await fetch(`http://127.0.0.1:${admin}/status`, { headers: { authorization: `Bearer ${token}` } })
  t.match(await status.json(), { config: { file: join(cwd, 'other.yaml'), environment: 'staging' } })
  await fetch(`http://127.0.0.1:${admin}/status`, { headers: { authorization: `Bearer ${token}x` } })
  sluice.kill('SIGINT')
  t.strictSame(await sluice.exited, { code: 0, signal: null }, 'Ctrl-C stops in order')
  t.notMatch(sluice.stdout() + sluice.stderr(), token)
})

test('start: the shipped configuration runs', async (t) => {
  const cwd = tempDir(t)
  const shipped = readFileSync(fileURLToPath(new URL('../../../../gateway.config.yaml', import.meta.url)), 'utf8')
  // Its fixed ports may be taken where the test runs.
  writeFileSync(join(cwd, 'gateway.config.yaml'), shipped.replace(/port: 808\d/g, 'port: 0'))
  const sluice = startSluice(t, ['start', '--json'], { cwd })
  const answer = await fetch(`http://127.0.0.1:${await sluice.port('data')}/echo/hello?x=1`)
  t.equal(answer.status, 200)
  t.match(await answer.json(), { method: 'GET', path: '/hello', query: 'x=1' })
})

test('start: a configuration that can not be used is exit code 1, with every finding', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'bad.yaml'), `listen: { port: 70000 }
projects:
  demo:
    upstrems: {}
    routes: [ { id: a, match: { path: "/a" }, upstream: echo } ]
`)
  const text = startSluice(t, ['start', '-c', 'bad.yaml'], { cwd })
  const json = startSluice(t, ['start', '-c', 'bad.yaml', '--json'], { cwd })
  const missing = startSluice(t, ['start', '-c', 'no.yaml'], { cwd })
  t.strictSame(await text.exited, { code: 1, signal: null })
  const findings = text.stderr().trim().split('\n')
  t.match(findings, [/bad\.yaml:1:\d+ listen\.port: /, /bad\.yaml:4:5 projects\.demo\.upstrems: .*did you mean "upstreams"/, /bad\.yaml:5:\d+ projects\.demo\.routes\[0\]\.upstream: /])
  t.equal(findings.length, 3)
  t.equal(text.stdout(), '')
  t.strictSame(await json.exited, { code: 1, signal: null })
  t.match(JSON.parse(json.stdout()), { event: 'refused', findings: [{ path: ['listen', 'port'] }, { position: { line: 4, column: 5 } }, {}] })
  t.equal((await missing.exited).code, 1)
  t.match(missing.stderr(), 'no.yaml')
})

test('start: an environment that there is not is exit code 1', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), CONFIG)
  const sluice = startSluice(t, ['start', '--env', 'stagin'], { cwd })
  t.equal((await sluice.exited).code, 1)
  t.match(sluice.stderr(), 'there is no environment "stagin" (did you mean "staging"?)')
})

test('start: a wrong call is exit code 2 and says what is wrong', async (t) => {
  const cwd = tempDir(t)
  const calls: [string[], RegExp, Record<string, string>?][] = [
    [['start', '--port', '70000'], /A port is 0 to 65535/],
    [['start', '--workers', 'many'], /Write 1 to 1024, or auto/],
    [['start', '--log-level', 'loud'], /Allowed choices are debug, info, warn, error, silent/],
    [['start'], /SLUICE_LOG_LEVEL.*Allowed choices/, { SLUICE_LOG_LEVEL: 'loud' }],
    [['start', '--prot', '1'], /unknown option '--prot'/],
    [['strat'], /unknown command 'strat'/]
  ]
  await Promise.all(calls.map(async ([args, message, env = {}]) => {
    const sluice = startSluice(t, args, { cwd, env })
    t.strictSame(await sluice.exited, { code: 2, signal: null }, args.join(' '))
    t.match(sluice.stderr(), message)
  }))
})

test('start: a port that is taken is named, and so is what to do', async (t) => {
  const cwd = tempDir(t)
  const holder = createServer().listen(0, '127.0.0.1')
  t.teardown(() => { holder.close() })
  await once(holder, 'listening')
  const { port } = holder.address() as AddressInfo
  writeFileSync(join(cwd, 'gateway.config.yaml'), CONFIG)
  writeFileSync(join(cwd, 'admin.yaml'), CONFIG.replace('admin: { host: 127.0.0.1, port: 0 }', `admin: { host: 127.0.0.1, port: ${port} }`))
  for (const args of [['start', '--port', String(port)], ['start', '--port', String(port), '--workers', '2'], ['start', '-c', 'admin.yaml']]) {
    const sluice = startSluice(t, args, { cwd })
    t.strictSame(await sluice.exited, { code: 1, signal: null }, args.join(' '))
    t.match(sluice.stderr(), `127.0.0.1:${port} is taken (`)
    t.notMatch(sluice.stderr(), /\n {4}at /, 'no stack')
  }
})

test('start: a token that is weak, or in a file that others can read, is refused', async (t) => {
  const cwd = tempDir(t)
  writeFileSync(join(cwd, 'gateway.config.yaml'), CONFIG.replace('admin: { host: 127.0.0.1, port: 0 }', 'admin: { host: 127.0.0.1, port: 0, tokenFile: ./token }'))
  const weak = startSluice(t, ['start'], { cwd, env: { SLUICE_ADMIN_TOKEN: 'short' } })
  t.equal((await weak.exited).code, 1)
  t.match(weak.stderr(), 'SLUICE_ADMIN_TOKEN is not a usable token')
  writeFileSync(join(cwd, 'token'), 'sat_0123456789012345678901234567890123456789\n')
  chmodSync(join(cwd, 'token'), 0o644)
  const open = startSluice(t, ['start'], { cwd })
  t.equal((await open.exited).code, 1)
  t.match(open.stderr(), /token is open to others, mode 0644 \(chmod 600 it/)
  t.notMatch(open.stderr(), 'sat_0123')
})

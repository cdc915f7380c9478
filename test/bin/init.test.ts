import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { init } from '../../bin/commands/init.js'
import { DEMO } from '../../bin/templates/demo.js'
import { TEMPLATES } from '../../bin/templates/index.js'
import { keepTerminal, runCli, startCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

test('init: writes a configuration that check passes and start runs', async (t) => {
  const folder = tempDir(t)
  const written = await runCli(t, ['init', 'gateway'], { cwd: folder })
  t.match(written, { code: 0, stderr: '', stdout: /^wrote gateway\/gateway\.config\.yaml\n\nNext:\n {2}cd gateway && sluice start\n/ })
  const cwd = join(folder, 'gateway')
  t.match(await runCli(t, ['check'], { cwd }), { code: 0, stdout: 'gateway.config.yaml: 1 project, 2 routes: no findings\n' })
  t.match(await runCli(t, ['check', '--env', 'production'], { cwd }), { code: 0 })

  const file = join(cwd, 'gateway.config.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('port: 8081', 'port: 0'))
  const child = startCli(t, ['start', '--port', '0', '--json', '--log-level', 'error'], { cwd })
  let url = ''
  for await (const line of createInterface(child.stdout)) {
    const ready = JSON.parse(line) as { event: string, listener: string, url: string }
    t.equal(ready.event, 'ready')
    if (ready.listener === 'data') { url = ready.url; break }
  }
  const echoed = await fetch(`${url}/echo/hello?x=1`, { headers: { origin: 'http://localhost:3000' } })
  t.equal(echoed.status, 200)
  t.equal(echoed.headers.get('access-control-allow-origin'), 'http://localhost:3000')
  t.match(await echoed.json(), { method: 'GET', path: '/hello' })
  t.strictSame(await (await fetch(`${url}/version`)).json(), { name: 'demo', version: 1 })
  t.equal((await fetch(`${url}/health`)).status, 200)
  child.kill('SIGTERM')
  const [code] = await once(child, 'exit') as [number | null]
  t.equal(code, 0)
})

test('init: does not write over what is there, but with --force', async (t) => {
  const folder = tempDir(t)
  writeFileSync(join(folder, 'gateway.config.yaml'), 'mine: true\n')
  const refused = await runCli(t, ['init'], { cwd: folder })
  t.match(refused, { code: 1, stdout: '', stderr: 'sluice: gateway.config.yaml is there already (choose another folder, or write over it with --force)\n' })
  t.equal(readFileSync(join(folder, 'gateway.config.yaml'), 'utf8'), 'mine: true\n')
  t.equal((await runCli(t, ['init', '--force'], { cwd: folder })).code, 0)
  t.match(readFileSync(join(folder, 'gateway.config.yaml'), 'utf8'), /^# yaml-language-server: /)
})

test('init: --json says which file, or what is wrong', async (t) => {
  const folder = tempDir(t)
  const told = async (directory: string): Promise<[number, unknown]> => {
    const terminal = keepTerminal()
    const code = await init({ directory, template: DEMO, force: false, json: true }, terminal)
    t.equal(terminal.out.length, 1)
    return [code, JSON.parse(terminal.out[0] ?? '')]
  }
  const file = join(folder, 'gateway.config.yaml')
  t.strictSame(await told(folder), [0, { ok: true, file, files: [file] }])
  t.strictSame(await told(folder), [1, { ok: false, findings: [{ path: [], message: `${file} is there already`, remedy: 'choose another folder, or write over it with --force', position: null }] }])
  writeFileSync(join(folder, 'file'), '')
  t.match(await told(join(folder, 'file')), [1, { ok: false, findings: [{ message: /file is in the way/ }] }])
  mkdirSync(join(folder, 'taken', 'gateway.config.yaml'), { recursive: true })
  t.match(await told(join(folder, 'taken')), [1, { ok: false }])
})

test('init: check passes what every template writes, in each of its environments', async (t) => {
  const folder = tempDir(t)
  for (const { name, files } of TEMPLATES) {
    const written = await runCli(t, ['init', name, '--template', name], { cwd: folder })
    t.match(written, { code: 0, stderr: '' }, name)
    const cwd = join(folder, name)
    for (const [path, text] of files) t.equal(readFileSync(join(cwd, path), 'utf8'), text, path)
    const environments = /^environments:\n(?<rest>[^]*)/m.exec(readFileSync(join(cwd, 'gateway.config.yaml'), 'utf8'))?.groups?.['rest'] ?? ''
    const named = [...environments.matchAll(/^ {2}(?<name>\w+):$/gm)].map((match) => match.groups?.['name'] ?? '')
    t.ok(named.length > 0, `${name} has environments`)
    for (const args of [[], ...named.map((environment) => ['--env', environment])]) t.match(await runCli(t, ['check', ...args], { cwd }), { code: 0, stdout: /no findings/ }, `${name} ${args.join(' ')}`)
  }
})

test('init: the orders template is an API and a gateway that serves both its versions', async (t) => {
  const cwd = join(tempDir(t), 'shop')
  t.match(await runCli(t, ['init', cwd, '--template', 'orders']), { code: 0 })
  const api = spawn(process.execPath, ['orders.mjs', '0'], { cwd, stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => { api.kill() })
  const [line] = await once(createInterface(api.stdout), 'line') as [string]
  const ordersUrl = line.replace('orders on ', '')
  const file = join(cwd, 'gateway.config.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('port: 8081', 'port: 0').replace('port: 8080', 'port: 0'))
  const child = startCli(t, ['start', '--json', '--log-level', 'error'], { cwd, env: { ORDERS_URL: ordersUrl } })
  let url = ''
  for await (const ready of createInterface(child.stdout)) {
    const { listener, url: at } = JSON.parse(ready) as { listener: string, url: string }
    if (listener === 'data') { url = at; break }
  }
  t.strictSame(await (await fetch(`${url}/api/v2/orders/1001`)).json(), { number: 1001, customer: 'Ada', totalCents: 780 })
  const before = await fetch(`${url}/api/v1/orders/1001`)
  t.strictSame([before.headers.get('sunset'), await before.json()], ['Fri, 31 Dec 2027 23:59:59 GMT', { id: 1001, name: 'Ada', total: 7.8 }])
  const made = await fetch(`${url}/api/orders`, { method: 'POST', body: JSON.stringify({ customer: 'Edsger', totalCents: 450 }), headers: { 'content-type': 'application/json' } })
  t.strictSame([made.status, await made.json()], [201, { number: 1003, customer: 'Edsger', totalCents: 450 }])
  child.kill('SIGTERM')
  await once(child, 'exit')
})

import { once } from 'node:events'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'tap'
import { init } from '../../bin/commands/init.js'
import { keepTerminal, runCli, startCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

test('init: writes a configuration that check passes and start runs', async (t) => {
  const folder = tempDir(t)
  const written = await runCli(t, ['init', 'gateway'], { cwd: folder })
  t.match(written, { code: 0, stderr: '', stdout: /^wrote gateway\/gateway\.config\.yaml\n\nNext:\n {2}sluice start -c gateway\/gateway\.config\.yaml\n/ })
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
    const code = await init({ directory, force: false, json: true }, terminal)
    t.equal(terminal.out.length, 1)
    return [code, JSON.parse(terminal.out[0] ?? '')]
  }
  const file = join(folder, 'gateway.config.yaml')
  t.strictSame(await told(folder), [0, { ok: true, file }])
  t.strictSame(await told(folder), [1, { ok: false, findings: [{ path: [], message: `${file} is there already`, remedy: 'choose another folder, or write over it with --force', position: null }] }])
  writeFileSync(join(folder, 'file'), '')
  t.match(await told(join(folder, 'file')), [1, { ok: false, findings: [{ message: /file is in the way/ }] }])
  mkdirSync(join(folder, 'taken', 'gateway.config.yaml'), { recursive: true })
  t.match(await told(join(folder, 'taken')), [1, { ok: false }])
})

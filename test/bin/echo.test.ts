import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { connect } from 'node:net'
import { test } from 'tap'
import { runCli, startCli } from '../fixtures/cli.js'

test('echo: runs alone, says where, and ends in order on a signal', async (t) => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const child = startCli(t, ['echo', '--port', '0'])
    const [line] = await once(createInterface(child.stdout), 'line') as [string]
    const url = /^sluice: echo listens on (http:\/\/127\.0\.0\.1:\d+)$/.exec(line)?.[1] ?? ''
    const answer = await fetch(`${url}/some/path?x=1`, { method: 'POST', body: 'hello' })
    t.match(await answer.json(), { method: 'POST', path: '/some/path' })
    t.equal((await fetch(`${url}/status/418`)).status, 418)
    // What is under way does not hold it up.
    const { port, hostname } = new URL(url)
    const waiting = connect(Number(port), hostname)
    await once(waiting, 'connect')
    waiting.on('error', () => undefined)
    waiting.write('GET /delay/60000 HTTP/1.1\r\nHost: x\r\n\r\n')
    child.kill(signal)
    t.strictSame(await once(child, 'exit'), [0, null], signal)
  }
})

test('echo: --json gives the ready line as start does', async (t) => {
  const child = startCli(t, ['echo', '--port', '0', '--host', '127.0.0.1', '--json'])
  const [line] = await once(createInterface(child.stdout), 'line') as [string]
  const ready = JSON.parse(line)
  t.match(ready, { event: 'ready', listener: 'echo', url: /^http:\/\/127\.0\.0\.1:\d+$/, port: Number, pid: child.pid })
  t.equal((await fetch(`${ready.url}/`)).status, 200)

  const taken = await runCli(t, ['echo', '--port', String(ready.port)])
  t.match(taken, { code: 1, stdout: '', stderr: `sluice: 127.0.0.1:${ready.port} is taken (end the other process, or choose another port)\n` })
  const json = await runCli(t, ['echo', '--port', String(ready.port), '--json'])
  t.equal(json.code, 1)
  t.strictSame(JSON.parse(json.stdout), { ok: false, findings: [{ path: [], message: `127.0.0.1:${ready.port} is taken`, remedy: 'end the other process, or choose another port', position: null }] })
  t.match(await runCli(t, ['echo', '--host', '192.0.2.1']), { code: 1, stderr: /^sluice: can not listen on 192\.0\.2\.1: this machine has no such address \(choose one that it has, like 127\.0\.0\.1\)\n$/ })
})

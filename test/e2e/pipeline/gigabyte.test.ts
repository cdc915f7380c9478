import { writeFileSync } from 'node:fs'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { test } from 'tap'
import { rssBytesOf, startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createUpstream } from '../../fixtures/upstream.js'

const GIGABYTE = 1024 ** 3
const WARM_BYTES = 32 * 1024 ** 2
const LIMIT_MB = 30
const PIECE = Buffer.alloc(256 * 1024, 'x')

/** Writes that many bytes, no faster than they are taken. */
async function pour (to: NodeJS.WritableStream, bytes: number): Promise<void> {
  for (let sent = 0; sent < bytes; sent += PIECE.length) if (!to.write(PIECE)) await once(to, 'drain')
  to.end()
}

async function count (from: IncomingMessage): Promise<number> {
  let bytes = 0
  for await (const piece of from as AsyncIterable<Buffer>) bytes += piece.length
  return bytes
}

test('body modes: a gigabyte passes in either direction through plugins that want no body, and the gateway grows by less than 30 MB', { timeout: 120_000 }, async (t) => {
  const received: number[] = []
  const upstream = await createUpstream((req, res) => {
    if (req.method === 'GET') { void pour(res, Number(req.url?.slice(1))); return }
    void count(req).then((bytes) => { received.push(bytes); res.end() })
  }, { stream: true })
  t.teardown(() => upstream.close())
  const folder = tempDir(t)
  writeFileSync(join(folder, 'gateway.yaml'), `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
accessLog: false
plugins: [ security-headers, { cors: { origins: [ "*" ] } }, { headers: { response: { set: { x-passed: "yes" } } } } ]
projects: { p: { upstreams: { up: { targets: [ "${upstream.url}" ] } }, routes: [ { match: { path: "/*" }, upstream: up } ] } }
`)
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml', '--json'], { cwd: folder, env: { SLUICE_ADMIN_TOKEN: 'token-of-the-test' } })
  const [port, admin] = await Promise.all([sluice.port('data'), sluice.port('admin')])
  const rssMb = async (): Promise<number> => await rssBytesOf(admin, 'token-of-the-test') / 1024 / 1024
  const exchange = async (method: string, fields: Record<string, number>, bytes = GIGABYTE): Promise<number> => {
    const req = request({ host: '127.0.0.1', port, path: `/${bytes}`, method, headers: fields, agent: false })
    const answered = once(req, 'response') as Promise<[IncomingMessage]>
    if (method === 'GET') req.end()
    else await pour(req, bytes)
    const [res] = await answered
    t.equal(res.statusCode, 200)
    t.equal(res.headers['x-passed'], 'yes')
    return await count(res)
  }
  // The first bytes compile the code that passes them, and bring the heap to its working size.
  const cold = await rssMb()
  await exchange('GET', {}, WARM_BYTES)
  await exchange('POST', {}, WARM_BYTES)
  received.length = 0
  const before = await rssMb()
  let most = before
  const looking = setInterval(() => { void rssMb().then((now) => { most = Math.max(most, now) }, () => undefined) }, 200)
  t.equal(await exchange('GET', {}), GIGABYTE, 'down, chunked')
  const afterDown = most
  await exchange('POST', { 'content-length': GIGABYTE })
  clearInterval(looking)
  t.same(received, [GIGABYTE], 'up, with a length')
  most = Math.max(most, await rssMb())
  t.comment(`RSS ${cold.toFixed(0)} MB cold, ${before.toFixed(0)} MB before, at most ${afterDown.toFixed(0)} MB on the way down, at most ${most.toFixed(0)} MB in all`)
  t.ok(most - before < LIMIT_MB, `it grew by ${(most - before).toFixed(1)} MB`)
})

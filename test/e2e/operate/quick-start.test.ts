import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { createUpstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'

for (const workers of [1, 2]) {
  test(`quick start: one call makes a project and a key, which ${workers === 1 ? 'the process serves' : 'both workers serve'} within a second`, async (t) => {
    const upstream = await createUpstream((req, res) => { res.end(`upstream ${req.url}`) })
    t.teardown(() => upstream.close())
    const directory = t.testdir({ 'gateway.yaml': 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nprojects: { declared: { hosts: [ d.example ], upstreams: { u: { targets: [ "http://127.0.0.1:9" ] } }, routes: [ { match: { path: / }, upstream: u } ] } }\n' })
    const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--workers', String(workers), '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
    const port = await sluice.port('data')
    const adminPort = await sluice.port('admin')
    const admin = async (method: string, path: string, body?: object): Promise<{ status: number, json: Record<string, unknown> }> => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      return { status: answer.status, json: (answer.status === 204 ? {} : await answer.json()) as Record<string, unknown> }
    }
    const ask = async (host: string, key: string): Promise<string> => {
      const { responses: [answer] } = await sendRaw(port, `GET /a HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${key}\r\nConnection: close\r\n\r\n`, { settleMs: 0 })
      return `${answer?.status} ${String(answer?.body)}`
    }

    const made = await admin('POST', '/', { target_url: upstream.url })
    const madeAt = performance.now()
    t.equal(made.status, 201)
    const { url, api_key: key, project } = made.json as { url: string, api_key: string, project: { project_id: string } }
    t.equal(url, `http://${project.project_id}.localhost:${port}`)
    let askedAt = 0
    for (let row = 0; row < 4 * workers;) {
      const now = performance.now()
      const answer = await ask(new URL(url).host, key)
      if (answer !== '200 upstream /a') row = 0
      else if (++row === 1) askedAt = now
    }
    t.ok(askedAt - madeAt < 1_000, `served after ${(askedAt - madeAt).toFixed(0)} ms`)
    t.match(await ask(new URL(url).host, 'ak_live_wrong'), /^401/)

    const removed = await admin('DELETE', `/admin/projects/${project.project_id}`)
    t.ok(removed.status < 300, JSON.stringify(removed))
    const goneAt = performance.now()
    for (let row = 0; row < 4 * workers;) row = (await ask(new URL(url).host, key)).startsWith('404') ? row + 1 : 0
    t.ok(performance.now() - goneAt < 1_000, 'and gone as fast')
    t.match((await admin('GET', '/admin/projects/declared')).json, { project_id: 'declared' }, 'what a file declares is visible')
    sluice.kill('SIGTERM')
    t.same(await sluice.exited, { code: 0, signal: null })
  })
}

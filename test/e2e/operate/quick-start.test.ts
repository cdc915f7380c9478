import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { createUpstream } from '../../fixtures/upstream.js'

const TOKEN = 'a-token-of-some-length'

for (const workers of [1, 2]) {
  test(`quick start: one call makes a project and a key, which ${workers === 1 ? 'the process serves' : 'both workers serve'} and count from the answer on`, async (t) => {
    const upstream = await createUpstream((req, res) => { res.writeHead(req.url === '/missing' ? 404 : 200).end(`upstream ${req.url}`) })
    t.teardown(() => upstream.close())
    const directory = t.testdir({ 'gateway.yaml': 'listen: { host: 127.0.0.1, port: 0 }\nadmin: { port: 0 }\nprojects: { declared: { hosts: [ d.example ], upstreams: { u: { targets: [ "http://127.0.0.1:9" ] } }, routes: [ { match: { path: / }, upstream: u } ] } }\n' })
    const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--workers', String(workers), '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
    const port = await sluice.port('data')
    const adminPort = await sluice.port('admin')
    const admin = async (method: string, path: string, body?: object): Promise<{ status: number, json: Record<string, unknown> }> => {
      const answer = await fetch(`http://127.0.0.1:${adminPort}${path}`, { method, headers: { authorization: `Bearer ${TOKEN}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) }, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
      return { status: answer.status, json: (answer.status === 204 ? {} : await answer.json()) as Record<string, unknown> }
    }
    const ask = async (host: string, key: string, path = '/a'): Promise<string> => {
      const { responses: [answer] } = await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nX-API-Key: ${key}\r\nConnection: close\r\n\r\n`, { settleMs: 0 })
      return `${answer?.status} ${String(answer?.body)}`
    }

    const made = await admin('POST', '/', { target_url: upstream.url })
    t.equal(made.status, 201)
    const { url, api_key: key, project, key: { credential_id: keyId } } = made.json as { url: string, api_key: string, project: { project_id: string }, key: { credential_id: string } }
    t.equal(url, `http://${project.project_id}.localhost:${port}`)
    const requests = 8 * workers
    for (let index = 0; index < requests; index++) t.equal(await ask(new URL(url).host, key), '200 upstream /a', 'the line of curl works at once, on each worker')
    t.match(await ask(new URL(url).host, 'ak_live_wrong'), /^401/)
    t.match(await ask(new URL(url).host, key, '/missing'), /^404/)
    for (let counted = 0, until = performance.now() + 10_000; counted < requests + 1 && performance.now() < until;) counted = (await admin('GET', `/admin/api-keys/${keyId}/usage`)).json['requests'] as number
    const today = new Date().toISOString().slice(0, 10)
    t.match((await admin('GET', `/admin/api-keys/${keyId}/usage`)).json, { requests: requests + 1, errors: 1, data: [{ day: today, requests: requests + 1, errors: 1 }] }, 'what the key was used for is counted, over all workers')
    t.match((await admin('GET', `/admin/api-keys/${keyId}`)).json, { last_used_at: new RegExp(`^${today}T`) })

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

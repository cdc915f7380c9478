import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { rssBytesOf, startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createTunnelUpstream, frame, gone, openTunnel, type SocketReader } from '../../fixtures/web-socket.js'

const SOCKETS = 1_000
const LIMIT_KB = 50

test(`websocket: ${SOCKETS} idle sockets take at most ${LIMIT_KB} KB each`, { timeout: 60_000 }, async (t) => {
  const upstream = await createTunnelUpstream()
  t.teardown(() => upstream.close())
  const folder = tempDir(t)
  writeFileSync(join(folder, 'gateway.yaml'), `
listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
accessLog: false
projects: { p: { upstreams: { up: { targets: [ "${upstream.url}" ] } }, routes: [ { match: { path: "/*" }, upstream: up } ] } }
`)
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml', '--json'], { cwd: folder, env: { SLUICE_ADMIN_TOKEN: 'token-of-the-test' } })
  const [port, admin] = await Promise.all([sluice.port('data'), sluice.port('admin')])
  const rssKb = async (): Promise<number> => await rssBytesOf(admin, 'token-of-the-test') / 1024
  const openMany = async (count: number): Promise<SocketReader[]> => {
    const clients: SocketReader[] = []
    for (let from = 0; from < count; from += 50) clients.push(...await Promise.all(Array.from({ length: 50 }, () => openTunnel(port))))
    return clients
  }
  // Code is compiled and pools are filled before it is weighed.
  const warm = await openMany(50)
  for (const client of warm) client.socket.destroy()
  await Promise.all(warm.map(async (client) => { await gone(client.socket); await gone((await upstream.next()).socket) }))
  const before = await rssKb()
  const clients = await openMany(SOCKETS)
  const peers = await Promise.all(clients.map(() => upstream.next()))
  const ping = frame(9, Buffer.alloc(0))
  for (const peer of peers) peer.socket.write(ping)
  for (const client of clients) await client.take(ping.length)
  const each = (await rssKb() - before) / SOCKETS
  t.comment(`${each.toFixed(1)} KB per idle WebSocket (${SOCKETS} of them, two connections each)`)
  t.ok(each > 0 && each <= LIMIT_KB, `${each.toFixed(1)} KB each`)
  for (const client of clients) client.socket.destroy()
})

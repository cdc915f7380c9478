import { once } from 'node:events'
import { Agent, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { WebSocket, WebSocketServer } from 'ws'
import { startGateway } from '../../fixtures/gateway.js'
import { service } from '../../fixtures/services.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createAuthority } from '../../fixtures/tls.js'
import { until } from '../../fixtures/web-socket.js'

const { skip } = service('openssl')

test('websocket: a tunnel with TLS on both sides passes messages, and one that can not be verified is a 502', { skip }, async (t) => {
  const authority = createAuthority(tempDir(t))
  const front = authority.issue('front', ['front.test'])
  const back = authority.issue('back', ['back.test'])
  const server = createServer({ cert: back.cert, key: back.key })
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => { socket.on('message', (data) => { socket.send(data) }) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { for (const client of sockets.clients) client.terminate(); server.close() })
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const tls = { ca: authority.ca, cert: null, key: null, serverName: 'back.test', verify: true }
  const agent = new Agent({ ca: authority.ca, servername: 'front.test' })
  for (const [verified, serverName] of [[true, 'back.test'], [false, 'other.test']] as const) {
    const gateway = await startGateway(t, {
      upstreamUrl: url, upstream: { tls: { ...tls, serverName } }, routes: [{ path: '/*' }], redact: [],
      listen: { tls: { certificates: [{ hosts: [], certFile: front.certFile, keyFile: front.keyFile }], minVersion: 'TLSv1.2' } }
    })
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/`, { agent, headers: { host: 'front.test' } })
    if (verified) {
      await once(socket, 'open')
      const message = Buffer.alloc(300_000, 'x')
      socket.send(message)
      const [echoed] = await once(socket, 'message') as [Buffer]
      t.ok(echoed.equals(message))
      socket.close(1000)
      const [code] = await once(socket, 'close') as [number]
      t.equal(code, 1000)
    } else {
      const [error] = await once(socket, 'error') as [Error]
      t.match(error.message, /502/)
    }
    await until(() => gateway.accessLines.length === 1)
    t.match(JSON.parse(gateway.accessLines[0] ?? ''), { status: verified ? 101 : 502, scheme: 'https' })
  }
})

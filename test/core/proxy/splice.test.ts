import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { test, type Test } from 'tap'
import { splice } from '../../../core/proxy/splice.js'
import { Tunnels } from '../../../core/proxy/tunnels.js'

const NOTHING = Buffer.alloc(0)
const turn = (): Promise<void> => new Promise((resolve) => { setImmediate(resolve) })

/** A connection on loopback, both ends; neither ends by itself. */
async function pair (t: Test): Promise<{ near: Socket, far: Socket }> {
  const server: Server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const far = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [near] = await once(server, 'connection') as [Socket]
  far.on('error', () => {})
  t.teardown(() => { near.destroy(); far.destroy(); server.close() })
  return { near, far }
}

/** What `socket` gets up to its end. */
async function readAll (socket: Socket): Promise<number> {
  let length = 0
  socket.on('data', (chunk: Buffer) => { length += chunk.length })
  socket.resume()
  await once(socket, 'end')
  return length
}

test('splice: the end of a connection comes behind what it sent, however slowly the other takes that', async (t) => {
  for (const up of [false, true]) {
    const [client, upstream] = [await pair(t), await pair(t)]
    const open = new Tunnels()
    const counts = splice({ socket: client.near, head: NOTHING }, { socket: upstream.near, head: NOTHING }, { idleMs: 0, frames: false, open })
    const [from, to] = up ? [client, upstream] : [upstream, client]
    to.far.pause()
    let sent = 0
    // Small pieces up to the first that does not leave: nothing is paused yet, so the end is read with that piece still here.
    while (to.near.writableLength === 0) {
      sent += 4_000
      from.far.write(Buffer.alloc(4_000))
      while ((up ? counts.bytesUp : counts.bytesDown) < sent) await turn()
    }
    from.far.end()
    await once(from.near, 'end')
    from.near.destroy()
    await once(from.near, 'close')
    // What the slow one still says is nobody's, and does not cut off what it has not read.
    to.far.write('still here')
    t.equal(await readAll(to.far), sent, up ? 'upwards' : 'downwards')
    to.far.end()
    await once(to.near, 'close')
    t.equal(open.size, 0)
    t.equal(up ? counts.bytesDown : counts.bytesUp, 0)
  }
})

test('splice: a connection that breaks takes the other with it', async (t) => {
  const [client, upstream] = [await pair(t), await pair(t)]
  const open = new Tunnels()
  splice({ socket: client.near, head: NOTHING }, { socket: upstream.near, head: NOTHING }, { idleMs: 0, frames: false, open })
  client.far.resetAndDestroy()
  await once(upstream.near, 'close')
  t.equal(open.size, 0)
})

/**
 * A process of its own: keeps slow connections open to a gateway until it is ended. Half of them send a byte of a head each second, the others a
 * byte of a body; one that is cut off is opened again. Arguments: port, connections. Prints a line once all are open, and one each second.
 */
import { connect, type Socket } from 'node:net'

/** What the process prints, counted from its start. */
export interface SlowCrowd {
  event: 'ready' | 'slow'
  open: number
  /** Answers by status: 408 is what they should get. */
  answered: Record<string, number>
  /** Connections that were closed without an answer. */
  dropped: number
}

const [port, wanted] = process.argv.slice(2).map(Number) as [number, number]
const open = new Set<Socket>()
const answered: Record<string, number> = {}
let dropped = 0

function begin (slowBody: boolean): void {
  const socket = connect({ port, host: '127.0.0.1' })
  let status: string | null = null
  socket.on('connect', () => {
    open.add(socket)
    socket.write(slowBody ? 'POST /slow HTTP/1.1\r\nHost: slow\r\nContent-Length: 1000000\r\n\r\n' : 'GET /slow HTTP/1.1\r\nHost: slow\r\nX-Slow: ')
  })
  socket.on('data', (chunk) => { status ??= chunk.toString('latin1').slice(9, 12) })
  socket.on('error', () => {})
  socket.on('close', () => {
    open.delete(socket)
    if (status === null) dropped++
    else answered[status] = (answered[status] ?? 0) + 1
    setTimeout(begin, 10, slowBody)
  })
}

function say (event: SlowCrowd['event']): void {
  const message: SlowCrowd = { event, open: open.size, answered, dropped }
  console.log(JSON.stringify(message))
}

for (let i = 0; i < wanted; i++) begin(i % 2 === 1)
let ready = false
let turn = 0
// A tenth of them at a time: what they cost is spread over the second, as it would be with a thousand clients.
setInterval(() => {
  let at = 0
  for (const socket of open) if (at++ % 10 === turn) socket.write('x')
  turn = (turn + 1) % 10
  if (!ready && open.size >= wanted) {
    ready = true
    say('ready')
  } else if (ready && turn === 0) say('slow')
}, 100)

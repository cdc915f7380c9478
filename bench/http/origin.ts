/**
 * What every variant forwards to: answers each request with the same 110 bytes of JSON. It is no HTTP server: it takes each end of a
 * head for a GET and writes a buffer made beforehand, so that it costs a tenth of what any forwarder does and never is what is measured.
 * Prints a ready line.
 */
import { createServer, type AddressInfo } from 'node:net'

const body = JSON.stringify({ id: 4711, state: 'shipped', items: [{ sku: 'a-1', count: 2 }, { sku: 'b-2', count: 1 }], total: 99.5 }).padEnd(110)
const answer = Buffer.from(`HTTP/1.1 200 OK\r\nServer: origin\r\nDate: ${new Date().toUTCString()}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: keep-alive\r\n\r\n${body}`, 'latin1')
const END = '\r\n\r\n'

const server = createServer({ noDelay: true }, (socket) => {
  let tail = ''
  socket.on('data', (chunk) => {
    const text = tail + chunk.toString('latin1')
    let from = 0
    for (let end = text.indexOf(END); end !== -1; end = text.indexOf(END, from)) {
      socket.write(answer)
      from = end + END.length
    }
    tail = text.slice(from)
  })
  socket.on('error', () => {})
})
server.listen(0, '127.0.0.1', 4_096, () => {
  console.log(JSON.stringify({ event: 'ready', listener: 'origin', port: (server.address() as AddressInfo).port }))
})

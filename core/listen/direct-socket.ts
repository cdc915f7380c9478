import { Socket, type SocketConstructorOpts } from 'node:net'
import { readInto, SHARED_READS, type SocketReader } from '../lib/shared-reads.js'

/** What Node calls the thing that reads and writes; it is Node's own business, and where it is not found its own way is taken. */
interface Shell { _handle?: object | null }

/** A socket that is read as a stream, and what reads it. */
type Streaming = Socket & { [DATA]?: (chunk: Buffer) => void }

const DATA = Symbol('data')

/**
 * Has `reader` take what an accepted socket reads, and gives the socket that it is read from and written to. A plain one is opened anew around what Node
 * has accepted, since only then it can read into the shared buffer. TLS has buffers of its own.
 */
export function adopt (accepted: Socket, reader: SocketReader): Socket {
  const shell = accepted as Socket & Shell
  const handle = shell._handle
  if ('encrypted' in accepted || handle === null || handle === undefined) {
    const data = (chunk: Buffer): void => { reader.read(chunk, chunk.length, true) }
    ;(accepted as Streaming)[DATA] = data
    accepted.on('data', data)
    return accepted
  }
  shell._handle = null
  const socket = new Socket({ handle, allowHalfOpen: true, onread: SHARED_READS } as SocketConstructorOpts)
  readInto(socket, reader)
  // The server counts what it has accepted.
  socket.once('close', () => { accepted.destroy() })
  return socket
}

/** Has the socket read as any other does, from what was put back into it on. */
export function release (socket: Socket): void {
  readInto(socket, null)
  const data = (socket as Streaming)[DATA]
  if (data !== undefined) socket.off('data', data)
}

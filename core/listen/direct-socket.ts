import { Socket, type SocketConstructorOpts } from 'node:net'

/** Who takes what a socket has read. */
export interface SocketReader {
  /** The first `length` bytes; unless `kept`, they are overwritten afterwards. Returns false to read no more before the socket is resumed. */
  read (bytes: Buffer, length: number, kept: boolean): boolean
}

const READER = Symbol('reader')

interface ReadSocket extends Socket { [READER]?: SocketReader | null }

/** What Node calls the thing that reads and writes; it is Node's own business, and where it is not found its own way is taken. */
interface Shell { _handle?: object | null }

// One buffer serves every connection: it is read into, and taken by its reader, before anything else happens.
const shared = Buffer.allocUnsafeSlow(64 * 1024)

/** Node calls it as the socket's method. */
function onRead (this: ReadSocket, length: number, bytes: Uint8Array): boolean {
  const reader = this[READER]
  if (reader === null || reader === undefined) return this.push(Buffer.from(bytes.subarray(0, length)))
  return reader.read(bytes as Buffer, length, false)
}

/**
 * Has `reader` take what an accepted socket reads, and gives the socket that it is read from and written to. A plain one is opened anew around what Node
 * has accepted, since only then it can read into the shared buffer: a server's sockets allocate 64 KB for each read, and cost a stream's
 * bookkeeping on top. TLS has buffers of its own.
 */
export function adopt (accepted: Socket, reader: SocketReader): Socket {
  const shell = accepted as Socket & Shell
  const handle = shell._handle
  if ('encrypted' in accepted || handle === null || handle === undefined) {
    const data = (chunk: Buffer): void => { reader.read(chunk, chunk.length, true) }
    ;(accepted as ReadSocket & { [DATA]?: (chunk: Buffer) => void })[DATA] = data
    accepted.on('data', data)
    return accepted
  }
  shell._handle = null
  const socket: ReadSocket = new Socket({ handle, allowHalfOpen: true, onread: { buffer: shared, callback: onRead } } as SocketConstructorOpts)
  socket[READER] = reader
  // The server counts what it has accepted.
  socket.once('close', () => { accepted.destroy() })
  return socket
}

const DATA = Symbol('data')

/** Has the socket read as any other does, from what was put back into it on. */
export function release (socket: Socket): void {
  const read = socket as ReadSocket & { [DATA]?: (chunk: Buffer) => void }
  read[READER] = null
  if (read[DATA] !== undefined) socket.off('data', read[DATA])
}

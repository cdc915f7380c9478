import type { OnReadOpts, Socket } from 'node:net'

/** Who takes what a socket has read. */
export interface SocketReader {
  /** The first `length` bytes; unless `kept`, they are overwritten afterwards. Returns false to read no more before the socket is resumed. */
  read (bytes: Buffer, length: number, kept: boolean): boolean
}

const READER = Symbol('reader')

/** null = it reads as any other does; undefined = nobody has asked for anything yet. */
interface ReadSocket extends Socket { [READER]?: SocketReader | null }

/** Node calls it as the socket's method. */
function onRead (this: ReadSocket, length: number, bytes: Uint8Array): boolean {
  const reader = this[READER]
  if (reader === null) return this.push(Buffer.from(bytes.subarray(0, length)))
  if (reader !== undefined) return reader.read(bytes as Buffer, length, false)
  // An upstream that speaks before it is asked.
  this.destroy()
  return false
}

/**
 * For `new Socket` and `connect`: the socket reads into one buffer that serves every connection: it is read into, and taken by its reader, before
 * anything else happens. Sockets that read into buffers of their own allocate 64 KB for each read, and cost a stream's bookkeeping on top.
 */
export const SHARED_READS: OnReadOpts = { buffer: Buffer.allocUnsafeSlow(64 * 1024), callback: onRead as OnReadOpts['callback'] }

/** Hands what a socket opened with `SHARED_READS` reads from now on to `reader`; null = to whoever reads it as a stream. */
export function readInto (socket: Socket, reader: SocketReader | null): void {
  (socket as ReadSocket)[READER] = reader
}

/** Chunks below this come out of Node's own pool of small buffers, which costs less than keeping one. */
export const LARGE_BYTES = 16 * 1024
const BUFFER_BYTES = 64 * 1024
/** More are rarely out at a time: a chunk is mostly written before the next is read. */
const MOST_SPARE = 8

// A body of a gigabyte is 16 000 buffers, and what they leave behind grows the process by tens of megabytes before it is collected.
const spare: Buffer[] = []

/** A copy of the bytes from `from` to `to`, of 64 KB at most where it is to be given back. */
export function copyChunk (bytes: Buffer, from: number, to: number): Buffer {
  const chunk = takeChunk(to - from)
  bytes.copy(chunk, 0, from, to)
  return chunk
}

/** A buffer of that length; what is in it is left over from others. */
export function takeChunk (length: number): Buffer {
  if (length < LARGE_BYTES || length > BUFFER_BYTES) return Buffer.allocUnsafe(length)
  const whole = spare.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
  return length === BUFFER_BYTES ? whole : whole.subarray(0, length)
}

/** Gives a chunk back, which nobody holds any more. Only for what `copyChunk` and `takeChunk` gave. */
export function giveBackChunk (chunk: Buffer): void {
  if (chunk.buffer.byteLength === BUFFER_BYTES && chunk.length >= LARGE_BYTES && spare.length < MOST_SPARE) spare.push(Buffer.from(chunk.buffer))
}

/** Who gives chunks that may be given back to it. */
export interface ChunkLender {
  /** Nobody holds this chunk any more, nor a part of it. Need not be called. */
  giveBack (chunk: Buffer): void
}

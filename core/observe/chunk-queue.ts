/** No bytes. */
export const NOTHING = Buffer.alloc(0)

/** The most bytes that UTF-8 needs for one UTF-16 unit. */
const MAX_BYTES_PER_UNIT = 3
const MIN_SIZE = 16 * 1024

/**
 * Text on its way to a file, as the bytes it will be. A string that grows by one line at a time is a tree that lives through every
 * garbage collection until it is written; bytes in a buffer that is used again cost neither that nor the flattening.
 */
export class ChunkQueue {
  /** How many bytes wait. */
  bytes = 0
  readonly #size: number
  #filling: Buffer = NOTHING
  #used = 0
  #full: Buffer[] = []
  #spare: Buffer | null = null

  /** Chunks have room for twice this many bytes, so that one that is due can grow while another is written. */
  constructor (chunkBytes: number) {
    this.#size = Math.max(MIN_SIZE, chunkBytes * 2)
  }

  /** Adds a text, or bytes, and returns how many bytes it is. */
  add (text: string | Uint8Array): number {
    const most = typeof text === 'string' ? text.length * MAX_BYTES_PER_UNIT : text.length
    if (this.#used + most > this.#filling.length) this.#open(most)
    let added = most
    if (typeof text === 'string') added = this.#filling.write(text, this.#used)
    else this.#filling.set(text, this.#used)
    this.#used += added
    this.bytes += added
    return added
  }

  /** The oldest bytes, removed; none when nothing waits. They are good until they are given back. */
  take (): Buffer {
    if (this.#full.length === 0) this.#seal()
    const chunk = this.#full.shift() ?? NOTHING
    this.bytes -= chunk.length
    return chunk
  }

  /** Lets a chunk that was taken be filled again. */
  give (chunk: Buffer): void {
    if (chunk.buffer.byteLength === this.#size) this.#spare = Buffer.from(chunk.buffer)
  }

  #seal (): void {
    if (this.#used === 0) return
    this.#full.push(this.#filling.subarray(0, this.#used))
    this.#filling = NOTHING
    this.#used = 0
  }

  #open (bytes: number): void {
    this.#seal()
    if (bytes > this.#size) this.#filling = Buffer.allocUnsafeSlow(bytes)
    else {
      this.#filling = this.#spare ?? Buffer.allocUnsafeSlow(this.#size)
      this.#spare = null
    }
  }
}

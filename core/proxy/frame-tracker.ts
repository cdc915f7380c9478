/**
 * Knows where WebSocket frames end in a stream of bytes (RFC 6455 section 5.2) without touching them. Only lengths are read, so it works on
 * masked and unmasked frames, with any extension.
 */
export class FrameTracker {
  /** Bytes that the current frame still has; 0 while its head is being read. */
  private remaining = 0
  /** What is known of the head being read: how many bytes came, and how many it has. */
  private headBytes = 0
  private headLength = 2
  private extended = 0
  /** Where in the head the length ends. */
  private lengthEnd = 2

  /** Whether a frame may begin here. */
  get atBoundary (): boolean { return this.remaining === 0 && this.headBytes === 0 }

  /**
   * Follows the stream over `chunk`, or (with `stop`) to the first place in it where a frame ends. Returns how many bytes were
   * followed: less than the chunk's length only with `stop`.
   */
  follow (chunk: Uint8Array, stop = false): number {
    let at = 0
    while (at < chunk.length) {
      if (this.remaining > 0) {
        const taken = Math.min(this.remaining, chunk.length - at)
        this.remaining -= taken
        at += taken
        if (this.remaining === 0 && stop) return at
        continue
      }
      if (this.readHead(chunk[at] as number) && stop && this.atBoundary) return at + 1
      at++
    }
    return at
  }

  /** Takes one byte of a head; true when the head is complete. */
  private readHead (byte: number): boolean {
    const index = this.headBytes++
    if (index === 1) {
      const short = byte & 0x7f
      const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
      this.headLength = 2 + lengthBytes + ((byte & 0x80) === 0 ? 0 : 4)
      this.extended = lengthBytes === 0 ? short : 0
      this.lengthEnd = 2 + lengthBytes
    } else if (index > 1 && index < this.lengthEnd) this.extended = this.extended * 256 + byte
    if (index === 0 || this.headBytes < this.headLength) return false
    this.remaining = this.extended
    this.headBytes = 0
    this.headLength = 2
    return true
  }
}

const FIRST_BUCKETS = 1024

/** A 32-bit hash of a text (FNV-1a). Not for what somebody could choose to collide. */
export function hashText (text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash
}

/**
 * Finds slots of a table by a hash, several slots of one hash too. Numbers in typed arrays: a Map of a million texts would take ten
 * times the memory, and keep the texts. Whoever looks up compares the slots that come, since hashes collide.
 */
export class SlotIndex {
  #heads = new Int32Array(FIRST_BUCKETS).fill(-1)
  #next = new Int32Array(FIRST_BUCKETS)
  #hashes = new Int32Array(FIRST_BUCKETS)
  #count = 0

  /** Adds a slot, which is not in it yet. */
  add (slot: number, hash: number): void {
    if (slot >= this.#next.length) {
      const size = Math.max(slot + 1, this.#next.length * 2)
      this.#next = grown(this.#next, size)
      this.#hashes = grown(this.#hashes, size)
    }
    if (++this.#count > this.#heads.length) this.#spread()
    this.#hashes[slot] = hash
    this.#link(slot)
  }

  /** Takes a slot out that is in it. */
  remove (slot: number): void {
    const bucket = this.#bucketOf(this.#hashes[slot] as number)
    let at = this.#heads[bucket] as number
    if (at === slot) this.#heads[bucket] = this.#next[slot] as number
    else {
      while (this.#next[at] !== slot) at = this.#next[at] as number
      this.#next[at] = this.#next[slot] as number
    }
    this.#count--
  }

  /** A slot with this hash, or -1. */
  first (hash: number): number {
    return this.#from(this.#heads[this.#bucketOf(hash)] as number, hash)
  }

  /** The next slot with the same hash, or -1. */
  after (slot: number): number {
    return this.#from(this.#next[slot] as number, this.#hashes[slot] as number)
  }

  /** The hash that a slot was added with. */
  hashOf (slot: number): number { return this.#hashes[slot] as number }

  #from (start: number, hash: number): number {
    let slot = start
    while (slot !== -1 && this.#hashes[slot] !== hash) slot = this.#next[slot] as number
    return slot
  }

  #bucketOf (hash: number): number {
    // The upper bits of FNV-1a are the better ones.
    return (hash ^ (hash >>> 15)) & (this.#heads.length - 1)
  }

  #link (slot: number): void {
    const bucket = this.#bucketOf(this.#hashes[slot] as number)
    this.#next[slot] = this.#heads[bucket] as number
    this.#heads[bucket] = slot
  }

  #spread (): void {
    const before = this.#heads
    this.#heads = new Int32Array(before.length * 2).fill(-1)
    for (let slot of before) {
      while (slot !== -1) {
        const next = this.#next[slot] as number
        this.#link(slot)
        slot = next
      }
    }
  }
}

function grown (array: Int32Array<ArrayBuffer>, size: number): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(size)
  larger.set(array)
  return larger
}

import { timingSafeEqual } from 'node:crypto'
import type { AccountEntry, ConsumerEntry, PlanEntry, ProjectEntry } from './directory-entries.js'
import type { Limits } from './records.js'
import { hashText, SlotIndex } from './slot-index.js'

/** How long a digest is: SHA-256. */
const DIGEST_BYTES = 32
const FIRST_CAPACITY = 1024

const REVOKED = 1
const SIGNATURE = 2

/** A credential as it is put in. */
export interface CredentialRow {
  readonly id: string
  /** `hashText` of the key's prefix. */
  readonly prefixHash: number
  readonly digest: Uint8Array
  readonly pepper: string
  readonly account: AccountEntry
  readonly consumer: ConsumerEntry
  readonly project: ProjectEntry
  readonly plan: PlanEntry | null
  readonly revoked: boolean
  readonly requireSignature: boolean
  /** Milliseconds since 1970; Infinity = never. */
  readonly expiresAt: number
  readonly limits: Limits | null
  readonly networks: readonly string[]
}

/**
 * Credentials in columns: what a million of them costs is 32 bytes of digest, an id, and some numbers and references each. What few have
 * (limits, networks) stands beside. A slot stays a credential's until that is removed.
 */
export class CredentialTable {
  readonly #byId = new SlotIndex()
  readonly #byPrefix = new SlotIndex()
  #digests = Buffer.alloc(FIRST_CAPACITY * DIGEST_BYTES)
  #expiresAt = new Float64Array(FIRST_CAPACITY)
  #flags = new Uint8Array(FIRST_CAPACITY)
  #peppers = new Uint16Array(FIRST_CAPACITY)
  readonly #ids: (string | null)[] = []
  readonly #accounts: (AccountEntry | null)[] = []
  readonly #consumers: (ConsumerEntry | null)[] = []
  readonly #projects: (ProjectEntry | null)[] = []
  readonly #plans: (PlanEntry | null)[] = []
  readonly #limits = new Map<number, Limits>()
  readonly #networks = new Map<number, readonly string[]>()
  readonly #free: number[] = []
  readonly #scratch = Buffer.alloc(DIGEST_BYTES)
  /** Every pepper that a credential ever named, in the order in which they came. */
  readonly pepperIds: string[] = []

  get size (): number { return this.#ids.length - this.#free.length }

  /** The slot of a credential, or -1. */
  slotOf (id: string): number {
    let slot = this.#byId.first(hashText(id))
    while (slot !== -1 && this.#ids[slot] !== id) slot = this.#byId.after(slot)
    return slot
  }

  /** A slot whose key begins with a prefix of this hash, or -1; `afterPrefix` gives the others. */
  firstByPrefix (prefixHash: number): number { return this.#byPrefix.first(prefixHash) }
  afterPrefix (slot: number): number { return this.#byPrefix.after(slot) }

  id (slot: number): string { return this.#ids[slot] as string }
  account (slot: number): AccountEntry { return this.#accounts[slot] as AccountEntry }
  consumer (slot: number): ConsumerEntry { return this.#consumers[slot] as ConsumerEntry }
  project (slot: number): ProjectEntry { return this.#projects[slot] as ProjectEntry }
  plan (slot: number): PlanEntry | null { return this.#plans[slot] ?? null }
  limits (slot: number): Limits | null { return this.#limits.get(slot) ?? null }
  networks (slot: number): readonly string[] | null { return this.#networks.get(slot) ?? null }
  isFree (slot: number): boolean { return this.#ids[slot] === null }
  isRevoked (slot: number): boolean { return ((this.#flags[slot] as number) & REVOKED) !== 0 }
  needsSignature (slot: number): boolean { return ((this.#flags[slot] as number) & SIGNATURE) !== 0 }
  expiresAt (slot: number): number { return this.#expiresAt[slot] as number }
  /** Index in `pepperIds`. */
  pepper (slot: number): number { return this.#peppers[slot] as number }

  /** Some slot in the place of one that a prefix of this hash does not have, free or not; -1 = there are none. */
  decoyFor (prefixHash: number): number {
    const { length } = this.#ids
    return length === 0 ? -1 : (prefixHash >>> 0) % length
  }

  /** Whether a slot's digest is this one; takes the same time wherever they differ. */
  matches (slot: number, digest: Uint8Array): boolean {
    const digests = this.#digests
    const scratch = this.#scratch
    const from = slot * DIGEST_BYTES
    // Copied by hand: a view of the column would be an object for every look-up, and for 32 bytes a call of `copy` costs more than the loop.
    for (let at = 0; at < DIGEST_BYTES; at++) scratch[at] = digests[from + at] as number
    return timingSafeEqual(scratch, digest)
  }

  /** Puts a credential in, in the place of the one that has its id. Throws TypeError where the digest has another length than SHA-256's. */
  put (row: CredentialRow): void {
    if (row.digest.length !== DIGEST_BYTES) throw new TypeError(`the digest of credential ${row.id} has ${row.digest.length} bytes, not ${DIGEST_BYTES}`)
    let slot = this.slotOf(row.id)
    if (slot === -1) {
      slot = this.#free.pop() ?? this.#ids.length
      if (slot >= this.#flags.length) this.#grow()
      this.#ids[slot] = row.id
      this.#byId.add(slot, hashText(row.id))
    } else this.#byPrefix.remove(slot)
    this.#byPrefix.add(slot, row.prefixHash)
    this.#digests.set(row.digest, slot * DIGEST_BYTES)
    this.#expiresAt[slot] = row.expiresAt
    this.#flags[slot] = (row.revoked ? REVOKED : 0) | (row.requireSignature ? SIGNATURE : 0)
    this.#peppers[slot] = this.#pepperIndex(row.pepper)
    this.#accounts[slot] = row.account
    this.#consumers[slot] = row.consumer
    this.#projects[slot] = row.project
    this.#plans[slot] = row.plan
    if (row.limits === null) this.#limits.delete(slot)
    else this.#limits.set(slot, row.limits)
    if (row.networks.length === 0) this.#networks.delete(slot)
    else this.#networks.set(slot, row.networks)
  }

  /** Frees a slot. */
  remove (slot: number): void {
    this.#byId.remove(slot)
    this.#byPrefix.remove(slot)
    this.#ids[slot] = null
    this.#accounts[slot] = null
    this.#consumers[slot] = null
    this.#projects[slot] = null
    this.#plans[slot] = null
    this.#limits.delete(slot)
    this.#networks.delete(slot)
    this.#digests.fill(0, slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES)
    this.#free.push(slot)
  }

  /** Every credential, as it would be put in. */
  * rows (): IterableIterator<CredentialRow> {
    for (let slot = 0; slot < this.#ids.length; slot++) {
      if (this.#ids[slot] === null) continue
      yield {
        id: this.id(slot),
        prefixHash: this.#byPrefix.hashOf(slot),
        digest: this.#digests.subarray(slot * DIGEST_BYTES, (slot + 1) * DIGEST_BYTES),
        pepper: this.pepperIds[this.pepper(slot)] as string,
        account: this.account(slot),
        consumer: this.consumer(slot),
        project: this.project(slot),
        plan: this.plan(slot),
        revoked: this.isRevoked(slot),
        requireSignature: this.needsSignature(slot),
        expiresAt: this.expiresAt(slot),
        limits: this.limits(slot),
        networks: this.networks(slot) ?? []
      }
    }
  }

  #pepperIndex (pepper: string): number {
    const known = this.pepperIds.indexOf(pepper)
    return known === -1 ? this.pepperIds.push(pepper) - 1 : known
  }

  #grow (): void {
    const capacity = this.#flags.length * 2
    const digests = Buffer.alloc(capacity * DIGEST_BYTES)
    digests.set(this.#digests)
    this.#digests = digests
    const expiresAt = new Float64Array(capacity)
    expiresAt.set(this.#expiresAt)
    this.#expiresAt = expiresAt
    const flags = new Uint8Array(capacity)
    flags.set(this.#flags)
    this.#flags = flags
    const peppers = new Uint16Array(capacity)
    peppers.set(this.#peppers)
    this.#peppers = peppers
  }
}

import { createCipheriv, createDecipheriv, createHmac, randomBytes, timingSafeEqual, type KeyObject } from 'node:crypto'
import type { Sealed } from './records.js'
import type { SealedPlace } from './sealed-fields.js'

/** One key of a ring. A KeyObject, because printing or serialising one shows nothing of the key. */
export interface RingKey {
  /** 1 to 32 of `A-Z a-z 0-9 _ -`; no other key of the ring has it. */
  readonly id: string
  readonly createdAt: string
  /** 256 bits. */
  readonly key: KeyObject
}

/** Keys of one kind. */
export interface RingKeys {
  /** The id of the one that new values are made with. */
  readonly active: string
  /** Oldest first, never empty. */
  readonly keys: readonly RingKey[]
}

/** What a ring holds: keys that encrypt, and peppers that key digests. */
export interface RingContent {
  readonly encryption: RingKeys
  readonly peppers: RingKeys
}

/** A digest as records keep it. */
export interface Digest {
  /** HMAC-SHA-256 in base64url. */
  readonly digest: string
  readonly pepper_id: string
}

/** Why a value can not be opened, or a digest not be made. Never says anything of keys or of what they protect. */
export class KeyRingError extends Error {
  readonly reason: 'unknown_key' | 'not_sealed' | 'not_authentic'

  constructor (reason: KeyRingError['reason'], message: string) {
    super(message)
    this.name = 'KeyRingError'
    this.reason = reason
  }
}

/** Encrypts what has to be read back, and keys the digests of what only has to be compared. */
export interface KeyRing {
  /** Encrypts a text for one place of one tenant, with the active key. Two sealings of one text differ. */
  seal (customerId: string, place: SealedPlace, plaintext: string): Sealed
  /** What was sealed. Throws KeyRingError where its key is not in the ring, and where it was changed or sealed for another tenant or place. */
  open (customerId: string, place: SealedPlace, sealed: Sealed): string
  /** Whether another key than the active one sealed it. Throws KeyRingError where it is no sealed value. */
  needsRotation (sealed: Sealed): boolean
  /** The keyed digest of a text, by the active pepper or the one that is named. Throws KeyRingError where that is not in the ring. */
  digest (text: string, pepperId?: string): Digest
  /**
   * Whether a text is the one that a digest was made of; takes the same time wherever they differ. False where the pepper is not in the ring:
   * nobody can then know. `checkKeyRing` finds that at the start.
   */
  verify (text: string, digest: Digest): boolean
  /** What the ring holds now. */
  content (): RingContent
}

const FORMAT = 'sealed1'
const CIPHER = 'aes-256-gcm'
const NONCE_BYTES = 12
const TAG_BYTES = 16
const SEALED = /^sealed1\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]+)$/

/**
 * Makes a ring. `load` gives what it holds: it is asked before a new value is made and when a value names an unknown key, so that a process
 * which runs takes up what a rotation added. It must be cheap, must not throw, and gives the same object while nothing changed.
 *
 * Sealed values are `sealed1.KEY_ID.DATA`; DATA is nonce, ciphertext and tag in base64url. Nonces are 96 random bits (NIST SP 800-38D,
 * section 8.2.2: at most 2^32 values by one key).
 */
export function createKeyRing (load: () => RingContent): KeyRing {
  let content = load()
  let keys = byId(content.encryption)
  let peppers = byId(content.peppers)

  function refresh (): RingContent {
    const now = load()
    if (now !== content) {
      content = now
      keys = byId(content.encryption)
      peppers = byId(content.peppers)
    }
    return content
  }

  function keyOf (id: string): KeyObject {
    let key = keys.get(id)
    if (key === undefined) { refresh(); key = keys.get(id) }
    if (key === undefined) throw new KeyRingError('unknown_key', `the key ring has no key ${id}: bring back the ring that this was sealed with`)
    return key
  }

  function pepperOf (id: string): KeyObject | null {
    let pepper = peppers.get(id)
    if (pepper === undefined) { refresh(); pepper = peppers.get(id) }
    return pepper ?? null
  }

  function digest (text: string, pepperId: string = refresh().peppers.active): Digest {
    const pepper = pepperOf(pepperId)
    if (pepper === null) throw new KeyRingError('unknown_key', `the key ring has no pepper ${pepperId}: bring back the ring that the digest was made with`)
    return { digest: hmac(pepper, text).toString('base64url'), pepper_id: pepperId }
  }

  return {
    seal (customerId, place, plaintext) {
      const id = refresh().encryption.active
      const nonce = randomBytes(NONCE_BYTES)
      const cipher = createCipheriv(CIPHER, keyOf(id), nonce, { authTagLength: TAG_BYTES })
      cipher.setAAD(associatedData(id, customerId, place))
      const data = Buffer.concat([nonce, cipher.update(plaintext, 'utf8'), cipher.final(), cipher.getAuthTag()])
      return `${FORMAT}.${id}.${data.toString('base64url')}` as Sealed
    },
    open (customerId, place, sealed) {
      const { id, data } = takeApart(sealed)
      const decipher = createDecipheriv(CIPHER, keyOf(id), data.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES })
      decipher.setAAD(associatedData(id, customerId, place))
      decipher.setAuthTag(data.subarray(-TAG_BYTES))
      const plaintext = decipher.update(data.subarray(NONCE_BYTES, -TAG_BYTES))
      try {
        decipher.final()
      } catch {
        throw new KeyRingError('not_authentic', `what is kept in ${place.collection}.${place.field} was changed, or was sealed for another tenant or place, or by another key that was called ${id}`)
      }
      return plaintext.toString('utf8')
    },
    needsRotation: (sealed) => takeApart(sealed).id !== refresh().encryption.active,
    digest,
    verify (text, { digest: expected, pepper_id: pepperId }) {
      const pepper = pepperOf(pepperId)
      if (pepper === null) return false
      const wanted = Buffer.from(expected, 'base64url')
      const made = hmac(pepper, text)
      return wanted.length === made.length && timingSafeEqual(wanted, made)
    },
    content: refresh
  }
}

/** The id of the key that sealed a value. Throws KeyRingError where it is no sealed value. */
export function keyIdOf (sealed: Sealed): string {
  return takeApart(sealed).id
}

function byId ({ keys }: RingKeys): Map<string, KeyObject> {
  return new Map(keys.map(({ id, key }) => [id, key]))
}

function hmac (pepper: KeyObject, text: string): Buffer {
  return createHmac('sha256', pepper).update(text).digest()
}

/** JSON, so that no two lists of parts give the same bytes. */
function associatedData (keyId: string, customerId: string, { collection, field }: SealedPlace): Buffer {
  return Buffer.from(JSON.stringify([FORMAT, keyId, customerId, collection, field]))
}

function takeApart (sealed: string): { id: string, data: Buffer } {
  const [, id = '', text = ''] = SEALED.exec(sealed) ?? []
  const data = Buffer.from(text, 'base64url')
  // The last character of base64url has bits that decoding drops: only the one spelling that sealing gives is taken.
  if (data.length < NONCE_BYTES + TAG_BYTES || data.toString('base64url') !== text) throw new KeyRingError('not_sealed', 'this is not a sealed value, or was cut off or changed')
  return { id, data }
}

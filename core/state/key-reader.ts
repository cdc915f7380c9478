import { parseApiKey } from './api-key.js'
import { KeyRingError, type KeyRing } from './key-ring.js'

/** Reads API keys: key format and peppers, as far as looking one up needs them. */
export interface KeyReader {
  /** The prefix by which a key's record is looked up; null for what is no key. */
  prefixOf (key: string): string | null
  /** Keyed SHA-256 of the key, 32 bytes, by the pepper of that id; null where there is no such pepper. */
  digest (key: string, pepperId: string): Uint8Array | null
}

/** Reads the keys that this gateway makes, with the peppers of a ring. */
export function createKeyReader (ring: Pick<KeyRing, 'digest'>): KeyReader {
  return {
    prefixOf: (key) => parseApiKey(key)?.prefix ?? null,
    digest (key, pepperId) {
      try {
        return Buffer.from(ring.digest(key, pepperId).digest, 'base64url')
      } catch (error) {
        if (error instanceof KeyRingError) return null
        throw error
      }
    }
  }
}

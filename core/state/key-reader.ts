/** Reads API keys: key format and peppers, as far as looking one up needs them. */
export interface KeyReader {
  /** The prefix by which a key's record is looked up; null for what is no key. */
  prefixOf (key: string): string | null
  /** Keyed SHA-256 of the key, 32 bytes, by the pepper of that id; null where there is no such pepper. */
  digest (key: string, pepperId: string): Uint8Array | null
}

import { crc32 } from 'node:zlib'
import { isBase62, randomBase62, toBase62 } from '../lib/base62.js'

/** A secret that is shown once, and the beginning of it by which its record is found. */
export interface NewSecret {
  readonly text: string
  readonly prefix: string
}

/** What can be read off a key or token without the store. */
export interface ParsedSecret {
  /** As records keep it in `prefix`. */
  readonly prefix: string
}

/** What an API key is for, as its first characters tell. */
export type KeyMode = 'live' | 'test'

/** An API key's parts. */
export interface ParsedApiKey extends ParsedSecret {
  readonly mode: KeyMode
}

// 30 characters of base 62 are 178 bits, 43 are 256; 6 hold a CRC-32.
const RANDOM_CHARACTERS = 30
const HMAC_CHARACTERS = 43
const CHECKSUM_CHARACTERS = 6
const LOOK_UP_CHARACTERS = 8

const LIVE = 'ak_live_'
const TEST = 'ak_test_'
const TOKEN = 'st_'
const HMAC = 'sk_'

/**
 * Makes an API key: `ak_live_` (or `ak_test_`), 30 random characters of base 62, and a checksum of 6 over all of that, so that a key with a
 * typo is known offline and a scanner for leaked secrets can tell a real one.
 */
export function createApiKey (mode: KeyMode = 'live'): NewSecret {
  return create(mode === 'live' ? LIVE : TEST, RANDOM_CHARACTERS)
}

/**
 * Reads an API key; null for what can not be one. Compares nothing with a secret, and takes the same time for every text of a key's length
 * and beginning.
 */
export function parseApiKey (text: string): ParsedApiKey | null {
  const mode = text.startsWith(LIVE) ? 'live' : text.startsWith(TEST) ? 'test' : null
  const prefix = mode === null ? null : prefixOf(text, LIVE.length, RANDOM_CHARACTERS)
  return mode === null || prefix === null ? null : { mode, prefix }
}

/** Makes a token for the admin API, `st_...`, as `createApiKey` makes keys. */
export function createAdminToken (): NewSecret {
  return create(TOKEN, RANDOM_CHARACTERS)
}

/** Reads a token for the admin API as `parseApiKey` reads keys. */
export function parseAdminToken (text: string): ParsedSecret | null {
  const prefix = text.startsWith(TOKEN) ? prefixOf(text, TOKEN.length, RANDOM_CHARACTERS) : null
  return prefix === null ? null : { prefix }
}

/** Makes the secret that goes with a key for signing requests, `sk_...`: 256 bits and a checksum. It is kept sealed. */
export function createHmacSecret (): string {
  return create(HMAC, HMAC_CHARACTERS).text
}

/** Whether a text is a secret as `createHmacSecret` makes them, going by its form. */
export function isHmacSecret (text: string): boolean {
  return text.startsWith(HMAC) && prefixOf(text, HMAC.length, HMAC_CHARACTERS) !== null
}

function create (kind: string, characters: number): NewSecret {
  const body = `${kind}${randomBase62(characters)}`
  return { text: `${body}${checksumOf(body)}`, prefix: body.slice(0, kind.length + LOOK_UP_CHARACTERS) }
}

function prefixOf (text: string, kindLength: number, characters: number): string | null {
  const end = kindLength + characters
  // The length first: what hashes and scans then is as short as a key, whatever a client sends.
  if (text.length !== end + CHECKSUM_CHARACTERS) return null
  const valid = Number(isBase62(text.slice(kindLength))) & Number(!differ(text.slice(end), checksumOf(text.slice(0, end))))
  return valid === 1 ? text.slice(0, kindLength + LOOK_UP_CHARACTERS) : null
}

function checksumOf (body: string): string {
  return toBase62(crc32(body), CHECKSUM_CHARACTERS)
}

/** Whether two texts of the same length differ; looks at all of them. */
function differ (one: string, other: string): boolean {
  let bits = 0
  for (let at = 0; at < one.length; at++) bits |= one.charCodeAt(at) ^ other.charCodeAt(at)
  return bits !== 0
}
